//! A web service of four equal pods behind one address; each answers with its name.

use axum::{Router, routing::get};
use tokio::net::TcpListener;

#[metaparticle::containerize(ports = [8080], public, probes(readiness = "/health"))]
#[metaparticle::replicated(replicas = 4)]
#[tokio::main]
async fn main() -> std::io::Result<()> {
    let name = metaparticle::pod().map_or("a laptop".to_owned(), |pod| pod.name);
    let app = Router::new()
        .route("/", get(async move || format!("Hello from {name}!\n")))
        .route("/health", get(async || "ok"));
    let listener = TcpListener::bind("0.0.0.0:8080").await?;
    axum::serve(listener, app)
        .with_graceful_shutdown(metaparticle::shutdown())
        .await
}

//! A sharded service: each user belongs to one of three pods. Rendered only, until the router is there:
//! `cargo run --bin users -- metaparticle render`.

use axum::{Router, extract::Path, routing::get};
use tokio::net::TcpListener;

#[metaparticle::containerize(ports = [8080])]
#[metaparticle::sharded(shards = 3, key = "/users/{id}/…")]
#[tokio::main]
async fn main() -> std::io::Result<()> {
    let name = metaparticle::pod().map_or("a laptop".to_owned(), |pod| pod.name);
    let user = |Path(id): Path<String>| async move { format!("user {id}, served by {name}\n") };
    let app = Router::new().route("/users/{id}", get(user));
    let listener = TcpListener::bind("0.0.0.0:8080").await?;
    axum::serve(listener, app)
        .with_graceful_shutdown(metaparticle::shutdown())
        .await
}

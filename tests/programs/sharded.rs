//! A sharded service for the suites of the embedded cluster, which knows nothing of shards: it says which pod serves.

#![allow(clippy::print_stdout, reason = "programs may speak")]

use axum::{Router, extract::Path, response::IntoResponse, routing::get};

#[metaparticle::sharded(shards = 3, key = "/users/{id}/…", slots = 256, drain = 2)]
#[metaparticle::containerize(name = "suite-sharded", ports = [8080], on_exit = "delete")]
#[tokio::main]
async fn main() -> std::io::Result<()> {
    let pod = metaparticle::pod().map_or_else(String::new, |pod| pod.name);
    let answer = move |what: String| ([("x-served-by", pod.clone())], what);
    let any = answer.clone();
    let user = async move |Path(id): Path<String>| answer(id).into_response();
    let app = Router::new()
        .route("/users/{id}", get(user.clone()).post(user))
        .fallback(async move || any("no user".to_owned()).into_response());
    let listener = metaparticle::listen(8080).await?;
    println!("listening");
    axum::serve(listener, app)
        .with_graceful_shutdown(metaparticle::shutdown())
        .await
}

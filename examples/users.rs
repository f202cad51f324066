//! A sharded service: each user belongs to one of three pods, which answers with its name. POST counts a visit, GET tells
//! them. `main` knows nothing of shards; its store takes the token that the gate adds to each request, and refuses those of
//! former owners, so that no visit is lost or counted twice when users move. `METAPARTICLE_SHARDS=5 cargo run --bin users`

use axum::{
    Router,
    extract::{Path, State},
    http::{HeaderMap, Method, StatusCode},
    response::IntoResponse,
    routing::get,
};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client, api::PostParams};
use serde_json::{from_value, json};
use tokio::net::TcpListener;

type Error = Box<dyn std::error::Error + Send + Sync>;

#[metaparticle::containerize(ports = [8080])]
#[metaparticle::sharded(shards = 3, key = "/users/{id}/…")]
#[tokio::main]
async fn main() -> Result<(), Error> {
    let pod = metaparticle::pod().map_or("a laptop".to_owned(), |pod| pod.name);
    let store: Api<ConfigMap> = Api::default_namespaced(Client::try_default().await?);
    let user = async move |State(store), method, Path(user): Path<String>, headers| {
        let visits = match visits(&store, &method, &user, &headers).await {
            Ok(visits) => (StatusCode::OK, format!("{visits}\n")),
            Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")),
        };
        ([("x-served-by", pod)], visits).into_response()
    };
    let app = Router::new().route("/users/{id}", get(user.clone()).post(user));
    let listener = TcpListener::bind("0.0.0.0:8080").await?;
    axum::serve(listener, app.with_state(store))
        .with_graceful_shutdown(metaparticle::shutdown())
        .await?;
    Ok(())
}

/// One object a slot, which bears the token of the slot's last owner.
async fn visits(
    store: &Api<ConfigMap>,
    method: &Method,
    user: &str,
    headers: &HeaderMap,
) -> Result<u64, Error> {
    let header = |name| headers.get(name)?.to_str().ok()?.parse::<u64>().ok();
    let slot = header("x-metaparticle-slot").ok_or("this came past the gate")?;
    let token = header("x-metaparticle-token").ok_or("this came past the gate")?;
    let (name, params) = (format!("visits-{slot}"), PostParams::default());
    loop {
        let present = store.get_opt(&name).await?;
        let is_new = present.is_none();
        let empty = json!({ "metadata": { "name": name } });
        let mut object = present.map_or_else(|| from_value(empty), Ok)?;
        let annotations = object.metadata.annotations.get_or_insert_default();
        let last = annotations.insert("token".to_owned(), token.to_string());
        if last.is_some_and(|last| last.parse().is_ok_and(|last: u64| last > token)) {
            return Err("the user has another owner by now".into());
        }
        let counts = object.data.get_or_insert_default();
        let count = counts
            .get(user)
            .map_or(Ok(0), |count| count.parse::<u64>())?;
        if method != Method::POST {
            return Ok(count);
        }
        counts.insert(user.to_owned(), (count + 1).to_string());
        let written = match is_new {
            true => store.create(&params, &object).await,
            false => store.replace(&name, &params, &object).await, // only over what was read
        };
        match written {
            Ok(_) => return Ok(count + 1),
            Err(kube::Error::Api(refusal)) if refusal.code == 409 => {}
            Err(error) => return Err(error.into()),
        }
    }
}

//! How the client answers a registry that asks who it is.

use std::{fs, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use metaparticle::deploy::{
    image::{
        Error, Published,
        credentials::Places,
        publish_built,
        reference::Location,
        registry::{Registry as Client, RegistryError},
    },
    report::Report,
};
use serde_json::{Value, json};

use crate::{
    app, directory,
    fake::{Access, IDENTITY, PASSWORD, Registry, USER},
    program, request,
};

/// Places with one entry for `host`.
fn places(dir: &Path, host: &str, entry: &Value) -> Places {
    let file = dir.join("config.json");
    fs::write(&file, json!({ "auths": { host: entry } }).to_string()).unwrap();
    Places {
        docker: Some(file),
        ..Places::default()
    }
}

fn password(password: &str) -> Value {
    json!({ "auth": STANDARD.encode(format!("{USER}:{password}")) })
}

async fn publish_as(registry: &Registry, entry: &Value) -> Result<Published, Error> {
    let dir = directory();
    publish_built(
        &app(),
        &request(&format!("{}/demo", registry.host)),
        program("a", dir.path()),
        places(dir.path(), &registry.host, entry),
        &Report::capture(),
    )
    .await
}

#[tokio::test]
async fn password_is_sent_once_it_is_asked_for() {
    let registry = Registry::with(Access::Basic).await;
    assert!(
        publish_as(&registry, &password(PASSWORD))
            .await
            .unwrap()
            .pushed
    );
    let log = registry.take_log();
    assert_eq!(log[0], "HEAD /v2/demo/hello/manifests/0.1.0 401");
    assert!(
        log[1..].iter().all(|line| line.ends_with("+auth")),
        "{log:#?}"
    );
}

#[tokio::test]
async fn wrong_password_is_an_error_that_says_whose_it_is() {
    let registry = Registry::with(Access::Basic).await;
    let error = publish_as(&registry, &password("wrong")).await.unwrap_err();
    assert!(
        error.help().unwrap().contains("stored credentials"),
        "{error}"
    );
    // Asked, answered, refused: no repetition that could lock an account.
    assert_eq!(registry.take_log().len(), 2);
}

#[tokio::test]
async fn no_credentials_are_an_error_that_says_how_to_log_in() {
    let registry = Registry::with(Access::Basic).await;
    let error = publish_as(&registry, &json!({})).await.unwrap_err();
    let help = error.help().unwrap();
    assert!(
        help.contains(&format!("docker login {}", registry.host)),
        "{help}"
    );
    assert!(error.to_string().contains("demo/hello"), "{error}");
}

#[tokio::test]
async fn one_token_serves_all_requests() {
    let registry = Registry::with(Access::Token).await;
    assert!(
        publish_as(&registry, &password(PASSWORD))
            .await
            .unwrap()
            .pushed
    );
    let log = registry.take_log();
    let tokens = log.iter().filter(|line| line.starts_with("GET /token 200"));
    assert_eq!(tokens.count(), 1, "{log:#?}");
}

#[tokio::test]
async fn parallel_requests_share_one_token() {
    let registry = Registry::with(Access::Token).await;
    let dir = directory();
    let digest = registry.put_blob("demo/web", b"x").parse_digest();
    let places = places(dir.path(), &registry.host, &password(PASSWORD));
    let location = Location::parse(&format!("{}/demo/web", registry.host));
    let client = Client::new(location, places).unwrap();
    let all = (0..8).map(|_| client.has_blob(digest));
    assert!(
        futures::future::try_join_all(all)
            .await
            .unwrap()
            .iter()
            .all(|there| *there)
    );
    let log = registry.take_log();
    assert_eq!(
        log.iter().filter(|line| line.contains("/token")).count(),
        1,
        "{log:#?}"
    );
}

#[tokio::test]
async fn expired_token_is_replaced() {
    let registry = Registry::with(Access::Token).await;
    let dir = directory();
    let digest = registry.put_blob("demo/web", b"x").parse_digest();
    let places = places(dir.path(), &registry.host, &password(PASSWORD));
    let location = Location::parse(&format!("{}/demo/web", registry.host));
    let client = Client::new(location, places).unwrap();
    assert!(client.has_blob(digest).await.unwrap());
    registry.expire_tokens();
    assert!(client.has_blob(digest).await.unwrap());
}

#[tokio::test]
async fn identity_token_is_exchanged() {
    let registry = Registry::with(Access::Token).await;
    let entry = json!({ "auth": STANDARD.encode("<token>:"), "identitytoken": IDENTITY });
    assert!(publish_as(&registry, &entry).await.unwrap().pushed);
    let log = registry.take_log();
    assert!(log.iter().any(|line| line == "POST /token 200"), "{log:#?}");
}

#[tokio::test]
async fn refused_token_is_an_error_about_credentials() {
    let registry = Registry::with(Access::Token).await;
    let error = publish_as(&registry, &password("wrong")).await.unwrap_err();
    let Error::Registry(RegistryError::Unauthorized { identified, .. }) = error else {
        panic!("{error}");
    };
    assert!(identified);
}

#[tokio::test]
async fn storage_of_another_origin_gets_no_credentials() {
    let registry = Registry::with(Access::Basic).await;
    let storage = Registry::start().await;
    registry.store_at(&storage);
    // The manifest is refused, because the blobs went elsewhere; what counts is what the storage saw.
    publish_as(&registry, &password(PASSWORD))
        .await
        .unwrap_err();
    let log = storage.take_log();
    assert!(log.iter().any(|line| line.starts_with("PUT")), "{log:#?}");
    assert!(!log.iter().any(|line| line.contains("+auth")), "{log:#?}");
}

#[tokio::test]
async fn errors_hold_no_secret() {
    let registry = Registry::with(Access::Basic).await;
    let error = publish_as(&registry, &password("hunter2"))
        .await
        .unwrap_err();
    let encoded = STANDARD.encode(format!("{USER}:hunter2"));
    let text = format!("{error} {error:?}");
    assert!(
        !text.contains("hunter2") && !text.contains(&encoded),
        "{text}"
    );
}

trait ParseDigest {
    fn parse_digest(&self) -> metaparticle::deploy::image::digest::Digest;
}

impl ParseDigest for String {
    fn parse_digest(&self) -> metaparticle::deploy::image::digest::Digest {
        metaparticle::deploy::image::digest::Digest::parse(self).unwrap()
    }
}

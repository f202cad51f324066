//! Images that begin with another one.

use metaparticle::deploy::{
    image::{
        Error, Published, credentials::Places, digest::Digest, publish_built,
        registry::RegistryError,
    },
    report::Report,
};
use metaparticle_spec::ImageRef;
use metaparticle_tests::apps;
use serde_json::{Value, json};

use crate::{app_of, directory, dynamic_program, fake::Registry, request};

/// Puts a base image of amd64 and arm64 into a registry, as docker would have; the digest of its layer.
fn put_base(registry: &Registry, repository: &str) -> String {
    let layer = registry.put_blob(repository, b"layer of the base");
    let manifests: Vec<Value> = ["arm64", "amd64"]
        .iter()
        .map(|arch| {
            let config = json!({
                "architecture": arch,
                "os": "linux",
                "config": {
                    "Cmd": ["/bin/sh"],
                    "Entrypoint": null,
                    "Env": ["PATH=/base", "LANG=C.UTF-8"],
                    "Labels": { "org.opencontainers.image.vendor": "base" },
                    "User": "0",
                },
                "history": [{ "created_by": "base" }],
                "rootfs": { "type": "layers", "diff_ids": [Digest::of(b"archive of the base")] },
            });
            let config = config.to_string();
            let manifest = json!({
                "schemaVersion": 2,
                "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
                "config": {
                    "mediaType": "application/vnd.docker.container.image.v1+json",
                    "digest": registry.put_blob(repository, config.as_bytes()),
                    "size": config.len(),
                },
                "layers": [{
                    "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
                    "digest": layer,
                    "size": 17,
                }],
            });
            let digest = registry.put_manifest(repository, arch, &manifest);
            json!({
                "mediaType": manifest["mediaType"],
                "digest": digest,
                "size": manifest.to_string().len(),
                "platform": { "architecture": arch, "os": "linux" },
            })
        })
        .collect();
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.list.v2+json",
        "manifests": manifests,
    });
    registry.put_manifest(repository, "12", &index);
    layer
}

async fn publish_on(base: &str, repository: &str) -> Result<Published, Error> {
    let dir = directory();
    let mut spec = apps::hello();
    spec.base = Some(ImageRef::parse(base).unwrap());
    let program = dynamic_program(dir.path());
    let report = Report::capture();
    publish_built(
        &app_of(spec),
        &request(repository),
        program,
        Places::default(),
        &report,
    )
    .await
}

#[tokio::test]
async fn layers_of_a_base_are_copied_and_its_configuration_is_kept() {
    let (from, to) = (Registry::start().await, Registry::start().await);
    let layer = put_base(&from, "library/base");
    let base = format!("{}/library/base:12", from.host);
    let published = publish_on(&base, &format!("{}/demo", to.host))
        .await
        .unwrap();

    let manifest = to.manifest("demo/hello", &published.digest).unwrap();
    assert_eq!(
        manifest["annotations"]["org.opencontainers.image.base.name"],
        base
    );
    let layers = manifest["layers"].as_array().unwrap();
    assert_eq!(layers.len(), 2, "no layer of ours but the program's");
    assert_eq!(layers[0]["digest"], layer);
    assert_eq!(
        layers[0]["mediaType"],
        "application/vnd.oci.image.layer.v1.tar+gzip"
    );

    let config = to.blob("demo/hello", manifest["config"]["digest"].as_str().unwrap());
    let config: Value = serde_json::from_slice(&config.unwrap()).unwrap();
    assert_eq!(config["architecture"], "amd64");
    assert_eq!(
        config["config"]["Env"],
        json!(["PATH=/base", "LANG=C.UTF-8"])
    );
    assert_eq!(config["config"]["Entrypoint"], json!(["/app"]));
    assert_eq!(config["config"]["User"], "65532:65532");
    assert!(config["config"].get("Cmd").is_none());
    assert_eq!(
        config["config"]["Labels"]["org.opencontainers.image.vendor"],
        "base"
    );
    assert_eq!(config["rootfs"]["diff_ids"].as_array().unwrap().len(), 2);
    assert_eq!(config["history"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn layers_of_a_base_in_the_same_registry_are_not_copied() {
    let registry = Registry::start().await;
    let layer = put_base(&registry, "library/base");
    registry.take_log();
    let base = format!("{}/library/base:12", registry.host);
    publish_on(&base, &format!("{}/demo", registry.host))
        .await
        .unwrap();
    let log = registry.take_log();
    assert!(
        !log.iter()
            .any(|line| line.contains(&format!("GET /v2/library/base/blobs/{layer}"))),
        "{log:#?}"
    );
}

#[tokio::test]
async fn base_for_another_platform_is_refused() {
    let registry = Registry::start().await;
    put_base(&registry, "library/base");
    let base = format!("{}/library/base:arm64", registry.host);
    let error = publish_on(&base, &format!("{}/demo", registry.host))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("linux/arm64, not linux/amd64"),
        "{error}"
    );
}

#[tokio::test]
async fn base_that_is_not_there_is_an_error_of_its_registry() {
    let registry = Registry::start().await;
    let base = format!("{}/library/base:13", registry.host);
    let error = publish_on(&base, &format!("{}/demo", registry.host))
        .await
        .unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains("404") && error.contains("library/base"),
        "{error}"
    );
}

#[tokio::test]
async fn content_that_is_not_its_digest_is_refused() {
    let registry = Registry::start().await;
    let layer = put_base(&registry, "library/base");
    registry.put_manifest("library/base", &layer, &json!({ "mediaType": "forged" }));
    let base = format!("{}/library/base@{layer}", registry.host);
    let error = publish_on(&base, &format!("{}/demo", registry.host))
        .await
        .unwrap_err();
    let corrupt = matches!(error, Error::Registry(RegistryError::Corrupt { .. }));
    assert!(corrupt, "{error}");
}

//! What travels to a registry, and what does not.

use metaparticle::deploy::{
    image::{Error, credentials::Places, publish_built},
    report::{Event, Report},
};

use crate::{app, directory, dynamic_program, fake::Registry, program, publish, request};

#[tokio::test]
async fn pushed_image_is_whole_and_named_by_its_digest() {
    let (registry, dir) = (Registry::start().await, directory());
    let repository = format!("{}/demo", registry.host);
    let published = publish(&repository, program("a", dir.path()))
        .await
        .unwrap();
    assert!(published.pushed);
    assert_eq!(
        published.reference,
        format!("{}/demo/hello@{}", registry.host, published.digest)
    );
    let manifest = registry.manifest("demo/hello", &published.digest).unwrap();
    assert_eq!(
        registry.manifest("demo/hello", "0.1.0"),
        Some(manifest.clone())
    );
    let layers = manifest["layers"].as_array().unwrap();
    assert_eq!(layers.len(), 2);
    assert_eq!(
        published.size,
        layers
            .iter()
            .map(|layer| layer["size"].as_u64().unwrap())
            .sum::<u64>()
    );
}

#[tokio::test]
async fn unchanged_image_costs_one_head_and_no_more() {
    let (registry, dir) = (Registry::start().await, directory());
    let repository = format!("{}/demo", registry.host);
    let first = publish(&repository, program("a", dir.path()))
        .await
        .unwrap();
    registry.take_log();
    let again = publish(&repository, program("a", dir.path()))
        .await
        .unwrap();
    assert!(!again.pushed);
    assert_eq!((again.sent, &again.reference), (0, &first.reference));
    assert_eq!(
        registry.take_log(),
        ["HEAD /v2/demo/hello/manifests/0.1.0 200"]
    );
}

#[tokio::test]
async fn another_machine_finds_the_image_unchanged_too() {
    let registry = Registry::start().await;
    let repository = format!("{}/demo", registry.host);
    let mut pushed = Vec::new();
    for _ in 0..2 {
        let dir = directory();
        let published = publish(&repository, program("a", dir.path()))
            .await
            .unwrap();
        pushed.push(published.pushed);
    }
    assert_eq!(pushed, [true, false]);
}

#[tokio::test]
async fn changed_program_sends_its_layer_and_two_documents() {
    let (registry, dir) = (Registry::start().await, directory());
    let repository = format!("{}/demo", registry.host);
    publish(&repository, program("a", dir.path()))
        .await
        .unwrap();
    registry.take_log();
    publish(&repository, program("b", dir.path()))
        .await
        .unwrap();
    let log = registry.take_log();
    let puts: Vec<_> = log.iter().filter(|line| line.starts_with("PUT")).collect();
    assert_eq!(puts.len(), 3, "{log:#?}");
    assert!(
        log.last()
            .unwrap()
            .starts_with("PUT /v2/demo/hello/manifests/0.1.0 201"),
        "{log:#?}"
    );
}

#[tokio::test]
async fn tag_that_was_moved_is_moved_back_by_its_manifest_alone() {
    let (registry, dir) = (Registry::start().await, directory());
    let repository = format!("{}/demo", registry.host);
    publish(&repository, program("a", dir.path()))
        .await
        .unwrap();
    publish(&repository, program("b", dir.path()))
        .await
        .unwrap();
    registry.take_log();
    let back = publish(&repository, program("a", dir.path()))
        .await
        .unwrap();
    assert!(back.pushed);
    let writes: Vec<_> = registry
        .take_log()
        .into_iter()
        .filter(|line| !line.starts_with("HEAD"))
        .collect();
    assert_eq!(writes, ["PUT /v2/demo/hello/manifests/0.1.0 201"]);
}

#[tokio::test]
async fn system_layer_is_taken_from_another_repository_of_the_registry() {
    let (registry, dir) = (Registry::start().await, directory());
    publish(&format!("{}/one", registry.host), program("a", dir.path()))
        .await
        .unwrap();
    registry.take_log();
    publish(&format!("{}/two", registry.host), program("b", dir.path()))
        .await
        .unwrap();
    let log = registry.take_log();
    let count = |start: &str| log.iter().filter(|line| line.starts_with(start)).count();
    assert_eq!(
        count("POST /v2/two/hello/blobs/uploads/ 201"),
        1,
        "{log:#?}"
    );
    // Configuration and program.
    assert_eq!(count("PUT /v2/two/hello/blobs/uploads/"), 2, "{log:#?}");
}

#[tokio::test]
async fn declined_mount_becomes_an_upload() {
    let (registry, dir) = (Registry::start().await, directory());
    publish(&format!("{}/one", registry.host), program("a", dir.path()))
        .await
        .unwrap();
    registry.without_mounts();
    let published = publish(&format!("{}/two", registry.host), program("a", dir.path())).await;
    assert!(
        registry
            .manifest("two/hello", &published.unwrap().digest)
            .is_some()
    );
}

#[tokio::test]
async fn failure_for_a_moment_is_survived() {
    let (registry, dir) = (Registry::start().await, directory());
    for request in [
        "HEAD /v2/demo/hello/m",
        "POST",
        "PUT /v2/demo/hello/b",
        "PUT /v2/demo/hello/m",
    ] {
        registry.fail(request, 503, 1);
    }
    let published = publish(&format!("{}/demo", registry.host), program("a", dir.path())).await;
    assert!(published.unwrap().pushed);
}

#[tokio::test]
async fn lasting_failure_names_registry_repository_and_reason_and_leaves_no_manifest() {
    let (registry, dir) = (Registry::start().await, directory());
    registry.fail("PUT /v2/demo/hello/blobs", 500, usize::MAX);
    let error = publish(&format!("{}/demo", registry.host), program("a", dir.path()))
        .await
        .unwrap_err()
        .to_string();
    for part in [
        registry.host.as_str(),
        "demo/hello",
        "500",
        "the fake says no",
    ] {
        assert!(error.contains(part), "{error}");
    }
    assert!(registry.manifest("demo/hello", "0.1.0").is_none());
}

#[tokio::test]
async fn interrupted_upload_leaves_no_manifest() {
    let (registry, dir) = (Registry::start().await, directory());
    registry.hold("PUT /v2/demo/hello/blobs");
    let repository = format!("{}/demo", registry.host);
    tokio::select! {
        result = publish(&repository, program("a", dir.path())) => panic!("{result:?}"),
        () = registry.held() => {}
    }
    assert!(registry.manifest("demo/hello", "0.1.0").is_none());
}

#[tokio::test]
async fn refused_manifest_is_not_repeated() {
    let (registry, dir) = (Registry::start().await, directory());
    registry.fail("PUT /v2/demo/hello/manifests", 400, usize::MAX);
    publish(&format!("{}/demo", registry.host), program("a", dir.path()))
        .await
        .unwrap_err();
    let log = registry.take_log();
    let tries = log
        .iter()
        .filter(|line| line.contains("PUT /v2/demo/hello/manifests"));
    assert_eq!(tries.count(), 1, "{log:#?}");
}

#[tokio::test]
async fn nobody_listening_is_told_at_once_with_the_address() {
    let dir = directory();
    let host = Registry::start().await.host.clone();
    let error = publish(&format!("{host}/demo"), program("a", dir.path()))
        .await
        .unwrap_err();
    assert!(error.to_string().contains(&host), "{error}");
    assert!(
        error.help().unwrap().contains(&format!("http://{host}")),
        "{error}"
    );
}

#[tokio::test]
async fn damaged_memo_never_becomes_an_image() {
    let (registry, dir) = (Registry::start().await, directory());
    publish(&format!("{}/demo", registry.host), program("a", dir.path()))
        .await
        .unwrap();
    let memo = dir.path().join("image/hello-amd64-fast.json");
    let text = std::fs::read_to_string(&memo).unwrap();
    let digest = text.split("sha256:").nth(2).unwrap()[..64].to_owned();
    let other = digest.chars().rev().collect::<String>();
    std::fs::write(&memo, text.replace(&digest, &other)).unwrap();
    let repository = format!("{}/demo", registry.host);
    let error = publish(&repository, program("a", dir.path()))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Memo), "{error}");
    let again = publish(&repository, program("a", dir.path()))
        .await
        .unwrap();
    assert!(!again.pushed, "the second try works it out again");
}

#[tokio::test]
async fn what_needs_an_interpreter_is_refused_without_a_base() {
    let (registry, dir) = (Registry::start().await, directory());
    let repository = format!("{}/demo", registry.host);
    let error = publish(&repository, dynamic_program(dir.path()))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("/lib/ld.so"), "{error}");
    assert!(registry.take_log().is_empty());
}

#[tokio::test]
async fn program_of_another_processor_is_refused() {
    let (registry, dir) = (Registry::start().await, directory());
    let mut program = program("a", dir.path());
    program.content[18] = 183;
    let error = publish(&format!("{}/demo", registry.host), program)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::NotForPlatform { .. }), "{error}");
}

#[tokio::test]
async fn missing_repository_is_told_with_the_ways_to_name_one() {
    let dir = directory();
    let mut request = request("127.0.0.1:1/demo");
    request.repository = None;
    let report = Report::capture();
    let program = program("a", dir.path());
    let error = publish_built(&app(), &request, program, Places::default(), &report)
        .await
        .unwrap_err();
    assert!(
        error.help().unwrap().contains("METAPARTICLE_REPOSITORY"),
        "{error}"
    );
}

#[tokio::test]
async fn event_tells_what_was_published() {
    let (registry, dir) = (Registry::start().await, directory());
    let report = Report::capture();
    let request = request(&format!("{}/demo", registry.host));
    let program = program("a", dir.path());
    let published = publish_built(&app(), &request, program, Places::default(), &report)
        .await
        .unwrap();
    assert!(matches!(
        report.captured().as_slice(),
        [Event::Progress { .. }, Event::Image { reference, pushed: true, sent, .. }]
            if *reference == published.reference && *sent == published.sent && *sent > published.size
    ));
}

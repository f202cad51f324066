//! The main job: `cargo run --bin web`, twice.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};

use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    Api,
    api::{DynamicObject, ListParams},
    discovery::{Discovery, Scope},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    harness::{Namespace, run, transcript, workspace},
    up::Up,
};

#[tokio::test]
async fn web_ends_with_four_ready_pods_and_an_unchanged_second_run_changes_nothing() {
    let namespace = Namespace::create("web").await;
    let up = ["run", "--quiet", "--bin", "web"];
    run(namespace.cargo(workspace(), &up), 0).await;

    let deployment = namespace
        .api::<Deployment>()
        .get("web")
        .await
        .expect("the deployment");
    assert_eq!(
        deployment.status.and_then(|status| status.ready_replicas),
        Some(4)
    );
    let pod = deployment
        .spec
        .and_then(|spec| spec.template.spec)
        .expect("a pod template");
    let image = pod.containers[0].image.clone().unwrap_or_default();
    assert!(image.contains("@sha256:"), "deployed by digest: {image}");

    let pods = namespace.pods("web").await;
    assert_eq!(pods.len(), 4);
    let before = settled(&namespace).await;
    assert!(
        before.len() >= 10,
        "the snapshot sees what is there: {before:?}"
    );
    let writes = registry_writes(&namespace.name);
    assert!(
        writes.is_none_or(|writes| writes > 0),
        "the first run's uploads are in the registry's log"
    );

    let second = run(namespace.cargo(workspace(), &up), 0).await;
    assert_eq!(namespace.pods("web").await, pods);
    assert_eq!(snapshot(&namespace).await, before);
    assert_eq!(
        registry_writes(&namespace.name),
        writes,
        "an unchanged image is not uploaded again"
    );
    assert!(
        transcript(&second).contains("unchanged"),
        "{}",
        transcript(&second)
    );
    namespace.delete().await;
}

#[tokio::test]
async fn its_own_port_forward_reaches_at_least_two_pods() {
    let namespace = Namespace::create("forward").await;
    let command = namespace.cargo(workspace(), &["run", "--quiet", "--bin", "web", "--"]);
    let mut up = Up::start(command, &["--port-forward"]);
    let url = up.until("forwarded").await["url"].clone();
    let address = url.as_str().and_then(|url| url.strip_prefix("http://"));
    let address = address.expect("an address").to_owned();
    let mut pods = BTreeSet::new();
    for _ in 0..20 {
        let answer = get(&address).await.expect("answered");
        let name = answer
            .rsplit_once("Hello from ")
            .expect("the example's answer")
            .1;
        pods.insert(name.trim_end_matches("!\n").to_owned());
    }
    println!("20 requests were answered by {} pods", pods.len());
    assert!(pods.len() >= 2, "{pods:?}");
    let running: BTreeSet<_> = namespace
        .pods("web")
        .await
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert!(pods.is_subset(&running), "{pods:?} of {running:?}");
    up.interrupt();
    up.ended_within(Duration::from_secs(1)).await;
    namespace.delete().await;
}

/// The whole answer to one request on a connection of its own.
async fn get(address: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET / HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

/// `kind/name -> resourceVersion` of everything in the namespace but Events, and Pods, whose status the kubelet writes
/// when it likes: they are compared by uid.
async fn snapshot(namespace: &Namespace) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let discovery = Discovery::new(namespace.client.clone())
        .run()
        .await
        .expect("discovery");
    for (resource, capabilities) in discovery
        .groups()
        .flat_map(kube::discovery::ApiGroup::recommended_resources)
    {
        if capabilities.scope != Scope::Namespaced
            || !capabilities.supports_operation("list")
            || ["Event", "Pod"].contains(&resource.kind.as_str())
        {
            continue;
        }
        let api: Api<DynamicObject> =
            Api::namespaced_with(namespace.client.clone(), &namespace.name, &resource);
        for object in api
            .list(&ListParams::default())
            .await
            .expect("listed")
            .items
        {
            let name = object.metadata.name.unwrap_or_default();
            found.insert(
                format!("{}/{name}", resource.kind),
                object.metadata.resource_version.unwrap_or_default(),
            );
        }
    }
    found
}

/// The snapshot once the controllers have stopped writing: equal twice, two seconds apart.
async fn settled(namespace: &Namespace) -> BTreeMap<String, String> {
    let mut last = snapshot(namespace).await;
    for _ in 0..30 {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let next = snapshot(namespace).await;
        if next == last {
            return next;
        }
        last = next;
    }
    panic!("the namespace did not settle within a minute: {last:?}");
}

/// How many writes to repositories of this namespace the registry has logged; `None` where its log is not given.
fn registry_writes(namespace: &str) -> Option<usize> {
    let log = PathBuf::from(std::env::var_os("METAPARTICLE_TEST_REGISTRY_LOG")?);
    let log = std::fs::read_to_string(log).expect("the registry's log is readable");
    let wrote = |line: &&str| {
        line.contains(&format!("/v2/{namespace}/"))
            && ["PUT", "POST", "PATCH"]
                .iter()
                .any(|verb| line.contains(verb))
    };
    Some(log.lines().filter(wrote).count())
}

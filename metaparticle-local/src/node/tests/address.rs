//! Addresses and ports of pods.

use std::{
    io::Write as _,
    net::{SocketAddr, TcpListener},
};

use tokio::io::AsyncReadExt as _;

use super::*;

/// A port that is free on all addresses.
pub(super) fn free_port() -> u16 {
    let free = TcpListener::bind("0.0.0.0:0").unwrap();
    free.local_addr().unwrap().port()
}

/// A container that runs a function of this file.
pub(super) fn server(function: &str, port: u16) -> Value {
    let name = format!("{}::{function}", module_path!().split_once("::").unwrap().1);
    json!({"containers": [{
        "name": "main", "image": "myself", "args": ["--exact", name, "--ignored", "--nocapture"],
        "env": [
            {"name": "LISTEN_PORT", "value": port.to_string()},
            {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        ],
        "ports": [{"containerPort": port}],
        "readinessProbe": {"tcpSocket": {"port": port}},
    }]})
}

fn serve(address: SocketAddr) {
    let listener = TcpListener::bind(address).unwrap();
    for stream in listener.incoming() {
        // A probe does not wait for an answer.
        let _ = write!(stream.unwrap(), "{}", env::var("POD").unwrap());
    }
}

#[test]
#[ignore = "a program of the tests below"]
fn fixed() {
    let port: u16 = env::var("LISTEN_PORT").unwrap().parse().unwrap();
    serve(([0, 0, 0, 0], port).into());
}

#[test]
#[ignore = "a program of the tests below"]
fn obedient() {
    let variable = format!("METAPARTICLE_PORT_{}", env::var("LISTEN_PORT").unwrap());
    let port: u16 = env::var(variable).unwrap().parse().unwrap();
    let ip = env::var("METAPARTICLE_LISTEN_ADDRESS").unwrap();
    serve((ip.parse::<IpAddr>().unwrap(), port).into());
}

impl Fixture {
    /// What a pod answers on a port.
    async fn ask(&self, pod: &str, port: u16) -> String {
        let mut stream = self.kubelet().dial("default", pod, port).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }
}

fn shared(config: &mut NodeConfig) {
    config.addresses = Addresses::Shared;
}

#[tokio::test]
async fn four_pods_listen_on_one_fixed_port_each_at_its_own_address() {
    let fixture = Fixture::new().await;
    if fixture.node.shares_address() {
        return skip("seccomp notification is refused here");
    }
    let (port, names) = (free_port(), ["a", "b", "c", "d"]);
    let start = Instant::now();
    for name in names {
        fixture.create(name, server("fixed", port));
    }
    let mut addresses = Vec::new();
    for name in names {
        let pod = fixture.ready(name).await;
        addresses.push(pod["status"]["podIP"].as_str().unwrap().to_owned());
        assert_eq!(fixture.ask(name, port).await, name);
    }
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "{:?}",
        start.elapsed()
    );
    addresses.sort();
    addresses.dedup();
    assert_eq!(addresses.len(), 4);
}

#[tokio::test]
async fn two_nodes_have_different_addresses() {
    let (one, other) = (Fixture::new().await, Fixture::new().await);
    if one.node.shares_address() {
        return skip("seccomp notification is refused here");
    }
    assert_ne!(one.node.address(), other.node.address());
}

#[tokio::test]
async fn pods_that_share_an_address_listen_where_they_are_told() {
    let fixture = Fixture::with(shared).await;
    assert!(fixture.node.shares_address());
    let (port, names) = (free_port(), ["a", "b", "c", "d"]);
    for name in names {
        fixture.create(name, server("obedient", port));
    }
    for name in names {
        fixture.ready(name).await;
        assert_eq!(fixture.ask(name, port).await, name);
    }
}

#[tokio::test]
async fn a_second_pod_with_a_fixed_port_is_refused_where_pods_share_an_address() {
    let fixture = Fixture::with(shared).await;
    let port = free_port();
    fixture.create("first", server("fixed", port));
    fixture.ready("first").await;
    fixture.create("second", server("fixed", port));
    let failed = |pod: &Value| first(pod)["lastState"]["terminated"].is_object();
    let pod = fixture.until("second", "refused", failed).await;
    let message = &first(&pod)["lastState"]["terminated"]["message"];
    let advice = format!("let the program listen with metaparticle::listen({port})");
    assert!(message.as_str().unwrap().contains(&advice), "{message}");
    let events = fixture.events("second");
    assert!(events.iter().any(|it| it.0 == "PortTaken"), "{events:?}");
    assert_eq!(fixture.ask("first", port).await, "first");
}

#[tokio::test]
async fn of_pods_at_once_with_a_fixed_port_each_loser_is_told_where_they_share_an_address() {
    let fixture = Fixture::with(shared).await;
    let (port, names) = (free_port(), ["b", "c", "d"]);
    // The one that is given the port is slow, so that another one takes it.
    let mut slow = server("fixed", port);
    let container = &mut slow["containers"][0];
    let args = container["args"].as_array().unwrap();
    let args: Vec<_> = args.iter().map(|it| it.as_str().unwrap()).collect();
    let program = env::current_exe().unwrap();
    let script = format!("sleep 1; exec {} {}", program.display(), args.join(" "));
    container["args"] = json!(["-c", script]);
    container["image"] = "sh".into();
    fixture.create("a", slow);
    fixture.phase("a", "Running").await;
    for name in names {
        fixture.create(name, server("fixed", port));
    }
    let advice = format!("let the program listen with metaparticle::listen({port})");
    let ended = |pod: &Value| {
        let states = [&first(pod)["lastState"], &first(pod)["state"]];
        let mut messages = states
            .iter()
            .filter_map(|it| it["terminated"]["message"].as_str());
        messages.any(|it| it.contains(&advice))
    };
    let event = |name, reason| {
        let events = fixture.events(name);
        events
            .iter()
            .any(|it| it.0 == reason && it.1.contains(&advice))
    };
    fixture.until("a", "told", ended).await;
    assert!(event("a", "PortTaken"));
    for name in names {
        // The one that took the port runs on, and is not found where it was told to be.
        let told = |pod: &Value| ended(pod) || event(name, "Unhealthy");
        fixture.until_within(30, name, "told", told).await;
        assert!(event(name, "PortTaken"));
    }
}

#[tokio::test]
async fn a_port_that_another_program_has_on_all_addresses_is_moved_and_found() {
    let fixture = Fixture::new().await;
    if fixture.node.shares_address() {
        return skip("seccomp notification is refused here");
    }
    let other = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = other.local_addr().unwrap().port();
    for name in ["a", "b"] {
        fixture.create(name, server("fixed", port));
    }
    for name in ["a", "b"] {
        let pod = fixture.ready(name).await;
        assert_eq!(first(&pod)["restartCount"], 0);
        assert_eq!(fixture.ask(name, port).await, name);
        let events = fixture.events(name);
        let said = events.iter().filter(|it| it.0 == "PortMoved");
        assert_eq!(said.count(), 1, "{events:?}");
    }
}

#[tokio::test]
async fn a_pod_sees_who_and_where_it_is_and_nothing_of_the_parent() {
    let fixture = Fixture::with(|config| config.kubeconfig = Some("/tmp/kubeconfig".into())).await;
    let script = "
        [ \"$HOSTNAME $METAPARTICLE_LISTEN_ADDRESS\" = \"web $IP\" ] || exit 1
        [ \"$KUBECONFIG\" = /tmp/kubeconfig ] || exit 2
        [ -d \"$METAPARTICLE_VOLUMES\" ] || exit 3
        [ -z \"$CARGO_MANIFEST_DIR\" ] || exit 4";
    assert!(env::var("CARGO_MANIFEST_DIR").is_ok(), "the parent has it");
    let mut spec = once(script);
    let ip = json!({"fieldRef": {"fieldPath": "status.podIP"}});
    spec["containers"][0]["env"] = json!([{"name": "IP", "valueFrom": ip}]);
    fixture.create("web", spec);
    let over = |pod: &Value| first(pod)["state"]["terminated"].is_object();
    let pod = fixture.until("web", "over", over).await;
    assert_eq!(first(&pod)["state"]["terminated"]["exitCode"], 0);
}

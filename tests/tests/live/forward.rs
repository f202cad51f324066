//! Port-forward: connections spread over ready pods, and survive those that go.
//!
//! On a fake: no real kubelet breaks a connection in the middle of an answer, or refuses one, when a test says so.

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

use metaparticle::deploy::{
    forward::{Forward, serve},
    report::{Event, Report},
};
use metaparticle_spec::Port;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::{
    fake::{Fake, NAMESPACE},
    kubelet::Program,
};

const LONG: Duration = Duration::from_secs(60);

struct Rig {
    fake: Fake,
    report: Report,
    forward: Forward,
}

impl Rig {
    async fn start(pods: &[(&str, Program)]) -> Self {
        let fake = Fake::start().await;
        for (name, program) in pods {
            set(&fake, name, *program, true);
        }
        // A free port, so that tests do not meet.
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = Port::from_number(free.local_addr().unwrap().port().into()).unwrap();
        drop(free);
        let report = Report::capture();
        let forward = serve(&fake.client, NAMESPACE, "app=web", &[port.into()], &report)
            .await
            .unwrap();
        Self {
            fake,
            report,
            forward,
        }
    }

    fn address(&self) -> SocketAddr {
        self.forward.addresses()[0].local
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address()).await.unwrap()
    }

    /// What is answered to a message on a connection of its own.
    async fn ask(&self, message: &str) -> String {
        let mut stream = self.connect().await;
        say(&mut stream, message).await
    }
}

fn set(fake: &Fake, name: &str, program: Program, ready: bool) {
    fake.change(|known| known.programs.insert(name.into(), program));
    let ready = if ready { "True" } else { "False" };
    fake.put(
        "pods",
        json!({
            "metadata": {"name": name, "labels": {"app": "web"}},
            "status": {"conditions": [{"type": "Ready", "status": ready}]},
        }),
    );
}

async fn say(stream: &mut TcpStream, message: &str) -> String {
    stream.write_all(message.as_bytes()).await.unwrap();
    hear(stream).await
}

async fn hear(stream: &mut TcpStream) -> String {
    let mut buffer = [0; 4096];
    let n = timeout(LONG, stream.read(&mut buffer))
        .await
        .expect("answered");
    String::from_utf8_lossy(&buffer[..n.unwrap_or(0)]).into_owned()
}

#[tokio::test]
async fn connections_are_spread_over_the_ready_pods() {
    let rig = Rig::start(&[("a", Program::Echo), ("b", Program::Echo)]).await;
    let mut answers = BTreeSet::new();
    for _ in 0..4 {
        answers.insert(rig.ask("hi").await);
    }
    assert_eq!(answers, ["a:hi".to_owned(), "b:hi".to_owned()].into());
}

#[tokio::test]
async fn a_connection_stays_with_its_pod() {
    let rig = Rig::start(&[("a", Program::Echo), ("b", Program::Echo)]).await;
    let mut stream = rig.connect().await;
    let first = say(&mut stream, "x").await;
    for _ in 0..5 {
        assert_eq!(say(&mut stream, "x").await, first);
    }
}

#[tokio::test]
async fn a_program_that_speaks_first_is_heard() {
    let rig = Rig::start(&[("a", Program::Greets)]).await;
    assert_eq!(hear(&mut rig.connect().await).await, "a!");
}

#[tokio::test]
async fn a_pod_that_does_not_take_it_gives_way_to_the_next() {
    for bad in [Program::Refuses, Program::Unreachable] {
        let rig = Rig::start(&[("a", bad), ("b", Program::Echo)]).await;
        for _ in 0..4 {
            assert_eq!(rig.ask("hi").await, "b:hi");
        }
    }
}

#[tokio::test]
async fn pods_that_are_replaced_give_way_to_the_new_ones() {
    let rig = Rig::start(&[("a", Program::Echo)]).await;
    assert_eq!(rig.ask("hi").await, "a:hi");
    rig.fake.delete("pods", "a");
    rig.fake.change(|known| known.programs.remove("a"));
    rig.fake.forget();
    set(&rig.fake, "b", Program::Echo, true);
    assert_eq!(rig.ask("hi").await, "b:hi");
}

#[tokio::test]
async fn a_connection_is_held_until_a_pod_is_ready() {
    let rig = Rig::start(&[]).await;
    set(&rig.fake, "a", Program::Echo, false);
    let mut stream = rig.connect().await;
    stream.write_all(b"hi").await.unwrap();
    rig.fake
        .until(|known| known.requests.iter().any(|uri| uri.contains("watch=true")))
        .await;
    set(&rig.fake, "a", Program::Echo, true);
    assert_eq!(hear(&mut stream).await, "a:hi");
}

#[tokio::test]
async fn a_pod_that_is_not_ready_is_not_asked() {
    let rig = Rig::start(&[("a", Program::Echo)]).await;
    assert_eq!(rig.ask("hi").await, "a:hi");
    set(&rig.fake, "b", Program::Echo, false);
    for _ in 0..3 {
        assert_eq!(rig.ask("hi").await, "a:hi");
    }
}

#[tokio::test]
async fn what_the_client_said_before_its_end_is_answered() {
    let rig = Rig::start(&[("a", Program::Once)]).await;
    let mut stream = rig.connect().await;
    stream.write_all(b"hi").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    let read = timeout(LONG, stream.read_to_string(&mut answer)).await;
    read.unwrap().unwrap();
    assert_eq!(answer, "a:hi");
}

#[tokio::test]
async fn the_end_of_the_program_ends_the_connection() {
    let rig = Rig::start(&[("a", Program::Once)]).await;
    let mut stream = rig.connect().await;
    stream.write_all(b"hi").await.unwrap();
    let mut answer = Vec::new();
    timeout(LONG, stream.read_to_end(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(answer, b"a:hi");
}

#[tokio::test]
async fn a_connection_that_breaks_is_not_taken_for_one_that_ends() {
    let rig = Rig::start(&[("a", Program::Breaks)]).await;
    let mut stream = rig.connect().await;
    stream.write_all(b"hi").await.unwrap();
    let mut answer = Vec::new();
    let read = timeout(LONG, stream.read_to_end(&mut answer))
        .await
        .unwrap();
    assert!(read.is_err(), "{answer:?}");
}

#[tokio::test]
async fn much_passes_both_ways_unharmed() {
    let rig = Rig::start(&[("a", Program::Echo)]).await;
    let (mut from, mut to) = rig.connect().await.into_split();
    let bytes: Vec<u8> = (0..2_000_000_u32).map(|n| (n % 251) as u8).collect();
    let expected = bytes.clone();
    let send = async move {
        to.write_all(&bytes).await.unwrap();
        to
    };
    let receive = async move {
        let mut received: Vec<u8> = Vec::new();
        // Each message of the echo begins with `a:`, which the pattern does not hold.
        while received.len() < expected.len() {
            let mut buffer = vec![0; 65_536];
            let n = from.read(&mut buffer).await.unwrap();
            assert!(n > 0, "ended early");
            received.extend_from_slice(&buffer[..n]);
            received = without(&received, b"a:");
        }
        assert!(received == expected, "changed on the way");
    };
    timeout(LONG, async { tokio::join!(send, receive) })
        .await
        .unwrap();
}

/// Bytes 97 and 58 in this order are in no run of increasing numbers; a half at the end is left for the next time.
fn without(bytes: &[u8], mark: &[u8]) -> Vec<u8> {
    let mut rest = bytes;
    let mut out = Vec::with_capacity(bytes.len());
    while let Some(at) = rest.windows(mark.len()).position(|window| window == mark) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at + mark.len()..];
    }
    out.extend_from_slice(rest);
    out
}

#[tokio::test]
async fn a_taken_port_is_said_and_another_given() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let number = taken.local_addr().unwrap().port();
    let fake = Fake::start().await;
    let report = Report::capture();
    let port = Port::from_number(number.into()).unwrap();
    let forward = serve(&fake.client, NAMESPACE, "app=web", &[port.into()], &report)
        .await
        .unwrap();
    let local = forward.addresses()[0].local;
    assert_ne!(local.port(), number);
    let said = report.captured();
    let text = format!("port {number} is taken on this machine; it is forwarded from {local}");
    let forwarded = Event::Forwarded {
        port: number,
        url: format!("http://{local}"),
    };
    assert_eq!(said, [Event::note(text), forwarded]);
}

#[tokio::test]
async fn udp_is_left_out_and_said() {
    let fake = Fake::start().await;
    let report = Report::capture();
    let port = Port::parse("dns:5353/udp").unwrap();
    let forward = serve(&fake.client, NAMESPACE, "app=web", &[port.into()], &report)
        .await
        .unwrap();
    assert!(forward.addresses().is_empty());
    assert_eq!(report.captured().len(), 1);
    assert!(fake.requests("").is_empty());
}

#[tokio::test]
async fn dropping_it_closes_ports_and_connections() {
    let rig = Rig::start(&[("a", Program::Echo)]).await;
    let mut stream = rig.connect().await;
    assert_eq!(say(&mut stream, "x").await, "a:x");
    let address = rig.address();
    drop(rig.forward);
    assert_eq!(hear(&mut stream).await, "");
    assert!(TcpStream::connect(address).await.is_err());
    let said = rig.report.captured();
    assert!(
        matches!(said[..], [Event::Forwarded { .. }]),
        "only where the port is: {said:?}"
    );
}

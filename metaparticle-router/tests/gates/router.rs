//! A gate before no application, and what every gate answers itself.

use metaparticle_protocol::Token;
use metaparticle_router::{Config, Gate, KeySource, Place, READY_PATH, Unmatched};

use crate::{
    app::named,
    client::{connect, get, header},
    fake::{Process, gate, slot},
};

#[tokio::test]
async fn a_gate_says_itself_that_it_is_ready() {
    let app = named("a").await;
    let process = Process::new("a");
    let keys = KeySource::path("/{id}/…").unwrap();
    let mut config = Config::default();
    config.unmatched = Unmatched::NotFound;
    let gate = Gate::builder(process, app.address, keys, config)
        .start("127.0.0.1:0".parse().unwrap())
        .unwrap();
    // Two on a connection: the first leaves it usable.
    let mut client = connect(gate.address()).await;
    for _ in 0..2 {
        let response = client.get(READY_PATH).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.body(), "");
    }
    assert_eq!(client.get("/other").await.status(), 503);
}

#[tokio::test]
async fn a_router_sends_requests_with_a_key_to_its_owner_and_others_to_all() {
    let apps = [named("a").await, named("b").await];
    let processes = ["a", "b"].map(Process::new);
    let gates: Vec<_> = processes
        .iter()
        .zip(&apps)
        .map(|(process, app)| gate(process, app.address, Config::default()))
        .collect();
    let knows = Process::new("router");
    for key in 0..10 {
        let owner = key as usize % 2;
        if key == 3 {
            knows.sees(slot(key), Place::Nobody);
            continue;
        }
        processes[owner].serves(slot(key), 5);
        let peer = processes[owner].peer(gates[owner].address());
        knows.sees(slot(key), Place::Peer(peer, Token(5)));
    }
    knows.with_session(None);
    let keys = KeySource::path("/users/{id}/*").unwrap();
    let router = Gate::router(knows, keys, Config::default())
        .start("127.0.0.1:0".parse().unwrap())
        .unwrap();
    for key in (0..10).filter(|key| *key != 3) {
        let response = get(router.address(), &format!("/users/{key}")).await;
        assert_eq!(header(&response, "x-served-by"), ["a", "b"][key % 2]);
    }
    let mut served = Vec::new();
    for _ in 0..9 {
        let response = get(router.address(), "/health").await;
        assert_eq!(response.status(), 200, "{response:?}");
        served.push(header(&response, "x-served-by").to_owned());
    }
    assert!(
        ["a", "b"]
            .iter()
            .all(|pod| served.iter().any(|it| it == pod)),
        "{served:?}"
    );
}

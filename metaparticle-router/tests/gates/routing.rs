//! Requests reach the owner of their key, and nobody else.

use http::Request;
use metaparticle_protocol::Token;
use metaparticle_router::{Config, Place};

use crate::{
    app::named,
    client::{connect, get, header},
    fake::{Process, gate, slot},
};

#[tokio::test]
async fn a_slot_that_is_served_here_goes_to_the_application_of_this_process() {
    let app = named("a").await;
    let process = Process::new("a");
    process.serves(slot(3), 7);
    let gate = gate(&process, app.address, Config::default());

    let response = get(gate.address(), "/users/3/cart?x=1").await;
    assert_eq!(response.status(), 200);
    assert_eq!(header(&response, "x-served-by"), "a");
    let body = response.body();
    assert!(body.starts_with("a GET /users/3/cart?x=1 0\n"), "{body}");
    assert!(body.contains("x-metaparticle-slot: 3\n"), "{body}");
    assert!(body.contains("x-metaparticle-token: 7\n"), "{body}");
    assert!(body.contains("x-forwarded-for: 127.0.0.1\n"), "{body}");
}

#[tokio::test]
async fn each_key_reaches_its_owner_through_every_gate_with_one_hop_at_most() {
    let apps = [named("a").await, named("b").await, named("c").await];
    let processes = ["a", "b", "c"].map(Process::new);
    let gates: Vec<_> = processes
        .iter()
        .zip(&apps)
        .map(|(process, app)| gate(process, app.address, Config::default()))
        .collect();
    for key in 0..9 {
        let owner = key as usize % 3;
        for (index, process) in processes.iter().enumerate() {
            if index == owner {
                process.serves(slot(key), 5);
            } else {
                let peer = processes[owner].peer(gates[owner].address());
                process.sees(slot(key), Place::Peer(peer, Token(5)));
            }
        }
    }
    for gate in &gates {
        let mut client = connect(gate.address()).await;
        for key in 0..9 {
            let response = client.get(&format!("/users/{key}")).await;
            let owner = processes[key % 3].pod;
            assert_eq!(header(&response, "x-served-by"), owner, "{response:?}");
            let forwarded = response.body().matches("x-forwarded-for: 127.0.0.1\n");
            assert_eq!(forwarded.count(), 1, "{response:?}");
            assert!(!response.body().contains("claim"), "{response:?}");
            let response = client
                .post(&format!("/users/{key}"), vec![b'x'; 5000])
                .await;
            let line = format!("{owner} POST /users/{key} 5000\n");
            assert!(response.body().starts_with(&line), "{response:?}");
        }
    }
}

#[tokio::test]
async fn a_request_without_a_key_goes_to_the_application_of_this_process() {
    let app = named("a").await;
    let gate = gate(&Process::new("a"), app.address, Config::default());
    let response = get(gate.address(), "/health").await;
    assert_eq!(header(&response, "x-served-by"), "a");
}

#[tokio::test]
async fn internal_headers_of_a_client_reach_nobody() {
    let app = named("a").await;
    let process = Process::new("a");
    process.serves(slot(3), 7);
    let gate = gate(&process, app.address, Config::default());
    let request = Request::get("/users/3")
        .header("x-metaparticle-claim", "3 7 session-of-a")
        .header("x-metaparticle-token", "99")
        .header("connection", "x-metaparticle-slot")
        .body(http_body_util::Full::default())
        .unwrap();
    let response = connect(gate.address()).await.send(request).await;
    let body = response.body();
    assert!(!body.contains("claim") && !body.contains("99"), "{body}");
    assert!(body.contains("x-metaparticle-slot: 3\n"), "{body}");
}

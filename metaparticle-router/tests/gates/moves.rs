//! A slot moves, and no request fails or is served by two.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http::{Response, Version};
use metaparticle_protocol::Token;
use metaparticle_router::{Config, Gate, Place};
use tokio::time;

use crate::{
    app::{self, App, named, text},
    client::{connect, get, header},
    fake::{Process, gate, slot},
};

/// Two processes, each with gate and application; slot 1 is at the first, under token 1.
async fn pair() -> ([Arc<Process>; 2], [App; 2], [Gate; 2]) {
    let apps = [named("a").await, named("b").await];
    let processes = ["a", "b"].map(Process::new);
    let gates = [0, 1].map(|it| gate(&processes[it], apps[it].address, Config::default()));
    processes[0].serves(slot(1), 1);
    processes[1].sees(slot(1), at(&processes[0], &gates[0], 1));
    (processes, apps, gates)
}

fn at(process: &Process, gate: &Gate, token: u64) -> Place {
    Place::Peer(process.peer(gate.address()), Token(token))
}

#[tokio::test]
async fn a_gate_whose_map_is_old_is_told_and_finds_the_owner() {
    let ([a, b], _apps, [gate_a, gate_b]) = pair().await;
    let c = Process::new("c");
    let app = named("c").await;
    let gate_c = gate(&c, app.address, Config::default());
    c.sees(slot(1), at(&a, &gate_a, 1));
    a.sees(slot(1), at(&b, &gate_b, 2));
    b.serves(slot(1), 2);
    let place = at(&b, &gate_b, 2);
    c.news.lock().unwrap().push((slot(1), place, 2));

    let response = connect(gate_c.address())
        .await
        .post("/users/1", "text")
        .await;
    assert_eq!(header(&response, "x-served-by"), "b", "{response:?}");
    assert_eq!(c.refreshed.load(Ordering::Relaxed), 1);
    assert!(
        gate_c
            .metrics()
            .text("c")
            .contains("moved_total{shard=\"c\"} 1\n")
    );
}

#[tokio::test]
async fn an_owner_whose_map_is_old_reads_it_before_it_serves() {
    let ([a, b], _apps, [gate_a, gate_b]) = pair().await;
    // The sender knows of token 2, the owner not yet.
    a.sees(slot(1), at(&b, &gate_b, 2));
    b.sees(slot(1), at(&a, &gate_a, 1));
    b.news.lock().unwrap().push((slot(1), Place::Here, 1));
    let address = gate_a.address();
    let asked = tokio::spawn(async move { get(address, "/users/1").await });
    // What it read still says token 1: it owns nothing that it could prove.
    time::sleep(Duration::from_millis(350)).await;
    assert!(!asked.is_finished());
    assert!(b.refreshed.load(Ordering::Relaxed) >= 2);

    b.serves(slot(1), 2);
    let response = asked.await.unwrap();
    assert_eq!(header(&response, "x-served-by"), "b", "{response:?}");
}

#[tokio::test]
async fn requests_wait_here_and_at_other_gates_while_a_slot_is_drained() {
    let ([a, b], _apps, [gate_a, gate_b]) = pair().await;
    let mut here = connect(gate_a.address()).await;
    let mut there = connect(gate_b.address()).await;
    a.drains(slot(1)).await;
    let moved = async {
        // As long as one of them is not there yet: the test ends when it never is.
        for (gate, name) in [(&gate_a, "a"), (&gate_b, "b")] {
            let waits = format!("buffered{{shard=\"{name}\"}} 1\n");
            while !gate.metrics().text(name).contains(&waits) {
                time::sleep(Duration::from_millis(1)).await;
            }
        }
        b.serves(slot(1), 2);
        a.sees(slot(1), at(&b, &gate_b, 2));
    };
    let waited = async {
        tokio::join!(
            here.post("/users/1", "kept"),
            there.post("/users/1", "kept"),
            moved
        )
    };
    let waited = time::timeout(Duration::from_secs(4), waited).await;
    let (one, other, ()) = waited.expect("both wait, and go on");
    for response in [one, other] {
        assert_eq!(header(&response, "x-served-by"), "b", "{response:?}");
        assert!(
            response.body().starts_with("b POST /users/1 4\n"),
            "{response:?}"
        );
    }
}

#[tokio::test]
async fn a_slot_that_does_not_get_there_is_waited_for_as_long_as_configured() {
    let process = Process::new("a");
    let app = named("a").await;
    let mut config = Config::default();
    config.connect_timeout = Duration::from_millis(50);
    config.hold_timeout = Duration::from_millis(100);
    config.hold_requests = 1;
    let gate = gate(&process, app.address, config);
    process.serves(slot(1), 1);
    process.drains(slot(1)).await;
    let (mut one, mut other) = (connect(gate.address()).await, connect(gate.address()).await);
    let begun = time::Instant::now();
    let (one, other) = tokio::join!(one.get("/users/1"), other.get("/users/1"));
    assert!(begun.elapsed() < Duration::from_secs(1));
    let mut reasons = [&one, &other].map(|it| header(it, "x-metaparticle-reason"));
    reasons.sort_unstable();
    assert_eq!(reasons, ["hold-overflow", "hold-timeout"]);
    assert_eq!(header(&one, "retry-after"), "1");
}

/// Counts what is under way for a slot, in all applications.
#[derive(Default)]
struct Exclusive {
    at: [AtomicU64; 2],
    both: AtomicU64,
}

async fn watched(name: &'static str, index: usize, exclusive: Arc<Exclusive>) -> App {
    app::serve(Version::HTTP_11, move |_| {
        let exclusive = exclusive.clone();
        async move {
            exclusive.at[index].fetch_add(1, Ordering::SeqCst);
            time::sleep(Duration::from_millis(2)).await;
            if exclusive.at[1 - index].load(Ordering::SeqCst) > 0 {
                exclusive.both.fetch_add(1, Ordering::SeqCst);
            }
            exclusive.at[index].fetch_sub(1, Ordering::SeqCst);
            Response::builder()
                .header("x-served-by", name)
                .body(text("done"))
                .unwrap()
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn planned_moves_under_load_fail_no_request_and_never_have_two_owners() {
    let exclusive = Arc::new(Exclusive::default());
    let apps = [
        watched("a", 0, exclusive.clone()).await,
        watched("b", 1, exclusive.clone()).await,
    ];
    let processes = ["a", "b"].map(Process::new);
    let gates = [0, 1].map(|it| gate(&processes[it], apps[it].address, Config::default()));
    processes[0].serves(slot(1), 1);
    processes[1].sees(slot(1), at(&processes[0], &gates[0], 1));

    let stop = time::Instant::now() + Duration::from_millis(900);
    let clients: Vec<_> = (0..8)
        .map(|it| {
            let address = gates[it % 2].address();
            tokio::spawn(async move {
                let mut client = connect(address).await;
                let mut served = 0;
                while time::Instant::now() < stop {
                    let response = client.post("/users/1", vec![b'x'; 3000]).await;
                    assert_eq!(response.status(), 200, "{response:?}");
                    served += 1;
                }
                served
            })
        })
        .collect();
    let mut moves: usize = 0;
    while time::Instant::now() + Duration::from_millis(100) < stop {
        time::sleep(Duration::from_millis(30)).await;
        let (from, to) = (moves % 2, (moves + 1) % 2);
        let token = moves as u64 + 2;
        processes[from].drains(slot(1)).await;
        // Not all see it at the same time, and not always in the same order.
        let see = || processes[from].sees(slot(1), at(&processes[to], &gates[to], token));
        if moves.is_multiple_of(3) {
            let news = (slot(1), Place::Here, token);
            processes[to].news.lock().unwrap().push(news);
            see();
            time::sleep(Duration::from_millis(3)).await;
            processes[to].serves(slot(1), token);
        } else {
            processes[to].serves(slot(1), token);
            time::sleep(Duration::from_millis(3)).await;
            see();
        }
        moves += 1;
    }
    let mut served = 0;
    for client in clients {
        served += client.await.unwrap();
    }
    assert_eq!(exclusive.both.load(Ordering::SeqCst), 0);
    assert!(moves >= 5 && served >= 50, "{moves} moves, {served} served");
}

#[tokio::test]
async fn a_request_that_a_peer_turned_away_reaches_the_application_here_without_a_claim() {
    let ([a, b], _apps, [gate_a, gate_b]) = pair().await;
    // The first is told by the second that it does not serve, and finds that it serves itself.
    a.sees(slot(1), at(&b, &gate_b, 2));
    b.sees(slot(1), at(&a, &gate_a, 3));
    a.news.lock().unwrap().push((slot(1), Place::Here, 3));
    let response = get(gate_a.address(), "/users/1").await;
    assert_eq!(header(&response, "x-served-by"), "a", "{response:?}");
    assert!(!response.body().contains("claim"), "{response:?}");
    assert!(
        response.body().contains("x-metaparticle-token: 3\n"),
        "{response:?}"
    );
}

//! SIGTERM in a program that leads: the term is handed over first, and the process ends as it would have.
#![cfg(all(unix, feature = "coordination", feature = "local"))]
#![allow(clippy::unwrap_used, reason = "a suite panics where it fails")]

use std::{
    env,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use metaparticle::{
    coordinator::{Coordinator, Error},
    election::Term,
    testing::Cluster,
};

/// How the child ends: of itself, or not.
const ENDS: &str = "METAPARTICLE_TEST_ENDS";
const LEASE: Duration = Duration::from_secs(15);

#[test]
#[ignore = "a process of its own, started by the others"]
fn child() {
    metaparticle::__private::enter(&[]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let coordinator = Coordinator::connect().await.unwrap();
        let election = coordinator
            .election("billing")
            .lease(LEASE)
            .build()
            .unwrap();
        let leads = tokio::spawn(async move {
            let work = |term: Term| async move {
                println!("leading");
                println!("lost: {}", term.lost().await);
                Ok::<_, Error>(())
            };
            election.run(work).await
        });
        if env::var_os(ENDS).is_none() {
            std::future::pending::<()>().await;
        }
        metaparticle::shutdown().await;
        leads.await.unwrap().unwrap();
        coordinator.shutdown().await;
        // The hand-over is done, and whoever wanted to end the process for it would have.
        tokio::time::sleep(Duration::from_millis(300)).await;
        println!("own end");
    });
}

fn start(kubeconfig: &Path, ends: bool) -> Child {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["child", "--exact", "--ignored", "--nocapture"])
        .env("METAPARTICLE_ROLE", "replica")
        .env("METAPARTICLE_POD_NAME", "web-1")
        .env("KUBECONFIG", kubeconfig)
        .env_remove(ENDS)
        .stdout(Stdio::piped());
    if ends {
        command.env(ENDS, "yes");
    }
    command.spawn().unwrap()
}

/// Starts the child, ends it by SIGTERM once it leads, and returns its code, its last words, and how long the next leader
/// had to wait.
async fn succession(name: &str, ends: bool) -> (Option<i32>, String, Duration) {
    let folder: PathBuf = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let kubeconfig = folder.join("kubeconfig");
    let cluster = Cluster::builder()
        .listen(&kubeconfig)
        .start()
        .await
        .unwrap();
    let mut child = start(&kubeconfig, ends);
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let pid = child.id().to_string();
    let (mut child, output) = tokio::task::spawn_blocking(move || {
        let mut line = String::new();
        while !line.contains("leading") {
            line.clear();
            assert!(output.read_line(&mut line).unwrap() > 0, "it ended");
        }
        (child, output)
    })
    .await
    .unwrap();
    let next = Coordinator::builder(cluster.client())
        .pod_name("web-2")
        .start();
    let election = next
        .await
        .unwrap()
        .election("billing")
        .lease(LEASE)
        .build()
        .unwrap();
    let campaign = tokio::spawn(async move { election.campaign().await });
    // It has seen the leader.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let killed = Command::new("sh")
        .args(["-c", "kill -s TERM $0", &pid])
        .status();
    assert!(killed.unwrap().success());
    let begin = tokio::time::Instant::now();
    let term = campaign.await.unwrap().unwrap();
    let waited = begin.elapsed();
    let (code, words) = tokio::task::spawn_blocking(move || {
        let code = child.wait().unwrap().code();
        let mut words = String::new();
        let mut output = output;
        output.read_to_string(&mut words).unwrap();
        (code, words)
    })
    .await
    .unwrap();
    drop(term);
    (code, words, waited)
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_hands_over_and_then_ends_a_program_that_does_not_take_it() {
    let (code, words, waited) = succession("hand-over-plain", false).await;
    assert_eq!(code, Some(143), "{words}");
    assert!(waited < LEASE / 3, "{waited:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn program_that_takes_sigterm_ends_itself_after_the_hand_over() {
    let (code, words, waited) = succession("hand-over-own", true).await;
    assert_eq!(code, Some(0), "{words}");
    assert!(words.contains("own end"), "{words}");
    assert!(waited < LEASE / 3, "{waited:?}");
}

//! Real processes: started, listened to, ended with everything below them.

use std::{
    env, fs,
    io::{BufRead as _, BufReader, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::unix::process::ExitStatusExt as _,
    process::{Command, Stdio},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _},
    time::{Instant, sleep},
};

use super::*;

fn plan(path: &str, args: &[&str]) -> Plan {
    let mut all = vec![path.into()];
    all.extend(args.iter().map(Into::into));
    Plan {
        path: path.into(),
        args: all,
        env: vec![("PATH".into(), env::var_os("PATH").unwrap_or_default())],
        folder: "/".into(),
    }
}

fn shell(script: &str) -> Plan {
    plan("/bin/sh", &["-c", script])
}

/// This test binary again, running one function of this file with an argument.
fn myself(function: &str, argument: &str) -> Plan {
    let path = env::current_exe().unwrap().display().to_string();
    let name = format!("{}::{function}", module_path!().split_once("::").unwrap().1);
    let mut plan = plan(&path, &["--exact", &name, "--ignored", "--nocapture"]);
    plan.env.push(("ARGUMENT".into(), argument.into()));
    plan
}

async fn first_line(process: &mut Process) -> String {
    let stdout = process.stdout.take().unwrap();
    let mut lines = tokio::io::BufReader::new(stdout).lines();
    loop {
        let line = lines.next_line().await.unwrap().expect("a line");
        if let Some(line) = line.split_once("line: ") {
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return line.1.to_owned();
        }
    }
}

fn pids(line: &str) -> Vec<i32> {
    line.split_whitespace()
        .map(|it| it.parse().unwrap())
        .collect()
}

/// Not there, or a zombie, which whoever inherited it has not looked at yet.
fn is_gone(pid: i32) -> bool {
    match fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => stat.rsplit(')').next().unwrap().trim().starts_with('Z'),
        Err(_) => true,
    }
}

async fn all_gone_within(pids: &[i32], time: Duration) {
    let end = Instant::now() + time;
    while !pids.iter().all(|pid| is_gone(*pid)) {
        assert!(Instant::now() < end, "some of {pids:?} live on");
        sleep(Duration::from_millis(5)).await;
    }
}

fn kill(pid: i32, signal: i32) {
    let status = Command::new("kill")
        .args([format!("-{signal}"), pid.to_string()])
        .status();
    assert!(status.unwrap().success());
}

/// A tree: a child, one in a session of its own, and one whose parent has ended.
const TREE: &str = "sleep 1000 & a=$!
    setsid sleep 1000 & b=$!
    c=$(setsid sh -c 'sleep 1000 >/dev/null & echo $!')
    echo line: $$ $a $b $c";

async fn tree(spawner: &Spawner, end: &str) -> (Process, Vec<i32>) {
    let mut process = spawner
        .spawn(&shell(&format!("{TREE}\n{end}")), None)
        .unwrap();
    let pids = pids(&first_line(&mut process).await);
    assert_eq!((pids.len(), pids[0]), (4, process.id()));
    (process, pids)
}

#[tokio::test]
async fn output_and_exit_code_are_the_programs() {
    let spawner = Spawner::new().unwrap();
    let script = "echo out; echo err >&2; pwd; exit 7";
    let mut process = spawner.spawn(&shell(script), None).unwrap();
    let (mut out, mut err) = (String::new(), String::new());
    let (mut stdout, mut stderr) = (
        process.stdout.take().unwrap(),
        process.stderr.take().unwrap(),
    );
    stdout.read_to_string(&mut out).await.unwrap();
    stderr.read_to_string(&mut err).await.unwrap();
    assert_eq!((out.as_str(), err.as_str()), ("out\n/\n", "err\n"));
    assert_eq!(process.exit.wait().await.code(), Some(7));
}

#[tokio::test]
async fn a_program_inherits_neither_environment_nor_descriptors() {
    let spawner = Spawner::new().unwrap();
    let script = "ls /proc/self/fd | tr '\\n' ' '; env | grep -c CARGO";
    let mut process = spawner.spawn(&shell(script), None).unwrap();
    let mut out = String::new();
    let mut stdout = process.stdout.take().unwrap();
    stdout.read_to_string(&mut out).await.unwrap();
    assert_eq!(out, "0 1 2 3 0\n", "3 is the folder that ls reads");
}

#[tokio::test]
async fn a_signal_reaches_the_program_and_is_reported() {
    let spawner = Spawner::new().unwrap();
    let mut process = spawner.spawn(&shell("exec sleep 1000"), None).unwrap();
    process.handle.signal(15).await;
    assert_eq!(process.exit.wait().await.signal(), Some(15));
}

#[tokio::test]
async fn a_missing_program_is_an_error_of_the_start() {
    let spawner = Spawner::new().unwrap();
    let error = spawner
        .spawn(&plan("/no/such/program", &[]), None)
        .unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
}

#[tokio::test]
async fn a_program_that_ends_takes_its_descendants_along() {
    let spawner = Spawner::new().unwrap();
    let (mut process, pids) = tree(&spawner, "read x < /dev/null; sleep 0.05; exit 3").await;
    assert!(!pids[1..].iter().any(|pid| is_gone(*pid)));
    assert_eq!(process.exit.wait().await.code(), Some(3));
    assert!(
        pids.iter().all(|pid| is_gone(*pid)),
        "they end before the report"
    );
}

#[tokio::test]
async fn dropping_a_process_ends_it_and_its_descendants() {
    let spawner = Spawner::new().unwrap();
    let (process, pids) = tree(&spawner, "exec sleep 1000").await;
    assert!(!pids.iter().any(|pid| is_gone(*pid)));
    drop(process);
    all_gone_within(&pids, Duration::from_secs(2)).await;
}

#[tokio::test]
async fn dropping_the_spawner_ends_everything_before_it_returns() {
    let spawner = Spawner::new().unwrap();
    let (_first, mut pids) = tree(&spawner, "exec sleep 1000").await;
    let (_second, more) = tree(&spawner, "trap '' TERM; sleep 1000").await;
    pids.extend(more);
    assert!(!pids.iter().any(|pid| is_gone(*pid)));
    drop(spawner);
    assert!(pids.iter().all(|pid| is_gone(*pid)));
}

#[tokio::test]
async fn another_spawner_does_not_keep_processes_of_the_first_alive() {
    let spawner = Spawner::new().unwrap();
    let (process, pids) = tree(&spawner, "exec sleep 1000").await;
    let _other = Spawner::new().unwrap();
    drop(process);
    all_gone_within(&pids, Duration::from_secs(2)).await;
}

#[tokio::test]
async fn a_killed_shim_takes_the_container_along() {
    let spawner = Spawner::new().unwrap();
    let (mut process, pids) = tree(&spawner, "sleep 1000").await;
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.id())).unwrap();
    let shim = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap();
    kill(shim.parse().unwrap(), 9);
    assert_eq!(process.exit.wait().await.signal(), Some(9));
    all_gone_within(&pids, Duration::from_secs(2)).await;
}

#[tokio::test]
async fn a_killed_guard_is_replaced_and_what_runs_goes_on() {
    let spawner = Spawner::new().unwrap();
    let (before, pids) = tree(&spawner, "exec sleep 1000").await;
    kill(spawner.guard.lock().unwrap().as_ref().unwrap().pid(), 9);
    let mut after = spawner.spawn(&shell("exit 5"), None).unwrap();
    assert_eq!(after.exit.wait().await.code(), Some(5));
    assert!(!is_gone(before.id()));
    drop(before);
    all_gone_within(&pids, Duration::from_secs(2)).await;
}

#[tokio::test]
async fn sigkill_of_the_parent_leaves_no_process() {
    let plan = myself("parent", "");
    let mut parent = Command::new(&plan.path)
        .args(&plan.args[1..])
        .envs(plan.env)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(parent.stdout.take().unwrap()).lines();
    let line = lines
        .map_while(Result::ok)
        .find_map(|line| Some(line.split_once("line: ")?.1.to_owned()));
    let pids = pids(&line.unwrap());
    assert_eq!(pids.len(), 9);
    assert!(!pids.iter().any(|pid| is_gone(*pid)));
    parent.kill().unwrap();
    parent.wait().unwrap();
    all_gone_within(&pids, Duration::from_secs(2)).await;
}

#[tokio::test]
#[ignore = "a program of the test above"]
async fn parent() {
    let spawner = Spawner::new().unwrap();
    let (_first, mut pids) = tree(&spawner, "exec sleep 1000").await;
    let (_second, more) = tree(&spawner, "trap '' TERM HUP; sleep 1000").await;
    pids.extend(more);
    pids.push(spawner.guard.lock().unwrap().as_ref().unwrap().pid());
    let words: Vec<String> = pids.iter().map(ToString::to_string).collect();
    println!("line: {}", words.join(" "));
    sleep(Duration::from_secs(60)).await;
}

/// A free port of all addresses.
fn free_port() -> u16 {
    let free = TcpListener::bind("0.0.0.0:0").unwrap();
    free.local_addr().unwrap().port()
}

fn own(index: u8) -> Own {
    Own {
        ip: Ipv4Addr::new(127, 61, 0, index),
        uid: index.to_string(),
        ports: Ports::default(),
    }
}

#[tokio::test]
async fn four_servers_bind_one_wildcard_port_side_by_side() {
    let spawner = Arc::new(Spawner::new().unwrap());
    if !spawner.can_rewrite().await {
        return crate::node::skip("seccomp notification is refused here");
    }
    let port = free_port();
    let mut servers = Vec::new();
    for index in 1..=4 {
        let wildcard = if index % 2 == 0 { "[::]" } else { "0.0.0.0" };
        let plan = myself("server", &format!("{wildcard}:{port}"));
        let mut server = spawner.spawn(&plan, Some(&own(index))).unwrap();
        assert_eq!(first_line(&mut server).await, "listens");
        servers.push(server);
    }
    for (index, server) in (1..).zip(&servers) {
        let mut text = String::new();
        let mut stream = TcpStream::connect((own(index).ip, port)).unwrap();
        io::Read::read_to_string(&mut stream, &mut text).unwrap();
        assert_eq!(text, server.id().to_string());
    }
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
}

#[test]
#[ignore = "a program of the test above"]
fn server() {
    let address: SocketAddr = env::var("ARGUMENT").unwrap().parse().unwrap();
    // From a thread: its number is not that of the process.
    let bind = move || {
        (
            TcpListener::bind(address).unwrap(),
            UdpSocket::bind(address).unwrap(),
        )
    };
    let (listener, _udp) = std::thread::spawn(bind).join().unwrap();
    println!("line: listens");
    for stream in listener.incoming() {
        write!(stream.unwrap(), "{}", std::process::id()).unwrap();
    }
}

#[tokio::test]
async fn a_port_of_another_program_on_all_addresses_is_moved() {
    let spawner = Arc::new(Spawner::new().unwrap());
    if !spawner.can_rewrite().await {
        return crate::node::skip("seccomp notification is refused here");
    }
    let other = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = other.local_addr().unwrap().port();
    for (index, wildcard) in [(20, "0.0.0.0"), (21, "[::]")] {
        let own = own(index);
        let plan = myself("server", &format!("{wildcard}:{port}"));
        let mut first = spawner.spawn(&plan, Some(&own)).unwrap();
        assert_eq!(first_line(&mut first).await, "listens");
        let actual = own.ports.actual(&own.uid, port);
        assert_ne!(actual, port);
        let mut text = String::new();
        let mut stream = TcpStream::connect((own.ip, actual)).unwrap();
        io::Read::read_to_string(&mut stream, &mut text).unwrap();
        assert_eq!(text, first.id().to_string());
        // The same port again in the same pod is taken, as everywhere.
        let mut second = spawner.spawn(&plan, Some(&own)).unwrap();
        assert!(!second.exit.wait().await.success());
        drop(first);
    }
}

#[tokio::test]
async fn the_second_bind_of_a_port_in_one_pod_is_refused_as_everywhere() {
    let spawner = Arc::new(Spawner::new().unwrap());
    if !spawner.can_rewrite().await {
        return crate::node::skip("seccomp notification is refused here");
    }
    let argument = format!("0.0.0.0:{}", free_port());
    let mut first = spawner
        .spawn(&myself("server", &argument), Some(&own(9)))
        .unwrap();
    assert_eq!(first_line(&mut first).await, "listens");
    let mut second = spawner
        .spawn(&myself("server", &argument), Some(&own(9)))
        .unwrap();
    let mut error = String::new();
    second
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut error)
        .await
        .unwrap();
    assert!(error.contains("AddrInUse"), "{error}");
    assert!(!second.exit.wait().await.success());
}

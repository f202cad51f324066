//! The node with the controllers and the proxy, and its end together with its parent.

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

use tokio::{io::AsyncReadExt as _, net::TcpStream};

use super::{address::free_port, *};
use crate::{
    controllers,
    proxy::{self, ProxyConfig},
};

/// A test function of this crate, as arguments of the test binary.
fn only(function: &str) -> [String; 4] {
    let path = module_path!().split_once("::").unwrap().1;
    [
        "--exact",
        &format!("{path}::{function}"),
        "--ignored",
        "--nocapture",
    ]
    .map(str::to_owned)
}

fn deployment(port: u16) -> Value {
    let pod = address::server("fixed", port);
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {
            "replicas": 4, "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": pod},
        },
    })
}

async fn ask(to: std::net::SocketAddr) -> Option<String> {
    let mut answer = String::new();
    let mut stream = TcpStream::connect(to).await.ok()?;
    stream.read_to_string(&mut answer).await.ok()?;
    (!answer.is_empty()).then_some(answer)
}

#[tokio::test]
async fn a_service_reaches_four_replicas_within_a_second() {
    let start = Instant::now();
    let fixture = Fixture::new().await;
    if fixture.node.shares_address() {
        return skip("seccomp notification is refused here");
    }
    let _controllers = controllers::start(&fixture.api, controllers::JOB_BACKOFF);
    let proxy = proxy::start(&fixture.api, ProxyConfig::default());
    let port = free_port();
    let create = |resource, object| {
        fixture
            .api
            .create(resource, "default", object, "test")
            .unwrap();
    };
    create(&resource::DEPLOYMENT, deployment(port));
    let spec = json!({"selector": {"app": "web"}, "ports": [{"port": port}]});
    let meta = json!({"name": "web"});
    create(
        &resource::SERVICE,
        json!({"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}),
    );
    let ready = || {
        let deployment = fixture
            .api
            .get(&resource::DEPLOYMENT, "default", "web")
            .unwrap();
        deployment["status"]["readyReplicas"] == 4
    };
    while !ready() {
        assert!(start.elapsed() < Duration::from_secs(10));
        sleep(Duration::from_millis(5)).await;
    }
    let took = start.elapsed();
    let to = proxy.addresses().borrow()[0].actual;
    let mut names = std::collections::BTreeSet::new();
    while names.len() < 4 {
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "only {names:?} answer"
        );
        names.extend(ask(to).await);
    }
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[tokio::test]
async fn sigkill_of_the_parent_leaves_no_process_of_its_pods() {
    let mut parent = Command::new(env::current_exe().unwrap())
        .args(only("parent"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(parent.stdout.take().unwrap()).lines();
    let line = lines
        .map_while(Result::ok)
        .find_map(|line| Some(line.split_once("pids: ")?.1.to_owned()));
    let pids: Vec<i32> = line
        .unwrap()
        .split_whitespace()
        .map(|it| it.parse().unwrap())
        .collect();
    assert_eq!(pids.len(), 8);
    assert!(!pids.iter().any(|pid| is_gone(*pid)), "they lived");
    parent.kill().unwrap();
    parent.wait().unwrap();
    let end = Instant::now() + Duration::from_secs(2);
    while !pids.iter().all(|pid| is_gone(*pid)) {
        assert!(Instant::now() < end, "some of {pids:?} live on");
        sleep(Duration::from_millis(5)).await;
    }
}

/// Two pods with a child, one in a session of its own, and one whose parent has ended.
#[tokio::test]
#[ignore = "a program of the test above"]
async fn parent() {
    let fixture = Fixture::new().await;
    let script = "sleep 1000 & a=$!
        setsid sleep 1000 & b=$!
        c=$(setsid sh -c 'sleep 1000 >/dev/null & echo $!')
        echo $$$$ $a $b $c > pids.new; mv pids.new pids; trap '' TERM; while :; do sleep 0.01; done";
    let mut pids = String::new();
    for name in ["one", "other"] {
        fixture.create(name, pod(script));
        let pod = fixture.ready(name).await;
        let uid = pod["metadata"]["uid"].as_str().unwrap();
        let file = fixture.folder.path().join("pods").join(uid).join("0/pids");
        while !file.exists() {
            sleep(Duration::from_millis(5)).await;
        }
        pids.push_str(&fs::read_to_string(file).unwrap().replace('\n', " "));
    }
    println!("pids: {pids}");
    sleep(Duration::from_secs(60)).await;
}

/// Where the kernel refuses to install a filter, as container engines do.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn where_seccomp_is_refused_pods_share_an_address() {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(only("has_own_addresses"));
    let allowed = command.output().unwrap().status.success();
    on_call(&mut command, libc::SYS_seccomp, libc::SECCOMP_RET_ERRNO | 1);
    let refused = command.output().unwrap().status.success();
    if !allowed {
        skip("seccomp notification is refused here anyway");
    }
    assert!(!refused);
}

#[tokio::test]
#[ignore = "a program of the test above"]
async fn has_own_addresses() {
    let fixture = Fixture::new().await;
    fixture.create("web", pod("exec sleep 1000"));
    let pod = fixture.ready("web").await;
    assert_ne!(pod["status"]["podIP"], "127.0.0.1");
}

/// Where a sandbox ends each guard: only that calls `pselect`.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_guard_that_is_ended_twice_is_an_error() {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(only("spawns"));
    on_call(
        &mut command,
        libc::SYS_pselect6,
        libc::SECCOMP_RET_KILL_PROCESS,
    );
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let expected = "the guard process was ended; a sandbox may forbid";
    assert!(said.contains(expected), "{output:?}");
}

#[tokio::test]
#[ignore = "a program of the test above"]
async fn spawns() {
    let spawner = Arc::new(Spawner::new().unwrap());
    let plan = process::Plan {
        path: "/bin/true".into(),
        folder: "/".into(),
        ..process::Plan::default()
    };
    println!("{}", spawner.start(plan, None).await.unwrap_err());
}

/// Has a system call end like this in the command.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "a test needs a kernel that refuses")]
fn on_call(command: &mut Command, call: libc::c_long, action: u32) {
    use std::os::unix::process::CommandExt as _;
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let number = u32::try_from(call).unwrap();
    let mut steps = [
        step(0x20, 0, 0, 0),
        step(0x15, 0, 1, number),
        step(0x06, 0, 0, action),
        step(0x06, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    // SAFETY: two system calls between fork and exec; the steps are moved into the closure.
    unsafe {
        command.pre_exec(move || {
            let program = libc::sock_fprog {
                len: 4,
                filter: steps.as_mut_ptr(),
            };
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
            let mode = libc::SECCOMP_MODE_FILTER;
            match libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const program) {
                0 => Ok(()),
                _ => Err(io::Error::last_os_error()),
            }
        });
    }
}

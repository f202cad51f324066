//! The example `leader`: the kubelet's report that the leader's container has ended spares the others the wait for its
//! lease (rule P1).

use std::{fs, time::Duration};

use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, ResourceExt as _};
use tokio::time::{Instant, sleep};

use crate::harness::{Namespace, run, workspace};

const LIMIT: Duration = Duration::from_secs(60);
/// A lease lasts 15 s, and is renewed every 5 s: without the report nobody leads earlier.
const EARLIEST_WITHOUT: Duration = Duration::from_secs(10);

/// Who leads, under which token, in which container, as soon as somebody does whom `is_wanted` lets pass.
async fn leader(
    leases: &Api<Lease>,
    is_wanted: impl Fn(&(String, u64)) -> bool,
) -> (String, u64, String) {
    let end = Instant::now() + LIMIT;
    loop {
        let lease = leases
            .get_opt("work")
            .await
            .expect("read")
            .unwrap_or_default();
        let said = |key: &str| {
            lease
                .annotations()
                .get(&format!("metaparticle.dev/{key}"))
                .cloned()
        };
        let holder = lease.spec.clone().and_then(|spec| spec.holder_identity);
        let token = said("token").and_then(|token| token.parse().ok());
        if let (Some(holder), Some(token), Some(container)) = (holder, token, said("container"))
            && is_wanted(&(holder.clone(), token))
        {
            return (holder, token, container);
        }
        assert!(
            Instant::now() < end,
            "nobody leads in a container that it can name: {lease:#?}"
        );
        sleep(Duration::from_millis(20)).await;
    }
}

/// The processes of a container, which runs on this machine, as all nodes do.
fn processes(container: &str) -> Vec<i32> {
    let all = fs::read_dir("/proc").expect("Linux");
    let pids = all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid: &i32| {
        fs::read_to_string(format!("/proc/{pid}/cgroup")).is_ok_and(|text| text.contains(container))
    })
    .collect()
}

#[tokio::test]
async fn crash_of_the_leader_is_noticed_before_its_lease_expires() {
    let namespace = Namespace::create("leader").await;
    let up = ["run", "--quiet", "--bin", "leader"];
    run(namespace.cargo(workspace(), &up), 0).await;
    let leases = namespace.api::<Lease>();
    let (first, token, container) = leader(&leases, |_| true).await;
    let (_, id) = container.split_once("://").expect("a container's id");
    let processes = processes(id);
    assert!(!processes.is_empty(), "{container} runs on this machine");

    let start = Instant::now();
    for process in processes {
        let process = rustix::process::Pid::from_raw(process).expect("not 0");
        let killed = rustix::process::kill_process(process, rustix::process::Signal::KILL);
        killed.expect("it is ours to end");
    }
    // The record of its successor names a container only later: what counts is the record.
    let next = loop {
        let lease = leases.get("work").await.expect("read");
        let spec = lease.spec.expect("a spec");
        if let Some(next) = spec.holder_identity.filter(|it| *it != first) {
            break next;
        }
        assert!(start.elapsed() < LIMIT, "nobody follows");
        sleep(Duration::from_millis(20)).await;
    };
    let took = start.elapsed();
    println!("{next} led {took:.1?} after the end of {first}");
    assert!(took < EARLIEST_WITHOUT, "{took:?}");
    let (_, higher, _) = leader(&leases, |(holder, _)| *holder == next).await;
    assert!(higher > token, "{higher} after {token}");
    namespace.delete().await;
}

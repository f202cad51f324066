//! Elections on the embedded cluster, in paused time.

mod faults;
mod real;
mod run;

use std::time::Duration;

use futures::FutureExt as _;
use metaparticle_local::Cluster;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use super::*;
use crate::{clock::Clock, lost::Lost, testing::ask};

const PATH: &str = "/apis/coordination.k8s.io/v1/namespaces/default/leases";

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

struct Stage {
    cluster: Cluster,
}

impl Stage {
    async fn new() -> Self {
        let cluster = Cluster::builder()
            .seed(7)
            .without_controllers()
            .start()
            .await
            .unwrap();
        Self { cluster }
    }

    /// A process of its own: its pod and its client have that name.
    async fn process(&self, pod: &str) -> Coordinator {
        Coordinator::builder(self.cluster.client_named(pod))
            .namespace("default")
            .pod_name(pod)
            .clock(Clock::of_runtime())
            .start()
            .await
            .unwrap()
    }

    async fn candidate(&self, pod: &str) -> Election {
        self.process(pod).await.election("billing").build().unwrap()
    }

    /// `a` leads, and `b` has been waiting for long enough to be known.
    async fn two(&self) -> (Term, tokio::task::JoinHandle<Term>) {
        let (a, b) = (self.candidate("a").await, self.candidate("b").await);
        let term = a.campaign().await.unwrap();
        let next = tokio::spawn(async move { b.campaign().await.unwrap() });
        sleep(secs(12)).await;
        assert!(!next.is_finished());
        (term, next)
    }

    async fn lease(&self) -> Value {
        ask(
            &self.cluster.client(),
            "GET",
            &format!("{PATH}/billing"),
            None,
        )
        .await
    }

    async fn edit(&self, change: impl FnOnce(&mut Value)) {
        let mut lease = self.lease().await;
        change(&mut lease);
        ask(
            &self.cluster.client(),
            "PUT",
            &format!("{PATH}/billing"),
            Some(&lease),
        )
        .await;
    }

    async fn names(&self) -> usize {
        let list = ask(&self.cluster.client(), "GET", PATH, None).await;
        list["items"].as_array().unwrap().len()
    }

    fn asked(&self, pod: &str) -> usize {
        let asked = self.cluster.requests();
        asked
            .iter()
            .filter(|asked| asked.client == pod && asked.verb != "watch")
            .count()
    }
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(millis(200), what).await.expect("soon")
}

#[tokio::test(start_paused = true)]
async fn first_candidate_leads_with_fields_that_client_go_reads() {
    let stage = Stage::new().await;
    let a = stage.candidate("a").await;
    let term = soon(a.campaign()).await.unwrap();
    term.check().unwrap();
    assert!(
        term.remaining() > secs(11) && term.remaining() <= secs(12),
        "{:?}",
        term.remaining()
    );
    let lease = stage.lease().await;
    let spec = &lease["spec"];
    assert!(spec["holderIdentity"].as_str().unwrap().starts_with("a_"));
    assert_eq!(spec["leaseDurationSeconds"], 15);
    assert_eq!(spec["leaseTransitions"], 1);
    assert!(spec["acquireTime"].is_string() && spec["renewTime"].is_string());
    let view = a.view().borrow().clone();
    assert_eq!(
        (view.role, view.token, view.holder_pod()),
        (Role::Leader, Some(term.token()), Some("a"))
    );
    assert_eq!(a.health().held, 1);
    assert_eq!(a.health().trouble, None);
}

#[tokio::test(start_paused = true)]
async fn term_that_is_stepped_down_from_is_the_next_ones_at_once() {
    let stage = Stage::new().await;
    let (term, next) = stage.two().await;
    let token = term.token();
    let begin = Instant::now();
    term.step_down().await.unwrap();
    let next = soon(next).await.unwrap();
    assert!(begin.elapsed() <= millis(10), "{:?}", begin.elapsed());
    assert!(next.token() > token);
    next.check().unwrap();
}

#[tokio::test(start_paused = true)]
async fn term_that_is_dropped_is_handed_over_when_its_permits_are() {
    let stage = Stage::new().await;
    let (term, next) = stage.two().await;
    let permit = term.permit().unwrap();
    drop(term);
    sleep(secs(5)).await;
    assert!(!next.is_finished());
    permit.check().unwrap();
    drop(permit);
    drop(soon(next).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn permit_that_is_never_dropped_costs_drain_and_lease() {
    let stage = Stage::new().await;
    let (term, next) = stage.two().await;
    let permit = term.permit().unwrap();
    let begin = Instant::now();
    drop(term);
    let lost = permit.lost();
    timeout(secs(30), lost).await.unwrap();
    let lost = begin.elapsed();
    assert!(!next.is_finished(), "a permit is protected to its end");
    assert!(lost >= secs(10) && lost <= secs(22), "{lost:?}");
    drop(timeout(secs(5), next).await.unwrap().unwrap());
}

#[tokio::test(start_paused = true)]
async fn transfer_goes_to_the_pod_of_that_name() {
    let stage = Stage::new().await;
    let (term, b) = stage.two().await;
    let c = stage.candidate("c").await;
    let c = tokio::spawn(async move { c.campaign().await.unwrap() });
    sleep(secs(1)).await;
    let Err(NotTransferred::Declined { term, to }) = term.transfer_to("nobody").await else {
        panic!("nobody is no candidate");
    };
    assert_eq!(to, "nobody");
    term.check().unwrap();
    term.transfer_to("c").await.unwrap();
    drop(soon(c).await.unwrap());
    assert!(!b.is_finished());
}

#[tokio::test(start_paused = true)]
async fn higher_priority_follows_first() {
    let stage = Stage::new().await;
    let (term, b) = stage.two().await;
    let c = stage
        .process("c")
        .await
        .election("billing")
        .priority(1)
        .build()
        .unwrap();
    let c = tokio::spawn(async move { c.campaign().await.unwrap() });
    sleep(secs(1)).await;
    drop(term);
    drop(soon(c).await.unwrap());
    assert!(!b.is_finished());
}

#[tokio::test(start_paused = true)]
async fn idle_leader_asks_every_five_seconds_and_followers_once_a_minute() {
    let stage = Stage::new().await;
    let (_term, _next) = stage.two().await;
    let (a, b) = (stage.asked("a"), stage.asked("b"));
    sleep(secs(600)).await;
    assert!(stage.asked("a") - a <= 121, "{}", stage.asked("a") - a);
    assert!(stage.asked("b") - b <= 11, "{}", stage.asked("b") - b);
}

#[tokio::test(start_paused = true)]
async fn candidates_of_one_process_exclude_each_other() {
    let stage = Stage::new().await;
    let a = stage.process("a").await;
    let (first, second) = (
        a.election("billing").build().unwrap(),
        a.election("billing").build().unwrap(),
    );
    let term = first.campaign().await.unwrap();
    let mut next = Box::pin(second.campaign());
    assert!(timeout(secs(60), &mut next).await.is_err());
    term.check().unwrap();
    drop(term);
    drop(soon(next).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_on_one_candidate_get_successive_terms() {
    let stage = Stage::new().await;
    let a = stage.candidate("a").await;
    let first = a.campaign().await.unwrap();
    let mut second = Box::pin(a.campaign());
    assert!(timeout(secs(30), &mut second).await.is_err());
    let token = first.token();
    drop(first);
    let second = timeout(secs(2), second).await.unwrap().unwrap();
    assert!(second.token() > token);
}

#[tokio::test(start_paused = true)]
async fn campaign_dropped_at_any_point_leaves_nobody_in_the_way() {
    for polls in (0..60).step_by(2) {
        let stage = Stage::new().await;
        let (a, b) = (stage.candidate("a").await, stage.candidate("b").await);
        {
            let mut campaign = Box::pin(a.campaign());
            for _ in 0..polls {
                if campaign.as_mut().now_or_never().is_some() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        let term = timeout(secs(2), b.campaign())
            .await
            .unwrap_or_else(|_| panic!("in the way after {polls} polls"));
        term.unwrap().check().unwrap();
        assert_eq!(a.view().borrow().role, Role::Bystander);
    }
}

#[tokio::test(start_paused = true)]
async fn campaign_that_is_dropped_while_another_leads_is_a_wish_no_more() {
    let stage = Stage::new().await;
    let (a, b) = (stage.candidate("a").await, stage.candidate("b").await);
    let _term = a.campaign().await.unwrap();
    assert!(timeout(secs(10), b.campaign()).await.is_err());
    sleep(millis(10)).await;
    assert_eq!(b.view().borrow().role, Role::Bystander);
}

#[tokio::test(start_paused = true)]
async fn candidate_that_is_dropped_takes_everything_of_it_away() {
    let stage = Stage::new().await;
    let a = stage.candidate("a").await;
    let term = a.campaign().await.unwrap();
    sleep(secs(1)).await;
    assert_eq!(
        stage.names().await,
        2,
        "the election's Lease, and that of the candidate"
    );
    drop(a);
    sleep(secs(1)).await;
    term.check().unwrap();
    drop(term);
    sleep(secs(1)).await;
    assert_eq!(stage.names().await, 1);
    assert_eq!(stage.lease().await["spec"]["holderIdentity"], "");
}

#[test]
fn term_outlives_its_runtime_without_a_panic_and_is_invalid_when_dropped() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (stage, election, term, other) = runtime.block_on(async {
        let stage = Stage::new().await;
        let election = stage.candidate("a").await;
        let term = election.campaign().await.unwrap();
        let other = stage.candidate("b").await;
        (stage, election, term, other)
    });
    // In a thread that knows of no runtime; the runtime goes on, and hands over.
    let held = term.held();
    std::thread::spawn(move || drop(term)).join().unwrap();
    assert_eq!(held.check(), Err(Lost::Released));
    let term =
        runtime.block_on(async { timeout(secs(5), other.campaign()).await.unwrap().unwrap() });
    drop(runtime);
    assert_eq!(term.check(), Err(Lost::Shutdown));
    drop((term, election, other, stage));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_an_election_is_an_error() {
    let stage = Stage::new().await;
    let a = stage.process("a").await;
    assert!(matches!(
        a.election("Not.A.Label").build(),
        Err(Error::Name { .. })
    ));
    for lease in [
        Duration::ZERO,
        millis(2500),
        secs(1),
        secs(3601),
        Duration::MAX,
    ] {
        assert!(
            matches!(
                a.election("billing").lease(lease).build(),
                Err(Error::Lease { .. })
            ),
            "{lease:?}"
        );
    }
    let nowhere = Coordinator::builder(stage.cluster.client())
        .namespace("nowhere")
        .clock(Clock::of_runtime())
        .start()
        .await
        .unwrap();
    let election = nowhere.election("billing").build().unwrap();
    let error = timeout(secs(5), election.campaign())
        .await
        .unwrap()
        .unwrap_err()
        .to_string();
    assert!(error.contains("nowhere"), "{error}");
    assert!(election.health().trouble.is_some());
    sleep(secs(1)).await;
    assert!(
        timeout(secs(10), election.campaign())
            .await
            .unwrap()
            .is_err(),
        "said again to who asks later"
    );
    let foreign = json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": { "name": "billing", "labels": { "metaparticle.dev/role": "session" } },
        "spec": {},
    });
    ask(&stage.cluster.client(), "POST", PATH, Some(&foreign)).await;
    let error = a
        .election("billing")
        .build()
        .unwrap()
        .campaign()
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("belongs to a session"), "{error}");
    a.shutdown().await;
    assert!(matches!(
        a.election("billing").build(),
        Err(Error::Shutdown)
    ));
}

#[tokio::test(start_paused = true)]
async fn report_that_the_leaders_container_has_ended_replaces_the_waiting() {
    let stage = Stage::new().await;
    let pods = "/api/v1/namespaces/default/pods";
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": "a" },
        "spec": { "containers": [{ "name": "main", "image": "x" }] },
    });
    let mut pod = ask(&stage.cluster.client(), "POST", pods, Some(&pod)).await;
    let uid = pod["metadata"]["uid"].as_str().unwrap().to_owned();
    let a = stage.candidate("a").await;
    let term = a.campaign().await.unwrap();
    let container = format!("default a {uid} containerd://12");
    a.handle.shared.tell(Input::Contained(container.into()));
    let b = stage.candidate("b").await;
    let next = tokio::spawn(async move { b.campaign().await.unwrap() });
    sleep(secs(12)).await;
    stage.cluster.faults().partition("a");
    let report = |id: &str| {
        json!({ "containerStatuses": [{
            "name": "main", "image": "x", "imageID": "", "ready": false, "restartCount": 0,
            "state": { "terminated": { "exitCode": 137, "reason": "Error", "containerID": id } },
        }] })
    };
    let status = format!("{pods}/a/status");
    pod["status"] = report("containerd://13");
    let mut pod = ask(&stage.cluster.client(), "PUT", &status, Some(&pod)).await;
    sleep(secs(1)).await;
    assert!(!next.is_finished(), "another container");
    // The embedded term goes on until its deadline; a container that has ended has no term.
    drop(term);
    pod["status"] = report("containerd://12");
    ask(&stage.cluster.client(), "PUT", &status, Some(&pod)).await;
    drop(soon(next).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn budget_is_that_of_the_lease() {
    let stage = Stage::new().await;
    let election = stage
        .process("a")
        .await
        .election("billing")
        .lease(secs(30))
        .build()
        .unwrap();
    assert_eq!(election.budget().renew_every, secs(10));
    assert!(election.budget().refused_outage() >= secs(13));
}

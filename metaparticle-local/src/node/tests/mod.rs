//! The node with real processes.

mod address;
mod end;
mod logs;
mod probes;
mod whole;

use std::{env, fs, path::PathBuf};

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::*;
use crate::api::{DeleteOptions, kubelet::Kubelet};

/// A node with an image `sh`, and one that is this test binary.
struct Fixture {
    api: Api,
    node: Node,
    folder: tempfile::TempDir,
}

impl Fixture {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut NodeConfig)) -> Self {
        let (api, folder) = (Api::new(None), tempfile::tempdir().unwrap());
        let program = |path: PathBuf| Program {
            path,
            ..Program::default()
        };
        let myself = program(env::current_exe().unwrap());
        let mut config = NodeConfig {
            programs: [
                ("sh".to_owned(), program("/bin/sh".into())),
                ("myself".to_owned(), myself),
            ]
            .into(),
            folder: Some(folder.path().to_owned()),
            ..NodeConfig::default()
        };
        change(&mut config);
        let node = start(&api, config).await.unwrap();
        Self { api, node, folder }
    }

    /// Creates a pod on the node.
    fn create(&self, name: &str, mut spec: Value) {
        spec["nodeName"] = "local".into();
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": "web"}}, "spec": spec,
        });
        self.api
            .create(&resource::POD, "default", pod, "test")
            .unwrap();
    }

    /// Waits for a state of a pod.
    async fn until(&self, name: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        self.until_within(10, name, what, is).await
    }

    async fn until_within(
        &self,
        seconds: u64,
        name: &str,
        what: &str,
        is: impl Fn(&Value) -> bool,
    ) -> Value {
        let end = Instant::now() + Duration::from_secs(seconds);
        loop {
            let pod = self.api.get(&resource::POD, "default", name);
            let pod = pod.map_or(Value::Null, |pod| Value::clone(&pod));
            if is(&pod) {
                return pod;
            }
            assert!(Instant::now() < end, "never {what}: {:#}", pod["status"]);
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Creates a pod that runs `action` when it gets SIGTERM, and waits until it would.
    async fn create_trap(&self, name: &str, action: &str, change: impl FnOnce(&mut Value)) -> i32 {
        let file = self.folder.path().join(format!("{name}-traps"));
        let script = format!(
            "trap '{action}' TERM; : > {}; while :; do sleep 0.01; done",
            file.display()
        );
        let mut spec = pod(&script);
        change(&mut spec);
        self.create(name, spec);
        let pod = self.ready(name).await;
        let end = Instant::now() + Duration::from_secs(10);
        while !file.exists() {
            assert!(Instant::now() < end, "never set its trap");
            sleep(Duration::from_millis(5)).await;
        }
        fs::remove_file(file).unwrap();
        pid(&pod)
    }

    async fn phase(&self, name: &str, phase: &str) -> Value {
        self.until(name, phase, |pod| pod["status"]["phase"] == phase)
            .await
    }

    async fn ready(&self, name: &str) -> Value {
        self.until(name, "ready", |pod| first(pod)["ready"] == true)
            .await
    }

    async fn gone(&self, name: &str) {
        self.until(name, "gone", Value::is_null).await;
    }

    fn delete(&self, name: &str, grace: Option<i64>) {
        let options = DeleteOptions {
            grace_period_seconds: grace,
            ..DeleteOptions::default()
        };
        self.api
            .delete(&resource::POD, "default", name, &options)
            .unwrap();
    }

    /// Reasons and messages of the events about a pod, in order.
    fn events(&self, name: &str) -> Vec<(String, String)> {
        let all = self.api.list(&resource::EVENT, Some("default"));
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut events: Vec<_> = all
            .iter()
            .filter(|it| it["involvedObject"]["name"] == name)
            .map(|it| {
                let created = text(&it["metadata"]["resourceVersion"]);
                let created: u64 = created.parse().unwrap();
                (created, text(&it["reason"]), text(&it["message"]))
            })
            .collect();
        events.sort();
        events
            .into_iter()
            .map(|(_, reason, message)| (reason, message))
            .collect()
    }

    fn kubelet(&self) -> kubelet::Handle {
        kubelet::Handle(Arc::downgrade(&self.node.inner))
    }
}

/// The status of the first container.
fn first(pod: &Value) -> &Value {
    &pod["status"]["containerStatuses"][0]
}

fn pid(pod: &Value) -> i32 {
    let id = first(pod)["containerID"].as_str().unwrap();
    id.strip_prefix("process://").unwrap().parse().unwrap()
}

fn is_gone(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z"))
}

fn shell(script: &str) -> Value {
    json!({"name": "main", "image": "sh", "args": ["-c", script]})
}

fn pod(script: &str) -> Value {
    json!({"containers": [shell(script)]})
}

fn once(script: &str) -> Value {
    json!({"containers": [shell(script)], "restartPolicy": "Never"})
}

#[tokio::test]
async fn a_pod_runs_and_says_so() {
    let fixture = Fixture::new().await;
    fixture.create("web", pod("exec sleep 1000"));
    let pod = fixture.ready("web").await;
    assert_eq!(pod["status"]["phase"], "Running");
    assert_eq!(pod["status"]["podIPs"][0]["ip"], pod["status"]["podIP"]);
    assert_eq!(first(&pod)["restartCount"], 0);
    assert!(!is_gone(pid(&pod)));
    let reasons = fixture.events("web").into_iter().map(|it| it.0);
    assert_eq!(
        reasons.collect::<Vec<_>>(),
        ["Pulled", "Created", "Started"]
    );
}

#[tokio::test]
async fn the_node_is_registered_and_ready() {
    let fixture = Fixture::new().await;
    let node = fixture.api.get(&resource::NODE, "", "local").unwrap();
    let conditions = node["status"]["conditions"].as_array().unwrap();
    assert!(
        conditions
            .iter()
            .any(|it| it["type"] == "Ready" && it["status"] == "True")
    );
    assert_eq!(
        node["metadata"]["labels"]["kubernetes.io/hostname"],
        "local"
    );
}

#[tokio::test]
async fn a_pod_that_is_bound_elsewhere_does_not_run_here() {
    let fixture = Fixture::new().await;
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "other"},
        "spec": {"nodeName": "other", "containers": [shell("exit 0")]},
    });
    fixture
        .api
        .create(&resource::POD, "default", pod, "test")
        .unwrap();
    fixture.create("own", once("exit 0"));
    fixture.phase("own", "Succeeded").await;
    fixture.phase("other", "Pending").await;
}

#[tokio::test]
async fn exit_codes_decide_the_phase_of_pods_that_run_once() {
    let fixture = Fixture::new().await;
    fixture.create("good", once("exit 0"));
    fixture.create("bad", once("exit 3"));
    fixture.create("shot", once("kill -9 $$$$"));
    let ended = |pod: &Value| {
        let ended = &first(pod)["state"]["terminated"];
        (ended["exitCode"].as_i64().unwrap(), ended["reason"].clone())
    };
    let good = fixture.phase("good", "Succeeded").await;
    assert_eq!(ended(&good), (0, "Completed".into()));
    let bad = fixture.phase("bad", "Failed").await;
    assert_eq!(ended(&bad), (3, "Error".into()));
    let shot = fixture.phase("shot", "Failed").await;
    assert_eq!(ended(&shot), (137, "Error".into()));
}

#[tokio::test]
async fn a_crash_is_restarted_at_once_and_the_next_one_with_back_off() {
    let fixture = Fixture::new().await;
    fixture.create("web", pod("exit 1"));
    let waits = |pod: &Value| first(pod)["state"]["waiting"]["reason"] == "CrashLoopBackOff";
    let pod = fixture.until("web", "backing off", waits).await;
    assert_eq!(first(&pod)["restartCount"], 1);
    assert_eq!(first(&pod)["lastState"]["terminated"]["exitCode"], 1);
    let uid = pod["metadata"]["uid"].as_str().unwrap();
    let whose = format!("web_default({uid})");
    let message = format!("back-off 10s restarting failed container=main pod={whose}");
    assert_eq!(first(&pod)["state"]["waiting"]["message"], message);
    let message = format!("Back-off restarting failed container main in pod {whose}");
    let expected = ("BackOff".to_owned(), message);
    assert!(fixture.events("web").contains(&expected));
}

#[tokio::test]
async fn restarts_go_on_when_their_time_has_come() {
    let short = |config: &mut NodeConfig| config.backoff = Duration::from_millis(20);
    let fixture = Fixture::with(short).await;
    fixture.create("web", pod("exit 1"));
    let often = |pod: &Value| first(pod)["restartCount"].as_i64() >= Some(4);
    fixture.until("web", "restarted four times", often).await;
}

#[tokio::test]
async fn a_killed_process_is_replaced() {
    let fixture = Fixture::new().await;
    fixture.create("web", pod("exec sleep 1000"));
    let before = pid(&fixture.ready("web").await);
    let status = std::process::Command::new("kill")
        .args(["-9", &before.to_string()])
        .status();
    assert!(status.unwrap().success());
    let restarted = |pod: &Value| first(pod)["restartCount"] == 1 && first(pod)["ready"] == true;
    let pod = fixture.until("web", "restarted", restarted).await;
    assert_eq!(first(&pod)["lastState"]["terminated"]["exitCode"], 137);
    assert!(is_gone(before) && !is_gone(pid(&pod)));
}

#[tokio::test]
async fn an_unknown_image_waits_until_it_is_known() {
    let fixture = Fixture::new().await;
    let container = json!({"name": "main", "image": "later:1", "args": ["-c", "exec sleep 1000"]});
    fixture.create("web", json!({"containers": [container]}));
    let reason = |pod: &Value| first(pod)["state"]["waiting"]["reason"].clone();
    let pod = fixture
        .until("web", "unknown", |pod| reason(pod) == "ErrImagePull")
        .await;
    let why = "the embedded cluster has no image \"later:1\", it knows: myself, sh";
    assert_eq!(first(&pod)["state"]["waiting"]["message"], why);
    let backs_off = |pod: &Value| reason(pod) == "ImagePullBackOff";
    fixture.until("web", "backing off", backs_off).await;
    let program = Program {
        path: "/bin/sh".into(),
        ..Program::default()
    };
    fixture.node.add_programs([("later:1".to_owned(), program)]);
    fixture.ready("web").await;
}

#[tokio::test]
async fn a_missing_config_map_is_waited_for() {
    let fixture = Fixture::new().await;
    let mut container = shell("echo $GREETING; exec sleep 1000");
    let key = json!({"name": "words", "key": "greeting"});
    container["env"] = json!([{"name": "GREETING", "valueFrom": {"configMapKeyRef": key}}]);
    fixture.create("web", json!({"containers": [container]}));
    let waits =
        |pod: &Value| first(pod)["state"]["waiting"]["reason"] == "CreateContainerConfigError";
    let pod = fixture.until("web", "waiting", waits).await;
    let why = "configmap \"words\" not found";
    assert_eq!(first(&pod)["state"]["waiting"]["message"], why);
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "words"}, "data": {"greeting": "hello"},
    });
    fixture
        .api
        .create(&resource::CONFIG_MAP, "default", map, "test")
        .unwrap();
    let pod = fixture.ready("web").await;
    assert_eq!(first(&pod)["restartCount"], 0);
}

#[tokio::test]
async fn a_command_that_does_not_exist_is_a_start_error() {
    let fixture = Fixture::new().await;
    let container = json!({"name": "main", "image": "sh", "command": ["nope"]});
    let spec = json!({"containers": [container], "restartPolicy": "Never"});
    fixture.create("web", spec);
    let pod = fixture.phase("web", "Failed").await;
    let ended = &first(&pod)["state"]["terminated"];
    assert_eq!(
        (&ended["reason"], &ended["exitCode"]),
        (&"StartError".into(), &128.into())
    );
    assert_eq!(
        ended["message"],
        "exec: \"nope\": executable file not found in $PATH"
    );
}

#[tokio::test]
async fn init_containers_come_first_and_one_after_the_other() {
    let fixture = Fixture::new().await;
    let folder = fixture.folder.path().join("order");
    let init = |name: &str| {
        let mut init = shell(&format!("echo {name} >> {}", folder.display()));
        init["name"] = name.into();
        init
    };
    let main = shell(&format!("echo main >> {}", folder.display()));
    let spec = json!({
        "initContainers": [init("first"), init("second")], "containers": [main], "restartPolicy": "Never",
    });
    fixture.create("web", spec);
    let pod = fixture.phase("web", "Succeeded").await;
    assert_eq!(fs::read_to_string(folder).unwrap(), "first\nsecond\nmain\n");
    assert_eq!(pod["status"]["initContainerStatuses"][0]["ready"], true);
}

#[tokio::test]
async fn a_sidecar_runs_beside_and_ends_after_the_main_container() {
    let fixture = Fixture::new().await;
    let mut sidecar = shell("exec sleep 1000");
    sidecar["name"] = "side".into();
    sidecar["restartPolicy"] = "Always".into();
    let main = shell("sleep 0.2; exit 0");
    let spec = json!({"initContainers": [sidecar], "containers": [main], "restartPolicy": "Never"});
    fixture.create("web", spec);
    let pod = fixture.phase("web", "Running").await;
    assert_eq!(pod["status"]["initContainerStatuses"][0]["ready"], true);
    let pod = fixture.phase("web", "Succeeded").await;
    let ended = &pod["status"]["initContainerStatuses"][0]["state"]["terminated"];
    assert_eq!(ended["exitCode"], 143);
}

#[tokio::test]
async fn what_is_ignored_is_said_in_one_event() {
    let fixture = Fixture::new().await;
    let mut spec = pod("exec sleep 1000");
    spec["securityContext"] = json!({"runAsUser": 1000});
    spec["containers"][0]["resources"] = json!({"limits": {"memory": "64Mi"}});
    fixture.create("web", spec);
    fixture.ready("web").await;
    let message =
        "the embedded cluster ignores securityContext (pods run as you); resources.limits";
    let expected = ("Ignored".to_owned(), message.to_owned());
    let events = fixture.events("web");
    assert_eq!(
        events.iter().filter(|it| **it == expected).count(),
        1,
        "{events:?}"
    );
}

#[tokio::test]
async fn volumes_are_folders_with_the_names_of_the_volumes() {
    let fixture = Fixture::new().await;
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "words"}, "data": {"greeting": "hello"},
    });
    fixture
        .api
        .create(&resource::CONFIG_MAP, "default", map, "test")
        .unwrap();
    let script = "test \"$(cat $METAPARTICLE_VOLUMES/v/greeting)\" = hello && echo 1 > $METAPARTICLE_VOLUMES/e/x";
    let mut spec = once(script);
    spec["volumes"] =
        json!([{"name": "v", "configMap": {"name": "words"}}, {"name": "e", "emptyDir": {}}]);
    fixture.create("web", spec);
    fixture.phase("web", "Succeeded").await;
}

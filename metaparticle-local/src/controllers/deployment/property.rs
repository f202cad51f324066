//! Whole rollouts with random bounds and pods: the promises hold at every step, and it ends.

use std::collections::HashMap;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::controllers::object::Object;

use super::{
    apply,
    bounds::Bounds,
    plan::{World, decide},
};

/// A Deployment and its ReplicaSets; pods are counts.
struct Simulation {
    deployment: Value,
    sets: Vec<Value>,
    now: Timestamp,
}

impl Simulation {
    fn new(replicas: i32, surge: &Value, unavailable: &Value) -> Self {
        let deployment = json!({
            "metadata": {"name": "web", "namespace": "default", "uid": "d", "generation": 1},
            "spec": {
                "replicas": replicas, "selector": {"matchLabels": {"app": "web"}},
                "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"image": "v0"}},
                "strategy": {"type": "RollingUpdate",
                    "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}},
                "revisionHistoryLimit": 2,
            },
        });
        Self {
            deployment,
            sets: Vec::new(),
            now: Timestamp::UNIX_EPOCH,
        }
    }

    fn bounds(&self) -> Bounds {
        Bounds::of(&serde_json::from_value(self.deployment["spec"].clone()).unwrap())
    }

    fn change(&mut self, field: &str, value: Value) {
        self.deployment["spec"][field] = value;
        let generation = &mut self.deployment["metadata"]["generation"];
        *generation = json!(generation.as_i64().unwrap() + 1);
    }

    /// The controller's step. Says whether it changed anything.
    fn step(&mut self) -> bool {
        self.now += SignedDuration::from_secs(1);
        let world = World {
            deployment: Object::of(self.deployment.clone()),
            replica_sets: self.sets.iter().cloned().map(Object::of).collect(),
            taken: Vec::new(),
            running: HashMap::new(),
        };
        let decision = decide(&world, self.now);
        let before = (self.deployment.clone(), self.sets.clone());
        for set in &decision.update {
            let found = self
                .sets
                .iter_mut()
                .find(|it| it["metadata"]["name"] == *set.name);
            apply(set, found.unwrap());
        }
        self.sets.retain(|it| {
            !decision
                .delete
                .iter()
                .any(|name| it["metadata"]["name"] == **name)
        });
        if let Some(mut set) = decision.create {
            set["metadata"]["uid"] = set["metadata"]["name"].clone();
            set["metadata"]["creationTimestamp"] = json!(self.now.to_string());
            set["status"] = json!({"replicas": 0, "availableReplicas": 0, "readyReplicas": 0});
            self.sets.push(set);
        }
        self.deployment["status"] = serde_json::to_value(&decision.status).unwrap();
        before != (self.deployment.clone(), self.sets.clone())
    }

    /// The ReplicaSets' step: pods come and go; of those that go the unavailable are the first.
    fn pods(&mut self) -> bool {
        let mut changed = false;
        for set in &mut self.sets {
            let wanted = set["spec"]["replicas"].as_i64().unwrap();
            let available = set["status"]["availableReplicas"]
                .as_i64()
                .unwrap()
                .min(wanted);
            let status = json!({"replicas": wanted, "readyReplicas": available, "availableReplicas": available});
            changed |= set["status"] != status;
            set["status"] = status;
        }
        changed
    }

    /// Pods of one ReplicaSet become available, or stop being so.
    fn readiness(&mut self, which: usize, available: i64) {
        if self.sets.is_empty() {
            return;
        }
        let index = which % self.sets.len();
        let status = &mut self.sets[index]["status"];
        let available = available.min(status["replicas"].as_i64().unwrap());
        status["availableReplicas"] = json!(available);
        status["readyReplicas"] = json!(available);
    }

    fn total(&self) -> i64 {
        self.sets
            .iter()
            .map(|it| it["spec"]["replicas"].as_i64().unwrap())
            .sum()
    }

    /// Pods that are available and stay so.
    fn available(&self) -> i64 {
        let stays = |it: &Value| {
            let wanted = it["spec"]["replicas"].as_i64().unwrap();
            it["status"]["availableReplicas"]
                .as_i64()
                .unwrap()
                .min(wanted)
        };
        self.sets.iter().map(stays).sum()
    }

    /// Everything becomes available until nothing moves.
    fn settle(&mut self) {
        for _ in 0..500 {
            let mut moved = self.step() | self.pods();
            for set in &mut self.sets {
                let replicas = set["status"]["replicas"].clone();
                moved |= set["status"]["availableReplicas"] != replicas;
                set["status"]["availableReplicas"] = replicas.clone();
                set["status"]["readyReplicas"] = replicas;
            }
            if !moved {
                return;
            }
        }
        panic!("never settles");
    }
}

fn amount() -> impl Strategy<Value = Value> {
    prop_oneof![
        (0..4).prop_map(|it| json!(it)),
        (0..=100).prop_map(|it| json!(format!("{it}%")))
    ]
}

#[derive(Clone, Debug)]
enum Step {
    Control,
    Pods,
    Readiness(usize, i64),
    Template(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Control),
        3 => Just(Step::Pods),
        4 => (0..4_usize, 0..12_i64).prop_map(|(which, available)| Step::Readiness(which, available)),
        1 => (0..4_u8).prop_map(Step::Template),
    ]
}

proptest! {
    #[test]
    fn rollouts_keep_their_promises_and_end(
        replicas in 0..12,
        surge in amount(),
        unavailable in amount(),
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let mut world = Simulation::new(replicas, &surge, &unavailable);
        world.settle();
        let bounds = world.bounds();
        for step in steps {
            match step {
                Step::Control => {
                    let before = world.available();
                    world.step();
                    let (least, most) = (i64::from(bounds.least()), i64::from(bounds.most()));
                    // What was missing already is not the controller's doing.
                    prop_assert!(world.available() >= least.min(before), "{before} to {}", world.available());
                    prop_assert!(world.total() <= most, "{} pods", world.total());
                }
                Step::Pods => drop(world.pods()),
                Step::Readiness(which, available) => world.readiness(which, available),
                Step::Template(version) => world.change("template",
                    json!({"metadata": {"labels": {"app": "web"}}, "spec": {"image": format!("v{version}")}})),
            }
        }
        world.settle();
        prop_assert_eq!(world.total(), i64::from(replicas));
        prop_assert_eq!(world.available(), i64::from(replicas));
        let used = world.sets.iter().filter(|it| it["spec"]["replicas"] != 0);
        prop_assert!(used.count() <= 1);
        prop_assert!(world.sets.len() <= 3, "history beyond its limit");
        let status = &world.deployment["status"];
        prop_assert_eq!(status["updatedReplicas"].as_i64().unwrap_or_default(), i64::from(replicas));
    }

    #[test]
    fn scaling_at_any_moment_ends_at_the_new_size(
        replicas in 0..12,
        target in 0..12,
        surge in amount(),
        unavailable in amount(),
        steps in prop::collection::vec(step(), 0..30),
    ) {
        let mut world = Simulation::new(replicas, &surge, &unavailable);
        world.settle();
        world.change("template",
            json!({"metadata": {"labels": {"app": "web"}}, "spec": {"image": "v9"}}));
        for step in steps {
            match step {
                Step::Control => drop(world.step()),
                Step::Pods => drop(world.pods()),
                Step::Readiness(which, available) => world.readiness(which, available),
                Step::Template(_) => {}
            }
        }
        world.change("replicas", json!(target));
        world.step();
        prop_assert!(world.total() <= i64::from(world.bounds().most()).max(i64::from(target)));
        world.settle();
        prop_assert_eq!(world.total(), i64::from(target));
    }
}

//! The generated Role is enough to coordinate; without a verb of it, something fails, and says which is missing.

use std::time::Duration;

use k8s_openapi::api::{
    coordination::v1::Lease,
    core::v1::ServiceAccount,
    rbac::v1::{Role, RoleBinding},
};
use kube::{
    Config, ResourceExt as _,
    api::{Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use metaparticle::coordinator::{Coordinator, Error};
use metaparticle_spec::{AppSpec, render::manifests};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{apply, harness::Namespace};

/// Longer than what is refused takes to say so; not a duration that is waited for.
const LIMIT: Duration = Duration::from_secs(60);

fn generated<T: DeserializeOwned>(objects: &[Value], kind: &str) -> T {
    let object = objects.iter().find(|object| object["kind"] == kind);
    serde_json::from_value(object.expect("it is generated").clone()).expect("it is of that kind")
}

/// The account of the pods, with what the manifests give it.
struct Account {
    namespace: Namespace,
    role: Role,
    config: Config,
}

impl Account {
    async fn create() -> Self {
        let namespace = Namespace::create("rbac").await;
        let objects = manifests(
            &AppSpec {
                coordination: true,
                ..apply::spec(1)
            },
            "none",
        );
        let params = PostParams::default();
        let account: ServiceAccount = generated(&objects, "ServiceAccount");
        let role: Role = generated(&objects, "Role");
        let binding: RoleBinding = generated(&objects, "RoleBinding");
        let name = account.name_any();
        namespace
            .api()
            .create(&params, &account)
            .await
            .expect("created");
        namespace
            .api()
            .create(&params, &role)
            .await
            .expect("created");
        namespace
            .api()
            .create(&params, &binding)
            .await
            .expect("created");

        let path = std::env::var("METAPARTICLE_TEST_KUBECONFIG").expect("set by xtask");
        let file = Kubeconfig::read_from(path).expect("a kubeconfig");
        let options = KubeConfigOptions::default();
        let mut config = Config::from_custom_kubeconfig(file, &options)
            .await
            .expect("a config");
        config.default_namespace.clone_from(&namespace.name);
        let user = format!("system:serviceaccount:{}:{name}", namespace.name);
        config.auth_info.impersonate = Some(user);
        Self {
            namespace,
            role,
            config,
        }
    }

    /// Lets the role have these rules, and waits until the API server goes by them.
    async fn rules(&self, rules: &Value, verb: &str, is_given: bool) {
        let patch = Patch::Merge(json!({ "rules": rules }));
        let api = self.namespace.api::<Role>();
        let patched = api.patch("web", &PatchParams::default(), &patch).await;
        patched.expect("the role is changed");
        let client = kube::Client::try_from(self.config.clone()).expect("a client");
        let review = json!({ "spec": { "resourceAttributes": {
            "namespace": self.namespace.name, "group": "coordination.k8s.io", "resource": "leases", "verb": verb,
        }}});
        let reviews: kube::Api<k8s_openapi::api::authorization::v1::SelfSubjectAccessReview> =
            kube::Api::all(client);
        let review = serde_json::from_value(review).expect("a review");
        loop {
            let answer = reviews
                .create(&PostParams::default(), &review)
                .await
                .expect("reviewed");
            if answer.status.is_some_and(|status| status.allowed) == is_given {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Leads, locks and leaves; the first refusal that anything shows.
    async fn coordinate(&self, name: &str) -> Result<(), String> {
        let coordinator = Coordinator::of_config(self.config.clone())
            .expect("a client")
            .start()
            .await
            .map_err(|error| error.to_string())?;
        let done = tokio::time::timeout(LIMIT, use_all(&coordinator, name)).await;
        let trouble = coordinator.trouble();
        coordinator.shutdown().await;
        match (done, trouble) {
            (Ok(Err(error)), _) => Err(error.to_string()),
            (_, Some(trouble)) => Err(trouble.to_string()),
            (Ok(Ok(())), None) => Ok(()),
            (Err(_), None) => Err("nothing was refused, and it did not end".to_owned()),
        }
    }

    /// Leads while somebody else writes to the Lease so often that a renewal meets another version, which makes it read.
    async fn lead_beside_others(&self, name: &str) -> Result<(), String> {
        let coordinator = Coordinator::of_config(self.config.clone())
            .expect("a client")
            .start()
            .await
            .map_err(|error| error.to_string())?;
        let election = coordinator
            .election(name)
            .lease(Duration::from_secs(3))
            .build()
            .map_err(|error| error.to_string())?;
        let term = election
            .campaign()
            .await
            .map_err(|error| error.to_string())?;
        let leases = self.namespace.api::<Lease>();
        let disturbed = async {
            for count in 0_u64.. {
                let patch =
                    json!({ "metadata": { "annotations": { "count": count.to_string() } } });
                let patch = Patch::Merge(&patch);
                let patched = leases.patch(name, &PatchParams::default(), &patch).await;
                patched.expect("annotated");
                if let Some(trouble) = coordinator.trouble() {
                    return trouble.to_string();
                }
            }
            unreachable!("it counts for ever")
        };
        let trouble = tokio::time::timeout(LIMIT, disturbed).await;
        drop(term);
        coordinator.shutdown().await;
        trouble.map_or(Ok(()), Err)
    }
}

async fn use_all(coordinator: &Coordinator, name: &str) -> Result<(), Error> {
    let election = coordinator.election(name).build()?;
    let term = election.campaign().await?;
    term.step_down().await.map_err(|source| Error::Lost {
        of: name.into(),
        source,
    })?;
    let guard = coordinator.mutex(name).lock().await?;
    guard.unlock().await?;
    let share = coordinator.rwlock(&format!("{name}-rw")).read().await?;
    share.unlock().await
}

#[tokio::test]
async fn generated_role_is_enough_and_a_verb_that_it_lacks_is_named() {
    let account = Account::create().await;
    let all = json!(account.role.rules);
    account.rules(&all, "get", true).await;
    account
        .coordinate("whole")
        .await
        .expect("the role is enough");

    let verbs = account.role.rules.as_ref().expect("rules")[0].verbs.clone();
    assert_eq!(
        verbs,
        ["create", "delete", "get", "list", "update", "watch"]
    );
    for verb in &verbs {
        let mut less = all.clone();
        less[0]["verbs"]
            .as_array_mut()
            .expect("verbs")
            .retain(|kept| kept != verb);
        account.rules(&less, verb, false).await;
        let name = format!("without-{verb}");
        let refusal = match &**verb {
            "get" => account.lead_beside_others(&name).await,
            _ => account.coordinate(&name).await,
        };
        let refusal = refusal.expect_err("the verb is needed");
        assert!(
            refusal.contains(&format!("needs the verb `{verb}` on leases")),
            "{verb}: {refusal}"
        );
        account.rules(&all, verb, true).await;
    }
    account.namespace.delete().await;
}

//! What only saves time or informs needs permissions, too: on a real API server, each is enough, and without it the
//! refusal names it. Those on Leases are removed one by one in the suites of the whole.

use serde_json::{Value, json};

use crate::{
    events,
    proof::{self, Container},
    refusal::Refusal,
    store::Store,
    testing::{Real, ask, real_config},
};

/// An account with a Role of one rule, in a namespace of its own.
struct Account {
    real: Real,
    client: kube::Client,
}

impl Account {
    /// May do these to pods, and these to Events.
    async fn that_may(pods: &[&str], events: &[&str]) -> Self {
        let real = Real::new().await;
        let user = format!("somebody-in-{}", real.namespace);
        let rbac = format!(
            "/apis/rbac.authorization.k8s.io/v1/namespaces/{}",
            real.namespace
        );
        let rules: Vec<_> = [("pods", pods), ("events", events)]
            .into_iter()
            .filter(|(_, verbs)| !verbs.is_empty())
            .map(|(resource, verbs)| {
                json!({ "apiGroups": [""], "resources": [resource], "verbs": verbs })
            })
            .collect();
        let role = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": { "name": "some" },
            "rules": rules,
        });
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": { "name": "some" },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "some" },
            "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user }],
        });
        let created = [
            ask(&real.client, "POST", &format!("{rbac}/roles"), Some(&role)).await,
            ask(
                &real.client,
                "POST",
                &format!("{rbac}/rolebindings"),
                Some(&binding),
            )
            .await,
        ];
        assert!(
            created.iter().all(|it| it["metadata"]["uid"].is_string()),
            "{created:?}"
        );
        let mut config = real_config().await;
        config.auth_info.impersonate = Some(user);
        let client = crate::connect::client(config).unwrap();
        let account = Self { real, client };
        for (resource, verbs) in [("pods", pods), ("events", events)] {
            for verb in verbs {
                account.may(verb, resource).await;
            }
        }
        account
    }

    /// Waits until the API server goes by the Role.
    async fn may(&self, verb: &str, resource: &str) {
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": { "resourceAttributes": {
                "namespace": self.real.namespace, "resource": resource, "verb": verb,
            }},
        });
        let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        for _ in 0..1200 {
            let answer = ask(&self.client, "POST", path, Some(&review)).await;
            if answer["status"]["allowed"] == true {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("the Role has not taken effect after a minute");
    }

    /// A pod that no node takes, with the uid that it was given.
    async fn pod(&self) -> String {
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "web-1" },
            "spec": {
                "nodeSelector": { "nowhere": "" }, "automountServiceAccountToken": false,
                "containers": [{ "name": "main", "image": "none" }],
            },
        });
        let path = format!("/api/v1/namespaces/{}/pods", self.real.namespace);
        // The default account comes a moment after the namespace.
        loop {
            let pod = ask(&self.real.client, "POST", &path, Some(&pod)).await;
            if let Some(uid) = pod["metadata"]["uid"].as_str() {
                return uid.to_owned();
            }
            assert!(
                pod["message"].as_str().unwrap().contains("serviceaccount"),
                "{pod}"
            );
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }

    /// The kubelet's report.
    async fn report(&self, status: &Value) {
        let path = format!(
            "/api/v1/namespaces/{}/pods/web-1/status",
            self.real.namespace
        );
        loop {
            let mut pod = ask(&self.real.client, "GET", &path, None).await;
            pod["status"] = status.clone();
            let pod = ask(&self.real.client, "PUT", &path, Some(&pod)).await;
            // The scheduler says its part, too, and once.
            if pod["reason"] != "Conflict" {
                assert!(pod["metadata"]["uid"].is_string(), "{pod}");
                return;
            }
        }
    }

    async fn own(&self, uid: &str) -> Result<Option<Container>, Refusal> {
        let namespace = self.real.namespace.clone();
        proof::own(
            self.client.clone(),
            namespace,
            "web-1".to_owned(),
            uid.to_owned(),
            |_| true,
        )
        .await
    }

    async fn ended(&self, uid: &str) -> Result<(), Refusal> {
        let container = format!("{} web-1 {uid} {ID}", self.real.namespace);
        proof::ended(self.client.clone(), container.parse().unwrap()).await
    }

    fn store(&self) -> Store {
        Store::new(self.client.clone(), &self.real.namespace)
    }
}

const ID: &str = "containerd://3f4e";

fn status(state: &Value) -> Value {
    json!({ "phase": "Running", "containerStatuses": [{
        "name": "main", "image": "none", "imageID": "", "ready": false, "restartCount": 0,
        "containerID": ID, "state": state,
    }]})
}

fn names<T: std::fmt::Debug>(refused: Result<T, Refusal>, permission: &str) {
    let refusal = refused.expect_err(permission).to_string();
    assert!(
        refusal.contains(&format!("needs the verb {permission}")),
        "{refusal}"
    );
}

#[tokio::test]
#[ignore = "needs the API server that METAPARTICLE_TEST_KUBECONFIG names"]
async fn proof_of_an_end_needs_to_get_and_to_watch_pods() {
    let whole = Account::that_may(&["get", "watch"], &[]).await;
    let uid = whole.pod().await;
    let now = "2026-01-01T00:00:00Z";
    whole
        .report(&status(&json!({ "running": { "startedAt": now } })))
        .await;
    let own = whole
        .own(&uid)
        .await
        .unwrap()
        .expect("the kubelet reports it");
    assert!(own.to_string().ends_with(ID), "{own}");
    whole
        .report(&status(
            &json!({ "terminated": { "exitCode": 137, "containerID": ID } }),
        ))
        .await;
    whole.ended(&uid).await.unwrap();
    whole.real.end().await;

    let less = Account::that_may(&["watch"], &[]).await;
    names(less.own(&uid).await, "`get` on pods");
    less.real.end().await;
    let less = Account::that_may(&["get"], &[]).await;
    names(less.ended(&uid).await, "`watch` on pods");
    less.real.end().await;
}

#[tokio::test]
#[ignore = "needs the API server that METAPARTICLE_TEST_KUBECONFIG names"]
async fn events_need_to_be_created() {
    let whole = Account::that_may(&[], &["create"]).await;
    events::tests::sent(whole.store()).await.unwrap();
    let path = format!("/api/v1/namespaces/{}/events", whole.real.namespace);
    let events = ask(&whole.real.client, "GET", &path, None).await;
    let told = events["items"].as_array().unwrap().iter();
    assert!(
        told.clone()
            .any(|it| it["involvedObject"]["kind"] == "Lease"),
        "{events}"
    );
    whole.real.end().await;

    let less = Account::that_may(&["get", "watch"], &["list"]).await;
    names(
        events::tests::sent(less.store()).await,
        "`create` on events",
    );
    less.real.end().await;
}

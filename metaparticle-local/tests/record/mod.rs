//! Asks a real API server.

use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};

use super::{Answers, Cases, changed, neutral, printed, resource, without_status};
use metaparticle_local::api::failure::Failure;

const NAMESPACE: &str = "metaparticle-kinds";

/// The answers to all cases. Creations are only tried; what is to be changed is created and deleted.
pub(super) fn answers(kubeconfig: &str, cases: &Cases) -> Answers {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(kubeconfig, &options)
            .await
            .unwrap();
        let server = Server(Client::try_from(config).unwrap());
        let namespace = json!({"metadata": {"name": NAMESPACE}});
        let _ = server.send("POST", "/api/v1/namespaces", &namespace).await;
        server.answers(cases).await
    })
}

struct Server(Client);

impl Server {
    async fn answers(&self, cases: &Cases) -> Answers {
        let all = path(&cases.base);
        let name = cases.base["metadata"]["name"].as_str().unwrap();
        let one = format!("{all}/{name}");
        let mut answers = Answers::new();
        for (name, changes) in &cases.create {
            let object = changed(&cases.base, changes);
            let answer = self
                .send("POST", &format!("{all}?dryRun=All"), &object)
                .await;
            answers.insert(format!("create: {name}"), tidy(answer));
        }
        let printed_new = !resource(&cases.base).status || cases.base["kind"] == "Node";
        for (name, changes) in cases.table.iter().filter(|_| printed_new) {
            let object = changed(&cases.base, changes);
            let table = self
                .print("POST", &format!("{all}?dryRun=All"), &object)
                .await;
            answers.insert(format!("table: {name}"), table.unwrap());
        }
        let printed_old = !printed_new && !cases.table.is_empty();
        if cases.update.is_empty() && cases.status.is_empty() && !printed_old {
            return answers;
        }
        let options = json!({"gracePeriodSeconds": 0, "propagationPolicy": "Background"});
        let _ = self.send("DELETE", &one, &options).await;
        self.send("POST", &all, &cases.base).await.unwrap();
        for (verb, cases) in [("update", &cases.update), ("status", &cases.status)] {
            let path = if verb == "status" {
                format!("{one}/status")
            } else {
                one.clone()
            };
            for (name, changes) in cases {
                let answer = loop {
                    let old = self.send("GET", &one, &Value::Null).await.unwrap();
                    let new = changed(&old, changes);
                    let answer = self.send("PUT", &format!("{path}?dryRun=All"), &new).await;
                    // A controller may have been faster.
                    if !answer.as_ref().is_err_and(|it| it.code == 409) {
                        break answer;
                    }
                };
                answers.insert(
                    format!("{verb}: {name}"),
                    without_status(verb, tidy(answer)),
                );
            }
        }
        for (name, changes) in cases.table.iter().filter(|_| printed_old) {
            let path = format!("{one}/status?dryRun=All");
            let table = loop {
                let old = self.send("GET", &one, &Value::Null).await.unwrap();
                let printed = self.print("PUT", &path, &changed(&old, changes)).await;
                // A controller may have been faster.
                if let Ok(table) = printed {
                    break table;
                }
            };
            answers.insert(format!("table: {name}"), table);
        }
        let _ = self.send("DELETE", &one, &options).await;
        answers
    }

    async fn print(&self, method: &str, path: &str, body: &Value) -> Result<Value, Failure> {
        let table = "application/json;as=Table;v=v1;g=meta.k8s.io";
        let table = self.send_for(table, method, path, body).await;
        // What is not valid will not become so.
        assert!(!table.as_ref().is_err_and(|it| it.code == 422), "{table:?}");
        Ok(printed(&without_uids(&table?.to_string())))
    }

    async fn send(&self, method: &str, path: &str, body: &Value) -> Result<Value, Failure> {
        self.send_for("application/json", method, path, body).await
    }

    async fn send_for(
        &self,
        accept: &str,
        method: &str,
        path: &str,
        body: &Value,
    ) -> Result<Value, Failure> {
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", "application/json")
            .header("accept", accept)
            .body(serde_json::to_vec(body).unwrap())
            .unwrap();
        self.0.request(request).await.map_err(|error| match error {
            kube::Error::Api(status) => {
                let status = serde_json::to_value(&*status).unwrap();
                let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
                Failure::new(
                    status["code"].as_u64().unwrap().try_into().unwrap(),
                    "",
                    text(&status["message"]),
                )
                .with_details(status["details"].clone())
            }
            other => panic!("{path}: {other}"),
        })
    }
}

/// The path of all objects of that kind.
fn path(object: &Value) -> String {
    let resource = resource(object);
    let version = resource.api_version();
    let root = if resource.group.is_empty() {
        "/api"
    } else {
        "/apis"
    };
    let scope = if resource.namespaced {
        format!("/namespaces/{NAMESPACE}")
    } else {
        String::new()
    };
    format!("{root}/{version}{scope}/{}", resource.plural)
}

fn tidy(answer: Result<Value, Failure>) -> Value {
    without_uids(&neutral(answer).to_string())
}

/// With our placeholder for uids, which are in selectors and messages too.
fn without_uids(text: &str) -> Value {
    let mut text = text.to_owned();
    let mut at = 0;
    while at + 36 <= text.len() {
        let is_uid = text.is_char_boundary(at)
            && text.get(at..at + 36).is_some_and(|it| {
                let dash = |index| [8, 13, 18, 23].contains(&index);
                it.bytes().enumerate().all(|(index, byte)| {
                    if dash(index) {
                        byte == b'-'
                    } else {
                        byte.is_ascii_hexdigit()
                    }
                })
            });
        if is_uid {
            text.replace_range(at..at + 36, "UID");
        }
        at += 1;
    }
    serde_json::from_str(&text).unwrap()
}

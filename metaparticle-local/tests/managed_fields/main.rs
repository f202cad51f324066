//! Field ownership beside a real Kubernetes: the same writes, the same `managedFields`, the same refusals.
//!
//! `METAPARTICLE_TEST_KUBECONFIG=… cargo test -p metaparticle-local --test managed_fields -- --ignored`

mod stories;
mod workloads;

use std::{collections::BTreeMap, env, error::Error};

use http::{Method, Request};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use metaparticle_local::api::{
    apply::{self, Writer},
    decode::{self, FieldValidation},
    failure::Failure,
    kinds,
    patch::{self, Kind},
    resource::Resource,
};
use serde_json::{Value, json};

use self::stories::{How, Step, stories};

#[tokio::test]
#[ignore = "needs a real cluster: METAPARTICLE_TEST_KUBECONFIG"]
async fn managed_fields_are_those_of_a_real_kubernetes() -> Result<(), Box<dyn Error>> {
    let real = Real::connect().await?;
    let mut steps = 0;
    let mut differences = Vec::new();
    for (number, (resource, story)) in stories().into_iter().enumerate() {
        let name = format!("story-{number}");
        for (at, step) in story.into_iter().enumerate() {
            steps += 1;
            if let Err(difference) = real.compare(resource, &name, &step).await {
                let kind = resource.kind;
                differences.push(format!("{kind} {number}.{at} {step:?}\n{difference}"));
            }
        }
    }
    real.end().await?;
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
    assert!(steps >= 60, "{steps} steps");
    println!("contract: {steps} writes on both API servers own the same fields");
    Ok(())
}

struct Real {
    client: Client,
    namespace: String,
}

impl Real {
    async fn connect() -> Result<Self, Box<dyn Error>> {
        let path = env::var_os("METAPARTICLE_TEST_KUBECONFIG").ok_or("no kubeconfig is named")?;
        let kubeconfig = Kubeconfig::read_from(path)?;
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(kubeconfig, &options).await?;
        let client = Client::try_from(config)?;
        let namespace = format!("patch-{}", std::process::id());
        let real = Self { client, namespace };
        let body = json!({"metadata": {"name": real.namespace}});
        let path = "/api/v1/namespaces";
        real.send(Method::POST, path, "application/json", &body)
            .await?;
        Ok(real)
    }

    async fn end(&self) -> Result<(), Box<dyn Error>> {
        let path = format!("/api/v1/namespaces/{}", self.namespace);
        self.send(Method::DELETE, &path, "application/json", &json!({}))
            .await?;
        Ok(())
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: &Value,
    ) -> Result<Value, kube::Error> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("Content-Type", content_type)
            .body(body.to_string().into_bytes())
            .map_err(kube::Error::HttpError)?;
        self.client.request(request).await
    }

    /// Does a step on both sides; what differs is the error.
    async fn compare(
        &self,
        resource: &'static Resource,
        name: &str,
        step: &Step,
    ) -> Result<(), String> {
        let api = if resource.group.is_empty() {
            "api"
        } else {
            "apis"
        };
        let (version, plural) = (resource.api_version(), resource.plural);
        let collection = format!("/{api}/{version}/namespaces/{}/{plural}", self.namespace);
        let object = format!("{collection}/{name}");
        let current = self
            .send(Method::GET, &object, "application/json", &json!(null))
            .await
            .ok();
        let named = json!({
            "apiVersion": version, "kind": resource.kind,
            "metadata": {"name": name, "namespace": self.namespace},
        });
        let body = match (step.how, &current) {
            (How::Patch(_), _) => step.body.clone(),
            // Controllers write, too: whatever is there is updated.
            (How::Update, Some(current)) if updates_any_version(resource) => {
                let current =
                    patch::merge(current, &json!({"metadata": {"resourceVersion": null}}));
                patch::merge(&current, &step.body)
            }
            (How::Update, Some(current)) => patch::merge(current, &step.body),
            _ => patch::merge(&named, &step.body),
        };
        let method = match step.how {
            How::Create => Method::POST,
            How::Update => Method::PUT,
            _ => Method::PATCH,
        };
        let object = match step.subresource {
            Some(subresource) => format!("{object}/{subresource}"),
            None => object,
        };
        let path = if method == Method::POST {
            collection
        } else {
            object
        };
        let path = format!("{path}?fieldManager={}{}", step.manager, step.how.query());
        let real = self
            .send(method, &path, step.how.content_type(), &body)
            .await;
        let time = real.as_ref().map_or_else(|_| String::new(), last_time);
        match (real, ours(resource, current.as_ref(), step, &body, &time)) {
            (Ok(real), Ok(ours)) => {
                same("managedFields", &managers(&real), &managers(&ours))?;
                same("data", &data(&real), &data(&ours))
            }
            (Err(kube::Error::Api(real)), Err(ours)) => {
                let code = json!([real.code, real.reason, real.message]);
                same(
                    "status",
                    &code,
                    &json!([ours.code, ours.reason, ours.message]),
                )?;
                let causes = real.details.iter().flat_map(|it| &it.causes);
                let causes = causes.map(|it| (it.field.clone(), it.message.clone()));
                let causes: BTreeMap<_, _> = causes.collect();
                same("causes", &json!(causes), &json!(causes_of(&ours)))
            }
            (real, ours) => Err(format!("real: {real:?}\nours: {ours:?}")),
        }
    }
}

fn same(what: &str, real: &Value, ours: &Value) -> Result<(), String> {
    if real == ours {
        return Ok(());
    }
    Err(format!("{what}\n  real: {real}\n  ours: {ours}"))
}

fn ours(
    resource: &'static Resource,
    current: Option<&Value>,
    step: &Step,
    body: &Value,
    time: &str,
) -> Result<Value, Failure> {
    let writer = Writer {
        manager: step.manager,
        subresource: step.subresource,
        time,
    };
    let validation = FieldValidation::Warn;
    if let How::Apply { force } = step.how {
        return apply::apply(resource, current, body, writer, force);
    }
    let mut new = match (step.how, current) {
        (How::Patch(kind), Some(current)) => {
            let patch = patch::read(kind, body.to_string().as_bytes())?;
            let patched = match kind {
                Kind::Json => patch::json(current, &patch.value)?,
                Kind::Merge => patch::merge(current, &patch.value),
                Kind::Strategic => patch::strategic(resource, current, &patch.value)?,
            };
            patch::finish(resource, kind, &patch, patched, validation)?.object
        }
        _ => decode::decode(resource, body.clone(), validation)?.object,
    };
    kinds::default(resource, &mut new);
    let old = current.filter(|_| !matches!(step.how, How::Create));
    apply::track(resource, old, &mut new, writer);
    Ok(new)
}

fn updates_any_version(resource: &'static Resource) -> bool {
    kinds::check_resource_version(resource, &json!({})).is_ok()
}

/// What the owners of the stories own: controllers work meanwhile. Of times, whether there is one.
fn managers(object: &Value) -> Value {
    const OTHERS: [&str; 3] = ["kube-controller-manager", "kubelet", "kube-scheduler"];
    let entries = object["metadata"]["managedFields"].as_array();
    let entries = entries.into_iter().flatten();
    let entries = entries.filter(|it| !OTHERS.contains(&it["manager"].as_str().unwrap_or("")));
    let without_time = entries.cloned().map(|mut entry| {
        if !entry["time"].is_null() {
            entry["time"] = true.into();
        }
        entry
    });
    without_time.collect()
}

/// When the real server wrote, as far as it tells.
fn last_time(object: &Value) -> String {
    let entries = object["metadata"]["managedFields"].as_array();
    let times = entries.into_iter().flatten();
    let times = times.filter_map(|it| it["time"].as_str());
    times.max().unwrap_or_default().to_owned()
}

/// What is not the kind's own, and not a controller's.
fn data(object: &Value) -> Value {
    let metadata = &object["metadata"];
    let mut annotations = metadata["annotations"].clone();
    if let Some(annotations) = annotations.as_object_mut() {
        annotations.remove("deployment.kubernetes.io/revision");
    }
    if annotations
        .as_object()
        .is_some_and(serde_json::Map::is_empty)
    {
        annotations = Value::Null;
    }
    json!([object["data"], metadata["finalizers"], annotations])
}

fn causes_of(failure: &Failure) -> BTreeMap<String, String> {
    let causes = failure.details.as_ref().map(|it| &it["causes"]);
    let causes = causes.and_then(Value::as_array).into_iter().flatten();
    let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
    causes
        .map(|it| (text(&it["field"]), text(&it["message"])))
        .collect()
}

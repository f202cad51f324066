//! Requests of somebody who wants it to break: each is refused as the real API server refuses it, and the next one is
//! answered.

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::BodyExt as _;
use metaparticle_local::{Cluster, api::Api};
use serde_json::{Value, json};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

async fn send(
    api: &Api,
    method: Method,
    path: &str,
    media: &str,
    body: impl Into<Bytes>,
) -> (u16, Value) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", media)
        .body(body.into());
    let answer: Response<_> = api.call("hostile", request.expect("a request")).await;
    let code = answer.status().as_u16();
    let text = answer
        .into_body()
        .collect()
        .await
        .expect("a body never fails")
        .to_bytes();
    (code, serde_json::from_slice(&text).unwrap_or(Value::Null))
}

async fn post(api: &Api, path: &str, body: &Value) -> (u16, Value) {
    send(
        api,
        Method::POST,
        path,
        "application/json",
        body.to_string(),
    )
    .await
}

async fn still_answers(cluster: &Cluster) {
    let name = format!("after-{}", cluster.requests().len());
    let (code, _) = post(cluster.api(), MAPS, &json!({"metadata": {"name": name}})).await;
    assert_eq!(code, 201);
}

fn message(answer: &Value) -> &str {
    answer["message"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn names_that_are_paths_are_refused() {
    let cluster = Cluster::start().await;
    for name in [
        "a/b",
        "..",
        "../../etc",
        "a\u{0}b",
        "-a",
        "A",
        "a%2fb",
        " ",
        &"a".repeat(300),
    ] {
        let (code, answer) = post(cluster.api(), MAPS, &json!({"metadata": {"name": name}})).await;
        assert_eq!(code, 422, "{name:?}: {answer}");
        assert_eq!(answer["reason"], "Invalid");
    }
    for path in ["/..%2f..%2fetc", "/%00", "/.."] {
        let (code, answer) =
            send(cluster.api(), Method::GET, &format!("{MAPS}{path}"), "", "").await;
        assert_eq!(code, 404, "{path}: {answer}");
    }
    let (code, _) = send(
        cluster.api(),
        Method::GET,
        "/api/v1/namespaces/..%2f../pods/..%2f..%2fx/log",
        "",
        "",
    )
    .await;
    assert_eq!(code, 404);
    still_answers(&cluster).await;
}

#[tokio::test]
async fn what_is_too_large_is_refused_whole() {
    let cluster = Cluster::start().await;
    let with = |bytes: usize| json!({"metadata": {"name": "big", "annotations": {"a": "x".repeat(bytes)}}});
    let (code, answer) = post(cluster.api(), MAPS, &with(10 << 20)).await;
    assert_eq!(
        (code, message(&answer)),
        (413, "Request entity too large: limit is 3145728")
    );
    let (code, answer) = post(cluster.api(), MAPS, &with(300 << 10)).await;
    assert_eq!(code, 422);
    assert!(
        message(&answer).contains("may not be more than 262144 bytes"),
        "{answer}"
    );
    let (code, _) = send(cluster.api(), Method::GET, &format!("{MAPS}/big"), "", "").await;
    assert_eq!(code, 404);
    still_answers(&cluster).await;
}

#[tokio::test]
async fn deep_nesting_neither_crashes_nor_passes() {
    let cluster = Cluster::start().await;
    post(
        cluster.api(),
        MAPS,
        &json!({"metadata": {"name": "target"}}),
    )
    .await;
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        for depth in [200, 9_000, 11_000, 500_000] {
            let deep = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            let body = format!("{{\"metadata\":{{\"name\":\"deep\"}},\"data\":{{\"a\":{deep}}}}}");
            let (code, answer) = send(
                cluster.api(),
                Method::POST,
                MAPS,
                "application/json",
                body.clone(),
            )
            .await;
            assert_eq!(code, 400, "{depth}: {answer}");
            for media in [
                "application/merge-patch+json",
                "application/strategic-merge-patch+json",
                "application/apply-patch+yaml",
                "application/json-patch+json",
            ] {
                let path = format!("{MAPS}/target?fieldManager=hostile");
                let (code, answer) =
                    send(cluster.api(), Method::PATCH, &path, media, body.clone()).await;
                assert!(
                    (400..500).contains(&code),
                    "{media} {depth}: {code} {answer}"
                );
            }
        }
    }
    still_answers(&cluster).await;
}

#[tokio::test]
async fn patches_that_multiply_themselves_are_refused() {
    let cluster = Cluster::start().await;
    let body = json!({"metadata": {"name": "bomb"}, "data": {"a": "x".repeat(100_000)}});
    assert_eq!(post(cluster.api(), MAPS, &body).await.0, 201);
    let copy = |number: usize| json!({"op": "copy", "from": "/data/a", "path": format!("/data/b{number}")});
    let patch: Vec<Value> = (0..9_000).map(copy).collect();
    let object = format!("{MAPS}/bomb");
    let media = "application/json-patch+json";
    let (code, answer) = send(
        cluster.api(),
        Method::PATCH,
        &object,
        media,
        json!(patch).to_string(),
    )
    .await;
    assert!(code == 413 || code == 422, "{code} {answer}");
    let patch: Vec<Value> = (0..10_001)
        .map(|_| json!({"op": "test", "path": "/data/a", "value": 1}))
        .collect();
    let (code, _) = send(
        cluster.api(),
        Method::PATCH,
        &object,
        media,
        json!(patch).to_string(),
    )
    .await;
    assert_eq!(code, 413);
    still_answers(&cluster).await;
}

#[tokio::test(start_paused = true)]
async fn a_hundred_thousand_replicas_end_at_the_quota() {
    let cluster = Cluster::start().await;
    let body = json!({
        "metadata": {"name": "many"},
        "spec": {
            "replicas": 100_000, "selector": {"matchLabels": {"a": "b"}},
            "template": {
                "metadata": {"labels": {"a": "b"}},
                "spec": {"containers": [{"name": "c", "image": "i"}]},
            },
        },
    });
    let (code, answer) = post(
        cluster.api(),
        "/apis/apps/v1/namespaces/default/deployments",
        &body,
    )
    .await;
    assert_eq!(code, 201, "{answer}");
    let is_told = async || {
        let path = "/apis/apps/v1/namespaces/default/deployments/many";
        let (_, deployment) = send(cluster.api(), Method::GET, path, "", "").await;
        let conditions = deployment["status"]["conditions"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        conditions.iter().any(|it| {
            it["type"] == "ReplicaFailure" && it["message"].to_string().contains("exceeded quota")
        })
    };
    for _ in 0..1000 {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        if is_told().await {
            break;
        }
    }
    assert!(is_told().await);
    let (_, pods) = send(
        cluster.api(),
        Method::GET,
        "/api/v1/namespaces/default/pods",
        "",
        "",
    )
    .await;
    assert_eq!(pods["items"].as_array().map(Vec::len), Some(1000));
    still_answers(&cluster).await;
}

#[tokio::test]
async fn parameters_that_are_none_are_refused() {
    let cluster = Cluster::start().await;
    for (query, expected) in [
        ("limit=99999999999999999999", 400),
        ("continue=%ff%fe", 400),
        (
            "continue=eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6LTk5LCJzdGFydCI6Ii4uLy4uIn0",
            400,
        ),
        ("resourceVersion=-1", 400),
        ("resourceVersion=18446744073709551616", 400),
        ("labelSelector=((((", 400),
        ("fieldSelector=%00", 400),
        // As the real one, word for word.
        ("watch=1&resourceVersion=x", 500),
    ] {
        let (code, answer) = send(
            cluster.api(),
            Method::GET,
            &format!("{MAPS}?{query}"),
            "",
            "",
        )
        .await;
        assert_eq!(code, expected, "{query}: {answer}");
        assert!(!message(&answer).is_empty(), "{query}: {answer}");
    }
    still_answers(&cluster).await;
}

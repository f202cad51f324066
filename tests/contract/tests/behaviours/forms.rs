//! Other forms of an answer: tables, metadata alone, and what cannot be had.

use http::Method;
use metaparticle_contract::{Context, Patch, objects::*};
use serde_json::{Value, json};

behaviours![
    table_of_a_list_has_columns_and_rows,
    table_column_says_its_type,
    table_of_one_object_has_one_row,
    table_of_nothing_has_no_rows,
    table_rows_carry_no_object_on_request,
    table_rows_carry_the_whole_object_on_request,
    table_columns_of_our_kinds_are_those_of_kubectl,
    table_cells_of_a_pod_and_a_service,
    watch_as_a_table_tells_columns_only_once,
    metadata_alone_of_one_object,
    metadata_alone_of_a_list,
    metadata_alone_of_a_watch,
    metadata_alone_of_a_patch,
    form_of_an_unknown_group_is_refused_with_406,
    unknown_media_type_of_an_answer_is_refused_with_406,
    answer_is_json_for_any_media_type,
    answer_is_yaml_on_request,
    answers_are_not_cached,
];

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";
const PARTIAL: &str = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";
const PARTIALS: &str = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";

fn column_names(table: &Value) -> Vec<String> {
    let columns = table["columnDefinitions"].as_array().into_iter().flatten();
    columns.map(|column| text(&column["name"])).collect()
}

async fn table_of_a_list_has_columns_and_rows(c: &Context) {
    c.made("leases", &with(lease("a"), "/spec/holderIdentity", "me"))
        .await;
    let table = c.get_as("leases", TABLE).await.ok(200);
    assert_eq!(
        (&table["kind"], &table["apiVersion"]),
        (&json!("Table"), &json!("meta.k8s.io/v1"))
    );
    assert_eq!(column_names(&table), ["Name", "Holder", "Age"]);
    let row = &table["rows"][0];
    assert_eq!(
        (&row["cells"][0], &row["cells"][1]),
        (&json!("a"), &json!("me"))
    );
    assert_eq!(row["object"]["kind"], "PartialObjectMetadata");
    assert_eq!(row["object"]["metadata"]["name"], "a");
    assert!(version(&table) > 0);
}

async fn table_column_says_its_type(c: &Context) {
    let table = c.get_as("configmaps", TABLE).await.ok(200);
    let name = &table["columnDefinitions"][0];
    assert_eq!(
        (
            &name["name"],
            &name["type"],
            &name["format"],
            &name["priority"]
        ),
        (&json!("Name"), &json!("string"), &json!("name"), &json!(0))
    );
}

async fn table_of_one_object_has_one_row(c: &Context) {
    c.made("configmaps", &config_map("a")).await;
    let table = c.get_as("configmaps/a", TABLE).await.ok(200);
    assert_eq!(table["rows"].as_array().expect("rows").len(), 1);
    assert_eq!(table["rows"][0]["cells"][0], "a");
    assert_eq!(table["rows"][0]["cells"][1], 1);
}

async fn table_of_nothing_has_no_rows(c: &Context) {
    let table = c.get_as("leases", TABLE).await.ok(200);
    assert_eq!(table["rows"], json!([]));
}

async fn table_rows_carry_no_object_on_request(c: &Context) {
    c.made("leases", &lease("a")).await;
    let table = c.get_as("leases?includeObject=None", TABLE).await.ok(200);
    assert_eq!(table["rows"][0]["object"], Value::Null);
}

async fn table_rows_carry_the_whole_object_on_request(c: &Context) {
    c.made("leases", &lease("a")).await;
    let table = c.get_as("leases?includeObject=Object", TABLE).await.ok(200);
    assert_eq!(table["rows"][0]["object"]["kind"], "Lease");
    assert_eq!(
        table["rows"][0]["object"]["spec"]["leaseDurationSeconds"],
        10
    );
}

async fn table_columns_of_our_kinds_are_those_of_kubectl(c: &Context) {
    for (path, columns) in [
        (
            "pods",
            "Name Ready Status Restarts Age IP Node Nominated Node Readiness Gates",
        ),
        (
            "deployments",
            "Name Ready Up-to-date Available Age Containers Images Selector",
        ),
        (
            "replicasets",
            "Name Desired Current Ready Age Containers Images Selector",
        ),
        ("statefulsets", "Name Ready Age Containers Images"),
        (
            "jobs",
            "Name Status Completions Duration Age Containers Images Selector",
        ),
        (
            "services",
            "Name Type Cluster-IP External-IP Port(s) Age Selector",
        ),
        ("configmaps", "Name Data Age"),
        ("secrets", "Name Type Data Age"),
        ("serviceaccounts", "Name Age"),
        ("endpointslices", "Name AddressType Ports Endpoints Age"),
        (
            "events",
            "Last Seen Type Reason Object Subobject Source Message First Seen Count Name",
        ),
        ("/api/v1/namespaces", "Name Status Age"),
        (
            "/api/v1/nodes",
            "Name Status Roles Age Version Internal-IP External-IP OS-Image Kernel-Version Container-Runtime",
        ),
    ] {
        let table = c.get_as(path, TABLE).await.ok(200);
        assert_eq!(column_names(&table).join(" "), columns, "{path}");
    }
}

async fn table_cells_of_a_pod_and_a_service(c: &Context) {
    c.made("pods", &pod("a")).await;
    let table = c.get_as("pods", TABLE).await.ok(200);
    let cells = table["rows"][0]["cells"].as_array().expect("cells");
    assert_eq!(
        cells[..4],
        [json!("a"), json!("0/1"), json!("Pending"), json!("0")]
    );
    assert_eq!(
        cells[5..],
        [
            json!("<none>"),
            json!("<none>"),
            json!("<none>"),
            json!("<none>")
        ]
    );
    c.made("services", &service("s")).await;
    let table = c.get_as("services", TABLE).await.ok(200);
    let cells = table["rows"][0]["cells"].as_array().expect("cells");
    assert_eq!(
        cells[..5],
        [
            json!("s"),
            json!("ClusterIP"),
            json!("None"),
            json!("<none>"),
            json!("80/TCP")
        ]
    );
    assert_eq!(cells[6], "<none>");
}

async fn watch_as_a_table_tells_columns_only_once(c: &Context) {
    let start = version(&c.read("leases").await);
    c.made("leases", &lease("a")).await;
    c.made("leases", &lease("b")).await;
    let path = format!("leases?watch=1&timeoutSeconds=2&resourceVersion={start}");
    let answer = c.get_as(&path, TABLE).await;
    let body = answer.text();
    let events: Vec<Value> = body
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(events.len(), 2);
    assert_eq!(
        column_names(&events[0]["object"]),
        ["Name", "Holder", "Age"]
    );
    assert_eq!(events[1]["object"]["columnDefinitions"], Value::Null);
    assert_eq!(events[1]["object"]["rows"][0]["cells"][0], "b");
}

async fn metadata_alone_of_one_object(c: &Context) {
    let made = c.made("leases", &lease("a")).await;
    let partial = c.get_as("leases/a", PARTIAL).await.ok(200);
    assert_eq!(
        partial,
        json!({
            "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": made["metadata"],
        })
    );
}

async fn metadata_alone_of_a_list(c: &Context) {
    let made = c.made("leases", &lease("a")).await;
    let list = c.get_as("leases", PARTIALS).await.ok(200);
    assert_eq!(
        (&list["kind"], &list["apiVersion"]),
        (
            &json!("PartialObjectMetadataList"),
            &json!("meta.k8s.io/v1")
        )
    );
    assert_eq!(list["items"][0]["metadata"], made["metadata"]);
    assert_eq!(list["items"][0]["spec"], Value::Null);
}

async fn metadata_alone_of_a_watch(c: &Context) {
    let start = version(&c.read("leases").await);
    let made = c.made("leases", &lease("a")).await;
    let path = format!("leases?watch=1&timeoutSeconds=1&resourceVersion={start}");
    let body = c.get_as(&path, PARTIAL).await.text();
    let event: Value = serde_json::from_str(body.lines().next().expect("an event")).expect("JSON");
    assert_eq!(event["type"], "ADDED");
    assert_eq!(event["object"]["kind"], "PartialObjectMetadata");
    assert_eq!(event["object"]["metadata"], made["metadata"]);
}

async fn metadata_alone_of_a_patch(c: &Context) {
    c.made("leases", &lease("a")).await;
    let headers = [
        ("accept", PARTIAL),
        ("content-type", Patch::Merge.media_type()),
    ];
    let body = json!({"metadata": {"labels": {"x": "y"}}}).to_string();
    let answer = c
        .send(Method::PATCH, "leases/a", &headers, body)
        .await
        .ok(200);
    assert_eq!(answer["kind"], "PartialObjectMetadata");
    assert_eq!(answer["metadata"]["labels"], json!({"x": "y"}));
}

async fn form_of_an_unknown_group_is_refused_with_406(c: &Context) {
    let answer = c
        .get_as("leases", "application/json;as=Nonsense;v=v1;g=meta.k8s.io")
        .await;
    answer.refused(
        406,
        "NotAcceptable",
        "only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf",
    );
}

async fn unknown_media_type_of_an_answer_is_refused_with_406(c: &Context) {
    let answer = c.get_as("leases", "image/png").await;
    answer.refused(
        406,
        "NotAcceptable",
        "406: Not Acceptable\n\nAvailable representations: application/json, application/yaml, application/vnd.kubernetes.protobuf, application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch",
    );
}

async fn answer_is_json_for_any_media_type(c: &Context) {
    for accept in [
        "*/*",
        "image/png, application/json",
        "application/json;q=0.9",
    ] {
        let answer = c.get_as("leases", accept).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, "application/json"),
            "{accept}"
        );
    }
}

async fn answer_is_yaml_on_request(c: &Context) {
    let made = c.made("configmaps", &config_map("a")).await;
    let answer = c.get_as("configmaps/a", "application/yaml").await;
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, "application/yaml")
    );
    let read: Value = serde_saphyr::from_str(&answer.text()).expect("YAML");
    assert_eq!(read, made);
}

async fn answers_are_not_cached(c: &Context) {
    let answer = c.get("leases").await;
    assert_eq!(answer.header("cache-control"), "no-cache, private");
}

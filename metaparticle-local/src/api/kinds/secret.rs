//! Secret.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

use super::{
    Rules,
    at::At,
    config_map::{MOST, immutable, validate_key},
    edit,
};
use crate::api::{
    decode::{self, Document},
    failure::FieldError,
};

pub(super) const RULES: Rules = Rules {
    default,
    validate,
    validate_update: |old, new| {
        let kind = At::root(new, "type").same_as(&At::root(old, "type"));
        let rest = immutable(old, new, &["data"]);
        kind.into_iter().chain(rest).collect()
    },
    renamed: true,
    ..Rules::PLAIN
};

/// `stringData` is another way to write `data`.
fn default(object: &mut Value) {
    edit::empty(object, "type", "Opaque");
    let plain = object
        .as_object_mut()
        .and_then(|it| it.remove("stringData"));
    let Some(Value::Object(plain)) = plain else {
        return;
    };
    for (key, value) in plain {
        let encoded = STANDARD.encode(value.as_str().unwrap_or_default());
        edit::object(object, "data").insert(key, encoded.into());
    }
}

fn validate(object: &Value) -> Vec<FieldError> {
    let data = At::root(object, "data");
    let mut errors = Vec::new();
    let mut size = 0;
    for (key, value) in data.entries() {
        errors.extend(validate_key(&data, key));
        size += decoded_length(value);
    }
    if size > MOST {
        errors.push(FieldError::too_long("data", MOST));
    }
    errors.extend(by_type(object, &data));
    errors
}

/// What its type promises.
fn by_type(object: &Value, data: &At<'_>) -> Vec<FieldError> {
    let missing = |keys: &[&str]| -> Vec<FieldError> {
        let absent = keys
            .iter()
            .map(|key| data.key(key))
            .filter(|it| !it.is_set());
        absent.map(|it| it.required("")).collect()
    };
    let account = "kubernetes.io/service-account.name";
    match object["type"].as_str().unwrap_or_default() {
        "kubernetes.io/service-account-token" => {
            let name = At::root(object, "metadata").get("annotations").key(account);
            let absent = name.is_empty().then(|| name.required(""));
            absent.into_iter().collect()
        }
        "kubernetes.io/dockercfg" => json_in(data, ".dockercfg"),
        "kubernetes.io/dockerconfigjson" => json_in(data, ".dockerconfigjson"),
        "kubernetes.io/basic-auth" => {
            let absent = missing(&["username", "password"]);
            if absent.len() < 2 { Vec::new() } else { absent }
        }
        "kubernetes.io/ssh-auth" => {
            let key = data.key("ssh-privatekey");
            key.is_empty()
                .then(|| key.required(""))
                .into_iter()
                .collect()
        }
        "kubernetes.io/tls" => missing(&["tls.crt", "tls.key"]),
        _ => Vec::new(),
    }
}

/// A key whose value must be a JSON object.
fn json_in(data: &At<'_>, key: &str) -> Vec<FieldError> {
    let at = data.key(key);
    if !at.is_set() {
        return vec![at.required("")];
    }
    let bytes = STANDARD.decode(at.text()).unwrap_or_default();
    let detail = match decode::read_json(&bytes) {
        Ok(Document::Map(_) | Document::Null) => return Vec::new(),
        Ok(other) => format!(
            "json: cannot unmarshal {} into Go value of type map[string]interface {{}}",
            other.go_kind()
        ),
        Err(problem) => problem,
    };
    vec![FieldError::invalid(
        at.path,
        &"<secret contents redacted>".into(),
        &detail,
    )]
}

/// How many bytes Base64 text stands for.
pub(super) fn decoded_length(value: &Value) -> usize {
    let text = value.as_str().unwrap_or_default();
    text.len() / 4 * 3
        - text
            .bytes()
            .rev()
            .take_while(|it| *it == b'=')
            .count()
            .min(2)
}

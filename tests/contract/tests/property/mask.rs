//! [`Mask`]: puts numbers in the order of appearance in the place of what two servers choose differently.

use std::{collections::HashMap, fmt::Write as _, net::IpAddr};

use serde_json::Value;

/// What was seen so far.
#[derive(Debug, Default)]
pub(crate) struct Mask {
    namespace: String,
    uids: HashMap<String, usize>,
    versions: HashMap<String, usize>,
    /// By uid, the highest resourceVersion so far.
    highest: HashMap<String, u64>,
}

impl Mask {
    pub(crate) fn new(namespace: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            ..Self::default()
        }
    }

    /// An answer without uids, resourceVersions, times and the namespace's name.
    ///
    /// # Panics
    /// When an object is shown in a version before one that was shown already.
    pub(crate) fn answer(&mut self, value: Value) -> Value {
        for object in value["items"]
            .as_array()
            .into_iter()
            .flatten()
            .chain([&value])
        {
            let metadata = &object["metadata"];
            if let (Some(uid), Some(version)) = (
                metadata["uid"].as_str(),
                metadata["resourceVersion"].as_str(),
            ) {
                let version: u64 = version.parse().expect("a resourceVersion is a number");
                let highest = self.highest.entry(uid.to_owned()).or_default();
                assert!(
                    version >= *highest,
                    "resourceVersion {version} came after {highest}"
                );
                *highest = version;
            }
        }
        let mut masked = self.event(value);
        forget_order(&mut masked);
        masked
    }

    /// The same of an event, which may tell of what was long ago.
    pub(crate) fn event(&mut self, mut value: Value) -> Value {
        if let Some(items) = value.get_mut("items").and_then(Value::as_array_mut) {
            for item in items {
                self.metadata(item);
            }
            value["metadata"]["resourceVersion"] = "of the list".into();
        } else {
            self.metadata(&mut value);
        }
        self.texts(value)
    }

    fn metadata(&mut self, object: &mut Value) {
        if object["kind"] == "Service" || object["spec"]["clusterIP"].is_string() {
            mask_addresses(&mut object["spec"]);
        }
        let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else {
            return;
        };
        if let Some(uid) = metadata.get("uid").and_then(Value::as_str) {
            let next = self.uids.len();
            self.uids.entry(uid.to_owned()).or_insert(next);
        }
        if let Some(version) = metadata.get("resourceVersion").and_then(Value::as_str) {
            let next = self.versions.len();
            self.versions.entry(version.to_owned()).or_insert(next);
        }
        for field in ["creationTimestamp", "deletionTimestamp"] {
            if let Some(time) = metadata.get_mut(field).filter(|time| time.is_string()) {
                *time = "T".into();
            }
        }
        if let Some(entries) = metadata
            .get_mut("managedFields")
            .and_then(Value::as_array_mut)
        {
            for entry in &mut *entries {
                if entry["time"].is_string() {
                    entry["time"] = "T".into();
                }
            }
            // Their order depends on the second in which they were written.
            entries.sort_by_key(|it| {
                format!(
                    "{} {} {}",
                    it["operation"], it["manager"], it["subresource"]
                )
            });
        }
    }

    fn texts(&self, value: Value) -> Value {
        match value {
            Value::String(text) => self.text(&text).into(),
            Value::Array(items) => items.into_iter().map(|it| self.texts(it)).collect(),
            Value::Object(map) => {
                let entries = map.into_iter();
                entries.map(|(key, it)| (key, self.texts(it))).collect()
            }
            other => other,
        }
    }

    /// Words that name a uid, a resourceVersion or the namespace.
    fn text(&self, text: &str) -> String {
        let mut masked = String::new();
        let mut rest = text;
        while !rest.is_empty() {
            let is_word = |it: char| it.is_ascii_alphanumeric() || it == '-';
            let end = rest.find(|it| !is_word(it)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            if let Some(number) = self.uids.get(word) {
                let _ = write!(masked, "uid{number}");
            } else if let Some(number) = self.versions.get(word).filter(|_| !masked.ends_with('='))
            {
                // After an equals sign stands a key of a list: a port, say.
                let _ = write!(masked, "version{number}");
            } else if word == self.namespace {
                masked.push_str("NS");
            } else if is_uid(word) {
                masked.push_str("uid"); // of an object that was refused
            } else {
                masked.push_str(word);
            }
            let next = after.find(is_word).unwrap_or(after.len());
            masked.push_str(&after[..next]);
            rest = &after[next..];
        }
        masked
    }
}

/// Whether it has the form of a uid: `8b632088-e373-49f2-a1ae-5568e543973d`.
fn is_uid(word: &str) -> bool {
    let parts: Vec<usize> = word.split('-').map(str::len).collect();
    parts == [8, 4, 4, 4, 12] && word.chars().all(|it| it.is_ascii_hexdigit() || it == '-')
}

/// Addresses that the server gave.
fn mask_addresses(spec: &mut Value) {
    let mask = |address: &mut Value| {
        if address
            .as_str()
            .is_some_and(|it| it.parse::<IpAddr>().is_ok())
        {
            *address = "IP".into();
        }
    };
    if let Some(address) = spec.get_mut("clusterIP") {
        mask(address);
    }
    for address in spec
        .get_mut("clusterIPs")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        mask(address);
    }
}

/// What a real server itself says in one order or another: which of several owners is named first, the mistakes in the
/// keys of a map, and the fields of an object within a sentence.
fn forget_order(status: &mut Value) {
    forget_order_of_mistakes(status);
    if let Some(causes) = status
        .pointer_mut("/details/causes")
        .and_then(Value::as_array_mut)
    {
        causes.sort_by_key(ToString::to_string);
        for cause in causes {
            cut_object(&mut cause["message"]);
        }
    }
    if status["message"].is_string() {
        cut_object(&mut status["message"]);
    }
}

/// Leaves a list out of the message that says the same as the causes.
fn forget_order_of_mistakes(status: &mut Value) {
    let Some((start, list)) = status["message"]
        .as_str()
        .and_then(|it| it.split_once(" is invalid: ["))
    else {
        return;
    };
    let causes = status["details"]["causes"].as_array();
    let mut sentences: Vec<String> = causes
        .into_iter()
        .flatten()
        .map(|it| [&it["field"], &it["message"]].map(|it| it.as_str().unwrap_or_default()))
        .map(|sentence| sentence.join(": "))
        .collect();
    // One may be the beginning of another.
    sentences.sort_by_key(|it| std::cmp::Reverse(it.len()));
    let rest = sentences
        .iter()
        .fold(list.to_owned(), |rest, it| rest.replacen(it, "", 1));
    if rest.trim_matches([',', ' ']) == "]" {
        status["message"] = format!("{start} is invalid: [(causes)]").into();
    }
}

/// Leaves an object in JSON, or a version that was not shown before, out of a sentence.
fn cut_object(sentence: &mut Value) {
    let text = sentence.as_str().unwrap_or_default();
    if let Some((start, end)) = text.split_once("ResourceVersion in record (") {
        let end = end.trim_start_matches(|it| it != ')');
        *sentence = format!("{start}ResourceVersion in record ({end}").into();
        return;
    }
    if let (Some(start), Some(end)) = (text.find("\"{"), text.rfind("}\"")) {
        *sentence = format!("{}(object){}", &text[..=start], &text[end + 1..]).into();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_servers_choose_is_numbered_by_appearance() {
        let mut mask = Mask::new("ns-1");
        let object =
            json!({"metadata": {"uid": "u-1", "resourceVersion": "100", "namespace": "ns-1"}});
        let masked = mask.answer(object);
        assert_eq!(
            masked,
            json!({"metadata": {"uid": "uid0", "resourceVersion": "version0", "namespace": "NS"}})
        );
        let said = mask.answer(json!({"message": "uid (u-1) of 100 in \"ns-1\", not 101"}));
        assert_eq!(
            said,
            json!({"message": "uid (uid0) of version0 in \"NS\", not 101"})
        );
        let key = json!({"field": "ports[port=100].name"});
        assert_eq!(mask.answer(key.clone()), key);
    }

    #[test]
    fn order_of_mistakes_is_forgotten_and_what_they_say_is_not() {
        let said = |list: &str| {
            let causes =
                json!([{"field": "a", "message": "is b"}, {"field": "c", "message": "is d"}]);
            let message = format!("ConfigMap \"x\" is invalid: [{list}]");
            Mask::new("ns-1").answer(json!({"message": message, "details": {"causes": causes}}))
        };
        assert_eq!(said("a: is b, c: is d"), said("c: is d, a: is b"));
        assert_ne!(said("a: is b, c: is d"), said("c: is d, a: is e"));
        assert_ne!(said("a: is b, c: is d"), said("c: is d, a: is b, f: is g"));
    }

    #[test]
    #[should_panic(expected = "resourceVersion 99 came after 100")]
    fn a_version_that_goes_back_is_found() {
        let mut mask = Mask::new("ns-1");
        mask.answer(json!({"metadata": {"uid": "u", "resourceVersion": "100"}}));
        mask.answer(json!({"metadata": {"uid": "u", "resourceVersion": "99"}}));
    }
}

//! Who owns which fields: `metadata.managedFields`, read and written.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::set::Set;
use crate::api::decode::quoted;

/// Update managers beyond this number are merged.
const MOST_UPDATERS: usize = 10;

/// What stands for merged ones.
const ANCIENT: &str = "ancient-changes";

/// All owners of fields of one object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Managers(Vec<Entry>);

/// One owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) who: Identity,
    pub(super) api_version: String,
    pub(super) time: Option<String>,
    pub(super) fields: Set,
}

/// What tells owners apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) manager: String,
    pub(super) applies: bool,
    /// Empty for one that applies.
    pub(super) api_version: String,
    pub(super) subresource: String,
}

impl Identity {
    pub(super) fn new(manager: &str, applies: bool, api_version: &str, subresource: &str) -> Self {
        let api_version = if applies { "" } else { api_version };
        let manager = if manager.is_empty() {
            "unknown"
        } else {
            manager
        };
        Self {
            manager: manager.to_owned(),
            applies,
            api_version: api_version.to_owned(),
            subresource: subresource.to_owned(),
        }
    }

    fn operation(&self) -> &'static str {
        if self.applies { "Apply" } else { "Update" }
    }

    /// As the real server sorts them in conflicts.
    pub(super) fn sorted_by(&self) -> [&str; 4] {
        [
            &self.manager,
            self.operation(),
            &self.api_version,
            &self.subresource,
        ]
    }

    /// `"kubectl" using apps/v1`.
    pub(super) fn shown(&self) -> String {
        let mut shown = quoted(&self.manager);
        if !self.subresource.is_empty() {
            shown = format!("{shown} with subresource {}", quoted(&self.subresource));
        }
        if !self.applies {
            shown = format!("{shown} using {}", self.api_version);
        }
        shown
    }
}

impl Managers {
    /// The managers of an object; nothing if they are not as the real server writes them.
    pub(super) fn read(object: &Value) -> Option<Self> {
        let mut managers = Self::default();
        for entry in super::walk::items(object.pointer("/metadata/managedFields")) {
            managers.put(read(entry)?);
        }
        Some(managers)
    }

    /// Puts `managedFields` into an object, in the order of the real server.
    pub(super) fn write(mut self, object: &mut Value) {
        let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else {
            return;
        };
        if self.0.is_empty() {
            metadata.remove("managedFields");
            return;
        }
        self.0.sort_by(|one, other| one.order().cmp(&other.order()));
        let entries: Value = self.0.iter().map(written).collect();
        metadata.insert("managedFields".to_owned(), entries);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.0.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.0.iter_mut()
    }

    pub(super) fn get(&self, who: &Identity) -> Option<&Entry> {
        self.0.iter().find(|entry| entry.who == *who)
    }

    /// Puts in or replaces an owner.
    pub(super) fn put(&mut self, entry: Entry) {
        match self.0.iter_mut().find(|other| other.who == entry.who) {
            Some(other) => *other = entry,
            None => self.0.push(entry),
        }
    }

    /// Puts in one more, even if there is one of the same name.
    pub(super) fn push(&mut self, entry: Entry) {
        self.0.push(entry);
    }

    /// Takes out an owner.
    pub(super) fn take(&mut self, who: &Identity) -> Option<Entry> {
        let at = self.0.iter().position(|entry| entry.who == *who)?;
        Some(self.0.remove(at))
    }

    /// Drops those that own fields of a version that is not served.
    pub(super) fn clean(&mut self, api_version: &str) {
        self.0.retain(|entry| entry.api_version == api_version);
    }

    /// Drops those that own nothing.
    pub(super) fn drop_empty(&mut self) {
        self.0.retain(|entry| !entry.fields.is_empty());
    }

    /// Merges the oldest update managers into one when there are too many.
    pub(super) fn cap(&mut self) {
        let updaters = self.0.iter().filter(|entry| !entry.who.applies);
        let mut updaters: Vec<Entry> = updaters.cloned().collect();
        let mut too_many = updaters.len().saturating_sub(MOST_UPDATERS);
        if too_many == 0 {
            return;
        }
        updaters.sort_by(|one, other| {
            let order = |it: &Entry| (it.time.clone().unwrap_or_default(), it.who.json());
            order(one).cmp(&order(other))
        });
        let mut updaters = updaters.into_iter();
        let Some(mut ancient) = updaters.next() else {
            return;
        };
        self.0.retain(|entry| entry.who != ancient.who);
        ancient.who = Identity::new(ANCIENT, false, &ancient.api_version, "");
        for entry in updaters {
            if too_many == 0 {
                break;
            }
            self.0.retain(|other| other.who != entry.who);
            ancient.fields = ancient.fields.union(entry.fields);
            ancient.time = entry.time;
            too_many -= 1;
        }
        self.0.push(ancient);
    }
}

impl Entry {
    fn order(&self) -> (&str, &str, &str, &str, &str) {
        let time = self.time.as_deref().unwrap_or_default();
        let who = &self.who;
        (
            who.operation(),
            time,
            &who.manager,
            &self.api_version,
            &who.subresource,
        )
    }
}

impl Identity {
    /// As the real server names an owner.
    fn json(&self) -> String {
        let mut text = String::from("{");
        let fields = [
            ("manager", &*self.manager),
            ("operation", self.operation()),
            ("apiVersion", &self.api_version),
            ("subresource", &self.subresource),
        ];
        for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_empty()) {
            let value = Value::from(value);
            let _ = write!(text, "\"{name}\":{value},");
        }
        text
    }
}

fn read(entry: &Value) -> Option<Entry> {
    let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
    let applies = match text("operation") {
        "Apply" => true,
        "Update" => false,
        _ => return None,
    };
    let api_version = text("apiVersion");
    if api_version.is_empty() || text("fieldsType") != "FieldsV1" {
        return None;
    }
    let none = Value::Object(Map::new());
    Some(Entry {
        who: Identity {
            manager: text("manager").to_owned(),
            applies,
            api_version: if applies { "" } else { api_version }.to_owned(),
            subresource: text("subresource").to_owned(),
        },
        api_version: api_version.to_owned(),
        time: entry.get("time").and_then(Value::as_str).map(str::to_owned),
        fields: Set::from_json(entry.get("fieldsV1").unwrap_or(&none))?,
    })
}

fn written(entry: &Entry) -> Value {
    let mut written = json!({
        "operation": entry.who.operation(),
        "apiVersion": entry.api_version,
        "fieldsType": "FieldsV1",
        "fieldsV1": entry.fields.to_json(),
    });
    let texts = [
        ("manager", Some(&entry.who.manager)),
        ("subresource", Some(&entry.who.subresource)),
        ("time", entry.time.as_ref()),
    ];
    for (name, text) in texts {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            written[name] = text.as_str().into();
        }
    }
    written
}

//! [`Settings`]: what the generated manifests tell a shard or a router, in `METAPARTICLE_SHARDING`.

use std::{net::IpAddr, time::Duration};

use metaparticle_coordination::__private::serde_json::{self, Value};
use metaparticle_router::{Config, KeyError, KeySource, Unmatched};

/// The variable.
pub(super) const VARIABLE: &str = "METAPARTICLE_SHARDING";

/// Overrides the duration of sessions.
const SESSION: &str = "METAPARTICLE_SESSION";

/// What it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    /// Name of the map.
    pub(super) map: String,
    /// How many slots it has, if it is not there yet.
    pub(super) slots: u32,
    key: Key,
    unmatched: Unmatched,
    /// Where requests for this process come in.
    pub(super) gate: u16,
    /// Where the program listens, if a gate stands before it.
    pub(super) app: Option<u16>,
    /// Seconds for which requests may go on whose slot moves.
    drain: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Key {
    Path(String),
    Regex(String),
    Header(String),
    Query(String),
}

impl Settings {
    /// Those of the environment.
    ///
    /// # Errors
    /// With what is wrong with the variable.
    pub(super) fn read(given: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let text = given(VARIABLE).ok_or_else(|| format!("{VARIABLE} is not set"))?;
        let wrong = |what: &str| format!("{VARIABLE} has a wrong value: {what}");
        let value: Value =
            serde_json::from_str(&text).map_err(|error| wrong(&error.to_string()))?;
        Self::of(&value).map_err(|field| wrong(&format!("`{field}` in {text}")))
    }

    /// Fails with the field that is missing or wrong.
    fn of(value: &Value) -> Result<Self, &'static str> {
        let text = |field: &'static str| value[field].as_str().ok_or(field);
        let small = |field: &'static str| {
            let number = value[field].as_u64().ok_or(field)?;
            u32::try_from(number).map_err(|_| field)
        };
        let port = |field: &'static str| u16::try_from(small(field)?).map_err(|_| field);
        Ok(Self {
            map: text("map")?.to_owned(),
            slots: small("slots")?,
            key: Key::of(&value["key"]).ok_or("key")?,
            unmatched: match text("unmatched")? {
                "any" => Unmatched::Any,
                "404" => Unmatched::NotFound,
                _ => return Err("unmatched"),
            },
            gate: port("gate")?,
            app: match value["app"] {
                Value::Null => None,
                _ => Some(port("app")?),
            },
            drain: small("drain")?,
        })
    }

    /// How long a session lasts that is not renewed: as long as others wait for its slots when it dies. The embedded
    /// cluster wants it shorter (`METAPARTICLE_SESSION`, in seconds): a first map waits for one session, and so does who
    /// starts the program.
    ///
    /// # Errors
    /// If the variable is no number of seconds.
    pub(super) fn session(given: impl Fn(&str) -> Option<String>) -> Result<Duration, String> {
        let Some(text) = given(SESSION) else {
            return Ok(Duration::from_secs(30));
        };
        let seconds = text.parse();
        let seconds = seconds.map_err(|_| format!("{SESSION} is `{text}`: it takes seconds"))?;
        Ok(Duration::from_secs(seconds))
    }

    /// How a key is read.
    ///
    /// # Errors
    /// If it cannot be: manifests of another version, or an expression that needs too much memory.
    pub(super) fn keys(&self) -> Result<KeySource, KeyError> {
        match &self.key {
            Key::Path(template) => KeySource::path(template),
            Key::Regex(pattern) => KeySource::regex(pattern),
            Key::Header(name) => KeySource::header(name),
            Key::Query(name) => KeySource::query(name),
        }
    }

    pub(super) fn config(&self) -> Config {
        let mut config = Config::default();
        config.unmatched = self.unmatched;
        config
    }

    pub(super) fn drain(&self) -> Duration {
        Duration::from_secs(self.drain.into())
    }
}

impl Key {
    /// `{"path": "/users/{id}"}`, and its like.
    fn of(value: &Value) -> Option<Self> {
        let (kind, text) = value.as_object()?.iter().next()?;
        let text = text.as_str()?.to_owned();
        Some(match kind.as_str() {
            "path" => Self::Path(text),
            "regex" => Self::Regex(text),
            "header" => Self::Header(text),
            "query" => Self::Query(text),
            _ => return None,
        })
    }
}

/// The address of this pod: what the embedded cluster gave it, else what Kubernetes says.
///
/// # Errors
/// With what is missing.
pub(super) fn pod_ip(given: impl Fn(&str) -> Option<String>) -> Result<IpAddr, String> {
    let text = given("METAPARTICLE_LISTEN_ADDRESS")
        .or_else(|| given("METAPARTICLE_POD_IP"))
        .ok_or("METAPARTICLE_POD_IP is not set")?;
    let wrong = |_| format!("`{text}` is no address of a pod");
    text.parse().map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Settings, String> {
        Settings::read(|name| (name == VARIABLE).then(|| text.to_owned()))
    }

    #[test]
    fn settings_are_read_as_the_manifests_have_them() {
        let settings = read(
            r#"{"app":8080,"drain":10,"gate":7441,"key":{"path":"/users/{id}/…"},"map":"users","slots":4096,"unmatched":"404"}"#,
        )
        .unwrap();
        assert_eq!((&*settings.map, settings.slots), ("users", 4096));
        assert_eq!((settings.gate, settings.app), (7441, Some(8080)));
        assert_eq!(settings.drain(), Duration::from_secs(10));
        assert_eq!(settings.config().unmatched, Unmatched::NotFound);
        assert!(format!("{:?}", settings.keys()).contains("path"));
    }

    #[test]
    fn what_another_version_wrote_is_refused_with_the_variable() {
        let whole = r#"{"app":1,"drain":1,"gate":1,"key":{"query":"u"},"map":"m","slots":1,"unmatched":"any"}"#;
        read(whole).unwrap();
        for (from, to, field) in [
            ("{\"app\"", "(\"app\"", "expected"),
            ("\"gate\":1", "\"gate\":70000", "`gate`"),
            ("\"app\":1", "\"app\":\"1\"", "`app`"),
            ("\"map\"", "\"mop\"", "`map`"),
            ("query", "cookie", "`key`"),
            ("any", "403", "`unmatched`"),
        ] {
            let error = read(&whole.replace(from, to)).unwrap_err();
            assert!(error.contains(VARIABLE) && error.contains(field), "{error}");
        }
        assert!(Settings::read(|_| None).unwrap_err().contains("not set"));
    }

    #[test]
    fn the_embedded_clusters_address_goes_first() {
        let both = |name: &str| match name {
            "METAPARTICLE_LISTEN_ADDRESS" => Some("127.64.0.2".to_owned()),
            "METAPARTICLE_POD_IP" => Some("fd00::1".to_owned()),
            _ => None,
        };
        assert_eq!(pod_ip(both).unwrap().to_string(), "127.64.0.2");
        let one = |name: &str| both(name).filter(|_| name == "METAPARTICLE_POD_IP");
        assert_eq!(pod_ip(one).unwrap().to_string(), "fd00::1");
        assert!(
            pod_ip(|_| None)
                .unwrap_err()
                .contains("METAPARTICLE_POD_IP")
        );
    }

    #[cfg(all(feature = "deploy", not(metaparticle_container)))]
    mod beside_the_specification {
        use metaparticle_spec::{
            KeyHeader, KeyParameter, PathRegex, PathTemplate, ShardKey, render::manifests,
        };
        use serde_json::json;

        use super::*;
        use crate::deploy::fixture;

        /// What the manifests say in the variable of each pod.
        fn rendered(sharding: &Value) -> Vec<Settings> {
            let mut spec = fixture::spec("users");
            spec.workload = serde_json::from_value(json!({ "sharded": sharding })).unwrap();
            let objects = manifests(&spec, "image");
            let containers = objects
                .iter()
                .filter_map(|it| it.pointer("/spec/template/spec/containers/0/env"));
            containers
                .map(|env| {
                    let mut env = env.as_array().unwrap().iter();
                    let variable = env.find(|it| it["name"] == VARIABLE).unwrap();
                    read(variable["value"].as_str().unwrap()).unwrap()
                })
                .collect()
        }

        #[test]
        fn manifests_and_entry_agree() {
            let key = json!({ "path": "/{id}" });
            let pods = rendered(&json!({
                "shards": 3, "key": key, "router": 2, "slots": 64, "unmatched": "404", "drain": 7,
            }));
            let [shard, router] = &pods[..] else {
                panic!("{pods:?}");
            };
            assert_eq!((shard.gate, shard.app), (7441, Some(8080)));
            assert_eq!((router.gate, router.app), (7441, None));
            for pod in &pods {
                assert_eq!((&*pod.map, pod.slots, pod.drain), ("users", 64, 7));
                assert_eq!(pod.unmatched, Unmatched::NotFound);
            }
            let without = rendered(&json!({ "shards": 3, "key": key, "gate": "none" }));
            assert_eq!((without[0].gate, without[0].app), (8080, None));
        }

        #[test]
        fn gates_read_every_key_that_the_compiler_lets_pass() {
            for key in [
                ShardKey::Path(PathTemplate::parse("/größe/{id}/*").unwrap()),
                ShardKey::Path(PathTemplate::parse("/{id}/").unwrap()),
                ShardKey::Regex(PathRegex::parse(r"(?i)/u(?:sers)?/(\d+|[^/]{2,9})/.*").unwrap()),
                ShardKey::Regex(PathRegex::parse(r"/x/(\xff|.)").unwrap()),
                ShardKey::Header(KeyHeader::parse("Host").unwrap()),
                ShardKey::Header(KeyHeader::parse("X_User!").unwrap()),
                ShardKey::Query(KeyParameter::parse("größe").unwrap()),
            ] {
                let pods = rendered(&json!({ "shards": 3, "key": key }));
                pods[0].keys().unwrap();
            }
        }

        #[test]
        fn the_compiler_lets_no_key_pass_that_gates_refuse() {
            let mut headers = vec!["te", "forwarded", "upgrade", "x_metaparticle_x", "a b", ""];
            headers.extend(["keep-alive", "proxy-connection", "proxy-authenticate"]);
            headers.extend(["proxy-authorization", "expect", "transfer-encoding"]);
            for header in headers {
                assert!(KeySource::header(header).is_err(), "{header}");
                assert!(KeyHeader::parse(header).is_err(), "{header}");
            }
            for pattern in ["/a", "/(a)(b)", "/(a", "a)(b", r"/(\pL)", "(?x)(a) # b"] {
                assert!(KeySource::regex(pattern).is_err(), "{pattern}");
                assert!(PathRegex::parse(pattern).is_err(), "{pattern}");
            }
        }
    }

    #[test]
    fn sessions_last_half_a_minute_or_as_long_as_the_cluster_says() {
        assert_eq!(Settings::session(|_| None), Ok(Duration::from_secs(30)));
        let six = |name: &str| (name == "METAPARTICLE_SESSION").then(|| "6".to_owned());
        assert_eq!(Settings::session(six), Ok(Duration::from_secs(6)));
        let wrong = Settings::session(|_| Some("soon".to_owned()));
        assert_eq!(
            wrong,
            Err("METAPARTICLE_SESSION is `soon`: it takes seconds".to_owned())
        );
    }
}

//! Which keys there are, where each belongs, how to write it, and what to say about one that does not exist.

use metaparticle_spec::Key;

/// A key with an example of how it is written.
pub type Known = (Key, &'static str);

/// Where the macros are; the only key that is not part of the specification.
pub const CRATE: (&str, &str) = ("crate", "crate = metaparticle");

/// Keys that every attribute takes.
const COMMON: &[Known] = &[
    (Key::Name, r#"name = "web""#),
    (
        Key::Repository,
        r#"repository = "registry.example.com/team""#,
    ),
    (Key::Tag, r#"tag = "v1""#),
    (Key::Namespace, r#"namespace = "shop""#),
    (Key::Context, r#"context = "staging""#),
    (Key::Ports, "ports = [8080]"),
    (Key::Public, "public"),
    (Key::Env, r#"env(LOG = "info")"#),
    (
        Key::Resources,
        r#"resources(cpu = "100m", memory = "64Mi")"#,
    ),
    (Key::Probes, r#"probes(readiness = "/ready")"#),
    (Key::Base, r#"base = "scratch""#),
    (Key::OnExit, r#"on_exit = "detach""#),
    (Key::Coordination, "coordination"),
];

const REPLICATED: &[Known] = &[(Key::Replicas, "replicas = 4")];
const SHARDED: &[Known] = &[
    (Key::Shards, "shards = 3"),
    (Key::ShardKey, r#"key = "/users/{id}/…""#),
    (Key::ShardKeyRegex, r#"key_regex = "/users/([^/]+)/.*""#),
    (Key::ShardKeyHeader, r#"key_header = "x-user""#),
    (Key::ShardKeyQuery, r#"key_query = "user""#),
    (Key::Slots, "slots = 4096"),
    (Key::Unmatched, r#"unmatched = "404""#),
    (Key::Router, "router = 2"),
    (Key::Gate, r#"gate = "none""#),
    (Key::Drain, "drain = 10"),
];
const JOB: &[Known] = &[
    (Key::Completions, "completions = 4"),
    (Key::Parallelism, "parallelism = 2"),
];

/// Where the key of a request stands: one of them is said.
pub const SHARD_KEYS: [Key; 4] = [
    Key::ShardKey,
    Key::ShardKeyRegex,
    Key::ShardKeyHeader,
    Key::ShardKeyQuery,
];

/// Keys in `coordination(…)`.
pub const COORDINATION: &[Known] = &[(Key::Policy, "policy")];

/// Keys in `resources(…)`.
pub const RESOURCES: &[Known] = &[
    (Key::Cpu, r#"cpu = "100m""#),
    (Key::Memory, r#"memory = "64Mi""#),
    (Key::CpuLimit, r#"cpu_limit = "1""#),
    (Key::MemoryLimit, r#"memory_limit = "128Mi""#),
];

/// Keys in `probes(…)`.
pub const PROBES: &[Known] = &[
    (Key::Readiness, r#"readiness = "/ready""#),
    (Key::Liveness, r#"liveness = "/live""#),
    (Key::Startup, r#"startup = "/up""#),
    (Key::ProbePort, "port = 8080"),
];

/// Keys that only `attribute` takes.
pub fn own(attribute: &str) -> &'static [Known] {
    match attribute {
        "replicated" => REPLICATED,
        "sharded" => SHARDED,
        "job" => JOB,
        _ => &[],
    }
}

/// All keys that `attribute` takes, its own first.
pub fn of(attribute: &str) -> Vec<Known> {
    [own(attribute), COMMON].concat()
}

/// The key of that name.
pub fn find(text: &str, known: &[Known]) -> Option<Known> {
    known.iter().copied().find(|(key, _)| key.as_str() == text)
}

/// What to say about a key that `#[attribute]` does not take.
pub fn unknown_in_attribute(text: &str, attribute: &str) -> String {
    let known = of(attribute);
    let names = known.iter().map(|(key, _)| key.as_str()).chain([CRATE.0]);
    // Nearer than the same word elsewhere: who writes `port` here means `ports`, not the port of the probes.
    if names
        .clone()
        .any(|name| strsim::damerau_levenshtein(text, name) == 1)
    {
        return unknown(text, names);
    }
    for owner in ["replicated", "sharded", "job"] {
        if let Some((_, example)) = find(text, own(owner)) {
            return format!("`{text}` belongs to another attribute: write `#[{owner}({example})]`");
        }
    }
    for (list, known) in [
        ("resources", RESOURCES),
        ("probes", PROBES),
        ("coordination", COORDINATION),
    ] {
        if let Some((_, example)) = find(text, known) {
            return format!("`{text}` belongs in `{list}`: write `{list}({example})`");
        }
    }
    unknown(text, names)
}

/// What to say about a key that a list in parentheses does not take.
pub fn unknown_in_list(text: &str, known: &[Known]) -> String {
    unknown(text, known.iter().map(|(key, _)| key.as_str()))
}

fn unknown(text: &str, known: impl Iterator<Item = &'static str> + Clone) -> String {
    let nearest = known
        .clone()
        .map(|name| (strsim::damerau_levenshtein(text, name), name))
        .min()
        .filter(|(distance, name)| *distance <= 1 + name.len() / 4);
    match nearest {
        Some((_, name)) => format!("unknown key `{text}`: did you mean `{name}`?"),
        None => format!(
            "unknown key `{text}`: expected one of {}",
            known.collect::<Vec<_>>().join(", ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_key_is_guessed() {
        for (written, meant) in [
            ("replica", "replicas"),
            ("repositry", "repository"),
            ("port", "ports"),
            ("nmae", "name"),
            ("onexit", "on_exit"),
        ] {
            let guess = unknown_in_attribute(written, "replicated");
            assert!(
                guess.contains(&format!("did you mean `{meant}`?")),
                "{guess}"
            );
        }
    }

    #[test]
    fn far_fetched_key_lists_what_there_is() {
        assert_eq!(
            unknown_in_list("disk", RESOURCES),
            "unknown key `disk`: expected one of cpu, memory, cpu_limit, memory_limit"
        );
    }

    #[test]
    fn key_of_another_attribute_is_sent_there() {
        assert_eq!(
            unknown_in_attribute("shards", "replicated"),
            "`shards` belongs to another attribute: write `#[sharded(shards = 3)]`"
        );
    }

    #[test]
    fn examples_use_their_key() {
        for attribute in ["containerize", "replicated", "sharded", "job"] {
            for (key, example) in of(attribute) {
                assert!(example.starts_with(key.as_str()), "{example}");
            }
        }
    }
}

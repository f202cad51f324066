//! Bodies of all kinds, made from good ones by a seed: nothing panics, ends the stack or fills the memory, and what
//! comes out is an object again.
//!
//! `METAPARTICLE_FUZZ_SECONDS` is how long it looks (2), `METAPARTICLE_FUZZ_SEED` where it begins; with 0 seconds it
//! repeats that one story. `cargo xtask fuzz --seconds 1800` is for more than a look.

mod bodies;
mod mutate;
mod random;

use std::{env, panic, time::Duration};

use metaparticle_local::api::{
    apply::{self, Writer},
    decode::{self, FieldValidation},
    failure::Failure,
    kinds, patch,
    resource::{self, Resource},
};
use serde_json::{Value, json};
use tokio::time::Instant;

use self::random::Random;

/// The most bytes that an object may have: a copied JSON patch adds 3 MiB, a body has far less.
const MOST_BYTES: usize = 16 << 20;

#[test]
fn whatever_is_sent_is_refused_or_makes_an_object() {
    let number = |name: &str| env::var(name).ok()?.parse::<u64>().ok();
    let seconds = number("METAPARTICLE_FUZZ_SECONDS").unwrap_or(2);
    let mut seed = number("METAPARTICLE_FUZZ_SEED").unwrap_or(1);
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut counts = Counts::default();
    loop {
        let told = panic::catch_unwind(|| story(seed));
        match told {
            Ok(told) => counts.add(told),
            Err(cause) => {
                eprintln!("METAPARTICLE_FUZZ_SEED={seed} METAPARTICLE_FUZZ_SECONDS=0 repeats it");
                panic::resume_unwind(cause);
            }
        }
        seed += 1;
        if Instant::now() >= end {
            break;
        }
    }
    println!("{counts:?}");
    // It would find nothing if nothing got through, or everything.
    assert!(
        seconds == 0 || (counts.made > 0 && counts.refused > 0),
        "{counts:?}"
    );
}

#[test]
fn nesting_of_any_depth_does_no_harm() {
    let mut random = Random::new(1);
    let resource = &resource::CONTROLLER_REVISION;
    let good = bodies::configuration(resource, &mut random);
    let good = decode::decode(resource, good, FieldValidation::Warn).expect("it is good");
    for depth in mutate::DEPTHS {
        for nesting in mutate::NESTINGS {
            for closed in [true, false] {
                let body = mutate::nested(depth, nesting, closed);
                write_in_every_way(resource, &good.object, &body);
            }
        }
    }
}

fn write_in_every_way(resource: &'static Resource, current: &Value, body: &[u8]) {
    let validation = FieldValidation::Warn;
    let writer = Writer {
        manager: "a",
        subresource: None,
        time: "2026-01-01T00:00:00Z",
    };
    for media in ["application/json", "application/yaml"] {
        if let Ok(mut decoded) = decode::object(resource, body, media, validation) {
            apply::track(resource, None, &mut decoded.object, writer);
            check(resource, &decoded.object);
        }
    }
    for kind in [
        patch::Kind::Json,
        patch::Kind::Merge,
        patch::Kind::Strategic,
    ] {
        let patched = patched(resource, current, kind, body, validation);
        if let Ok(mut patched) = patched {
            apply::track(resource, Some(current), &mut patched, writer);
            check(resource, &patched);
        }
    }
    let config = apply::read(body, validation);
    let applied = config.and_then(|(it, _)| apply::apply(resource, None, &it, writer, true));
    if let Ok(applied) = applied {
        check(resource, &applied);
    }
}

fn patched(
    resource: &'static Resource,
    current: &Value,
    kind: patch::Kind,
    body: &[u8],
    validation: FieldValidation,
) -> Result<Value, Failure> {
    let sent = patch::read(kind, body)?;
    let patched = match kind {
        patch::Kind::Json => patch::json(current, &sent.value)?,
        patch::Kind::Merge => patch::merge(current, &sent.value),
        patch::Kind::Strategic => patch::strategic(resource, current, &sent.value)?,
    };
    Ok(patch::finish(resource, kind, &sent, patched, validation)?.object)
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    stories: u64,
    made: u64,
    refused: u64,
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.stories += other.stories;
        self.made += other.made;
        self.refused += other.refused;
    }
}

/// Some writes to one object.
fn story(seed: u64) -> Counts {
    let mut random = Random::new(seed);
    let resource = random.pick(bodies::RESOURCES);
    let mut counts = Counts {
        stories: 1,
        ..Counts::default()
    };
    let mut current = None;
    for _ in 0..=random.below(6) {
        match write(resource, current.as_ref(), &mut random) {
            Ok(object) => {
                check(resource, &object);
                counts.made += 1;
                current = Some(object);
            }
            Err(failure) => {
                assert!((400..=500).contains(&failure.code), "{failure:?}");
                counts.refused += 1;
            }
        }
    }
    counts
}

fn write(
    resource: &'static Resource,
    current: Option<&Value>,
    random: &mut Random,
) -> Result<Value, Failure> {
    let writer = Writer {
        manager: random.pick(&["a", "b", "kubectl", "é\"<"]),
        subresource: random.pick(&[None, None, Some("status")]),
        time: random.pick(&["2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z"]),
    };
    let validation = random.pick(&[
        FieldValidation::Ignore,
        FieldValidation::Warn,
        FieldValidation::Warn,
        FieldValidation::Strict,
    ]);
    let kind = random.pick(&[
        patch::Kind::Json,
        patch::Kind::Merge,
        patch::Kind::Strategic,
    ]);
    let (mut new, old) = match (random.below(4), current) {
        (0, _) => {
            let body = mutate::body(bodies::configuration(resource, random), random);
            let config = apply::read(&body, validation)?.0;
            let force = random.below(2) == 0;
            let mut applied = apply::apply(resource, current, &config, writer, force)?;
            kinds::default(resource, &mut applied);
            if let Some(current) = current {
                apply::settle(current, &mut applied);
            }
            return Ok(applied);
        }
        (1.., Some(current)) => {
            let sent = mutate::body(bodies::patch(kind, resource, random), random);
            let patched = patched(resource, current, kind, &sent, validation)?;
            (patched, Some(current))
        }
        _ => {
            let body = mutate::body(bodies::configuration(resource, random), random);
            let media = random.pick(&["application/json", "application/yaml"]);
            let decoded = decode::object(resource, &body, media, validation)?;
            (decoded.object, None)
        }
    };
    kinds::default(resource, &mut new);
    apply::track(resource, old, &mut new, writer);
    Ok(new)
}

/// An object is one again after it was read again, nobody owns what is not there, and its owners can be read.
fn check(resource: &'static Resource, object: &Value) {
    let text = object.to_string();
    assert!(text.len() < MOST_BYTES, "{} bytes", text.len());
    let again = decode::object(
        resource,
        text.as_bytes(),
        "application/json",
        FieldValidation::Strict,
    );
    let mut again = again
        .unwrap_or_else(|failure| panic!("{failure:?}\n{text}"))
        .object;
    decode::forget_empty_lists(resource, &mut again);
    assert_eq!(again, *object);
    let nothing = json!({"apiVersion": resource.api_version(), "kind": resource.kind});
    let reader = Writer {
        manager: "reader",
        subresource: None,
        time: "2026-01-01T00:00:00Z",
    };
    let applied = apply::apply(resource, Some(object), &nothing, reader, false);
    let applied = applied.unwrap_or_else(|failure| panic!("{failure:?}\n{text}"));
    let again = apply::apply(resource, Some(&applied), &nothing, reader, false);
    assert_eq!(
        again,
        Ok(applied),
        "applying the same again changes something"
    );
}

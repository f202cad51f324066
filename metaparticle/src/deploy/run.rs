//! Runs of a job: each is a Job of its own, `<name>-<run id>`.

use std::hash::{BuildHasher as _, RandomState};

use serde_json::Value;

/// Pods of an indexed Job are named after it, with up to eleven characters more, and must stay DNS labels.
const LONGEST: usize = 52;
/// Digits of a run id: those of Kubernetes' own random names, which spell no words.
const DIGITS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
/// How many of them make a run id: 14 million.
const LENGTH: usize = 5;

/// A name for a new run: the application's, cut if need be, and random digits. It may be taken already.
pub(super) fn new_name(app: &str) -> String {
    // The standard library seeds it from the operating system.
    let mut random = RandomState::new().hash_one(app);
    let mut name = app[..app.len().min(LONGEST - LENGTH - 1)]
        .trim_end_matches('-')
        .to_owned();
    name.push('-');
    for _ in 0..LENGTH {
        let digits = DIGITS.len() as u64;
        let digit = usize::try_from(random % digits).expect("it is less than 27");
        name.push(char::from(DIGITS[digit]));
        random /= digits;
    }
    name
}

/// The Job among manifests.
pub(super) fn job(manifests: &mut [Value]) -> Option<&mut Value> {
    manifests
        .iter_mut()
        .find(|manifest| manifest["kind"] == "Job")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_runs_differ() {
        let names: std::collections::HashSet<String> =
            (0..100).map(|_| new_name("batch")).collect();
        assert!(names.len() > 95, "{names:?}");
    }

    #[test]
    fn the_name_of_a_run_is_a_label_with_room_for_pods() {
        for app in [
            "a".repeat(63),
            format!("{}-bbb", "a".repeat(45)),
            "batch".to_owned(),
        ] {
            let name = new_name(&app);
            assert!(name.len() <= LONGEST, "{name}");
            assert!(
                metaparticle_spec::Name::parse(name.clone()).is_ok(),
                "{name}"
            );
            assert!(!name.contains("--"), "{name}");
        }
    }
}

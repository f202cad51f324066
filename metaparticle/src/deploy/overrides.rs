//! Numbers of the environment that stand for those of the attributes: `METAPARTICLE_REPLICAS`, `METAPARTICLE_SHARDS`,
//! `METAPARTICLE_COMPLETIONS` and `METAPARTICLE_PARALLELISM`.

use std::num::NonZeroU32;

use metaparticle_spec::{AppSpec, Workload};

use super::Error;

/// `spec` with the numbers that the environment has for its kind of workload. The others are not looked at.
pub(super) fn overridden(
    spec: &AppSpec,
    env: impl Fn(&str) -> Option<String>,
) -> Result<AppSpec, Error> {
    let mut spec = spec.clone();
    let number = |name: &'static str, value: &mut NonZeroU32| {
        let Some(text) = env(name) else {
            return Ok::<(), Error>(());
        };
        let wrong = || Error::Environment {
            name,
            rule: format!("`{text}` is no whole number from 1 to {}", i32::MAX),
        };
        *value = text
            .parse()
            .ok()
            .filter(|it: &NonZeroU32| i32::try_from(it.get()).is_ok())
            .ok_or_else(wrong)?;
        Ok(())
    };
    match &mut spec.workload {
        Workload::Replicated { replicas } => number("METAPARTICLE_REPLICAS", replicas)?,
        Workload::Sharded(sharding) => {
            number("METAPARTICLE_SHARDS", &mut sharding.shards)?;
            // As at compile time: the map has room for so many.
            if let Some(violation) = spec.check().into_iter().next() {
                return Err(Error::Environment {
                    name: "METAPARTICLE_SHARDS",
                    rule: violation.error.to_string(),
                });
            }
        }
        Workload::Job {
            completions,
            parallelism,
        } => {
            number("METAPARTICLE_COMPLETIONS", completions)?;
            number("METAPARTICLE_PARALLELISM", parallelism)?;
            *parallelism = (*parallelism).min(*completions);
        }
    }
    Ok(spec)
}

#[cfg(test)]
mod tests {
    use super::{super::fixture, *};

    fn replicas(value: Option<&str>) -> Result<u32, String> {
        let env = |name: &str| {
            value
                .filter(|_| name == "METAPARTICLE_REPLICAS")
                .map(str::to_owned)
        };
        let spec = overridden(&fixture::spec("web"), env).map_err(|error| error.to_string())?;
        match spec.workload {
            Workload::Replicated { replicas } => Ok(replicas.get()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_environment_goes_before_the_attribute() {
        assert_eq!(replicas(None), Ok(1));
        assert_eq!(replicas(Some("7")), Ok(7));
    }

    #[test]
    fn more_shards_than_the_map_has_room_for_are_refused() {
        let mut spec = fixture::spec("users");
        let sharded = serde_json::json!({"sharded": {"shards": 3, "key": {"path": "/{id}"}}});
        spec.workload = serde_json::from_value(sharded).unwrap();
        let with = |shards: &str| {
            overridden(&spec, |_| Some(shards.to_owned()))
                .map(|spec| spec.sharding().unwrap().shards.get())
        };
        assert_eq!(with("1000").unwrap(), 1000);
        let error = with("1001").unwrap_err().to_string();
        assert!(
            error.contains("METAPARTICLE_SHARDS") && error.contains("at most 1000"),
            "{error}"
        );
    }

    #[test]
    fn what_is_no_number_of_pods_is_refused_with_its_name() {
        for wrong in ["0", "-1", "x", "4294967295"] {
            let error = replicas(Some(wrong)).unwrap_err();
            assert!(
                error.contains("METAPARTICLE_REPLICAS") && error.contains(wrong),
                "{error}"
            );
        }
    }
}

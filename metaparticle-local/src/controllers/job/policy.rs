//! `podFailurePolicy` and `successPolicy`: what the end of some pods means for the Job.

use k8s_openapi::api::{
    batch::v1::{
        Job, PodFailurePolicyOnExitCodesRequirement, PodFailurePolicyOnPodConditionsPattern,
    },
    core::v1::Pod,
};

use super::indexes::{Indexes, parse};

/// What a failed pod means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// One failure more.
    Count,
    /// Nothing.
    Ignore,
    /// The end of its index.
    FailIndex,
    /// The end of the Job, with a message.
    FailJob(String),
}

/// The meaning of a failed pod by the first rule that matches.
pub(super) fn meaning(job: &Job, pod: &Pod) -> Meaning {
    let policy = job
        .spec
        .as_ref()
        .and_then(|it| it.pod_failure_policy.as_ref());
    for (index, rule) in policy.iter().flat_map(|it| &it.rules).enumerate() {
        let by_code = rule
            .on_exit_codes
            .as_ref()
            .and_then(|codes| exit(codes, pod));
        let by_condition = rule
            .on_pod_conditions
            .iter()
            .flatten()
            .find(|pattern| has(pattern, pod));
        let name = format!(
            "{}/{}",
            pod.metadata.namespace.as_deref().unwrap_or_default(),
            pod.metadata.name.as_deref().unwrap_or_default()
        );
        let matched = match (by_code, by_condition) {
            (Some((container, code)), _) => {
                format!("Container {container} for pod {name} failed with exit code {code}")
            }
            (None, Some(condition)) => format!("Pod {name} has condition {}", condition.type_),
            (None, None) => continue,
        };
        return match rule.action.as_str() {
            "FailJob" => {
                Meaning::FailJob(format!("{matched} matching FailJob rule at index {index}"))
            }
            "FailIndex" => Meaning::FailIndex,
            "Ignore" => Meaning::Ignore,
            _ => Meaning::Count,
        };
    }
    Meaning::Count
}

/// The first container that ended with a code of the rule.
fn exit(codes: &PodFailurePolicyOnExitCodesRequirement, pod: &Pod) -> Option<(String, i32)> {
    let status = pod.status.as_ref()?;
    let statuses = status
        .init_container_statuses
        .iter()
        .chain(&status.container_statuses)
        .flatten();
    statuses
        .filter(|it| {
            codes
                .container_name
                .as_ref()
                .is_none_or(|name| *name == it.name)
        })
        .find_map(|it| {
            let code = it.state.as_ref()?.terminated.as_ref()?.exit_code;
            let listed = codes.values.contains(&code);
            let matches = code != 0
                && if codes.operator == "In" {
                    listed
                } else {
                    !listed
                };
            matches.then(|| (it.name.clone(), code))
        })
}

fn has(pattern: &PodFailurePolicyOnPodConditionsPattern, pod: &Pod) -> bool {
    let mut conditions = pod
        .status
        .iter()
        .flat_map(|it| it.conditions.iter().flatten());
    // Required in some versions of the API, optional in others.
    let pattern = serde_json::to_value(pattern).unwrap_or_default();
    let status = pattern["status"].as_str().unwrap_or("True");
    conditions.any(|it| pattern["type"] == *it.type_ && it.status == status)
}

/// The rule of `successPolicy` that these indexes fulfil.
pub(super) fn fulfilled(job: &Job, succeeded: &Indexes) -> Option<usize> {
    let policy = job.spec.as_ref()?.success_policy.as_ref()?;
    policy.rules.iter().position(|rule| {
        let named = rule.succeeded_indexes.as_deref().map(parse);
        let count = named.as_ref().map_or(succeeded.len(), |named| {
            named.intersection(succeeded).count()
        });
        match (rule.succeeded_count, &named) {
            (Some(wanted), _) => i32::try_from(count).is_ok_and(|count| count >= wanted),
            (None, Some(named)) => count == named.len(),
            (None, None) => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn job(spec: Value) -> Job {
        let mut spec = spec;
        spec["template"] = json!({});
        serde_json::from_value(json!({"spec": spec})).unwrap()
    }

    #[expect(clippy::needless_pass_by_value, reason = "reads well at use")]
    fn meaning_of(rules: Value, code: i32) -> Meaning {
        let pod = serde_json::from_value(json!({
            "metadata": {"name": "p", "namespace": "default"},
            "status": {"conditions": [{"type": "DisruptionTarget", "status": "True"}], "containerStatuses": [
                {"name": "main", "image": "", "imageID": "", "ready": false, "restartCount": 0,
                    "state": {"terminated": {"exitCode": code}}}]}}));
        meaning(
            &job(json!({"podFailurePolicy": {"rules": rules}})),
            &pod.unwrap(),
        )
    }

    #[test]
    fn the_first_rule_that_matches_says_what_a_failure_means() {
        let codes = |action: &str, operator: &str| json!({"action": action, "onExitCodes": {"operator": operator, "values": [3, 42]}});
        let message = "Container main for pod default/p failed with exit code 42 matching FailJob rule at index 1";
        let rules = json!([codes("Ignore", "NotIn"), codes("FailJob", "In")]);
        assert_eq!(
            meaning_of(rules.clone(), 42),
            Meaning::FailJob(message.to_owned())
        );
        assert_eq!(meaning_of(rules.clone(), 1), Meaning::Ignore);
        assert_eq!(meaning_of(rules, 0), Meaning::Count);
        assert_eq!(
            meaning_of(json!([codes("Count", "In"), codes("FailJob", "In")]), 3),
            Meaning::Count
        );
        let disrupted = json!([{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]);
        assert_eq!(meaning_of(disrupted, 1), Meaning::Ignore);
    }

    #[test]
    fn success_may_be_some_indexes_or_so_many() {
        let rule = |rule: Value, done: &str| {
            fulfilled(
                &job(json!({"successPolicy": {"rules": [rule]}})),
                &parse(done),
            )
            .is_some()
        };
        assert!(rule(json!({"succeededIndexes": "0,2-3"}), "0,2-3"));
        assert!(!rule(json!({"succeededIndexes": "0,2-3"}), "0,2"));
        assert!(rule(json!({"succeededCount": 2}), "1,4"));
        assert!(rule(
            json!({"succeededIndexes": "0-3", "succeededCount": 2}),
            "1,3,7"
        ));
        assert!(!rule(
            json!({"succeededIndexes": "0-3", "succeededCount": 2}),
            "1,7"
        ));
    }
}

//! The policies of a Job: which failures of its pods end it, and which successes.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{at::At, edit, names};
use crate::api::failure::FieldError;

/// A list of a policy has at most so many entries.
const MOST_RULES: usize = 20;
/// A rule names at most so many exit codes.
const MOST_CODES: usize = 255;

/// Fills in what the spec of a Job, or of the template of a `CronJob`, leaves out.
pub(super) fn default(spec: &mut Value) {
    let Some(policy) = edit::present(spec, "podFailurePolicy") else {
        return;
    };
    for rule in edit::items(policy, "rules") {
        for condition in edit::items(rule, "onPodConditions") {
            edit::empty(condition, "status", "True");
        }
    }
}

/// `podFailurePolicy` of the spec of a Job.
pub(super) fn failure(spec: &At<'_>) -> Vec<FieldError> {
    let policy = spec.get("podFailurePolicy");
    if !policy.is_set() {
        return Vec::new();
    }
    let rules = policy.get("rules");
    let mut errors: Vec<FieldError> = too_many(&rules, MOST_RULES).into_iter().collect();
    let pod = spec.get("template").get("spec");
    let names: BTreeSet<&str> = ["containers", "initContainers"]
        .into_iter()
        .flat_map(|list| pod.get(list).list())
        .filter_map(|it| it["name"].as_str())
        .collect();
    let by_index = spec.get("backoffLimitPerIndex").is_set();
    for rule in rules.items() {
        errors.extend(failure_rule(&rule, &names, by_index));
    }
    errors
}

fn failure_rule(rule: &At<'_>, containers: &BTreeSet<&str>, by_index: bool) -> Vec<FieldError> {
    let action = rule.get("action");
    let mut errors = Vec::new();
    if action.text() == "FailIndex" && !by_index {
        errors.push(action.invalid("requires the backoffLimitPerIndex to be set"));
    }
    let actions = ["Count", "FailIndex", "FailJob", "Ignore"];
    errors.extend(one_of(&action, &actions));
    let codes = rule.get("onExitCodes");
    let conditions = rule.get("onPodConditions");
    if codes.is_set() {
        errors.extend(exit_codes(&codes, containers));
    }
    errors.extend(too_many(&conditions, MOST_RULES));
    for condition in conditions.items() {
        let kind = condition.get("type");
        let text = kind.text().into();
        errors.extend(At::new(&text, &kind.path).all_invalid(names::qualified(kind.text())));
        let statuses = ["False", "True", "Unknown"];
        errors.extend(condition.get("status").one_of(&statuses));
    }
    let both = match (codes.is_set(), !conditions.is_empty()) {
        (true, true) => "specifying both OnExitCodes and OnPodConditions is not supported",
        (false, false) => "specifying one of OnExitCodes and OnPodConditions is required",
        _ => return errors,
    };
    errors.push(FieldError {
        reason: "FieldValueInvalid",
        field: rule.path.clone(),
        message: format!("Invalid value: {both}"),
    });
    errors
}

fn exit_codes(codes: &At<'_>, containers: &BTreeSet<&str>) -> Vec<FieldError> {
    let operator = codes.get("operator");
    let values = codes.get("values");
    let mut errors: Vec<FieldError> = one_of(&operator, &["In", "NotIn"]).into_iter().collect();
    let name = codes.get("containerName");
    if name.is_set() && !containers.contains(name.text()) {
        let detail = "must be one of the container or initContainer names in the pod template";
        errors.push(name.invalid(detail));
    }
    if values.is_empty() {
        errors.push(values.invalid("at least one value is required"));
    }
    errors.extend(too_many(&values, MOST_CODES));
    let mut seen = BTreeSet::new();
    for value in values.items() {
        if operator.text() == "In" && value.number() == 0 {
            errors.push(value.invalid("must not be 0 for the In operator"));
        }
        if !seen.insert(value.number()) {
            errors.push(value.duplicate());
        }
    }
    let numbers: Vec<i64> = values.items().map(|it| it.number()).collect();
    if !numbers.is_sorted() {
        errors.push(values.invalid("must be ordered"));
    }
    errors
}

/// `successPolicy` of the spec of a Job.
pub(super) fn success(spec: &At<'_>) -> Vec<FieldError> {
    let policy = spec.get("successPolicy");
    if !policy.is_set() {
        return Vec::new();
    }
    let rules = policy.get("rules");
    if spec.get("completionMode").text() != "Indexed" {
        let shown = |it: &Value| {
            // In the order in which the real server prints it.
            let (indexes, count) = (&it["succeededIndexes"], &it["succeededCount"]);
            format!("{{\"SucceededIndexes\":{indexes},\"SucceededCount\":{count}}}")
        };
        let rules: Vec<String> = rules.list().iter().map(shown).collect();
        let rules = rules.join(",");
        return vec![FieldError {
            reason: "FieldValueInvalid",
            field: policy.path,
            message: format!(
                "Invalid value: {{\"Rules\":[{rules}]}}: requires indexed completion mode"
            ),
        }];
    }
    let mut errors = Vec::new();
    if rules.is_empty() {
        let detail = "at least one rules must be specified when the successPolicy is specified";
        errors.push(rules.required(detail));
    }
    errors.extend(too_many(&rules, MOST_RULES));
    let completions = spec.get("completions").number();
    for rule in rules.items() {
        errors.extend(success_rule(&rule, completions));
    }
    errors
}

fn success_rule(rule: &At<'_>, completions: i64) -> Vec<FieldError> {
    let (indexes, count) = (rule.get("succeededIndexes"), rule.get("succeededCount"));
    let mut errors = Vec::new();
    if !indexes.is_set() && !count.is_set() {
        let detail = "at least one of succeededCount or succeededIndexes must be specified";
        errors.push(rule.required(detail));
    }
    let mut total = 0;
    if indexes.is_set() {
        match count_of_indexes(indexes.text(), completions) {
            Ok(found) => total = found,
            Err(why) => {
                errors.push(indexes.invalid(&format!("error parsing succeededIndexes: {why}")));
            }
        }
    }
    if count.is_set() {
        errors.extend(count.not_negative());
        if count.number() > completions {
            errors.push(count.invalid(&format!(
                "must be less than or equal to {completions} (the number of specified completions)"
            )));
        }
        if indexes.is_set() && count.number() > total {
            errors.push(count.invalid(&format!(
                "must be less than or equal to {total} (the number of indexes in the specified succeededIndexes field)"
            )));
        }
    }
    errors
}

/// How many indexes `0,2-4` names, all below `completions` and rising.
fn count_of_indexes(text: &str, completions: i64) -> Result<i64, String> {
    let mut total = 0;
    let mut last: Option<i64> = None;
    if text.is_empty() {
        return Ok(0);
    }
    for interval in text.split(',') {
        let limits: Vec<&str> = interval.split('-').collect();
        if limits.len() > 2 {
            return Err(format!(
                "the fragment {} violates the requirement that an index interval can have at most two parts separated \
                 by '-'",
                json!(interval)
            ));
        }
        let before = total;
        let mut first = None;
        for limit in limits {
            let unreadable = || {
                format!(
                    "cannot convert string to integer for index: {}",
                    json!(limit)
                )
            };
            let index: i64 = limit.parse().map_err(|_| unreadable())?;
            if index >= completions {
                return Err(format!("too large index: {}", json!(limit)));
            }
            if let Some(last) = last.filter(|last| *last >= index) {
                return Err(format!(
                    "non-increasing order, previous: {last}, current: {index}"
                ));
            }
            last = Some(index);
            let first = *first.get_or_insert(index);
            total = before + index - first + 1;
        }
    }
    Ok(total)
}

/// `managedBy`: who looks after the Job, with a domain.
pub(super) fn managed_by(managed_by: &At<'_>) -> Vec<FieldError> {
    const MOST: usize = 63;
    if !managed_by.is_set() {
        return Vec::new();
    }
    let text = managed_by.text();
    let mut errors = match text.split_once('/') {
        _ if text.is_empty() => vec![managed_by.required("")],
        Some((host, path)) if !host.is_empty() && !path.is_empty() => {
            let host_value = host.into();
            At::new(&host_value, &managed_by.path).all_invalid(names::dns_subdomain(host))
        }
        _ => vec![managed_by.invalid("must be a domain-prefixed path (such as \"acme.io/foo\")")],
    };
    if text.len() > MOST {
        errors.push(FieldError::too_long(&managed_by.path, MOST));
    }
    errors
}

/// One of these words; if it is missing, they are listed as Go prints a slice.
fn one_of(at: &At<'_>, allowed: &[&str]) -> Option<FieldError> {
    if at.is_empty() {
        let words: Vec<String> = allowed.iter().map(|it| format!("\"{it}\"")).collect();
        return Some(at.required(&format!("valid values: [{}]", words.join(" "))));
    }
    at.none_or_one_of(allowed)
}

fn too_many(list: &At<'_>, most: usize) -> Option<FieldError> {
    let count = list.list().len();
    (count > most).then(|| FieldError {
        reason: "FieldValueTooMany",
        field: list.path.clone(),
        message: format!("Too many: {count}: must have at most {most} items"),
    })
}

#[cfg(test)]
mod tests {
    use super::count_of_indexes;

    #[test]
    fn indexes_are_counted_once_each() {
        assert_eq!(count_of_indexes("", 3), Ok(0));
        assert_eq!(count_of_indexes("0,2-4,7", 8), Ok(5));
        for (text, why) in [
            ("8", "too large index: \"8\""),
            ("2-1", "non-increasing order, previous: 2, current: 1"),
            ("1,1", "non-increasing order, previous: 1, current: 1"),
            ("a", "cannot convert string to integer for index: \"a\""),
        ] {
            assert_eq!(count_of_indexes(text, 8), Err(why.to_owned()));
        }
    }
}

//! Whether a pod fits on a node, and why not.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Node, NodeSelectorRequirement, NodeSelectorTerm, Pod, Toleration,
};

/// How many pods a node takes that does not say.
const MOST: usize = 110;

/// Why a pod does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Misfit {
    Unschedulable,
    Selector,
    Full,
}

impl Misfit {
    fn words(self) -> &'static str {
        match self {
            Self::Unschedulable => "node(s) were unschedulable",
            Self::Selector => "node(s) didn't match Pod's node affinity/selector",
            Self::Full => "Too many pods",
        }
    }
}

/// The node for a pod: the one with the fewest pods of those that fit. Else why there is none.
pub(super) fn choose<'a>(pod: &Pod, nodes: &[(&'a Node, usize)]) -> Result<&'a str, String> {
    if nodes.is_empty() {
        return Err("no nodes available to schedule pods".to_owned());
    }
    let mut misfits: BTreeMap<Misfit, usize> = BTreeMap::new();
    let mut fitting = Vec::new();
    for (node, pods) in nodes {
        match misfit(pod, node, *pods) {
            Some(misfit) => *misfits.entry(misfit).or_default() += 1,
            None => fitting.push((*pods, node.metadata.name.as_deref().unwrap_or_default())),
        }
    }
    fitting
        .into_iter()
        .min()
        .map(|(_, name)| name)
        .ok_or_else(|| explain(nodes.len(), &misfits))
}

fn explain(nodes: usize, misfits: &BTreeMap<Misfit, usize>) -> String {
    let mut reasons: Vec<String> = misfits
        .iter()
        .map(|(misfit, count)| format!("{count} {}", misfit.words()))
        .collect();
    reasons.sort();
    let full = misfits.get(&Misfit::Full).copied().unwrap_or_default();
    let never = nodes - full;
    let mut preemption = Vec::new();
    if full > 0 {
        preemption.push(format!(
            "{full} No preemption victims found for incoming pod"
        ));
    }
    if never > 0 {
        preemption.push(format!("{never} Preemption is not helpful for scheduling"));
    }
    format!(
        "0/{nodes} nodes are available: {}. no new claims to deallocate, preemption: 0/{nodes} nodes are available: {}.",
        reasons.join(", "),
        preemption.join(", ")
    )
}

fn misfit(pod: &Pod, node: &Node, pods: usize) -> Option<Misfit> {
    let cordoned = node
        .spec
        .as_ref()
        .is_some_and(|it| it.unschedulable == Some(true));
    if cordoned && !tolerates_cordon(pod) {
        return Some(Misfit::Unschedulable);
    }
    if !is_selected(pod, node) {
        return Some(Misfit::Selector);
    }
    let allocatable = node.status.as_ref().and_then(|it| it.allocatable.as_ref());
    let most = allocatable
        .and_then(|it| it.get("pods"))
        .and_then(|it| it.0.parse().ok());
    (pods >= most.unwrap_or(MOST)).then_some(Misfit::Full)
}

fn tolerates_cordon(pod: &Pod) -> bool {
    let tolerations = pod
        .spec
        .iter()
        .flat_map(|it| it.tolerations.iter().flatten());
    let covers = |it: &Toleration| {
        let exists = it.operator.as_deref() == Some("Exists");
        let key = it.key.as_deref().unwrap_or_default();
        let effect = it.effect.as_deref().unwrap_or("NoSchedule");
        effect == "NoSchedule" && exists && matches!(key, "" | "node.kubernetes.io/unschedulable")
    };
    tolerations.into_iter().any(covers)
}

fn is_selected(pod: &Pod, node: &Node) -> bool {
    let Some(spec) = &pod.spec else { return true };
    let unlabelled = BTreeMap::new();
    let labels = node.metadata.labels.as_ref().unwrap_or(&unlabelled);
    let selected = spec
        .node_selector
        .iter()
        .flatten()
        .all(|(key, value)| labels.get(key) == Some(value));
    let affinity = spec
        .affinity
        .as_ref()
        .and_then(|it| it.node_affinity.as_ref());
    let required = affinity.and_then(|it| {
        it.required_during_scheduling_ignored_during_execution
            .as_ref()
    });
    let name = node.metadata.name.as_deref().unwrap_or_default();
    selected
        && required.is_none_or(|it| {
            it.node_selector_terms
                .iter()
                .any(|it| matches(it, labels, name))
        })
}

/// Whether all of a term holds; an empty one never does.
fn matches(term: &NodeSelectorTerm, labels: &BTreeMap<String, String>, name: &str) -> bool {
    let mut expressions = term.match_expressions.iter().flatten().peekable();
    let mut fields = term.match_fields.iter().flatten().peekable();
    if expressions.peek().is_none() && fields.peek().is_none() {
        return false;
    }
    expressions.all(|it| holds(it, labels.get(&it.key).map(String::as_str)))
        && fields.all(|it| it.key == "metadata.name" && holds(it, Some(name)))
}

fn holds(requirement: &NodeSelectorRequirement, value: Option<&str>) -> bool {
    let values = requirement.values.as_deref().unwrap_or_default();
    let listed = value.is_some_and(|it| values.iter().any(|one| one == it));
    let numbers = || {
        Some((
            value?.parse::<i64>().ok()?,
            values.first()?.parse::<i64>().ok()?,
        ))
    };
    match requirement.operator.as_str() {
        "In" => listed,
        "NotIn" => !listed,
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => numbers().is_some_and(|(own, bound)| own > bound),
        "Lt" => numbers().is_some_and(|(own, bound)| own < bound),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "reads well at use")]
    fn node(spec: Value) -> Node {
        let labels = json!({"kubernetes.io/os": "linux", "size": "7"});
        serde_json::from_value(
            json!({"metadata": {"name": "local", "labels": labels}, "spec": spec}),
        )
        .unwrap()
    }

    #[expect(clippy::needless_pass_by_value, reason = "reads well at use")]
    fn chosen(spec: Value, pods: usize) -> Result<String, String> {
        let mut pod = json!({"spec": {"containers": []}});
        for (key, value) in spec.as_object().unwrap() {
            pod["spec"][key] = value.clone();
        }
        let node = node(json!({}));
        choose(&serde_json::from_value(pod).unwrap(), &[(&node, pods)]).map(str::to_owned)
    }

    #[expect(clippy::needless_pass_by_value, reason = "reads well at use")]
    fn affine(key: &str, operator: &str, values: Value) -> bool {
        let term =
            json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]});
        let required = json!({"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}});
        chosen(json!({"affinity": {"nodeAffinity": required}}), 0).is_ok()
    }

    #[test]
    fn a_pod_that_selects_the_node_gets_it() {
        assert_eq!(chosen(json!({}), 0).as_deref(), Ok("local"));
        assert_eq!(
            chosen(json!({"nodeSelector": {"kubernetes.io/os": "linux"}}), 0).as_deref(),
            Ok("local")
        );
    }

    #[test]
    fn a_pod_that_selects_no_node_is_told_as_by_the_real_scheduler() {
        assert_eq!(
            chosen(json!({"nodeSelector": {"kubernetes.io/os": "windows"}}), 0).unwrap_err(),
            "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. no new claims to deallocate, \
             preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."
        );
    }

    #[test]
    fn affinity_is_by_labels_of_the_node() {
        assert!(affine("kubernetes.io/os", "In", json!(["linux", "plan9"])));
        assert!(!affine("kubernetes.io/os", "NotIn", json!(["linux"])));
        assert!(affine("size", "Gt", json!(["6"])) && !affine("size", "Gt", json!(["7"])));
        assert!(affine("size", "Lt", json!(["8"])) && !affine("other", "Lt", json!(["8"])));
        assert!(affine("size", "Exists", json!([])) && !affine("size", "DoesNotExist", json!([])));
    }

    #[test]
    fn an_empty_term_selects_nothing() {
        let required =
            json!({"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{}]}});
        assert!(chosen(json!({"affinity": {"nodeAffinity": required}}), 0).is_err());
    }

    #[test]
    fn a_node_takes_a_hundred_and_ten_pods() {
        assert!(chosen(json!({}), 109).is_ok());
        assert!(
            chosen(json!({}), 110)
                .unwrap_err()
                .starts_with("0/1 nodes are available: 1 Too many pods. ")
        );
    }

    #[test]
    fn a_cordoned_node_takes_none() {
        let node = node(json!({"unschedulable": true}));
        let error = choose(&Pod::default(), &[(&node, 0)]).unwrap_err();
        assert!(error.starts_with("0/1 nodes are available: 1 node(s) were unschedulable. "));
        assert_eq!(
            choose(&Pod::default(), &[]).unwrap_err(),
            "no nodes available to schedule pods"
        );
    }
}

//! Where the embedded API differs from a real API server on purpose. None is in a status code, a reason, a conflict, the
//! order of a watch, or the ownership of fields.

/// What differs, and why.
pub(crate) const DIFFERENCES: &[(&str, &str)] = &[
    (
        "the fields of an object are in the order of the alphabet, also within messages that quote it",
        "the store holds JSON, not the types of Go; clients do not see an order",
    ),
    (
        "an answer in YAML is written in YAML's flow style, that is as JSON",
        "it means the same, and needs no second writer",
    ),
    (
        "protobuf and CBOR are not spoken, though answers 406 and 415 name protobuf as the real server does",
        "JSON is what kube-rs and kubectl fall back to",
    ),
    (
        "a continue token that cannot be read is refused in the words of another JSON parser",
        "the words are Go's; status code and reason are the same",
    ),
    (
        "no warnings of fields that have no effect, such as sessionAffinity of a headless Service",
        "warnings are given for what is dropped: unknown and doubled fields",
    ),
    (
        "what is compacted is compacted on request, not every five minutes",
        "a test decides when history is forgotten",
    ),
    (
        "no admission policies: their paths answer 404",
        "they are asked for by name (`coordination(policy)`), and the deployer refuses that for the embedded cluster",
    ),
    (
        "no ConfigMap kube-root-ca.crt in each namespace, and no token of a service account",
        "pods are processes of this machine, which get a kubeconfig",
    ),
];

/// So many differences at most.
const MOST: usize = 10;

/// Fails when there are too many.
pub(crate) fn check() {
    let count = DIFFERENCES.len();
    assert!(
        count <= MOST,
        "{count} differences on purpose, at most {MOST}"
    );
    for (what, why) in DIFFERENCES {
        assert!(!what.is_empty() && !why.is_empty());
    }
}

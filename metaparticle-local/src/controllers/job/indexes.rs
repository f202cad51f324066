//! Completion indexes, and how Kubernetes writes sets of them: `0,2-5`.

use std::{collections::BTreeSet, fmt::Write as _};

use k8s_openapi::api::core::v1::Pod;

/// The annotation and label with a pod's index.
pub(super) const INDEX: &str = "batch.kubernetes.io/job-completion-index";

/// A set of indexes.
pub(super) type Indexes = BTreeSet<i32>;

/// The index of a pod.
pub(super) fn index(pod: &Pod) -> Option<i32> {
    pod.metadata.annotations.as_ref()?.get(INDEX)?.parse().ok()
}

/// Reads a set.
pub(super) fn parse(text: &str) -> Indexes {
    let mut all = Indexes::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(first), Ok(last)) = (first.parse::<i32>(), last.parse::<i32>()) {
            all.extend(first..=last);
        }
    }
    all
}

/// Writes a set: three or more in a row as the first and the last.
pub(super) fn format(all: &Indexes) -> String {
    let mut runs: Vec<(i32, i32)> = Vec::new();
    for &index in all {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == index => *last = index,
            _ => runs.push((index, index)),
        }
    }
    let mut text = String::new();
    for (first, last) in runs {
        let comma = if text.is_empty() { "" } else { "," };
        let _ = match last - first {
            0 => write!(text, "{comma}{first}"),
            1 => write!(text, "{comma}{first},{last}"),
            _ => write!(text, "{comma}{first}-{last}"),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_in_a_row_are_written_as_a_range() {
        for text in ["", "0", "0,1", "0-2", "1,3-5,7", "0,1,3,4,6-9"] {
            assert_eq!(format(&parse(text)), text);
        }
        assert_eq!(parse("1,3-5"), Indexes::from([1, 3, 4, 5]));
    }
}

//! Facts about the API, one test each, on the embedded API or on the cluster that `METAPARTICLE_TEST_KUBECONFIG` names.

#![expect(
    clippy::wildcard_imports,
    reason = "the objects to send are the words of these files"
)]
#![expect(clippy::similar_names, reason = "what was made and what is marked")]

#[macro_use]
mod harness;

mod apply;
mod apply_lists;
mod bodies;
mod concurrency;
mod crud;
mod deletion;
mod deletion_options;
mod differences;
mod discovery;
mod dry_run;
mod forms;
mod kinds;
mod names;
mod namespaces;
mod pagination;
mod patch_json;
mod patch_merge;
mod patch_strategic;
mod pod_parts;
mod rules;
mod selectors;
mod services;
mod sub_resources;
mod validation_modes;
mod versions;
mod watch;
mod watch_list;

use std::process::ExitCode;

fn main() -> ExitCode {
    harness::run(&[
        ("apply", apply::BEHAVIOURS),
        ("apply_lists", apply_lists::BEHAVIOURS),
        ("bodies", bodies::BEHAVIOURS),
        ("concurrency", concurrency::BEHAVIOURS),
        ("crud", crud::BEHAVIOURS),
        ("deletion", deletion::BEHAVIOURS),
        ("deletion_options", deletion_options::BEHAVIOURS),
        ("discovery", discovery::BEHAVIOURS),
        ("dry_run", dry_run::BEHAVIOURS),
        ("forms", forms::BEHAVIOURS),
        ("kinds", kinds::BEHAVIOURS),
        ("names", names::BEHAVIOURS),
        ("namespaces", namespaces::BEHAVIOURS),
        ("pagination", pagination::BEHAVIOURS),
        ("patch_json", patch_json::BEHAVIOURS),
        ("patch_merge", patch_merge::BEHAVIOURS),
        ("patch_strategic", patch_strategic::BEHAVIOURS),
        ("pod_parts", pod_parts::BEHAVIOURS),
        ("rules", rules::BEHAVIOURS),
        ("selectors", selectors::BEHAVIOURS),
        ("services", services::BEHAVIOURS),
        ("sub_resources", sub_resources::BEHAVIOURS),
        ("validation_modes", validation_modes::BEHAVIOURS),
        ("versions", versions::BEHAVIOURS),
        ("watch", watch::BEHAVIOURS),
        ("watch_list", watch_list::BEHAVIOURS),
    ])
}

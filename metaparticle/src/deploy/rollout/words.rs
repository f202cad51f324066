//! The words of registries, kernels and kubelets, made readable. Pure.

use std::fmt;

use super::cause::{Ended, Probed};

/// What shells and runtimes make of a death by signal: 128 and its number.
pub(super) fn signal_of(code: i32) -> Option<i32> {
    (129..=128 + 64).contains(&code).then_some(code - 128)
}

pub(super) fn signal_name(signal: i32) -> String {
    let name = match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL (an instruction that the node's processor does not have)",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        15 => "SIGTERM",
        31 => "SIGSYS (a system call that seccomp forbids)",
        other => return format!("signal {other}"),
    };
    name.into()
}

pub(super) fn times(n: i32) -> String {
    match n {
        1 => "once".into(),
        2 => "twice".into(),
        n => format!("{n} times"),
    }
}

/// The words of the registry, without those of kubelet and runtime around them.
pub(super) fn answer_of_registry(answer: &str) -> String {
    let mut rest = answer;
    if let Some((_, after)) = rest.split_once("ErrImagePull: ") {
        rest = after;
    }
    if let Some((_, after)) = rest.split_once("desc = ") {
        rest = after;
    }
    format!("the pull was answered: {}", rest.trim())
}

pub(super) fn help_with_pull(answer: &str) -> &'static str {
    let answer = answer.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| answer.contains(word));
    if has(&[
        "unauthorized",
        "authentication required",
        "denied",
        "forbidden",
        "401",
        "403",
    ]) {
        "give the cluster credentials for that registry (an image pull secret on the ServiceAccount or on the nodes): \
         your own, with which it was pushed, stay on this machine"
    } else if has(&["not found", "manifest unknown", "404"]) {
        "see whether the nodes reach the registry under the same name as this machine: `repository` is used by both"
    } else if has(&["http response to https"]) {
        "the registry speaks plain HTTP, and the nodes' container runtime has to be told so"
    } else if has(&["no match for platform", "exec format"]) {
        "the image is for another processor architecture than the node's"
    } else if has(&["x509", "certificate"]) {
        "the nodes do not trust the registry's certificate"
    } else if has(&["no such host", "dial tcp", "timeout", "timed out"]) {
        "the nodes do not reach the registry: a name or address that works on this machine need not work on them"
    } else {
        "see whether the nodes can pull from `repository`"
    }
}

pub(super) fn killed_by(probe: Option<&str>) -> String {
    probe.map_or_else(String::new, |probe| format!(", after: {probe}"))
}

pub(super) fn unready(
    probe: Option<&Probed>,
    failure: Option<&str>,
    loopback_only: bool,
) -> String {
    let mut text = match (probe, failure) {
        (Some(probe), Some(failure)) => format!("its {probe} fails: {failure}"),
        (Some(probe), None) => format!("its {probe} has not succeeded"),
        (None, Some(failure)) => failure.to_owned(),
        (None, None) => "its conditions are not met".into(),
    };
    if loopback_only {
        text.push_str("; the program listens on 127.0.0.1 only");
    }
    text
}

pub(super) fn of_job(ended: Option<&Ended>) -> String {
    ended.map_or_else(String::new, |ended| format!("; {ended}"))
}

/// The last lines of a program, each on a line of its own.
pub(super) struct Tail<'a>(pub(super) &'a [String]);

impl fmt::Display for Tail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        write!(f, "; its last lines:")?;
        self.0.iter().try_for_each(|line| write!(f, "\n| {line}"))
    }
}

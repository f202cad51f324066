//! What a pod is told of names and addresses: `dnsConfig`, `hostAliases`.

use std::net::IpAddr;

use super::super::{at::At, names};
use crate::api::failure::FieldError;

const ADDRESS: &str = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";

/// `dnsConfig` and whether `dnsPolicy` asks for it.
pub(super) fn dns(spec: &At<'_>) -> Vec<FieldError> {
    const SERVERS: usize = 3;
    const SEARCHES: usize = 32;
    let config = spec.get("dnsConfig");
    let servers = config.get("nameservers");
    let searches = config.get("searches");
    let mut errors = Vec::new();
    if spec.get("dnsPolicy").text() == "None" {
        if !config.is_set() {
            let detail = "must provide `dnsConfig` when `dnsPolicy` is None";
            errors.push(config.required(detail));
        } else if servers.is_empty() {
            let detail = "must provide at least one DNS nameserver when `dnsPolicy` is None";
            errors.push(servers.required(detail));
        }
    }
    if servers.list().len() > SERVERS {
        errors.push(servers.invalid("must not have more than 3 nameservers"));
    }
    errors.extend(servers.items().filter_map(|it| address(&it)));
    if searches.list().len() > SEARCHES {
        errors.push(searches.invalid("must not have more than 32 search paths"));
    }
    for search in searches.items().filter(|it| it.text() != ".") {
        let text = search.text().strip_suffix('.').unwrap_or(search.text());
        let at = At::new(search.value, search.path.clone());
        errors.extend(at.all_invalid(names::dns_subdomain_with_underscores(text)));
    }
    for option in config.get("options").items() {
        // The path has no field in the real server either.
        let missing = option.get("name").is_empty();
        errors.extend(missing.then(|| option.required("must not be empty")));
    }
    errors
}

/// `hostAliases`.
pub(super) fn aliases(aliases: &At<'_>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for alias in aliases.items() {
        errors.extend(address(&alias.get("ip")));
        for name in alias.get("hostnames").items() {
            errors.extend(name.all_invalid(names::dns_subdomain(name.text())));
        }
    }
    errors
}

/// An IPv4 or IPv6 address.
pub(in crate::api::kinds) fn address(at: &At<'_>) -> Option<FieldError> {
    let wrong = at.text().parse::<IpAddr>().is_err();
    wrong.then(|| FieldError::invalid(&at.path, &at.text().into(), ADDRESS))
}

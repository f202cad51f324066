//! [`choose`]: whether the API server is asked through a proxy, by the rules of kubectl (Go's `httpproxy`).
//!
//! kube's own reading of the environment compares `NO_PROXY` with the proxy instead of the server.

use std::net::IpAddr;

use http::Uri;

/// The proxy for `server`: the one of the kubeconfig if it names one, else that of `HTTPS_PROXY` (`HTTP_PROXY` for an
/// unencrypted server), unless the server is on this machine or `NO_PROXY` excepts it.
pub(super) fn choose(
    kubeconfig: Option<&str>,
    server: &Uri,
    env: impl Fn(&str) -> Option<String>,
) -> Option<Uri> {
    if let Some(proxy) = kubeconfig.filter(|proxy| !proxy.is_empty()) {
        return parse(proxy);
    }
    let env = |upper: &str| {
        let value = env(upper).or_else(|| env(&upper.to_lowercase()));
        value.filter(|value| !value.is_empty())
    };
    let encrypted = server.scheme_str() != Some("http");
    let proxy = env(if encrypted {
        "HTTPS_PROXY"
    } else {
        "HTTP_PROXY"
    })?;
    let host = server.host()?.trim_matches(['[', ']']);
    let port = server
        .port_u16()
        .unwrap_or(if encrypted { 443 } else { 80 });
    let excepted = env("NO_PROXY").is_some_and(|list| {
        let mut entries = list.split(',').map(str::trim);
        entries.any(|entry| excepts(entry, host, port))
    });
    let here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if here || excepted {
        None
    } else {
        parse(&proxy)
    }
}

/// A proxy without a scheme is an HTTP proxy.
fn parse(proxy: &str) -> Option<Uri> {
    if proxy.contains("://") {
        proxy.parse().ok()
    } else {
        format!("http://{proxy}").parse().ok()
    }
}

/// Whether an entry of `NO_PROXY` covers the server: `*`, an address, a network, or a domain; maybe with a port.
fn excepts(entry: &str, host: &str, port: u16) -> bool {
    if entry == "*" {
        return true;
    }
    let address = host.parse::<IpAddr>().ok();
    if let Some((network, length)) = entry.split_once('/') {
        return match (network.parse(), length.parse(), address) {
            (Ok(network), Ok(length), Some(address)) => is_within(address, network, length),
            _ => false,
        };
    }
    let (entry, entry_port) = match entry.rsplit_once(':') {
        Some((name, digits)) if !name.contains(':') || name.ends_with(']') => {
            (name, digits.parse().ok())
        }
        _ => (entry, None),
    };
    if entry_port.is_some_and(|entry_port: u16| entry_port != port) {
        return false;
    }
    let entry = entry.trim_matches(['[', ']']);
    if let Some(address) = address {
        return entry.parse() == Ok(address);
    }
    let (host, entry) = (host.to_ascii_lowercase(), entry.to_ascii_lowercase());
    let suffix = entry.strip_prefix('*').unwrap_or(&entry);
    match suffix.strip_prefix('.') {
        Some(domain) => !domain.is_empty() && host.ends_with(suffix),
        None => !suffix.is_empty() && (host == suffix || host.ends_with(&format!(".{suffix}"))),
    }
}

fn is_within(address: IpAddr, network: IpAddr, length: u32) -> bool {
    let bits = |address: IpAddr| match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    };
    let ((address, width), (network, network_width)) = (bits(address), bits(network));
    let same = length == 0 || (address ^ network) >> (128 - length.min(128)) == 0;
    width == network_width && length <= width && same
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(server: &str, no_proxy: &str) -> bool {
        let env = |name: &str| match name {
            "HTTPS_PROXY" => Some("proxy.example.com:3128".to_owned()),
            "NO_PROXY" => Some(no_proxy.to_owned()),
            _ => None,
        };
        choose(None, &server.parse().unwrap(), env).is_some()
    }

    #[test]
    fn a_server_elsewhere_is_asked_through_the_proxy() {
        assert!(chosen("https://api.example.org:6443", ""));
        assert!(chosen("https://10.1.2.3", "10.2.0.0/16,10.1.2.4"));
    }

    #[test]
    fn this_machine_is_never_asked_through_a_proxy() {
        assert!(!chosen("https://127.0.0.1:6443", ""));
        assert!(!chosen("https://[::1]:6443", ""));
        assert!(!chosen("https://localhost:6443", ""));
    }

    #[test]
    fn no_proxy_excepts_domains_addresses_networks_and_ports() {
        let server = "https://api.example.org:6443";
        for excepted in [
            "*",
            "example.org",
            ".example.org",
            "*.example.org",
            "a, API.EXAMPLE.ORG",
        ] {
            assert!(!chosen(server, excepted), "{excepted}");
        }
        assert!(!chosen(server, "api.example.org:6443"));
        for other in [
            "ample.org",
            ".api.example.org",
            "api.example.org:443",
            "",
            ",",
            ".",
        ] {
            assert!(chosen(server, other), "{other}");
        }
        assert!(!chosen("https://10.1.2.3", "10.1.0.0/16"));
        assert!(!chosen("https://10.1.2.3", "0.0.0.0/0"));
        assert!(!chosen("https://[fd00::1]", "fd00::/8"));
        assert!(chosen("https://10.1.2.3", "::/0"));
    }

    #[test]
    fn the_kubeconfigs_proxy_goes_before_everything() {
        let server = "https://127.0.0.1".parse().unwrap();
        let proxy = choose(Some("socks5://127.0.0.1:1080"), &server, |_| None);
        assert_eq!(proxy, Some("socks5://127.0.0.1:1080".parse().unwrap()));
    }
}

//! Where an image is: the registry's host, the repository in it, and how they are reached.

use std::{fmt, net::IpAddr};

/// A registry as users name it: `docker.io`, `registry.example.com:5000`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Host(String);

/// An image without tag and digest: registry and repository.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// The registry.
    pub host: Host,
    /// The repository as the registry knows it: `team/web`.
    pub repository: String,
}

/// The registry of names without a host.
const DOCKER_HUB: &str = "docker.io";

impl Location {
    /// Reads `[host[:port]/]path` by the rules of docker: the first part is a host if it has a dot or a port, or is
    /// `localhost`; without a host it is Docker Hub, where names without `/` are below `library/`.
    #[must_use]
    pub fn parse(name: &str) -> Self {
        let (host, path) = match name.split_once('/') {
            Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => (host, path),
            _ => (DOCKER_HUB, name),
        };
        let host = match host {
            "index.docker.io" | "registry-1.docker.io" => DOCKER_HUB,
            host => host,
        };
        let repository = if host == DOCKER_HUB && !path.contains('/') {
            format!("library/{path}")
        } else {
            path.to_owned()
        };
        Self {
            host: Host(host.to_owned()),
            repository,
        }
    }
}

impl Host {
    /// The URL that the registry's API is below: plain HTTP for this machine, HTTPS for every other.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.is_loopback() { "http" } else { "https" };
        let host = if self.0 == DOCKER_HUB {
            "registry-1.docker.io"
        } else {
            &self.0
        };
        format!("{scheme}://{host}")
    }

    /// Whether the registry is on this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        is_loopback(self.name())
    }

    /// The key of the registry in the configuration of docker and in its credential helpers.
    #[must_use]
    pub fn credential_key(&self) -> &str {
        if self.0 == DOCKER_HUB {
            "https://index.docker.io/v1/"
        } else {
            &self.0
        }
    }

    /// The registry as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host without its port.
    fn name(&self) -> &str {
        match self.0.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
            _ => &self.0,
        }
    }
}

/// Whether a host name or address (an IPv6 address in brackets) is this machine.
pub(super) fn is_loopback(name: &str) -> bool {
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost" || address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host, self.repository)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_by_the_rules_of_docker() {
        for (name, host, repository) in [
            ("web", "docker.io", "library/web"),
            ("team/web", "docker.io", "team/web"),
            ("docker.io/web", "docker.io", "library/web"),
            ("index.docker.io/team/web", "docker.io", "team/web"),
            ("localhost/web", "localhost", "web"),
            ("ghcr.io/team/a/web", "ghcr.io", "team/a/web"),
            ("127.0.0.1:5000/web", "127.0.0.1:5000", "web"),
            ("[::1]:5000/demo/web", "[::1]:5000", "demo/web"),
        ] {
            let location = Location::parse(name);
            assert_eq!(
                (location.host.as_str(), location.repository.as_str()),
                (host, repository)
            );
        }
    }

    #[test]
    fn only_this_machine_is_reached_without_tls() {
        for (host, url) in [
            ("127.0.0.1:5000", "http://127.0.0.1:5000"),
            ("127.8.0.1", "http://127.8.0.1"),
            ("[::1]:5000", "http://[::1]:5000"),
            ("localhost:5000", "http://localhost:5000"),
            ("localhost.example.com", "https://localhost.example.com"),
            ("127.0.0.1.example.com", "https://127.0.0.1.example.com"),
            ("10.0.0.1:5000", "https://10.0.0.1:5000"),
            (
                "registry.example.com:5000",
                "https://registry.example.com:5000",
            ),
            ("docker.io", "https://registry-1.docker.io"),
        ] {
            assert_eq!(Host(host.into()).url(), url);
        }
    }
}

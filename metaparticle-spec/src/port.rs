//! [`Port`] and [`Probes`]: where the program listens, and how it is asked for its health.

use std::{fmt, num::NonZeroU16};

use serde::{Deserialize, Serialize};

use crate::{
    SpecError,
    name::{checked_text, conversions},
};

/// A port on which the program listens: `8080`, `8080/udp`, `name:8080` or `name:8080/tcp`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Port {
    /// Name in Service and container; default: protocol and number, such as `tcp-8080`.
    name: String,
    /// Number, equal in container and Service.
    pub number: NonZeroU16,
    /// Transport protocol; default: TCP.
    pub protocol: Protocol,
}

/// Transport protocol of a [`Port`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
}

impl Port {
    /// Name in Service and container; default: protocol and number, such as `tcp-8080`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A TCP port with the default name.
    ///
    /// # Errors
    /// [`SpecError::PortNumber`] if it is not 1 to 65535.
    pub fn from_number(number: i128) -> Result<Self, SpecError> {
        let valid = u16::try_from(number).ok().and_then(NonZeroU16::new);
        let number = valid.ok_or(SpecError::PortNumber(number))?;
        Ok(Self {
            name: format!("tcp-{number}"),
            number,
            protocol: Protocol::Tcp,
        })
    }

    /// Checks and takes a port declaration.
    ///
    /// # Errors
    /// [`SpecError::Port`], [`SpecError::PortNumber`] or [`SpecError::PortName`], whichever rule is broken.
    pub fn parse(text: impl Into<String>) -> Result<Self, SpecError> {
        let text = text.into();
        let broken = || SpecError::Port(text.clone());
        let (rest, protocol) = match text.rsplit_once('/') {
            Some((rest, "tcp")) => (rest, Protocol::Tcp),
            Some((rest, "udp")) => (rest, Protocol::Udp),
            Some(_) => return Err(broken()),
            None => (text.as_str(), Protocol::Tcp),
        };
        let (name, number) = rest
            .split_once(':')
            .map_or((None, rest), |(name, number)| (Some(name), number));
        if !number.bytes().all(|b| b.is_ascii_digit()) {
            return Err(broken());
        }
        let port = Self::from_number(number.parse().map_err(|_| broken())?)?;
        let name = match name {
            Some(name) => port_name(name)?,
            None => format!("{}-{}", protocol.lower(), port.number),
        };
        Ok(Self {
            name,
            protocol,
            ..port
        })
    }
}

/// An IANA service name as Kubernetes demands it.
fn port_name(name: &str) -> Result<String, SpecError> {
    let valid = (1..=15).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && name.bytes().any(|b| b.is_ascii_lowercase())
        && !name.starts_with('-')
        && !name.ends_with('-')
        && !name.contains("--");
    if valid {
        Ok(name.to_owned())
    } else {
        Err(SpecError::PortName(name.to_owned()))
    }
}

conversions!(Port);

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}/{}", self.name, self.number, self.protocol.lower())
    }
}

impl Protocol {
    /// As it is written in a declaration, in names and in a Dockerfile: `tcp` or `udp`.
    #[must_use]
    pub fn lower(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// As Kubernetes writes it: `TCP` or `UDP`.
impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
        })
    }
}

/// How the program is asked for its health. Without a readiness probe, a program with ports is ready when its first
/// TCP port accepts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probes {
    /// Takes the pod out of the Service while it fails.
    pub readiness: Option<Probe>,
    /// Restarts the container when it fails.
    pub liveness: Option<Probe>,
    /// Holds back the other two until it has succeeded once.
    pub startup: Option<Probe>,
    /// Port that is asked; default: the first TCP port.
    pub port: Option<NonZeroU16>,
}

/// The path of an HTTP probe; 200 to 399 means healthy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Probe(String);

impl Probe {
    /// Checks and takes a path.
    ///
    /// # Errors
    /// [`SpecError::ProbePath`] if it does not begin with `/` or holds anything but printable ASCII.
    pub fn parse(path: impl Into<String>) -> Result<Self, SpecError> {
        let path = path.into();
        let valid = path.starts_with('/') && path.bytes().all(|b| b.is_ascii_graphic());
        if valid {
            Ok(Self(path))
        } else {
            Err(SpecError::ProbePath(path))
        }
    }

    /// The path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

checked_text!(Probe);

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (String, u16, Protocol) {
        let port = Port::parse(text).unwrap();
        (port.name().to_owned(), port.number.get(), port.protocol)
    }

    #[test]
    fn every_form_of_a_port_is_taken() {
        assert_eq!(parts("8080"), ("tcp-8080".to_owned(), 8080, Protocol::Tcp));
        assert_eq!(parts("53/udp"), ("udp-53".to_owned(), 53, Protocol::Udp));
        assert_eq!(
            parts("admin:9000"),
            ("admin".to_owned(), 9000, Protocol::Tcp)
        );
        assert_eq!(
            parts("dns:65535/udp"),
            ("dns".to_owned(), 65535, Protocol::Udp)
        );
        assert_eq!(Port::from_number(1).unwrap(), Port::parse("1/tcp").unwrap());
    }

    #[test]
    fn a_written_port_reads_back() {
        for text in ["8080", "53/udp", "admin:9000", "dns:53/udp"] {
            let port = Port::parse(text).unwrap();
            assert_eq!(Port::parse(port.to_string()).unwrap(), port);
        }
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        for number in [0, -1, 65536, i128::MAX] {
            assert_eq!(
                Port::from_number(number),
                Err(SpecError::PortNumber(number))
            );
        }
        assert_eq!(Port::parse("70000"), Err(SpecError::PortNumber(70000)));
    }

    #[test]
    fn malformed_ports_are_refused() {
        for text in [
            "", "x", "+80", "-80", "80/", "80/sctp", "80/TCP", "a:", ":", "80:a", " 80", "a:b:80",
            "8080 ",
        ] {
            assert_eq!(
                Port::parse(text),
                Err(SpecError::Port(text.to_owned())),
                "{text}"
            );
        }
    }

    #[test]
    fn names_are_those_of_iana() {
        for name in ["a", "http", "h2", "a-b", "0123456789abcde"] {
            assert!(Port::parse(format!("{name}:80")).is_ok(), "{name}");
        }
        for name in ["", "80", "A", "a_b", "-a", "a-", "a--b", "0123456789abcdef"] {
            let refused = Port::parse(format!("{name}:80"));
            assert_eq!(refused, Err(SpecError::PortName(name.to_owned())));
        }
    }

    #[test]
    fn probe_paths_are_absolute_and_printable() {
        for path in ["/", "/ready", "/a?b=c#d"] {
            assert_eq!(Probe::parse(path).unwrap().as_str(), path);
        }
        for path in ["", "ready", "/a b", "/ä", "/a\n"] {
            assert_eq!(
                Probe::parse(path),
                Err(SpecError::ProbePath(path.to_owned()))
            );
        }
    }
}

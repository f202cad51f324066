//! Ranges of addresses: `10.0.0.0/8`.

use std::net::IpAddr;

/// A range, as the bits that its addresses have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cidr {
    bits: u128,
    width: u8,
    length: u8,
}

/// A range as the real server takes it.
///
/// # Errors
/// What is wrong with it, in the words of the real server.
pub(super) fn parse(text: &str) -> Result<Cidr, &'static str> {
    let wrong = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
    let (address, length) = text.split_once('/').ok_or(wrong)?;
    let is_number = !length.is_empty() && length.bytes().all(|it| it.is_ascii_digit());
    let length: u8 = length.parse().ok().filter(|_| is_number).ok_or(wrong)?;
    let strict = address.parse::<IpAddr>().ok();
    let parsed = strict.or_else(|| without_leading_zeros(address).parse().ok());
    let range = Cidr::new(parsed.ok_or(wrong)?, length).ok_or(wrong)?;
    if strict.is_none() || text != format!("{address}/{length}") {
        return Err("must not have leading 0s in IP or prefix length");
    }
    match strict {
        Some(IpAddr::V6(it)) if it.to_ipv4_mapped().is_some() => {
            Err("must not have an IPv4-mapped IPv6 address")
        }
        _ if range.bits != range.masked(range.bits) => {
            Err("must not have bits set beyond the prefix length")
        }
        _ => Ok(range),
    }
}

impl Cidr {
    fn new(address: IpAddr, length: u8) -> Option<Self> {
        let (bits, width) = match address {
            IpAddr::V4(it) => (it.to_bits().into(), 32),
            IpAddr::V6(it) => (it.to_bits(), 128),
        };
        let range = Self {
            bits,
            width,
            length,
        };
        (length <= width).then_some(range)
    }

    /// Whether `part` is in it and smaller.
    pub(super) fn has(&self, part: &Self) -> bool {
        self.width == part.width && self.length < part.length && self.masked(part.bits) == self.bits
    }

    fn masked(self, bits: u128) -> u128 {
        let free = u32::from(self.width - self.length);
        let mask = u128::MAX.checked_shl(free).unwrap_or_default();
        bits & mask
    }
}

fn without_leading_zeros(address: &str) -> String {
    let parts = address.split('.').map(|part| {
        let rest = part.trim_start_matches('0');
        if rest.is_empty() && !part.is_empty() {
            "0"
        } else {
            rest
        }
    });
    parts.collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_refused_in_the_words_of_the_real_server() {
        for (text, start) in [
            ("x", "must be a valid CIDR value"),
            ("10.0.0.0", "must be a valid CIDR value"),
            ("10.0.0.0/33", "must be a valid CIDR value"),
            ("10.0.0.0/+8", "must be a valid CIDR value"),
            ("10.0.0/8", "must be a valid CIDR value"),
            ("010.0.0.0/8", "must not have leading 0s"),
            ("10.0.0.0/08", "must not have leading 0s"),
            ("::ffff:1.2.3.0/120", "must not have an IPv4-mapped"),
            ("10.0.0.1/8", "must not have bits set beyond"),
        ] {
            let refused = parse(text).unwrap_err();
            assert!(refused.starts_with(start), "{text}: {refused}");
        }
    }

    #[test]
    fn a_range_has_smaller_ones_of_its_family() {
        let has = |one: &str, other: &str| parse(one).unwrap().has(&parse(other).unwrap());
        assert!(has("10.0.0.0/8", "10.1.0.0/16"));
        assert!(has("0.0.0.0/0", "10.0.0.0/8"));
        assert!(has("::/0", "2001:db8::/32"));
        assert!(!has("10.0.0.0/8", "11.0.0.0/16"));
        assert!(!has("10.0.0.0/8", "10.0.0.0/8"));
        assert!(!has("::/0", "10.0.0.0/8"));
    }
}

//! Whether a pod listens at its own address, or another program of the machine answers there in its place, because it
//! listens on all addresses.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    sync::Mutex,
};

use super::Own;

impl Own {
    /// Whether somebody else answers at this port of the pod, who listens on it at all addresses, while the pod does not.
    pub(crate) fn is_answered_by_another(&self, port: u16) -> bool {
        let listens = |file| fs::read_to_string(file).is_ok_and(|text| lists(&text, self.ip, port));
        is_taken_everywhere(port, self.ip)
            && !["/proc/self/net/tcp", "/proc/self/net/tcp6"]
                .into_iter()
                .any(listens)
    }
}

/// Whether somebody listens on this port of all addresses: then it is also taken at the one of the subnet that no pod has.
pub(super) fn is_taken_everywhere(port: u16, own: Ipv4Addr) -> bool {
    /// Held while one looks, lest another one takes that for an answer.
    static LOOKING: Mutex<()> = Mutex::new(());
    let [a, b, c, _] = own.octets();
    let _looking = LOOKING.lock();
    let bound = TcpListener::bind((Ipv4Addr::new(a, b, c, 255), port));
    bound.is_err_and(|error| error.kind() == std::io::ErrorKind::AddrInUse)
}

/// Whether the kernel's list of sockets has one that listens at exactly this address (proc(5)): addresses in hexadecimal
/// words of the machine's byte order, those of IPv4 in IPv6's list mapped.
fn lists(text: &str, ip: Ipv4Addr, port: u16) -> bool {
    const LISTENS: &str = "0A";
    let word = u32::from_ne_bytes(ip.octets());
    let mapped = u32::from_ne_bytes([0, 0, 0xFF, 0xFF]);
    let addresses = [
        format!("{word:08X}:{port:04X}"),
        format!("{:016X}{mapped:08X}{word:08X}:{port:04X}", 0),
    ];
    text.lines().any(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let (at, state) = (fields.next(), fields.nth(1));
        state == Some(LISTENS) && at.is_some_and(|at| addresses.iter().any(|it| it == at))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Ipv4Addr = Ipv4Addr::new(127, 77, 3, 2);

    fn line(address: &str, state: &str) -> String {
        format!(
            "   0: {address} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000 0 0 1"
        )
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn a_socket_that_listens_at_the_address_is_found_in_both_lists() {
        for address in ["02034D7F:1F90", "0000000000000000FFFF000002034D7F:1F90"] {
            assert!(lists(&line(address, "0A"), OWN, 8080), "{address}");
            assert!(!lists(&line(address, "01"), OWN, 8080), "only connected");
            assert!(!lists(&line(address, "0A"), OWN, 8081), "another port");
        }
        assert!(!lists(&line("00000000:1F90", "0A"), OWN, 8080));
    }

    #[test]
    fn what_the_kernel_lists_is_understood() {
        let ip = Ipv4Addr::new(127, 0, 0, 9);
        let listener = TcpListener::bind((ip, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let text = || fs::read_to_string("/proc/self/net/tcp").unwrap();
        assert!(lists(&text(), ip, port));
        drop(listener);
        assert!(!lists(&text(), ip, port));
    }
}

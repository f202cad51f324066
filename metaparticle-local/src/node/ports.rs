//! [`Ports`]: which pod listens where, when all pods share one address.
//!
//! A container that declares `containerPort` n gets n if it is free, else another port, and is told so in
//! `METAPARTICLE_PORT_<n>`, which `metaparticle::listen(n)` obeys. Where each pod has its own address nothing is moved.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, TcpListener},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

/// The ports of pods that are not where their containers say.
#[derive(Clone, Debug, Default)]
pub struct Ports(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// By the pods' uids and the ports that containers say.
    actual: Mutex<BTreeMap<(String, u16), u16>>,
    changes: watch::Sender<()>,
}

impl Ports {
    /// Where the pod with this uid has its port.
    #[must_use]
    pub fn actual(&self, uid: &str, port: u16) -> u16 {
        let key = (uid.to_owned(), port);
        self.lock().get(&key).copied().unwrap_or(port)
    }

    /// Changes whenever a port is moved that was asked for already.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        self.0.changes.subscribe()
    }

    /// Gives a port to a pod: the one it asks for if no other pod has it and it is free, else any.
    pub(super) fn assign(&self, uid: &str, port: u16) -> u16 {
        let mut all = self.lock();
        let taken = all
            .iter()
            .any(|((owner, _), actual)| owner != uid && *actual == port);
        let free = if taken { None } else { bind(port) };
        let found = free.or_else(|| bind(0));
        let address = found.and_then(|listener| listener.local_addr().ok());
        let actual = address.map_or(port, |address| address.port());
        all.insert((uid.to_owned(), port), actual);
        actual
    }

    /// Whether somebody listens on a port that this pod was given as it asked, and another pod asks for it, too.
    pub(super) fn is_lost(&self, uid: &str, port: u16) -> bool {
        let mut asked = self.lock().clone().into_keys();
        asked.any(|(owner, asked)| owner != uid && asked == port)
            && self.actual(uid, port) == port
            && bind(port).is_none()
    }

    /// Takes notice that the pod listens on `actual` for `port`.
    pub(super) fn note(&self, uid: &str, port: u16, actual: u16) {
        let key = (uid.to_owned(), port);
        if actual == port {
            self.lock().remove(&key);
        } else {
            self.lock().insert(key, actual);
        }
        self.0.changes.send_replace(());
    }

    /// Where the pod has the ports that it was given: asked for, and actual.
    pub(super) fn of(&self, uid: &str) -> Vec<(u16, u16)> {
        let all = self.lock();
        let own = all.iter().filter(|((owner, _), _)| owner == uid);
        own.map(|((_, port), actual)| (*port, *actual)).collect()
    }

    /// Takes all ports from a pod.
    pub(super) fn release(&self, uid: &str) {
        self.lock().retain(|(owner, _), _| owner != uid);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(String, u16), u16>> {
        self.0.actual.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bind(port: u16) -> Option<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()
}

/// What is said of a port that another program has on all addresses of the machine, also on those of pods.
pub(super) fn moved(port: u16, actual: u16) -> String {
    format!(
        "another program of this machine listens on port {port} of all addresses, so that the pod cannot: it listens \
         on port {actual} instead, where Services and probes find it"
    )
}

/// Why a container whose port was moved does not run.
pub(super) fn refusal(port: u16) -> String {
    format!(
        "port {port} is taken, and pods share one address on this machine: let the program listen with \
         metaparticle::listen({port}), which works everywhere, or run one replica"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn free_port() -> u16 {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        free.local_addr().unwrap().port()
    }

    #[test]
    fn the_first_pod_gets_the_port_that_it_asks_for_and_the_second_another_one() {
        let (ports, port) = (Ports::default(), free_port());
        assert_eq!(ports.assign("a", port), port);
        let other = ports.assign("b", port);
        assert_ne!(other, port);
        assert_eq!(
            (ports.actual("a", port), ports.actual("b", port)),
            (port, other)
        );
        ports.release("a");
        assert_eq!(ports.assign("b", port), port);
    }

    #[test]
    fn a_port_of_another_program_is_stepped_over() {
        let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = other.local_addr().unwrap().port();
        assert_ne!(Ports::default().assign("a", port), port);
    }

    #[test]
    fn a_port_is_lost_to_another_pod_that_asks_for_it() {
        let (ports, port) = (Ports::default(), free_port());
        ports.assign("a", port);
        let _other = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        assert!(!ports.is_lost("a", port), "nobody else asks");
        ports.assign("b", port);
        assert!(ports.is_lost("a", port) && !ports.is_lost("b", port));
    }

    #[test]
    fn a_port_that_was_not_assigned_is_where_it_says() {
        assert_eq!(Ports::default().actual("a", 8080), 8080);
    }
}

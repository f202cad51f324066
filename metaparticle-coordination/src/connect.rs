//! The connection of a coordinator's own: which cluster, and the settings of the client.
//!
//! A program inside a cluster talks to that one; else only to one that the variable `KUBECONFIG` names. The current
//! context of `~/.kube/config` is never taken: it may be anything.

use std::{env, time::Duration};

use kube::{Client, Config, config::KubeConfigOptions};

use crate::{error::Error, store::chain};

/// For a connection. A request's own limit is shorter or not; this one ends tries that nobody waits for any more.
const CONNECT: Duration = Duration::from_secs(5);

/// The cluster that the surroundings name.
pub(crate) async fn config() -> Result<Config, Error> {
    if env::var_os("KUBECONFIG").is_some_and(|list| !list.is_empty()) {
        let config = Config::from_kubeconfig(&KubeConfigOptions::default()).await;
        return config.map_err(|error| Error::Config {
            why: chain(&error).into(),
        });
    }
    Config::incluster().map_err(|error| Error::NoCluster {
        why: chain(&error).into(),
    })
}

/// A client with connections of its own. It sends each request once: what is repeated, and when, is decided by who knows
/// what was asked (kube's own would repeat it up to 15 times, and has no limit for an answer).
pub(crate) fn client(mut config: Config) -> Result<Client, Error> {
    config.default_retry = false;
    config.connect_timeout = Some(CONNECT);
    config.write_timeout = Some(CONNECT);
    // Watches are silent for a minute; every call has its own limit.
    config.read_timeout = None;
    Client::try_from(config).map_err(|error| Error::Config {
        why: chain(&error).into(),
    })
}

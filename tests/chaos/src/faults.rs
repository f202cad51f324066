//! The faults: what is done to one process, to its network, to the API server or to the Lease, and for how long.

use std::{io, time::Duration};

use serde_json::json;
use tokio::time::sleep;

use crate::{
    api::Api,
    candidate::Candidate,
    plan::Contest,
    proxy::{Flow, Storm},
    random::Random,
    vdso::Jump,
};

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// SIGSTOP, later SIGCONT.
    Pause,
    /// SIGKILL.
    Kill,
    /// The network carries nothing, sockets stay open.
    Freeze,
    /// Requests arrive, replies do not.
    FreezeReplies,
    /// Requests do not arrive until later.
    FreezeRequests,
    /// Connections are reset and refused.
    Cut,
    /// The wall clock is a minute ahead.
    WallAhead,
    /// The wall clock is a minute behind.
    WallBehind,
    /// The monotonic clocks are a minute ahead, though no time has passed.
    Suspend,
    /// 409 to every update, then to half of them.
    Conflicts,
    /// 429 to every request, then to half of them.
    TooMany,
    /// Writes are carried out and not answered.
    Unanswered,
    /// Writes are answered late.
    Slow,
    /// SIGTERM.
    HandOver,
    /// SIGTERM while the network is frozen.
    HandOverFrozen,
    /// The API server is killed, or ended, and starts anew.
    ApiRestart,
    /// The API server is stopped where it stands.
    ApiPause,
    /// etcd is stopped where it stands.
    EtcdPause,
    /// etcd is killed and starts anew.
    EtcdRestart,
    /// Somebody writes another holder into the Lease.
    EditByHand,
    /// Somebody deletes the Lease.
    DeleteByHand,
}

impl Fault {
    /// Those of one process.
    pub const OF_PROCESSES: [Self; 15] = [
        Self::Pause,
        Self::Kill,
        Self::Freeze,
        Self::FreezeReplies,
        Self::FreezeRequests,
        Self::Cut,
        Self::WallAhead,
        Self::WallBehind,
        Self::Suspend,
        Self::Conflicts,
        Self::TooMany,
        Self::Unanswered,
        Self::Slow,
        Self::HandOver,
        Self::HandOverFrozen,
    ];
    /// Those of the servers, which all runs of a round share.
    pub const OF_SERVERS: [Self; 4] = [
        Self::ApiRestart,
        Self::ApiPause,
        Self::EtcdPause,
        Self::EtcdRestart,
    ];
    /// Changes that nobody of ours made.
    pub const FORCED: [Self; 2] = [Self::EditByHand, Self::DeleteByHand];

    /// Whether somebody changes what is not theirs.
    #[must_use]
    pub fn is_forced(self) -> bool {
        Self::FORCED.contains(&self)
    }

    /// Whether it breaks what the protocol relies on, so that only the smaller promise holds: an overlap ends when the
    /// holder hears of it, at the latest at its deadline, and its stale writes are refused. A jump of the monotonic clocks
    /// is such a fault: no kernel makes one while no time passes, and to the victim all others seem to have been silent for
    /// a minute.
    #[must_use]
    pub fn breaks_assumptions(self) -> bool {
        self.is_forced() || self == Self::Suspend
    }

    /// Whether it is a jump of the victim's clocks.
    #[must_use]
    pub const fn jump(self) -> Option<Jump> {
        let (wall, monotonic) = match self {
            Self::WallAhead => (60, 0),
            Self::WallBehind => (-60, 0),
            Self::Suspend => (0, 60),
            _ => return None,
        };
        Some(Jump { wall, monotonic })
    }

    /// Whether the victim has ended afterwards, and another process takes its place.
    #[must_use]
    pub const fn ends(self) -> bool {
        matches!(self, Self::Kill | Self::HandOver | Self::HandOverFrozen)
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = format!("{self:?}");
        for (at, letter) in text.char_indices() {
            if letter.is_uppercase() && at > 0 {
                f.write_str("-")?;
            }
            write!(f, "{}", letter.to_ascii_lowercase())?;
        }
        Ok(())
    }
}

/// Does it to one process, and undoes it.
///
/// # Errors
/// If the process's clocks cannot be reached.
pub async fn on_process(
    fault: Fault,
    victim: &mut Candidate,
    lease: Duration,
    random: &mut Random,
) -> io::Result<()> {
    let mut share =
        |from: u64, to: u64| lease * u32::try_from(random.between(from, to)).unwrap_or(100) / 100;
    let long = share(120, 240);
    let short = share(5, 40);
    match fault {
        Fault::Pause => {
            victim.pause();
            sleep(long).await;
            victim.resume();
        }
        Fault::Kill => victim.kill(),
        Fault::HandOver => victim.terminate(),
        Fault::Freeze => flow(victim, Flow::Frozen, long).await,
        Fault::FreezeReplies => flow(victim, Flow::RepliesFrozen, long).await,
        Fault::FreezeRequests => flow(victim, Flow::RequestsFrozen, long).await,
        Fault::Cut => flow(victim, Flow::Cut, long).await,
        Fault::HandOverFrozen => {
            victim.proxy.flow(Flow::Frozen);
            sleep(short).await;
            victim.terminate();
            sleep(long).await;
            victim.proxy.flow(Flow::Open);
        }
        Fault::Conflicts => {
            storm(
                victim,
                [Storm::Conflict(100), Storm::Conflict(50)],
                short + lease / 3,
                long,
            )
            .await;
        }
        Fault::TooMany => {
            storm(
                victim,
                [Storm::TooMany(100), Storm::TooMany(50)],
                short + lease / 3,
                long,
            )
            .await;
        }
        Fault::Unanswered => {
            storm(
                victim,
                [Storm::Unanswered(70), Storm::Unanswered(100)],
                long,
                lease,
            )
            .await;
        }
        Fault::Slow => {
            let slow = |part: u32| Storm::Slow(lease * part / 100);
            storm(victim, [slow(25), slow(90)], long, lease).await;
        }
        Fault::WallAhead | Fault::WallBehind | Fault::Suspend => {
            victim.jump(fault.jump().unwrap_or_default())?;
            sleep(long).await;
            if fault != Fault::Suspend {
                // And back: a minute the other way.
                victim.jump(Jump::default())?;
            }
        }
        _ => {}
    }
    Ok(())
}

async fn flow(victim: &Candidate, flow: Flow, pause: Duration) {
    victim.proxy.flow(flow);
    sleep(pause).await;
    victim.proxy.flow(Flow::Open);
}

async fn storm(victim: &Candidate, storms: [Storm; 2], first: Duration, second: Duration) {
    for (storm, pause) in storms.into_iter().zip([first, second]) {
        victim.proxy.storm(storm);
        sleep(pause).await;
    }
    victim.proxy.storm(Storm::None);
}

/// Does it to the Lease of the election, to the ticket of a lock, or to the map of shards.
///
/// # Errors
/// If the API server does not answer.
pub async fn by_hand(
    fault: Fault,
    api: &Api,
    namespace: &str,
    name: &str,
    contest: Contest,
) -> io::Result<()> {
    let leases = format!("/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases");
    let path = match contest {
        Contest::Shards => format!("/api/v1/namespaces/{namespace}/configmaps/{name}-shards"),
        Contest::Election => format!("{leases}/{name}"),
        Contest::Locks => {
            let selector = "labelSelector=metaparticle.dev%2Frole%3Dticket";
            let tickets = api.get(&format!("{leases}?{selector}")).await?;
            let ticket = &tickets.body["items"][0]["metadata"]["name"];
            format!("{leases}/{}", ticket.as_str().unwrap_or(name))
        }
    };
    if fault == Fault::EditByHand {
        if contest == Contest::Shards {
            // No map at all.
            let body = json!({"binaryData": {"map": "AAAA"}});
            return api.patch(&path, &body).await.map(drop);
        }
        let now = api.get(&path).await?;
        // As somebody would: another name, all else as it is.
        let renewed = &now.body["spec"]["renewTime"];
        let body = json!({"spec": {"holderIdentity": "somebody", "renewTime": renewed}});
        api.patch(&path, &body).await?;
    } else {
        api.delete(&path).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_words() {
        assert_eq!(Fault::HandOverFrozen.to_string(), "hand-over-frozen");
        assert_eq!(Fault::Kill.to_string(), "kill");
    }
}

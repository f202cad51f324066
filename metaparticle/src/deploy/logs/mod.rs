//! The logs of all replicas as one stream of [`Event::Log`]: [`follow`] and [`show`].
//!
//! # Guarantees
//! A line is told once, whole, and with the bytes that the program wrote, through broken connections, restarts of
//! containers and replacement of pods. (Lines beyond 1 MiB come in pieces.) Lines of one pod keep their order. A reader
//! that is slow slows down reading, not the program, and costs no memory.
//!
//! # Caveats
//! A container that restarts twice while the connection is down loses the lines of the instance in the middle: the
//! kubelet keeps one previous log. So do logs that are rotated away while the connection is down.

mod cursor;
mod instance;
mod lines;
mod pod;

use std::{
    collections::{HashMap, hash_map::Entry},
    time::Duration,
};

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client, ResourceExt as _, api::ListParams};
use thiserror::Error;
use tokio::{
    sync::{mpsc, watch},
    task::{AbortHandle, JoinSet},
    time::{Instant, timeout_at},
};

use self::{
    cursor::Cursor,
    instance::{Instances, container, instances},
    pod::{Follower, Line},
};
use super::{
    mirror::{Update, mirror},
    report::{Event, Report},
};

/// Lines that are read ahead, over all pods.
const AHEAD: usize = 256;
/// How long to wait for the last lines of programs that have ended.
const LAST_LINES: Duration = Duration::from_secs(3);

/// Logs that cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The pods cannot be listed or watched.
    #[error("cannot list the pods that match `{selector}`")]
    Pods {
        /// The label selector.
        selector: String,
        /// The API server's answer.
        source: kube::Error,
    },
    /// The API server refuses the log of a pod.
    #[error("cannot read the logs that match `{selector}`")]
    Logs {
        /// The label selector.
        selector: String,
        /// The API server's answer.
        source: kube::Error,
    },
}

/// Tells the logs of all pods that match `selector` and of those that come later, until `until` is ready; then the last
/// lines of programs that have ended, waiting three seconds at most. `tail` limits the lines with which pods begin that
/// are there already.
///
/// # Errors
/// [`enum@Error`] if the API server refuses pods or logs, such as with 403. Broken connections are no errors.
///
/// # Cancel safety
/// Dropping the future ends all streams; lines that were read but not told yet (at most 256) are lost.
pub async fn follow(
    client: &Client,
    namespace: &str,
    selector: &str,
    tail: Option<u32>,
    report: &Report,
    until: impl Future<Output = ()>,
) -> Result<(), Error> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let mut updates = mirror(pods.clone(), ListParams::default().labels(selector));
    let (sender, mut lines) = mpsc::channel(AHEAD);
    let mut followed = Followed {
        pods,
        tail: tail.map(i64::from),
        lines: sender,
        known: HashMap::new(),
        followers: JoinSet::new(),
    };
    let mut until = std::pin::pin!(until);
    loop {
        tokio::select! {
            Some(line) = lines.recv() => tell(report, line),
            Some(ended) = followed.followers.join_next() => check(ended, selector)?,
            update = updates.next() => match update {
                Some(Ok(update)) => followed.take(update),
                Some(Err(source)) => {
                    let selector = selector.to_owned();
                    return Err(Error::Pods { selector, source });
                }
                None => break,
            },
            () = &mut until => break,
        }
    }
    // Pods that go on are left; those that have ended are read to their end. The watch may not have told of them yet.
    let last = Instant::now() + LAST_LINES;
    let filter = ListParams::default().labels(selector);
    if let Ok(Ok(list)) = timeout_at(last, followed.pods.clone().list(&filter)).await {
        followed.take(Update::Reset(list.items));
    }
    followed.known.retain(|_, pod| {
        let over = pod.instances.borrow().over;
        if !over {
            pod.task.abort();
        }
        over
    });
    drop(followed.lines);
    while let Ok(Some(line)) = timeout_at(last, lines.recv()).await {
        tell(report, line);
    }
    Ok(())
}

/// Tells what the pods that match `selector` have logged so far, pod by pod; at most the last `tail` lines of each.
///
/// # Errors
/// [`enum@Error`] if the API server refuses pods or logs.
///
/// # Cancel safety
/// Dropping the future ends its request.
pub async fn show(
    client: &Client,
    namespace: &str,
    selector: &str,
    tail: Option<u32>,
    report: &Report,
) -> Result<(), Error> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let list = pods.list(&ListParams::default().labels(selector)).await;
    let list = list.map_err(|source| Error::Pods {
        selector: selector.to_owned(),
        source,
    })?;
    let (sender, mut lines) = mpsc::channel(AHEAD);
    let read = async {
        for pod in list {
            let follower = Follower {
                pods: pods.clone(),
                pod: pod.name_any(),
                container: container(&pod).map(str::to_owned),
                tail: tail.map(i64::from),
                lines: sender.clone(),
                cursor: Cursor::default(),
            };
            if !follower.read_once().await? {
                report.event(Event::warning(format!(
                    "the log of pod {} is incomplete: it cannot be read to its end now",
                    pod.name_any()
                )));
            }
        }
        drop(sender);
        Ok(())
    };
    let tell = async {
        while let Some(line) = lines.recv().await {
            tell(report, line);
        }
    };
    let (read, ()) = tokio::join!(read, tell);
    read.map_err(|source| Error::Logs {
        selector: selector.to_owned(),
        source,
    })
}

/// The pods that are followed, a task each.
struct Followed {
    pods: Api<Pod>,
    tail: Option<i64>,
    lines: mpsc::Sender<Line>,
    known: HashMap<String, Known>,
    followers: JoinSet<Result<(), kube::Error>>,
}

struct Known {
    uid: Option<String>,
    instances: watch::Sender<Instances>,
    task: AbortHandle,
}

impl Followed {
    fn take(&mut self, update: Update<Pod>) {
        match update {
            Update::Reset(pods) => {
                self.known
                    .retain(|name, _| pods.iter().any(|pod| pod.name_any() == *name));
                for pod in &pods {
                    self.set(pod);
                }
                self.tail = None; // pods that come later are told from their beginning
            }
            Update::Set(pod) => self.set(&pod),
            Update::Gone(pod) => {
                self.known.remove(&pod.name_any());
            }
            Update::Trouble(_) => {}
        }
    }

    fn set(&mut self, pod: &Pod) {
        let now = instances(pod);
        match self.known.entry(pod.name_any()) {
            Entry::Occupied(known) if known.get().uid == pod.metadata.uid => {
                known.get().instances.send_if_modified(|instances| {
                    let changed = *instances != now;
                    *instances = now;
                    changed
                });
            }
            entry => {
                // Of the same name as one before, perhaps: a StatefulSet's.
                let (instances, receiver) = watch::channel(now);
                let follower = Follower {
                    pods: self.pods.clone(),
                    pod: pod.name_any(),
                    container: container(pod).map(str::to_owned),
                    tail: self.tail,
                    lines: self.lines.clone(),
                    cursor: Cursor::default(),
                };
                let task = self.followers.spawn(follower.follow(receiver));
                entry.insert_entry(Known {
                    uid: pod.metadata.uid.clone(),
                    instances,
                    task,
                });
            }
        }
    }
}

fn check(
    ended: Result<Result<(), kube::Error>, tokio::task::JoinError>,
    selector: &str,
) -> Result<(), Error> {
    match ended {
        Ok(result) => result.map_err(|source| Error::Logs {
            selector: selector.to_owned(),
            source,
        }),
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

fn tell(report: &Report, Line { pod, bytes }: Line) {
    report.event(Event::Log { pod, line: bytes });
}

//! [`Follower`]: the log of one pod, through broken streams and restarts of its container.

use std::{pin::pin, time::Duration};

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Error, api::LogParams};
use tokio::{
    sync::{mpsc, watch},
    time::{sleep, timeout},
};

use super::{
    cursor::{Cursor, split_time},
    instance::Instances,
    lines::{LONGEST, Lines},
};
use crate::deploy::mirror::{answered, is_transient};

/// So long a log may be silent before it is asked for anew: the connection may have died unseen.
const SILENCE: Duration = Duration::from_secs(120);

/// A line of a pod.
pub(super) struct Line {
    pub(super) pod: String,
    pub(super) bytes: Vec<u8>,
}

/// Reads the log of one pod.
pub(super) struct Follower {
    pub(super) pods: Api<Pod>,
    pub(super) pod: String,
    pub(super) container: Option<String>,
    /// How many lines to begin with; all if `None`.
    pub(super) tail: Option<i64>,
    pub(super) lines: mpsc::Sender<Line>,
    pub(super) cursor: Cursor,
}

/// How a stream ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// At its end.
    Clean,
    /// Before it.
    Broken,
    /// Nobody takes lines any more.
    Unheard,
}

/// What to read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// What there is and what comes, of an instance that runs or has `ended`.
    Follow { ended: bool },
    /// What there is.
    Once,
    /// What there is of the instance before.
    Previous,
}

const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(2);

impl Follower {
    /// Hands on every line until the pod is gone, or its container will not run again.
    ///
    /// # Cancel safety
    /// Dropping the future ends its request; lines that were read and not handed on yet are lost.
    pub(super) async fn follow(
        mut self,
        mut instances: watch::Receiver<Instances>,
    ) -> Result<(), Error> {
        let mut complete: Option<String> = None; // the instance whose log was read to its end
        let mut current: Option<String> = None; // the instance that was read last
        let mut backoff = FIRST_BACKOFF;
        loop {
            // The sender is dropped when the pod is gone.
            let next = instances.wait_for(|instances| {
                let id = instances.current.as_ref().map(|current| &current.id);
                id.is_some() && id != complete.as_ref() || instances.over
            });
            let Ok(known) = next.await.map(|known| known.clone()) else {
                return Ok(());
            };
            let Some(instance) = known
                .current
                .filter(|current| complete.as_ref() != Some(&current.id))
            else {
                return Ok(()); // over, and all of it was read
            };
            if current.is_some() && current.as_ref() != Some(&instance.id) {
                // The end of the instance before may have been missed; what of it is known is passed over.
                if known.previous.is_some() && complete != known.previous {
                    self.read(Mode::Previous).await?;
                }
                backoff = FIRST_BACKOFF;
            }
            current = Some(instance.id.clone());
            let mode = Mode::Follow {
                ended: instance.ended,
            };
            match self.read(mode).await? {
                End::Unheard => return Ok(()),
                End::Clean if instance.ended => complete = Some(instance.id),
                End::Clean | End::Broken => {
                    // Goes on at once when the container ends or restarts, and tries again after a while if not.
                    let changed = pin!(instances.changed());
                    tokio::select! {
                        changed = changed => if changed.is_err() {
                            // The pod is gone from the list; its log may still be there for a moment.
                            self.read(Mode::Once).await?;
                            return Ok(());
                        },
                        () = sleep(backoff) => {}
                    }
                    backoff = (backoff * 2).min(LONGEST_BACKOFF);
                }
            }
        }
    }

    /// Reads what is there now; whether that was all of it.
    pub(super) async fn read_once(mut self) -> Result<bool, Error> {
        Ok(self.read(Mode::Once).await? != End::Broken)
    }

    async fn read(&mut self, mode: Mode) -> Result<End, Error> {
        let since = self.cursor.since();
        self.cursor.resume();
        let params = LogParams {
            container: self.container.clone(),
            follow: matches!(mode, Mode::Follow { .. }),
            previous: mode == Mode::Previous,
            since_time: since,
            tail_lines: self.tail.filter(|_| since.is_none()),
            timestamps: true,
            ..LogParams::default()
        };
        let stream = match answered(self.pods.log_stream(&self.pod, &params)).await {
            Ok(stream) => stream,
            // 400: not started yet, or there is no previous instance any more; 404: the pod is gone.
            Err(Error::Api(status)) if matches!(status.code, 400 | 404) => {
                return Ok(if mode == Mode::Once {
                    End::Clean
                } else {
                    End::Broken
                });
            }
            Err(error) if is_transient(&error) => return Ok(End::Broken),
            Err(error) => return Err(error),
        };
        let stream = pin!(stream);
        let mut lines = Lines::new(stream);
        let mut is_new = true;
        loop {
            let Ok(piece) = timeout(SILENCE, lines.next()).await else {
                return Ok(End::Broken);
            };
            let piece = match piece {
                Ok(Some(piece)) => piece,
                Ok(None) => return Ok(End::Clean),
                Err(_) => return Ok(End::Broken),
            };
            let is_cut = !piece.complete && piece.bytes.len() < LONGEST;
            if is_cut && mode == (Mode::Follow { ended: false }) {
                return Ok(End::Clean); // the line goes on; it is read again as a whole
            }
            let bytes = if piece.first {
                let (time, line) = split_time(&piece.bytes);
                is_new = time.is_none_or(|time| self.cursor.take(time));
                line.to_vec()
            } else {
                piece.bytes
            };
            if is_new {
                let pod = self.pod.clone();
                if self.lines.send(Line { pod, bytes }).await.is_err() {
                    return Ok(End::Unheard);
                }
            }
        }
    }
}

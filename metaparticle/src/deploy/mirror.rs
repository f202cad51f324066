//! [`mirror`]: a collection of the cluster, kept current by list and watch.
//!
//! Survives ended and broken watches, expired versions (410) and an API server that is away for a while. Holds no
//! copy itself: it says what changed.

use std::{fmt::Debug, time::Duration};

use futures::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use kube::{
    Api, Error, Resource, ResourceExt as _,
    api::{ListParams, WatchEvent, WatchParams},
};
use serde::de::DeserializeOwned;
use tokio::time::{sleep, timeout};

use super::cluster;

/// A change of a collection.
#[derive(Debug)]
pub(crate) enum Update<K> {
    /// This is the whole collection now: after the first list, and after each gap.
    Reset(Vec<K>),
    /// An object is new or changed.
    Set(K),
    /// An object is gone.
    Gone(K),
    /// The API server cannot be asked at the moment; it is asked again.
    Trouble(Error),
}

/// A mirrored collection.
pub(crate) type Updates<K> = BoxStream<'static, Result<Update<K>, Error>>;

/// The server ends a watch after this many seconds, so that a connection that died in silence is noticed.
const WATCH_SECONDS: u32 = 60;
/// How long past its end a watch may stay silent.
const GRACE: Duration = Duration::from_secs(10);
/// How long the server may take to answer.
const ANSWER: Duration = Duration::from_secs(30);
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(5);

/// Follows the objects that `filter` selects, beginning with [`Update::Reset`].
///
/// Ends after the first error that asking again cannot cure, such as 403.
///
/// # Cancel safety
/// `next()` on the stream is cancel safe: what goes on is kept in the stream. Dropping the stream ends its request.
pub(crate) fn mirror<K>(api: Api<K>, filter: ListParams) -> Updates<K>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    let mirror = Mirror {
        api,
        filter,
        phase: Phase::List,
        failures: 0,
    };
    stream::unfold(mirror, async |mut mirror| {
        let item = mirror.next().await?;
        Some((item, mirror))
    })
    .boxed()
}

/// Whether to read again: what may be repeated, and 500, which is repeated only where nothing is written.
pub(crate) fn is_transient(error: &Error) -> bool {
    cluster::is_transient(error) || matches!(error, Error::Api(status) if status.code == 500)
}

/// Ends a request that gets no answer.
pub(super) async fn answered<T>(
    request: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    timeout(ANSWER, request).await.unwrap_or_else(|_| {
        let silence = format!("no answer within {} s", ANSWER.as_secs());
        Err(Error::Service(silence.into()))
    })
}

struct Mirror<K> {
    api: Api<K>,
    filter: ListParams,
    phase: Phase<K>,
    /// Failures without a success in between.
    failures: u32,
}

enum Phase<K> {
    List,
    Watch(String),
    Watching(String, BoxStream<'static, Result<WatchEvent<K>, Error>>),
    Ended,
}

impl<K> Mirror<K>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    async fn next(&mut self) -> Option<Result<Update<K>, Error>> {
        loop {
            match &mut self.phase {
                Phase::Ended => return None,
                Phase::List => {
                    self.back_off().await;
                    match answered(self.api.list(&self.filter)).await {
                        Ok(list) => {
                            self.failures = 0;
                            self.phase =
                                Phase::Watch(list.metadata.resource_version.unwrap_or_default());
                            return Some(Ok(Update::Reset(list.items)));
                        }
                        Err(error) => return Some(self.failed(error)),
                    }
                }
                Phase::Watch(version) => {
                    let version = version.clone();
                    let params = self.watch_params();
                    self.back_off().await;
                    match answered(self.api.watch(&params, &version)).await {
                        Ok(events) => self.phase = Phase::Watching(version, events.boxed()),
                        Err(error) if is_gone(&error) => self.restart(),
                        Err(error) => return Some(self.failed(error)),
                    }
                }
                Phase::Watching(version, events) => {
                    let silence = Duration::from_secs(WATCH_SECONDS.into()) + GRACE;
                    let event = timeout(silence, events.next()).await.unwrap_or_default();
                    match event {
                        Some(Ok(WatchEvent::Added(object) | WatchEvent::Modified(object))) => {
                            *version = object.resource_version().unwrap_or_default();
                            self.failures = 0;
                            return Some(Ok(Update::Set(object)));
                        }
                        Some(Ok(WatchEvent::Deleted(object))) => {
                            *version = object.resource_version().unwrap_or_default();
                            self.failures = 0;
                            return Some(Ok(Update::Gone(object)));
                        }
                        Some(Ok(WatchEvent::Bookmark(bookmark))) => {
                            *version = bookmark.metadata.resource_version;
                            self.failures = 0;
                        }
                        // Mostly 410: the version is too old to go on from.
                        Some(Ok(WatchEvent::Error(_))) => self.restart(),
                        // Ended or broken: go on from the last version. Waits a little, for a server that ends every
                        // watch at once is not to be asked in a tight loop.
                        Some(Err(_)) | None => {
                            self.phase = Phase::Watch(version.clone());
                            self.failures = self.failures.max(1);
                        }
                    }
                }
            }
        }
    }

    fn restart(&mut self) {
        self.phase = Phase::List;
        self.failures += 1;
    }

    fn failed(&mut self, error: Error) -> Result<Update<K>, Error> {
        if is_transient(&error) {
            self.failures += 1;
            Ok(Update::Trouble(error))
        } else {
            self.phase = Phase::Ended;
            Err(error)
        }
    }

    async fn back_off(&mut self) {
        if let Some(exponent) = self.failures.checked_sub(1) {
            let factor = 1 << exponent.min(10);
            sleep((FIRST_BACKOFF * factor).min(LONGEST_BACKOFF)).await;
        }
    }

    fn watch_params(&self) -> WatchParams {
        WatchParams {
            label_selector: self.filter.label_selector.clone(),
            field_selector: self.filter.field_selector.clone(),
            timeout: Some(WATCH_SECONDS),
            bookmarks: true,
            send_initial_events: false,
        }
    }
}

fn is_gone(error: &Error) -> bool {
    matches!(error, Error::Api(status) if status.code == 410)
}

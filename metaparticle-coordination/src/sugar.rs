//! What `#[leader]` and `#[exclusive]` expand to: an election and a lock of one coordinator that the process shares.

use std::fmt;

use tokio::sync::OnceCell;

use crate::{Coordinator, Error, election::Term};

/// The process's own coordinator, connected at the first call. What could not be connected is tried again by the next.
async fn shared() -> Result<&'static Coordinator, Error> {
    static SHARED: OnceCell<Coordinator> = OnceCell::const_new();
    SHARED.get_or_try_init(Coordinator::connect).await
}

/// Runs `work` while this process leads, again in each term, until it returns. After a shutdown: what `T` has by default.
///
/// # Errors
/// What `work` returns, or what keeps it from leading.
pub async fn lead<T, E, W, F>(election: &'static str, work: W) -> Result<T, E>
where
    T: Default,
    E: From<Error> + fmt::Display,
    W: FnMut(Term) -> F,
    F: Future<Output = Result<T, E>>,
{
    let election = shared().await?.election(election).build()?;
    Ok(election.run(work).await?.unwrap_or_default())
}

/// Runs `work` while this process holds the lock. Dropped at the moment of a loss.
///
/// # Errors
/// What `work` returns, or what keeps it from the lock.
pub async fn exclusive<T, E>(
    lock: &'static str,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E>
where
    E: From<Error>,
{
    let guard = shared().await?.mutex(lock).lock().await?;
    let lost = |source| Error::Lost {
        of: lock.into(),
        source,
    };
    let done = guard.guarded(work).await.map_err(lost)?;
    // The work was done under the lock. If the server does not hear that it is free, the session's end frees it.
    let _ = guard.unlock().await;
    done
}

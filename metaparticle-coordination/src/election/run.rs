//! [`Election::run`]: leads whenever it can, for ever.

use std::{
    fmt,
    pin::pin,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use futures::future::{Either, select};
use metaparticle_protocol::election::Ended;
use tokio::sync::watch;

use super::{Election, Term};
use crate::{error::Error, lost::Lost, word::Held};

/// After a refusal, when it has worked before: a permission may come back.
const REFUSED: Duration = Duration::from_secs(5);

impl Election {
    /// Contends for a term, runs `work` with it, and contends again when the term is lost, until `work` is done or the
    /// coordinator is shut down.
    ///
    /// What `work` returns ends this, and is returned: the term, if it is still there, is handed over. Only if the term was
    /// *taken* from it, what it returns does not count: an error is logged, and it contends again.
    ///
    /// When the term is lost, `work` is dropped where it stands, before another may lead. When it is to be given away in
    /// good order ([`Coordinator::shutdown`](crate::Coordinator::shutdown), SIGTERM), `work` is dropped at once
    /// too, unless permits of the term are alive: then it goes on until they are dropped, at the longest for the election's
    /// [drain](super::Builder::drain). So a stretch that must not be cut takes a [permit](Term::permit):
    ///
    /// ```no_run
    /// # use metaparticle_coordination::{Coordinator, election::Term};
    /// # type Error = Box<dyn std::error::Error + Send + Sync>;
    /// # async fn next_invoice() -> u32 { 1 }
    /// # async fn bill(invoice: u32, token: u64) -> Result<(), Error> { Ok(()) }
    /// # async fn example(mp: &Coordinator) -> Result<(), Error> {
    /// let election = mp.election("billing").build()?;
    /// election
    ///     .run(async |term: Term| {
    ///         loop {
    ///             let invoice = next_invoice().await; // may be dropped here
    ///             let permit = term.permit()?;
    ///             bill(invoice, term.token()).await?; // not here, if it is done within the drain
    ///             drop(permit);
    ///         }
    /// #       #[allow(unreachable_code)]
    /// #       Ok::<(), Error>(())
    ///     })
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// `None` says that the coordinator was shut down.
    ///
    /// # Errors
    /// What `work` returned. [`Error::Refused`], if the API server refuses before the first term; later, it
    /// goes on asking.
    ///
    /// # Cancel safety
    /// Dropped, `work` is dropped, and the term is handed over in the background.
    pub async fn run<T, E, W, F>(&self, mut work: W) -> Result<Option<T>, E>
    where
        W: FnMut(Term) -> F,
        F: Future<Output = Result<T, E>>,
        E: From<Error> + fmt::Display,
    {
        let mut led = false;
        loop {
            let term = match self.campaign().await {
                Ok(term) => term,
                Err(Error::Shutdown) => return Ok(None),
                Err(Error::Refused(_)) if led => {
                    tokio::time::sleep(REFUSED).await;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            led = true;
            let (held, given, mut end) = (term.held(), term.given(), term.end());
            let stop = stop(&held, &given, end.clone());
            let result = match select(pin!(stop), pin!(work(term))).await {
                Either::Left(((), _)) => continue,
                Either::Right((result, _)) => result,
            };
            if given.load(Ordering::Acquire) || held.check().is_ok() {
                // What is done is done when the API server knows; permits may still be out.
                held.close(Lost::Released);
                let _ = end.wait_for(Option::is_some).await;
                return result.map(Some);
            }
            if let Err(error) = result {
                tracing::info!(%error, "the work ended with its term; contends again");
            }
        }
    }
}

/// Waits until the work must end: its term was taken from it, and no permit protects it any more.
async fn stop(held: &Held, given: &AtomicBool, mut end: watch::Receiver<Option<Ended>>) {
    held.lost().await;
    if given.load(Ordering::Acquire) {
        // Its owner gave it away, and may have other things to do.
        return std::future::pending().await;
    }
    select(pin!(held.drained()), pin!(end.wait_for(Option::is_some))).await;
}

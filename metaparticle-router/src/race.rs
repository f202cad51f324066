//! [`first`]: whichever of two futures is ready first.

use std::{future::poll_fn, pin::Pin, task::Poll};

/// The output of whichever is ready first; of `one` if both are.
///
/// # Cancel safety
/// As cancel safe as both are.
pub(crate) async fn first<T>(
    mut one: Pin<&mut impl Future<Output = T>>,
    mut other: Pin<&mut impl Future<Output = T>>,
) -> T {
    poll_fn(|cx| match one.as_mut().poll(cx) {
        Poll::Pending => other.as_mut().poll(cx),
        ready @ Poll::Ready(_) => ready,
    })
    .await
}

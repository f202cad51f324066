//! [`shutdown`]: the future that resolves when the program is asked to end.

use std::io;

/// Resolves when the program is asked to end: at SIGTERM, which Kubernetes sends to a pod that it takes away, or at
/// SIGINT (Ctrl-C). On other systems than Unix: at Ctrl-C.
///
/// From the first poll on, neither signal ends the program by itself any more, so that work under way can be brought
/// to its end. A program that never calls this, nor handles the signals otherwise, is ended by them at once.
///
/// # Panics
/// If polled outside of a Tokio runtime with I/O enabled (`#[tokio::main]` enables it), or if the operating system
/// refuses the signal handler.
///
/// # Cancel safety
/// Cancel safe: dropping the future loses nothing but signals that arrived while it waited. A later call waits for
/// the next signal.
///
/// # Examples
/// ```no_run
/// # async fn serve() -> std::io::Result<()> {
/// # let listener = tokio::net::TcpListener::bind("0.0.0.0:8080").await?;
/// # let app = axum::Router::new();
/// axum::serve(listener, app)
///     .with_graceful_shutdown(metaparticle::shutdown())
///     .await
/// # }
/// ```
pub async fn shutdown() {
    wait()
        .await
        .expect("the operating system takes a handler for SIGTERM and SIGINT");
}

#[cfg(unix)]
async fn wait() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    std::future::poll_fn(|cx| {
        if terminate.poll_recv(cx).is_ready() {
            return std::task::Poll::Ready(());
        }
        interrupt.poll_recv(cx).map(|_| ())
    })
    .await;
    Ok(())
}

#[cfg(not(unix))]
async fn wait() -> io::Result<()> {
    tokio::signal::ctrl_c().await
}

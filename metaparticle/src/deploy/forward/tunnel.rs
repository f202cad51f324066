//! [`attempt`]: one connection through one pod.

use std::{io, time::Duration};

use bytes::{Buf as _, BytesMut};
use futures::FutureExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, api::Portforwarder};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream},
    net::TcpStream,
    time::{Instant, sleep, sleep_until, timeout},
};

/// What became of an attempt.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    /// The connection was carried to its end, good or bad.
    Carried,
    /// The pod did not take it, and no byte reached its program: another pod may.
    Refused(String),
}

/// How the pod's side ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// By itself, or because the client is through.
    Clean,
    /// In the middle: the client must not take what it has for the whole.
    Broken,
}

/// How long the API server may take to reach a pod.
const REACH: Duration = Duration::from_secs(5);
/// So much of what the client says first is kept for another pod.
const KEPT: usize = 64 * 1024;
/// A port that nobody listens on is told within this.
const TOLD: Duration = Duration::from_secs(1);
/// How long a client that has ended its side waits for an answer to begin.
const ANSWER: Duration = Duration::from_secs(30);
/// How long an answer may pause once the client has ended its side: most such clients are gone altogether.
const LINGER: Duration = Duration::from_secs(2);
/// How long the last bytes to the pod may take.
const FLUSH: Duration = Duration::from_secs(1);

/// Carries `client` through `pod`. `early` is what the client has said already, to a pod that refused.
///
/// The protocol of the API server cannot end one direction alone, so the end of the client's side is kept from the pod
/// until the answer is through.
///
/// # Cancel safety
/// Dropping the future closes the connection and leaves no task.
pub(super) async fn attempt(
    pods: &Api<Pod>,
    pod: &str,
    port: u16,
    client: &mut TcpStream,
    early: &mut BytesMut,
) -> Attempt {
    let forwarder = match timeout(REACH, pods.portforward(pod, &[port])).await {
        Ok(Ok(forwarder)) => forwarder,
        Ok(Err(error)) => return Attempt::Refused(error.to_string()),
        Err(_) => return Attempt::Refused(format!("not reached within {} s", REACH.as_secs())),
    };
    let mut tunnel = Tunnel(forwarder);
    let Some((mut stream, error)) = tunnel.take(port) else {
        return Attempt::Refused("the port is not forwarded".into());
    };
    let mut error = std::pin::pin!(error.fuse());
    let mut answer = BytesMut::with_capacity(Pipe::CAPACITY);
    let mut client_ended = false;
    let decided = Instant::now() + TOLD;

    // Until the pod answers, all that the client says is kept for another pod.
    let mut sent = 0;
    loop {
        if sent < early.len() {
            if stream.write_all(&early[sent..]).await.is_err() {
                client_ended = true; // reading from the pod tells why
            }
            sent = early.len();
        }
        tokio::select! {
            message = &mut error => match message {
                Some(message) if never_connected(&message) => return Attempt::Refused(message),
                Some(_) => {
                    reset(client);
                    return Attempt::Carried;
                }
                None => {}
            },
            read = stream.read_buf(&mut answer) => match read {
                Ok(0) | Err(_) => {
                    if let Some(Some(message)) = error.as_mut().now_or_never()
                        && never_connected(&message)
                    {
                        return Attempt::Refused(message);
                    }
                    break;
                }
                Ok(_) => break,
            },
            read = client.read_buf(early), if !client_ended && early.len() < KEPT => match read {
                Ok(0) => client_ended = true,
                Ok(_) => {}
                Err(_) => return Attempt::Carried, // the client is gone
            },
            () = sleep_until(decided), if early.len() >= KEPT => break,
            () = sleep(ANSWER), if client_ended => break,
        }
    }
    let mut end = carry(client, &mut stream, answer, client_ended).await;
    if let Some(Some(_)) = error.as_mut().now_or_never() {
        end = End::Broken;
    }
    if end == End::Broken {
        reset(client);
        return Attempt::Carried;
    }
    // A client that is gone already, or a pod that is, need not hear that the other is too.
    let _ = client.shutdown().await;
    let _ = stream.shutdown().await;
    drop(stream);
    // The other end of the error channel lives as long as the forwarder, which sends the last bytes first.
    let _ = timeout(FLUSH, error).await;
    Attempt::Carried
}

/// Copies both ways until the pod ends, or the client has and the answer is through.
async fn carry(
    client: &mut TcpStream,
    stream: &mut DuplexStream,
    answer: BytesMut,
    mut client_ended: bool,
) -> End {
    let mut answered = !answer.is_empty();
    let mut up = Pipe(BytesMut::with_capacity(Pipe::CAPACITY));
    let mut down = Pipe(answer);
    let (mut from_client, mut to_client) = client.split();
    let (mut from_pod, mut to_pod) = tokio::io::split(&mut *stream);
    loop {
        let pause = if answered { LINGER } else { ANSWER };
        tokio::select! {
            moved = up.step(&mut from_client, &mut to_pod), if !client_ended => match moved {
                Ok(0) | Err(_) => client_ended = true,
                Ok(_) => answered = false,
            },
            moved = down.step(&mut from_pod, &mut to_client) => match moved {
                Ok(0) => break,
                Ok(_) => answered = true,
                Err(_) => return End::Clean, // the client is gone
            },
            () = sleep(pause), if client_ended => return End::Clean,
        }
    }
    // The forwarder ends its side in order, or drops both when its connection breaks: then nothing can be written.
    match stream.write(&[]).await {
        Ok(_) => End::Clean,
        Err(_) => End::Broken,
    }
}

/// One direction. Every step is cancel safe.
struct Pipe(BytesMut);

impl Pipe {
    const CAPACITY: usize = 16 * 1024;

    /// Writes what was read, or else reads. 0 is the end.
    async fn step(
        &mut self,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
    ) -> io::Result<usize> {
        if self.0.has_remaining() {
            match to.write_buf(&mut self.0).await? {
                0 => Err(io::ErrorKind::WriteZero.into()),
                n => Ok(n),
            }
        } else {
            self.0.reserve(Self::CAPACITY);
            from.read_buf(&mut self.0).await
        }
    }
}

/// A forwarder whose task ends with it.
struct Tunnel(Portforwarder);

impl Tunnel {
    fn take(
        &mut self,
        port: u16,
    ) -> Option<(DuplexStream, impl Future<Output = Option<String>> + use<>)> {
        Some((self.0.take_stream(port)?, self.0.take_error(port)?))
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Whether an error of the kubelet means that no program took the connection.
fn never_connected(message: &str) -> bool {
    let never = [
        "connection refused",
        "failed to connect",
        "failed to dial",
        "not running",
        "not found",
        "no such container",
    ];
    never.iter().any(|words| message.contains(words))
}

/// Has the client see a broken connection instead of an ordinary end.
fn reset(client: &TcpStream) {
    // If it fails, the client is gone.
    let _ = client.set_zero_linger();
}

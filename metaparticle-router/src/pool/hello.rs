//! The hello: how two gates show each other, at the start of a connection, that they belong to one application, and how the
//! one that calls finds out that it reached whom the map names. Addresses of pods are used again by others.
//!
//! ```text
//! caller -> called   MAGIC, 32 random bytes
//! called -> caller   32 random bytes, length and text of its session's uid, HMAC
//! caller -> called   HMAC
//! ```
//! Both codes are HMAC-SHA-256 over who speaks, both random parts and the uid, with the application's key. What is said
//! afterwards is plain HTTP: the hello keeps strangers from forging internal headers, not listeners from reading.

use metaparticle_protocol::Uid;
use ring::{
    hmac,
    rand::{SecureRandom, SystemRandom},
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// What a caller begins with. No HTTP server takes it for a request.
pub(crate) const MAGIC: &[u8; 16] = b"METAPARTICLE/1\r\n";
/// Bytes of a random part.
pub(crate) const NONCE: usize = 32;
/// Bytes of a code.
pub(crate) const MAC: usize = 32;

/// Why a connection between gates did not come about.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum HelloError {
    /// The connection broke.
    #[error("the connection broke during the hello")]
    Io(#[from] std::io::Error),
    /// Another process is at the address.
    #[error("session `{found}` answered, not `{wanted}`")]
    Session { wanted: Uid, found: Box<str> },
    /// It knows another key, or none.
    #[error("the other side does not know this application's key")]
    Mac,
    /// This process cannot say hello.
    #[error("this process has no session or no key yet")]
    Unable,
}

fn nonce() -> Result<[u8; NONCE], HelloError> {
    let mut bytes = [0; NONCE];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| HelloError::Unable)?;
    Ok(bytes)
}

/// What a code is computed over.
struct Parts<'a> {
    asking: &'a [u8; NONCE],
    answering: &'a [u8; NONCE],
    session: &'a [u8],
}

impl Parts<'_> {
    fn text(&self, speaker: &[u8]) -> Vec<u8> {
        [speaker, self.asking, self.answering, self.session].concat()
    }

    fn sign(&self, key: &[u8], speaker: &[u8]) -> hmac::Tag {
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), &self.text(speaker))
    }

    fn verify(&self, key: &[u8], speaker: &[u8], mac: &[u8]) -> Result<(), HelloError> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        hmac::verify(&key, &self.text(speaker), mac).map_err(|_| HelloError::Mac)
    }
}

const CALLER: &[u8] = b"metaparticle caller ";
const CALLED: &[u8] = b"metaparticle called ";

/// Says hello to whoever listens at the other end, who must be `wanted`.
pub(crate) async fn call<S>(stream: &mut S, key: &[u8], wanted: &Uid) -> Result<(), HelloError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let asking = nonce()?;
    let mut first = [0; MAGIC.len() + NONCE];
    first[..MAGIC.len()].copy_from_slice(MAGIC);
    first[MAGIC.len()..].copy_from_slice(&asking);
    stream.write_all(&first).await?;

    let mut answering = [0; NONCE];
    stream.read_exact(&mut answering).await?;
    let mut session = vec![0; usize::from(stream.read_u8().await?)];
    stream.read_exact(&mut session).await?;
    let mut mac = [0; MAC];
    stream.read_exact(&mut mac).await?;
    let parts = Parts {
        asking: &asking,
        answering: &answering,
        session: &session,
    };
    parts.verify(key, CALLED, &mac)?;
    if session != wanted.as_str().as_bytes() {
        return Err(HelloError::Session {
            wanted: wanted.clone(),
            found: String::from_utf8_lossy(&session).into(),
        });
    }
    stream.write_all(parts.sign(key, CALLER).as_ref()).await?;
    Ok(())
}

/// Answers a caller whose magic was read already.
pub(crate) async fn answer<S>(
    stream: &mut S,
    key: Option<&[u8]>,
    session: Option<&Uid>,
) -> Result<(), HelloError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (Some(key), Some(session)) = (key, session) else {
        return Err(HelloError::Unable);
    };
    let session = session.as_str().as_bytes();
    let length = u8::try_from(session.len()).map_err(|_| HelloError::Unable)?;
    let mut asking = [0; NONCE];
    stream.read_exact(&mut asking).await?;
    let answering = nonce()?;
    let parts = Parts {
        asking: &asking,
        answering: &answering,
        session,
    };
    let mut reply = Vec::with_capacity(NONCE + 1 + session.len() + MAC);
    reply.extend_from_slice(&answering);
    reply.push(length);
    reply.extend_from_slice(session);
    reply.extend_from_slice(parts.sign(key, CALLED).as_ref());
    stream.write_all(&reply).await?;

    let mut mac = [0; MAC];
    stream.read_exact(&mut mac).await?;
    parts.verify(key, CALLER, &mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn hello(
        asking: (&[u8], &str),
        answering: (Option<&[u8]>, Option<&str>),
    ) -> (Result<(), HelloError>, Result<(), HelloError>) {
        let (mut here, mut there) = tokio::io::duplex(1024);
        let wanted: Uid = asking.1.into();
        let own: Option<Uid> = answering.1.map(Into::into);
        tokio::join!(
            async {
                let said = call(&mut here, asking.0, &wanted).await;
                drop(here);
                said
            },
            async {
                let mut magic = [0; MAGIC.len()];
                there.read_exact(&mut magic).await?;
                assert_eq!(&magic, MAGIC);
                let said = answer(&mut there, answering.0, own.as_ref()).await;
                drop(there);
                said
            }
        )
    }

    #[tokio::test]
    async fn two_gates_of_one_application_greet() {
        let (call, answer) = hello((b"key", "a"), (Some(b"key"), Some("a"))).await;
        call.unwrap();
        answer.unwrap();
    }

    #[tokio::test]
    async fn another_session_at_the_address_is_refused() {
        let (call, answer) = hello((b"key", "a"), (Some(b"key"), Some("b"))).await;
        assert!(matches!(call, Err(HelloError::Session { .. })), "{call:?}");
        assert!(matches!(answer, Err(HelloError::Io(_))), "{answer:?}");
    }

    #[tokio::test]
    async fn another_application_is_refused() {
        let (call, answer) = hello((b"key", "a"), (Some(b"other"), Some("a"))).await;
        assert!(matches!(call, Err(HelloError::Mac)), "{call:?}");
        assert!(answer.is_err());
    }

    #[tokio::test]
    async fn a_process_without_session_or_key_does_not_answer() {
        for called in [(None, Some("a")), (Some(&b"key"[..]), None)] {
            let (call, answer) = hello((b"key", "a"), called).await;
            assert!(matches!(call, Err(HelloError::Io(_))), "{call:?}");
            assert!(matches!(answer, Err(HelloError::Unable)), "{answer:?}");
        }
    }

    #[tokio::test]
    async fn who_echoes_the_called_sides_code_is_no_gate() {
        let (mut here, mut there) = tokio::io::duplex(1024);
        let session: Uid = "a".into();
        let ((), answered) = tokio::join!(
            async {
                here.write_all(&[7; NONCE]).await.unwrap();
                let mut reply = [0; NONCE + 1 + 1 + MAC];
                here.read_exact(&mut reply).await.unwrap();
                here.write_all(&reply[NONCE + 2..]).await.unwrap();
            },
            answer(&mut there, Some(b"key"), Some(&session))
        );
        assert!(matches!(answered, Err(HelloError::Mac)), "{answered:?}");
    }
}

//! Waiting until something is ready, and noticing at once when it never will.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread::sleep;
use std::time::Duration;

use super::error::Error;
use super::layout::home;
use super::state::State;
use crate::clock::uptime;
use crate::command::last_lines;

/// Asks `is_ready` until it says yes.
///
/// # Errors
/// When `limit` has passed, or a process of the cluster ended by itself.
pub(super) fn until(
    what: &str,
    limit: Duration,
    state: &State,
    mut is_ready: impl FnMut() -> bool,
) -> Result<(), Error> {
    let deadline = uptime() + limit;
    while !is_ready() {
        if let Some(ended) = state.processes.iter().find(|process| !process.is_running()) {
            let log = home(format!("logs/{}.err", ended.name));
            let text = fs::read_to_string(&log).unwrap_or_default();
            let tail = last_lines(&text, 20).to_owned();
            return Err(Error::Ended {
                name: ended.name.clone(),
                log,
                tail,
            });
        }
        if uptime() > deadline {
            let (what, logs) = (what.to_owned(), home("logs"));
            return Err(Error::NotReady {
                what,
                seconds: limit.as_secs(),
                logs,
            });
        }
        sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// Does a plain HTTP server answer `path` with 200?
pub(super) fn answers(address: &str, path: &str) -> bool {
    let ask = || -> std::io::Result<bool> {
        let limit = Duration::from_secs(1);
        let address: SocketAddr = address.parse().map_err(std::io::Error::other)?;
        let mut stream = TcpStream::connect_timeout(&address, limit)?;
        stream.set_read_timeout(Some(limit))?;
        let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        let mut start = [0; 12];
        stream.read_exact(&mut start)?;
        Ok(start.starts_with(b"HTTP/1.") && start.ends_with(b" 200"))
    };
    ask().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn only_a_200_counts_as_an_answer() {
        for (status, expected) in [("200 OK", true), ("503 Service Unavailable", false)] {
            let server = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = server.local_addr().unwrap().to_string();
            let thread = std::thread::spawn(move || {
                let (mut stream, _) = server.accept().unwrap();
                let request = BufReader::new(&stream).lines().map(Result::unwrap);
                assert!(request.into_iter().any(|line| line.is_empty()));
                let answer = format!("HTTP/1.0 {status}\r\n\r\n");
                stream.write_all(answer.as_bytes()).unwrap();
            });
            assert_eq!(answers(&address, "/"), expected);
            thread.join().unwrap();
        }
    }

    #[test]
    fn closed_connection_is_no_answer() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap().to_string();
        let thread = std::thread::spawn(move || drop(server.accept().unwrap()));
        assert!(!answers(&address, "/"));
        thread.join().unwrap();
    }
}

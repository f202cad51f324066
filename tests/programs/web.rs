//! A service for the suites of the embedded cluster. What it does is its first argument; without one, it serves.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "programs may speak"
)]

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    process::Command,
    thread,
};

#[metaparticle::containerize(name = "suite-web", ports = [8080], probes(readiness = "/health"))]
#[metaparticle::replicated(4)]
fn main() -> std::io::Result<()> {
    match std::env::args().nth(1).as_deref() {
        None => {}
        Some("crash") => {
            for number in 1..=30 {
                eprintln!("line {number}");
            }
            panic!("no database");
        }
        Some("sleep") => loop {
            thread::park();
        },
        // A process of its own, which nobody waits for.
        Some("family") => drop(Command::new("sleep").arg("1000").spawn()?),
        Some(other) => panic!("no such behaviour: {other}"),
    }
    let listener = TcpListener::bind("0.0.0.0:8080")?;
    println!("listening");
    for stream in listener.incoming() {
        let stream = stream?;
        thread::spawn(move || answer(stream));
    }
    Ok(())
}

/// The pod's name, its process, and the address that the client reached.
fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut request = BufReader::new(stream.try_clone()?).lines();
    for line in request.by_ref() {
        if line?.is_empty() {
            break;
        }
    }
    let name = metaparticle::pod().map_or_else(String::new, |pod| pod.name);
    let body = format!("{name} {} {}", std::process::id(), stream.local_addr()?);
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

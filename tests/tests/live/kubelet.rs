//! What the kubelet adds to an API server: logs and port-forward, and programs behind them.

use std::collections::HashMap;

use axum::{
    body::{Body, Bytes},
    extract::{
        FromRequestParts as _, Request,
        ws::{Message, WebSocket, WebSocketUpgrade},
    },
    response::{IntoResponse as _, Response},
};
use futures::stream;

use crate::fake::{Fake, World, broken, status};

/// The log of a pod: its instances, the last of which runs or has ended.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) instances: Vec<Instance>,
    /// The next streams break after so many bytes each.
    pub(crate) cuts: Vec<usize>,
}

/// The log of one run of a container.
#[derive(Default)]
pub(crate) struct Instance {
    /// Time and bytes, line feed included.
    pub(crate) lines: Vec<(String, Vec<u8>)>,
    pub(crate) ended: bool,
}

/// What a pod does with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// Answers each message with its own name and the message.
    Echo,
    /// Answers the first message with its own name and the message, and ends the connection.
    Once,
    /// Nothing listens on the port.
    Refuses,
    /// The API server cannot reach the pod.
    Unreachable,
    /// Sends half an answer; then the connection to the pod breaks.
    Breaks,
    /// Says its name before it is asked.
    Greets,
}

impl Fake {
    /// Writes a line at a time such as `10.5` (seconds of one minute).
    pub(crate) fn write(&self, pod: &str, time: &str, line: &[u8]) {
        self.change(|known| {
            let log = known.logs.entry(pod.to_owned()).or_default();
            if log.instances.is_empty() {
                log.instances.push(Instance::default());
            }
            let time = format!("2026-01-01T00:00:{time}Z");
            let lines = &mut log.instances.last_mut().unwrap().lines;
            lines.push((time, line.to_vec()));
        });
    }
}

pub(crate) fn log(world: &World, pod: &str, query: &HashMap<String, String>) -> Response {
    let is = |key| query.get(key).is_some_and(|value| value == "true");
    let mut known = world.lock();
    if known.pod(pod).is_none() {
        return status(404, "no such pod");
    }
    let Some(log) = known.logs.get_mut(pod) else {
        return status(400, "waiting to start");
    };
    let count = log.instances.len();
    let index = match is("previous") {
        true if count < 2 => return status(400, "previous terminated container not found"),
        true => count - 2,
        false => count - 1,
    };
    let since = query.get("sinceTime").cloned().unwrap_or_default();
    let tail: Option<usize> = query.get("tailLines").map(|n| n.parse().unwrap());
    let tail = tail.filter(|_| since.is_empty());
    let mut next = tail.map_or(0, |n| log.instances[index].lines.len().saturating_sub(n));
    let mut left = (!log.cuts.is_empty()).then(|| log.cuts.remove(0));
    drop(known);
    let (follow, pod) = (is("follow"), pod.to_owned());
    let seed = (world.clone(), world.subscribe());
    let lines = stream::unfold(Some(seed), move |seed| {
        let mut step = Vec::new();
        let (pod, since) = (pod.clone(), since.clone());
        let mut ends = false;
        let mut cut = false;
        if let Some((world, _)) = &seed {
            let known = world.lock();
            match known.logs.get(&pod) {
                Some(log) if known.pod(&pod).is_some() => {
                    let instance = &log.instances[index];
                    for (time, line) in &instance.lines[next..] {
                        if time[..19] >= since[..since.len().min(19)] {
                            step.extend(format!("{time} ").into_bytes());
                            step.extend(line);
                        }
                    }
                    next = instance.lines.len();
                    ends = !follow || instance.ended;
                }
                _ => ends = true,
            }
            if let Some(left) = &mut left {
                cut = step.len() >= *left;
                step.truncate(*left);
                *left -= step.len();
            }
        }
        async move {
            let (world, mut changed) = seed?;
            if cut {
                return Some((vec![Ok(Bytes::from(step)), Err(broken())], None));
            }
            if ends {
                return Some((vec![Ok(Bytes::from(step))], None));
            }
            if step.is_empty() {
                changed.changed().await.ok()?;
            } else {
                changed.mark_changed(); // looked at again, for what came meanwhile
            }
            Some((vec![Ok(Bytes::from(step))], Some((world, changed))))
        }
    });
    let lines = futures::StreamExt::flat_map(lines, stream::iter);
    Body::from_stream(lines).into_response()
}

pub(crate) async fn forward(
    world: &World,
    pod: &str,
    query: &HashMap<String, String>,
    request: Request,
) -> Response {
    let program = world.lock().programs.get(pod).copied();
    let program = match program {
        None | Some(Program::Unreachable) => return status(500, "no route to the pod"),
        Some(program) => program,
    };
    let port: u16 = query["ports"].parse().unwrap();
    let (mut parts, _) = request.into_parts();
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &()).await;
    let pod = pod.to_owned();
    let upgrade = upgrade.unwrap().protocols(["v4.channel.k8s.io"]);
    upgrade.on_upgrade(move |socket| async move {
        let _ = converse(socket, program, &pod, port).await;
    })
}

async fn converse(
    mut socket: WebSocket,
    program: Program,
    pod: &str,
    port: u16,
) -> Result<(), axum::Error> {
    let frame = |channel: u8, bytes: &[u8]| Message::from([&[channel], bytes].concat());
    let begin = port.to_le_bytes();
    socket.send(frame(0, &begin)).await?;
    socket.send(frame(1, &begin)).await?;
    match program {
        Program::Refuses => {
            let error =
                b"error forwarding port: dial tcp4 127.0.0.1:80: connect: connection refused";
            socket.send(frame(1, error)).await?;
            return socket.send(Message::Close(None)).await;
        }
        Program::Greets => socket.send(frame(0, format!("{pod}!").as_bytes())).await?,
        _ => {}
    }
    while let Some(message) = socket.recv().await {
        let Message::Binary(bytes) = message? else {
            break;
        };
        let answer = [pod.as_bytes(), b":", &bytes[1..]].concat();
        socket.send(frame(0, &answer)).await?;
        match program {
            Program::Once => return socket.send(Message::Close(None)).await,
            Program::Breaks => return Ok(()), // dropped without a word
            _ => {}
        }
    }
    Ok(())
}

//! [`Watch`]: the events of a watch, one at a time.

use std::time::Duration;

use http_body_util::BodyExt as _;
use kube::client::Body;
use serde_json::Value;

use crate::objects::text;

/// No event takes longer than this, not even the end of a namespace on a cluster that still deletes a thousand others.
const PATIENCE: Duration = Duration::from_secs(900);

/// A running watch.
#[derive(Debug)]
pub struct Watch {
    path: String,
    body: Body,
    read: Vec<u8>,
}

impl Watch {
    pub(crate) fn new(path: String, body: Body) -> Self {
        Self {
            path,
            body,
            read: Vec::new(),
        }
    }

    /// The next event, or none when the server has ended the watch.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).expect("an event is JSON"));
            }
            let frame = tokio::time::timeout(PATIENCE, self.body.frame())
                .await
                .unwrap_or_else(|_| panic!("GET {}: no event within {PATIENCE:?}", self.path))?
                .expect("the watch goes on");
            if let Ok(data) = frame.into_data() {
                self.read.extend_from_slice(&data);
            }
        }
    }

    /// The next event as its type, the object's name, and the object.
    pub async fn event(&mut self) -> (String, String, Value) {
        let event = self.next().await.expect("an event");
        let object = &event["object"];
        (
            text(&event["type"]),
            text(&object["metadata"]["name"]),
            object.clone(),
        )
    }

    /// The next `count` events as `ADDED a`.
    pub async fn events(&mut self, count: usize) -> Vec<String> {
        let mut events = Vec::new();
        for _ in 0..count {
            let (kind, name, _) = self.event().await;
            events.push(format!("{kind} {name}"));
        }
        events
    }

    /// The next event that is no bookmark, as `ADDED a`: a server sends bookmarks in its own time.
    pub async fn change(&mut self) -> String {
        loop {
            let (kind, name, _) = self.event().await;
            if kind != "BOOKMARK" {
                return format!("{kind} {name}");
            }
        }
    }

    /// All events until the server ends the watch.
    pub async fn rest(&mut self) -> Vec<Value> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }
}

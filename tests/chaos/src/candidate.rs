//! One process of a run, behind a proxy of its own.

use std::{io, process::Stdio, sync::Arc, time::Duration};

use rustix::process::Signal;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    task::JoinHandle,
    time::timeout,
};

use crate::{
    history::{History, Who},
    line::Line,
    proxy::Proxy,
    server::signal,
    vdso::{Clocks, Jump},
};

/// A running candidate; killed when dropped.
#[derive(Debug)]
pub struct Candidate {
    /// Under which number its lines are written down.
    pub who: Who,
    /// Its network.
    pub proxy: Proxy,
    child: Child,
    reader: JoinHandle<()>,
    clocks: Option<Clocks>,
}

impl Candidate {
    /// Starts it; its lines go to `history`.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(
        mut command: Command,
        proxy: Proxy,
        who: Who,
        history: Arc<History>,
    ) -> io::Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child
            .stdout
            .take()
            .ok_or_else(|| io::Error::other("no output"))?;
        let reader = tokio::spawn(async move {
            let mut lines = BufReader::new(output).lines();
            while let Ok(Some(text)) = lines.next_line().await {
                if let Some(line) = Line::parse(&text) {
                    history.add(who, line);
                }
            }
        });
        Ok(Self {
            who,
            proxy,
            child,
            reader,
            clocks: None,
        })
    }

    /// Stops it where it stands.
    pub fn pause(&self) {
        signal(&self.child, Signal::STOP);
    }

    /// Lets it go on.
    pub fn resume(&self) {
        signal(&self.child, Signal::CONT);
    }

    /// Ends it without a word.
    pub fn kill(&self) {
        signal(&self.child, Signal::KILL);
    }

    /// Asks it to hand over and to end.
    pub fn terminate(&self) {
        signal(&self.child, Signal::TERM);
    }

    /// Lets its clocks jump. It is stopped for a moment the first time.
    ///
    /// # Errors
    /// If its memory cannot be written.
    pub fn jump(&mut self, jump: Jump) -> io::Result<()> {
        if self.clocks.is_none() {
            let pid = self
                .child
                .id()
                .ok_or_else(|| io::Error::other("it has ended"))?;
            self.pause();
            let clocks = Clocks::take(pid);
            self.resume();
            self.clocks = Some(clocks?);
        }
        self.clocks.as_ref().map_or(Ok(()), |it| it.jump(jump))
    }

    /// Waits until it has ended, at most so long, then kills it; returns whether it ended by itself. All its lines are
    /// written down then.
    pub async fn ended(&mut self, limit: Duration) -> bool {
        let ended = timeout(limit, self.child.wait()).await.is_ok();
        if !ended {
            let _ = self.child.kill().await;
        }
        let _ = timeout(Duration::from_secs(2), &mut self.reader).await;
        ended
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

//! [`drive`]: runs one [`Machine`] as one task: inputs in the order in which they come, actions in the order in which it
//! asks for them, and a tick when it is due.

#[cfg(test)]
mod tests;

use std::{future::Future, pin::pin, time::Duration};

use futures::{Stream, StreamExt as _};
use metaparticle_protocol::{Machine, Moment, Reply, Request, Selector, Sight};
use tokio::{
    sync::{
        mpsc::{self, UnboundedReceiver, UnboundedSender},
        oneshot,
    },
    task::{AbortHandle, JoinSet},
};

use crate::{
    clock::Clock,
    refusal::Refusal,
    store::Store,
    watch::{Patience, watch},
};

/// What a machine's actions do to the world. Nothing here waits: what takes time is started through [`Context`], and
/// comes back as an input.
pub(crate) trait Driver: Sized + Send + 'static {
    /// What is driven.
    type Machine: Machine<Input: Send, Action: Send> + Send;

    /// Does one action.
    fn act(
        &mut self,
        action: <Self::Machine as Machine>::Action,
        context: &mut Context<Input<Self>>,
    );

    /// After each step, when its actions are done: the place to publish what others may see. `false` ends the task.
    fn settled(&mut self, machine: &Self::Machine, context: &mut Context<Input<Self>>) -> bool;
}

type Input<D> = <<D as Driver>::Machine as Machine>::Input;

/// Where inputs of a machine are put in, from any thread.
#[derive(Debug)]
pub(crate) struct Inbox<I>(UnboundedSender<Item<I>>);

/// The other end, for [`drive`].
pub(crate) type Inputs<I> = UnboundedReceiver<Item<I>>;

/// What is in an inbox.
#[derive(Debug)]
pub(crate) enum Item<I> {
    Input(I),
    /// Somebody wants to know when everything before this was taken.
    Taken(oneshot::Sender<()>),
}

/// The machine has ended.
#[derive(Debug)]
pub(crate) struct Ended;

impl<I> Inbox<I> {
    /// Puts `input` in.
    pub(crate) fn send(&self, input: I) -> Result<(), Ended> {
        self.0.send(Item::Input(input)).map_err(|_| Ended)
    }

    /// Returns when the machine has taken everything that was put in before, or has ended.
    pub(crate) async fn is_taken(&self) {
        let (sender, taken) = oneshot::channel();
        if self.0.send(Item::Taken(sender)).is_ok() {
            let _ = taken.await;
        }
    }

    /// Whether the machine has ended.
    pub(crate) fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}

impl<I> Clone for Inbox<I> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// A pair for [`drive`].
pub(crate) fn inbox<I>() -> (Inbox<I>, Inputs<I>) {
    let (sender, inputs) = mpsc::unbounded_channel();
    (Inbox(sender), inputs)
}

/// What a [`Driver`] starts things with. They end with the task.
pub(crate) struct Context<I> {
    clock: Clock,
    now: Moment,
    inbox: Inbox<I>,
    tasks: JoinSet<()>,
}

impl<I: Send + 'static> Context<I> {
    /// The clock.
    pub(crate) fn clock(&self) -> Clock {
        self.clock
    }

    /// The moment of the step whose actions are done now.
    pub(crate) fn now(&self) -> Moment {
        self.now
    }

    /// For inputs from elsewhere.
    pub(crate) fn inbox(&self) -> &Inbox<I> {
        &self.inbox
    }

    /// Sends a request; its one reply becomes an input.
    pub(crate) fn call(
        &mut self,
        store: &Store,
        request: Request,
        within: Duration,
        input: impl FnOnce(Reply) -> I + Send + 'static,
    ) {
        let store = store.clone();
        self.start(async move { Some(input(store.call(request, within).await)) });
    }

    /// Follows Leases; each thing seen, or refused, becomes an input, until the handle is dropped.
    pub(crate) fn watch(
        &mut self,
        store: &Store,
        selector: &Selector,
        input: impl FnMut(Result<Sight, Refusal>) -> I + Send + 'static,
    ) -> Watching {
        let sights = watch(store, selector, self.clock, Patience::default());
        self.follow(
            sights,
            |seen| matches!(seen, Ok(Sight::Lost) | Err(_)),
            input,
        )
    }

    /// Each thing that a stream shows becomes an input, until the handle is dropped. What comes after the machine was
    /// `blind` is asked for only when it knows that it was.
    pub(crate) fn follow<S: Send + 'static>(
        &mut self,
        sights: impl Stream<Item = S> + Send + 'static,
        blind: fn(&S) -> bool,
        mut input: impl FnMut(S) -> I + Send + 'static,
    ) -> Watching {
        let mut sights = Box::pin(sights);
        let inbox = self.inbox.clone();
        Watching(self.start(async move {
            while let Some(seen) = sights.next().await {
                let is_blind = blind(&seen);
                if inbox.send(input(seen)).is_err() {
                    break;
                }
                if is_blind {
                    // W3: what the machine knows now was seen before the next list is asked for.
                    inbox.is_taken().await;
                }
            }
            None
        }))
    }

    /// Starts something; what it ends with becomes an input.
    pub(crate) fn start(
        &mut self,
        work: impl Future<Output = Option<I>> + Send + 'static,
    ) -> AbortHandle {
        let inbox = self.inbox.clone();
        self.tasks.spawn(async move {
            if let Some(input) = work.await {
                // Nobody there: the machine has ended.
                let _ = inbox.send(input);
            }
        })
    }
}

/// A watch that goes on until this is dropped.
#[derive(Debug)]
#[must_use = "dropping it ends the watch"]
pub(crate) struct Watching(AbortHandle);

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Runs `machine`, beginning with `first`, until [`Driver::settled`] says that it has ended, or no input can come any
/// more and no time is waited for. What it had started ends then.
///
/// # Cancel safety
/// Dropped, everything that it had started ends.
pub(crate) async fn drive<D: Driver>(
    mut machine: D::Machine,
    mut driver: D,
    (inbox, mut inputs): (Inbox<Input<D>>, Inputs<Input<D>>),
    clock: Clock,
) where
    Input<D>: Send + 'static,
{
    let mut context = Context {
        clock,
        now: clock.now(),
        inbox,
        tasks: JoinSet::new(),
    };
    let mut actions = machine.tick(context.now);
    loop {
        for action in actions {
            driver.act(action, &mut context);
        }
        if !driver.settled(&machine, &mut context) {
            return;
        }
        let wake = machine.wake();
        let due = pin!(async {
            match wake {
                Some(wake) => clock.sleep_until(wake).await,
                None => std::future::pending().await,
            }
        });
        let input = next(&mut inputs, due, &mut context.tasks).await;
        context.now = clock.now();
        actions = match input {
            Some(input) => machine.step(context.now, input),
            None => machine.tick(context.now),
        };
    }
}

/// The next input, or `None` when the time has come. Inputs first: after a pause, what was said meanwhile is heard
/// before anything is concluded from silence.
async fn next<I>(
    inputs: &mut Inputs<I>,
    mut due: impl Future<Output = ()> + Unpin,
    tasks: &mut JoinSet<()>,
) -> Option<I> {
    loop {
        tokio::select! {
            biased;
            // Never closed: the context has a sender.
            item = inputs.recv() => match item {
                Some(Item::Input(input)) => return Some(input),
                Some(Item::Taken(sender)) => {
                    // Nobody there: the watch has ended.
                    let _ = sender.send(());
                }
                None => return None,
            },
            () = &mut due => return None,
            ended = tasks.join_next(), if !tasks.is_empty() => {
                if let Some(Err(error)) = ended
                    && let Ok(panic) = error.try_into_panic()
                {
                    // A machine that waits for a reply that never comes would be worse.
                    std::panic::resume_unwind(panic);
                }
            }
        }
    }
}

//! In which order a machine is told, and its actions done.

use std::sync::{Arc, Mutex};

use metaparticle_local::api::fault::Requests as Hit;
use metaparticle_protocol::{Machine, Moment, Name};

use super::*;
use crate::testing::embedded;

#[derive(Clone, Debug, PartialEq)]
enum Input {
    Say(&'static str),
    Reply(Reply),
    Saw(bool),
}

enum Action {
    Say(String),
    Get,
    Watch,
    Unwatch,
    Panic,
    End,
}

/// Says what it hears, and a line each second.
struct Echo {
    next: Option<Moment>,
}

impl Machine for Echo {
    type Input = Input;
    type Action = Action;

    fn step(&mut self, _: Moment, input: Input) -> Vec<Action> {
        match input {
            Input::Say("get") => vec![Action::Get, Action::Say("asked".to_owned())],
            Input::Say("watch") => vec![Action::Watch],
            Input::Say("unwatch") => vec![Action::Unwatch],
            Input::Say("panic") => vec![Action::Panic],
            Input::Say("end") => vec![Action::Say("end".to_owned()), Action::End],
            Input::Say("stop the clock") => {
                self.next = None;
                vec![]
            }
            other => vec![Action::Say(format!("{other:?}"))],
        }
    }

    fn tick(&mut self, now: Moment) -> Vec<Action> {
        match self.next {
            Some(next) if next <= now => {
                self.next = Some(next + Duration::from_secs(1));
                vec![Action::Say(format!("tick {}", now.since_zero().as_secs()))]
            }
            _ => vec![],
        }
    }

    fn wake(&self) -> Option<Moment> {
        self.next
    }
}

struct Recorder {
    store: Store,
    said: Arc<Mutex<Vec<String>>>,
    watching: Option<Watching>,
    ended: bool,
}

impl Driver for Recorder {
    type Machine = Echo;

    fn act(&mut self, action: Action, context: &mut Context<Input>) {
        match action {
            Action::Say(word) => self.said.lock().unwrap().push(word),
            Action::Get => {
                let name = Name::from("x");
                let within = Duration::from_millis(300);
                context.call(&self.store, Request::Get { name }, within, Input::Reply);
            }
            Action::Watch => {
                let selector = Selector::Name(Name::from("x"));
                self.watching = Some(context.watch(&self.store, &selector, |seen| {
                    Input::Saw(matches!(seen, Ok(Sight::Listed(..))))
                }));
            }
            Action::Unwatch => self.watching = None,
            Action::Panic => {
                context.start(async { panic!("in a task") });
            }
            Action::End => self.ended = true,
        }
    }

    fn settled(&mut self, _: &Echo, _: &mut Context<Input>) -> bool {
        !self.ended
    }
}

struct Running {
    cluster: metaparticle_local::Cluster,
    inbox: Inbox<Input>,
    said: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    async fn new() -> Self {
        let (cluster, store) = embedded().await;
        let said = Arc::<Mutex<Vec<String>>>::default();
        let recorder = Recorder {
            store,
            said: Arc::clone(&said),
            watching: None,
            ended: false,
        };
        let echo = Echo {
            next: Some(Moment::new(Duration::from_secs(1))),
        };
        let (inbox, inputs) = inbox();
        let clock = Clock::of_runtime();
        let task = tokio::spawn(drive(echo, recorder, (inbox.clone(), inputs), clock));
        Self {
            cluster,
            inbox,
            said,
            task,
        }
    }

    fn say(&self, word: &'static str) {
        self.inbox.send(Input::Say(word)).unwrap();
    }

    async fn said(&self, after: Duration) -> Vec<String> {
        tokio::time::sleep(after).await;
        std::mem::take(&mut self.said.lock().unwrap())
    }
}

const MOMENT: Duration = Duration::from_millis(500);

#[tokio::test(start_paused = true)]
async fn machine_is_woken_when_it_is_due() {
    let running = Running::new().await;
    let said = running.said(Duration::from_millis(3_500)).await;
    assert_eq!(said, ["tick 1", "tick 2", "tick 3"]);
    running.say("stop the clock");
    assert!(running.said(Duration::from_secs(60)).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn each_call_has_one_reply_within_its_time() {
    let running = Running::new().await;
    running.say("get");
    assert_eq!(running.said(MOMENT).await, ["asked", "Reply(Absent)"]);
    running.say("stop the clock");
    running.cluster.faults().hang(Hit::all(), 1);
    running.say("get");
    assert_eq!(
        running.said(Duration::from_secs(60)).await,
        ["asked", "Reply(Unknown)"]
    );
}

#[tokio::test(start_paused = true)]
async fn watch_ends_with_its_handle() {
    let running = Running::new().await;
    running.say("stop the clock");
    running.say("watch");
    assert_eq!(running.said(MOMENT).await, ["Saw(true)"]);
    running.say("unwatch");
    running.cluster.compact();
    running.cluster.faults().drop_watches();
    let asked = running.cluster.requests().len();
    assert!(running.said(Duration::from_secs(600)).await.is_empty());
    assert_eq!(running.cluster.requests().len(), asked);
}

#[tokio::test(start_paused = true)]
async fn inputs_are_heard_before_time_is() {
    let running = Running::new().await;
    assert!(running.said(MOMENT).await.is_empty());
    for second in 1..20 {
        // Both are due at once, as after a pause of the process.
        running.say("first");
        tokio::time::advance(Duration::from_secs(1)).await;
        let said = running.said(Duration::from_millis(1)).await;
        assert_eq!(
            said,
            ["Say(\"first\")".to_owned(), format!("tick {second}")]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn inbox_says_when_the_machine_has_taken_all_that_was_put_in_before() {
    let running = Running::new().await;
    let taken = || running.said.lock().unwrap().len();
    for count in 1..4 {
        running.say("first");
        assert_eq!(taken(), count - 1, "it has its own task");
        running.inbox.is_taken().await;
        assert_eq!(taken(), count);
    }
    running.say("end");
    running.inbox.is_taken().await;
    running.inbox.is_taken().await;
}

#[tokio::test(start_paused = true)]
async fn end_is_said_by_the_driver_and_ends_what_it_started() {
    let running = Running::new().await;
    running.say("watch");
    running.said(MOMENT).await;
    running.say("end");
    running.task.await.unwrap();
    assert_eq!(running.said.lock().unwrap().last().unwrap(), "end");
    running.cluster.faults().drop_watches();
    let asked = running.cluster.requests().len();
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(running.cluster.requests().len(), asked);
    assert!(running.inbox.send(Input::Say("nobody")).is_err());
}

#[tokio::test(start_paused = true)]
async fn panic_of_a_task_ends_the_machine_instead_of_leaving_it_waiting() {
    let running = Running::new().await;
    running.say("panic");
    assert!(running.task.await.unwrap_err().is_panic());
}

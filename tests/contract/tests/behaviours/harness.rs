//! Runs each behaviour as one named test, in a namespace of its own.

use std::{
    process::ExitCode,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::future::BoxFuture;
use libtest_mimic::{Arguments, Trial};
use metaparticle_contract::{Context, Server};
use tokio::runtime::Runtime;

use crate::differences;

/// One fact about the API.
pub(crate) struct Behaviour {
    /// What holds.
    pub(crate) name: &'static str,
    /// Shows it, or panics.
    pub(crate) show: for<'a> fn(&'a Context) -> BoxFuture<'a, ()>,
}

/// A table of behaviours from the names of functions.
macro_rules! behaviours {
    ($($name:ident,)*) => {
        pub(crate) const BEHAVIOURS: &[$crate::harness::Behaviour] = &[$(
            $crate::harness::Behaviour {
                name: stringify!($name),
                show: |context| Box::pin($name(context)),
            },
        )*];
    };
}

/// So many behaviours the contract has at least.
const LEAST: usize = 200;

/// So many at a time: they wait more than they compute.
const AT_ONCE: usize = 16;

/// Runs all that the arguments choose, and says how many there are.
#[expect(
    clippy::print_stdout,
    reason = "the count is for people and for `cargo xtask contract`"
)]
pub(crate) fn run(subjects: &[(&str, &'static [Behaviour])]) -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(AT_ONCE));
    let chosen = arguments.filter.is_some() || !arguments.skip.is_empty() || arguments.list;
    let runtime = Arc::new(Runtime::new().expect("a runtime"));
    let server = Arc::new(runtime.block_on(Server::chosen()));
    let used = Arc::new(Used::default());
    let mut trials = Vec::new();
    for (subject, behaviours) in subjects {
        for behaviour in *behaviours {
            let (runtime, server) = (Arc::clone(&runtime), Arc::clone(&server));
            let used = Arc::clone(&used);
            let trial = Trial::test(format!("{subject}::{}", behaviour.name), move || {
                runtime.block_on(used.show(behaviour, &server));
                Ok(())
            });
            trials.push(trial);
        }
    }
    differences::check();
    let all = trials.len();
    let conclusion = libtest_mimic::run(&arguments, trials);
    runtime.block_on(used.remove());
    let ran = conclusion.num_passed + conclusion.num_failed;
    println!(
        "contract: {ran} of {all} behaviours ran on the {} API server",
        server.name()
    );
    assert!(
        all >= LEAST,
        "the contract has {all} behaviours, and must have {LEAST}"
    );
    assert!(ran > 0 || chosen, "no behaviour ran");
    conclusion.exit_code()
}

/// The namespaces that behaviours had. They go at the end: a real cluster takes its time for each, and some behaviours
/// wait for the end of one.
#[derive(Default)]
struct Used(Mutex<Vec<Context>>);

impl Used {
    async fn show(&self, behaviour: &Behaviour, server: &Server) {
        let context = Context::create(server.client()).await;
        self.lock().push(context.clone());
        (behaviour.show)(&context).await;
    }

    async fn remove(&self) {
        let all = std::mem::take(&mut *self.lock());
        futures::future::join_all(all.iter().map(Context::remove)).await;
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Context>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

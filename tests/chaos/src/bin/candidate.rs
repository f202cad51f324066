//! This project as a candidate: `candidate elect|lock <server> <namespace> <name> <identity> <lease in seconds>`. Says
//! the suite's lines.

use std::{env, time::Duration};

use metaparticle_chaos::ours::{self, Task};

fn main() {
    let mut words = env::args().skip(1);
    let mut next = || words.next().expect("a mode and five words");
    let mode = next();
    let task = Task {
        server: next(),
        namespace: next(),
        name: next(),
        identity: next(),
        lease: Duration::from_secs(next().parse().expect("whole seconds")),
        more: words.collect(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let runtime = runtime.expect("the machine has threads");
    runtime.block_on(ours::run(&mode, task));
    // Threads that say how things are may still do so.
    runtime.shutdown_timeout(Duration::from_millis(100));
}

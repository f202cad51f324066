//! What all candidates share: the lines of the chaos suite. Each begins with the machine's `CLOCK_MONOTONIC` in
//! nanoseconds, read by a system call of its own.

use std::{env, io::Write, thread, time::Duration};

/// What a candidate is told: `<server> <namespace> <name> <identity> <lease in seconds>`.
pub struct Candidate {
    pub server: String,
    pub namespace: String,
    pub name: String,
    pub identity: String,
    pub lease: Duration,
}

/// Reads the command line.
pub fn candidate() -> Candidate {
    let mut words = env::args().skip(1);
    let mut next = || words.next().expect("five arguments");
    Candidate {
        server: next(),
        namespace: next(),
        name: next(),
        identity: next(),
        lease: Duration::from_secs(next().parse().expect("seconds")),
    }
}

/// The clock that all processes of the machine share.
pub fn now() -> i64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the kernel fills in the one structure that it is given.
    unsafe {
        libc::syscall(
            libc::SYS_clock_gettime,
            libc::CLOCK_MONOTONIC,
            &raw mut time,
        )
    };
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

/// One line.
pub fn say(at: i64, words: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{at} {words}");
    let _ = out.flush();
}

/// Work that is done as long as `is_leader` says that it may be, for ever, on a thread of its own: the moment is read
/// before it is asked. Tells the clocks of this process, too.
pub fn work(is_leader: impl Fn() -> bool + Send + 'static) {
    say(now(), "ready");
    thread::spawn(clocks);
    thread::spawn(move || {
        let mut leads = false;
        loop {
            let at = now();
            let is = is_leader();
            match (leads, is) {
                (false, true) => say(at, "lead 0"),
                (true, true) => say(at, "valid 0"),
                (true, false) => say(now(), "lost"),
                (false, false) => {}
            }
            leads = is;
            thread::sleep(Duration::from_millis(5));
        }
    });
}

fn clocks() {
    let start = std::time::Instant::now();
    loop {
        let wall = std::time::UNIX_EPOCH
            .elapsed()
            .unwrap_or_default()
            .as_nanos();
        say(
            now(),
            &format!("clock {wall} {} 0", start.elapsed().as_nanos()),
        );
        thread::sleep(Duration::from_millis(200));
    }
}

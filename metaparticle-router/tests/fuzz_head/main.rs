//! Connections of all kinds, made from good requests by a seed: nothing panics, what is let through is mended, has a key
//! or none, and arrives at the application as one request with the same body.
//!
//! `METAPARTICLE_FUZZ_SECONDS` is how long it looks (2), `METAPARTICLE_FUZZ_SEED` where it begins; with 0 seconds it
//! repeats that one story. `cargo xtask fuzz --seconds 3600` is for more than a look.

mod check;
mod random;
mod relay;
mod requests;

use std::{
    borrow::Cow,
    env,
    panic::{self, AssertUnwindSafe},
    sync::Arc,
    time::Duration,
};

use metaparticle_router::{Config, KeySource};
use tokio::{runtime, time::Instant};

use self::{random::Random, relay::Counts};

#[test]
fn whatever_is_sent_is_refused_or_goes_on_as_one_request() {
    let number = |name: &str| env::var(name).ok()?.parse::<u64>().ok();
    let seconds = number("METAPARTICLE_FUZZ_SECONDS").unwrap_or(2);
    let mut seed = number("METAPARTICLE_FUZZ_SEED").unwrap_or(1);
    let end = Instant::now() + Duration::from_secs(seconds);
    let runtime = runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime of one thread");
    let keys = keys();
    let mut counts = Counts::default();
    loop {
        let told = panic::catch_unwind(AssertUnwindSafe(|| {
            let mut random = Random::new(seed);
            let mut config = Config::default();
            config.trusted_hops = random.pick(&[0, 0, 1, 2]);
            let bytes = requests::connection(&mut random);
            runtime.block_on(relay::play(bytes, &config, Arc::clone(&keys)))
        }));
        match told {
            Ok(told) => add(&mut counts, told),
            Err(cause) => {
                eprintln!("METAPARTICLE_FUZZ_SEED={seed} METAPARTICLE_FUZZ_SECONDS=0 repeats it");
                panic::resume_unwind(cause);
            }
        }
        seed += 1;
        if Instant::now() >= end {
            break;
        }
    }
    println!("{counts:?}");
    // It would find nothing if nothing got through, or everything.
    let all = [
        counts.passed,
        counts.refused,
        counts.with_key,
        counts.upgrades,
    ];
    assert!(
        seconds == 0 || all.iter().all(|&count| count > 0),
        "{counts:?}"
    );
}

fn keys() -> Arc<[KeySource]> {
    Arc::new([
        KeySource::path("/users/{id}/…").expect("it is good"),
        KeySource::regex("/users/([^/]+)/?.*").expect("it is good"),
        KeySource::header("x-user").expect("it is good"),
        KeySource::query("user").expect("it is good"),
        KeySource::function(|request| {
            let tenant = request.uri.path().strip_prefix("/users/")?;
            Some(Cow::Borrowed(tenant.as_bytes()))
        }),
    ])
}

fn add(counts: &mut Counts, told: Counts) {
    counts.stories += told.stories;
    counts.passed += told.passed;
    counts.refused += told.refused;
    counts.with_key += told.with_key;
    counts.upgrades += told.upgrades;
}

//! What it costs to decide on heads: nanoseconds of this thread's processor time, the median of some batches.

use std::{error::Error, hint::black_box};

use http::{Request, Response, request, response};
use metaparticle_router::{
    Config, KeySource,
    head::{self, Edge},
};
use rustix::time::{ClockId, clock_gettime};

const BATCH: usize = 2_000;
const BATCHES: usize = 200;

const PLAIN: [(&str, &str); 1] = [("host", "bench.example")];
const BROWSER: [(&str, &str); 12] = [
    ("host", "bench.example"),
    ("connection", "keep-alive"),
    (
        "user-agent",
        "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    ),
    (
        "accept",
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    ),
    ("accept-language", "en-US,en;q=0.5"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("referer", "https://bench.example/users/7"),
    (
        "cookie",
        "session=0123456789abcdef0123456789abcdef; theme=dark",
    ),
    ("sec-fetch-dest", "document"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-site", "same-origin"),
    ("priority", "u=0, i"),
];
const ANSWER: [(&str, &str); 4] = [
    ("content-type", "application/json"),
    ("content-length", "2"),
    ("date", "Mon, 23 Nov 2026 12:00:00 GMT"),
    ("cache-control", "no-store"),
];

/// Prints a line each.
#[allow(clippy::print_stdout, reason = "the result of the program")]
pub(crate) fn run() -> Result<(), Box<dyn Error>> {
    let edge = Edge::client([9, 9, 9, 9].into(), false, &Config::default());
    for (name, headers) in [("1 header", &PLAIN[..]), ("12 headers", &BROWSER[..])] {
        let request = request(headers)?;
        let copy = nanos(|| request.clone(), |it| it);
        let enter = nanos(
            || request.clone(),
            |mut it| {
                let entered = head::enter(&mut it, &edge);
                (it, entered.is_ok())
            },
        );
        println!("enter, {name}: {:.0} ns", enter - copy);
    }
    let request = request(&PLAIN)?;
    for (name, source) in [
        ("path template", KeySource::path("/users/{id}/…")?),
        ("path regex", KeySource::regex("/users/([^/]+)(?:/.*)?")?),
        ("query", KeySource::query("id")?),
        ("header", KeySource::header("host")?),
    ] {
        let nothing = nanos(|| (), |()| ());
        let key = nanos(
            || (),
            |()| source.key(black_box(&request)).map(|key| key.is_some()),
        );
        println!("key, {name}: {:.0} ns", key - nothing);
    }
    let answer = answer()?;
    let copy = nanos(|| answer.clone(), |it| it);
    let leave = nanos(
        || answer.clone(),
        |mut it| {
            head::leave(&mut it, false);
            it
        },
    );
    println!("leave, 4 headers: {:.0} ns", leave - copy);
    Ok(())
}

fn request(headers: &[(&str, &str)]) -> Result<request::Parts, Box<dyn Error>> {
    let mut request = Request::get("/users/731/cart?id=731");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Ok(request.body(())?.into_parts().0)
}

fn answer() -> Result<response::Parts, Box<dyn Error>> {
    let mut answer = Response::builder();
    for (name, value) in ANSWER {
        answer = answer.header(name, value);
    }
    Ok(answer.body(())?.into_parts().0)
}

/// Of a call with what is made anew for each, the making included.
fn nanos<T, U>(make: impl Fn() -> T, call: impl Fn(T) -> U) -> f64 {
    let mut all: Vec<f64> = (0..BATCHES)
        .map(|_| {
            let before = clock_gettime(ClockId::ThreadCPUTime);
            for _ in 0..BATCH {
                black_box(call(black_box(make())));
            }
            let after = clock_gettime(ClockId::ThreadCPUTime);
            let nanos =
                (after.tv_sec - before.tv_sec) * 1_000_000_000 + after.tv_nsec - before.tv_nsec;
            f64::from(u32::try_from(nanos).unwrap_or(u32::MAX))
                / f64::from(u32::try_from(BATCH).unwrap_or(1))
        })
        .collect();
    all.sort_by(f64::total_cmp);
    all[BATCHES / 2]
}

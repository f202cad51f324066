//! What was measured, and the table of it.

use std::fmt::Write;

use super::peer::{Peer, Scene};

/// What a load tells.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Told {
    pub(super) requests: u32,
    pub(super) failed: u32,
    /// p50, p99, p999 in microseconds, of an open loop.
    pub(super) latency: Option<[f64; 3]>,
}

impl Told {
    pub(super) fn of_wrk(text: &str) -> Option<Self> {
        let before = |words: &str| {
            let line = text.lines().find(|line| line.contains(words))?;
            line.split_whitespace().next()?.parse().ok()
        };
        let after = |words: &str| {
            let line = text
                .lines()
                .find_map(|line| line.trim().strip_prefix(words))?;
            let numbers = line.split(|c: char| !c.is_ascii_digit());
            Some(numbers.filter_map(|it| it.parse::<u32>().ok()).sum())
        };
        Some(Self {
            requests: before(" requests in ")?,
            failed: after("Non-2xx or 3xx responses:").unwrap_or(0)
                + after("Socket errors:").unwrap_or(0),
            latency: None,
        })
    }

    /// `requests: 100 total, 100 started, 100 done, 100 succeeded, 0 failed, 0 errored, 0 timeout`.
    pub(super) fn of_h2load(text: &str) -> Option<Self> {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("requests: "))?;
        let number = |name: &str| {
            let part = line.split(", ").find_map(|part| part.strip_suffix(name));
            part.and_then(|it| it.trim().parse::<u32>().ok())
        };
        let succeeded = number("succeeded")?;
        Some(Self {
            requests: succeeded,
            failed: number("done")?.saturating_sub(succeeded) + number("errored")?,
            latency: None,
        })
    }

    pub(super) fn of_ours(text: &str) -> Option<Self> {
        let value: serde_json::Value = serde_json::from_str(text.trim()).ok()?;
        let count = |name: &str| value[name].as_u64()?.try_into().ok();
        let time = |name: &str| value[name].as_f64();
        Some(Self {
            requests: count("requests")?,
            failed: count("failed")?,
            latency: Some([time("p50_us")?, time("p99_us")?, time("p999_us")?]),
        })
    }
}

/// One measurement.
#[derive(Clone, Copy, Debug)]
pub(super) struct Figure {
    /// Of processor time, a request.
    pub(super) micros: f64,
    /// In memory, afterwards.
    pub(super) kib: u64,
    pub(super) told: Told,
}

/// The measurements of a scene: a list a peer, a place in it a round.
#[derive(Debug)]
pub(super) struct Sheet(Vec<(Peer, Vec<Figure>)>);

impl Sheet {
    pub(super) fn new(peers: &[Peer]) -> Self {
        Self(peers.iter().map(|&peer| (peer, Vec::new())).collect())
    }

    pub(super) fn add(&mut self, peer: Peer, figure: Figure) {
        let row = self.0.iter_mut().find(|(other, _)| *other == peer);
        row.expect("each peer has a row").1.push(figure);
    }

    /// As Markdown. Ratios are to nginx, or to the first where nginx cannot do it.
    pub(super) fn table(&self, scene: Scene) -> String {
        let mut out = format!("\n{scene}\n");
        let latency = scene == Scene::OpenLoop;
        let more = if latency {
            " p50 µs | p99 µs | p999 µs | p99 ratio |"
        } else {
            ""
        };
        let lines = if latency { "---|---|---|---|" } else { "" };
        // A String takes all.
        let _ = writeln!(
            out,
            "| proxy | CPU µs/request | ratio | requests/s a core | MiB |{more}"
        );
        let _ = writeln!(out, "|---|---|---|---|---|{lines}");
        let base = self
            .0
            .first()
            .map(|(_, figures)| figures.as_slice())
            .unwrap_or_default();
        for (peer, figures) in &self.0 {
            let of = |value: fn(&Figure) -> f64| median(figures.iter().map(value));
            let ratio = |value: fn(&Figure) -> f64| {
                let pairs = figures.iter().zip(base);
                median(pairs.map(|(own, other)| value(own) / value(other)))
            };
            let micros = of(|it| it.micros);
            let mib = median(
                figures
                    .iter()
                    .map(|it| f64::from(u32::try_from(it.kib).unwrap_or(u32::MAX))),
            ) / 1024.0;
            let _ = write!(
                out,
                "| {} | {micros:.1} | {:.2} | {:.0} | {mib:.0} |",
                peer.name(),
                ratio(|it| it.micros),
                1e6 / micros,
            );
            if latency {
                let at = |index: usize| {
                    median(
                        figures
                            .iter()
                            .filter_map(|it| Some(it.told.latency?[index])),
                    )
                };
                let p99 = ratio(|it| it.told.latency.map_or(f64::NAN, |all| all[1]));
                let _ = write!(
                    out,
                    " {:.0} | {:.0} | {:.0} | {p99:.2} |",
                    at(0),
                    at(1),
                    at(2)
                );
            }
            out.push('\n');
        }
        out
    }
}

/// The mean of the two in the middle if there is no one there; no number of nothing.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => values[length / 2],
        length => f64::midpoint(values[length / 2 - 1], values[length / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_loads_say_is_understood() {
        let wrk = "Running 4s test\n  120 requests in 4.00s, 9MB read\n  Socket errors: connect 0, read 1, write 0, \
                   timeout 2\n  Non-2xx or 3xx responses: 5\nRequests/sec: 30.0\n";
        let told = Told::of_wrk(wrk).expect("it is one");
        assert_eq!((told.requests, told.failed), (120, 8));
        let h2load = "requests: 100 total, 99 started, 98 done, 95 succeeded, 3 failed, 2 errored, 0 timeout\n";
        let told = Told::of_h2load(h2load).expect("it is one");
        assert_eq!((told.requests, told.failed), (95, 5));
        let ours = r#"{"requests":7,"failed":1,"p50_us":1,"p99_us":2,"p999_us":3}"#;
        let told = Told::of_ours(ours).expect("it is one");
        assert_eq!(
            (told.requests, told.failed, told.latency),
            (7, 1, Some([1.0, 2.0, 3.0]))
        );
        assert_eq!(Told::of_wrk("unable to connect"), None);
    }

    #[test]
    fn a_ratio_is_the_median_of_the_ratios_of_each_round() {
        let mut sheet = Sheet::new(&[Peer::Nginx, Peer::Ours]);
        for (nginx, ours) in [(10.0, 20.0), (20.0, 20.0), (30.0, 90.0)] {
            let figure = |micros| Figure {
                micros,
                kib: 2048,
                told: Told::default(),
            };
            sheet.add(Peer::Nginx, figure(nginx));
            sheet.add(Peer::Ours, figure(ours));
        }
        let table = sheet.table(Scene::Small);
        assert!(
            table.contains("| nginx | 20.0 | 1.00 | 50000 | 2 |"),
            "{table}"
        );
        assert!(
            table.contains("| ours | 20.0 | 2.00 | 50000 | 2 |"),
            "{table}"
        );
    }

    #[test]
    fn the_median_of_an_even_number_is_between_the_two_in_the_middle() {
        let of = |values: &[f64]| median(values.iter().copied()).to_string();
        assert_eq!(of(&[9.0, 1.0, 2.0, 4.0]), "3");
        assert_eq!(of(&[5.0]), "5");
        assert_eq!(of(&[]), "NaN");
    }
}

//! [`Human`]: events as lines, with spinners for what goes on if stderr is a terminal.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher},
    io::{self, Write as _},
    time::Duration,
};

use console::{Color, style};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme};

use super::{Change, Event, State};

pub(super) struct Human {
    /// Spinners by subject; `None` without a terminal.
    progress: Option<MultiProgress>,
    bars: HashMap<String, ProgressBar>,
    /// The last message of each subject, so that nothing is said twice.
    last: HashMap<String, (State, String)>,
}

impl Human {
    pub(super) fn new(terminal: bool) -> Self {
        Self {
            progress: terminal.then(MultiProgress::new),
            bars: HashMap::new(),
            last: HashMap::new(),
        }
    }

    pub(super) fn is_terminal(&self) -> bool {
        self.progress.is_some()
    }

    pub(super) fn event(&mut self, event: &Event) {
        match event {
            Event::Progress {
                subject,
                state,
                message,
            } => self.progress(subject, *state, message),
            Event::Log { pod, line } => self.say(Stream::Out, log_line(pod, line)),
            event => {
                if matches!(event, Event::Image { .. }) {
                    self.end("image");
                }
                if let Some(line) = line(event) {
                    self.say(Stream::Err, &line);
                }
            }
        }
    }

    /// What, why and what to do, in the shape of compilers.
    pub(super) fn failure(&mut self, error: &dyn Diagnostic) {
        self.clear();
        let theme = if console::colors_enabled_stderr() {
            GraphicalTheme::unicode()
        } else {
            GraphicalTheme::unicode_nocolor()
        };
        let width = console::Term::stderr()
            .size_checked()
            .map(|(_, columns)| columns.into());
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_width(width.unwrap_or(120))
            .with_wrap_lines(true);
        let mut text = String::new();
        if handler.render_report(&mut text, error).is_ok() {
            self.say(Stream::Err, text.trim_end());
        }
    }

    pub(super) fn clear(&mut self) {
        for (_, bar) in self.bars.drain() {
            bar.finish_and_clear();
        }
    }

    fn progress(&mut self, subject: &str, state: State, message: &str) {
        let now = (state, message.to_owned());
        if self.last.get(subject) == Some(&now) {
            return;
        }
        self.last.insert(subject.to_owned(), now);
        let text = format!("{} {message}", style(subject).bold());
        match (&self.progress, state) {
            (Some(progress), State::Running) => {
                let bar = self.bars.entry(subject.to_owned()).or_insert_with(|| {
                    let bar = progress.add(ProgressBar::new_spinner());
                    bar.set_style(
                        ProgressStyle::with_template("{spinner:.cyan} {wide_msg}")
                            .expect("the template is valid"),
                    );
                    bar.enable_steady_tick(Duration::from_millis(100));
                    bar
                });
                bar.set_message(text);
            }
            (_, State::Running) => self.say(Stream::Err, format!("  {text}")),
            (_, State::Done | State::Failed) => {
                self.end(subject);
                let mark = match state {
                    State::Failed => style("✗").red().for_stderr(),
                    _ => style("✓").green().for_stderr(),
                };
                self.say(Stream::Err, format!("{mark} {text}"));
            }
        }
    }

    fn end(&mut self, subject: &str) {
        if let Some(bar) = self.bars.remove(subject) {
            bar.finish_and_clear();
        }
    }

    /// Writes one line above the spinners.
    fn say(&self, stream: Stream, line: impl AsRef<[u8]>) {
        let write = || {
            // Nobody may read any more; that is no reason to stop.
            let line = [line.as_ref(), b"\n"].concat();
            let _ = match stream {
                Stream::Out => io::stdout().lock().write_all(&line),
                Stream::Err => io::stderr().lock().write_all(&line),
            };
        };
        match &self.progress {
            Some(progress) => progress.suspend(write),
            None => write(),
        }
    }
}

#[derive(Clone, Copy)]
enum Stream {
    Out,
    Err,
}

/// The line of an event that is neither progress nor log.
fn line(event: &Event) -> Option<String> {
    let done = style("✓").green().for_stderr();
    Some(match event {
        Event::Target {
            action,
            app,
            context,
            server,
            namespace,
            why,
        } => format!(
            "{action} {} in context {} ({server}), namespace {}: {why}",
            style(app).bold().for_stderr(),
            style(context).bold().for_stderr(),
            style(namespace).bold().for_stderr(),
        ),
        Event::Warning { message } => {
            format!(
                "{} {message}",
                style("warning:").yellow().bold().for_stderr()
            )
        }
        Event::Note { message } => format!("  {message}"),
        Event::Compiler { line } => line.clone(),
        Event::Image {
            reference,
            pushed,
            size,
            milliseconds,
            ..
        } => format!(
            "{done} {} {} ({} kB, {milliseconds} ms)",
            style(reference).bold().for_stderr(),
            if *pushed { "pushed" } else { "unchanged" },
            size.div_ceil(1000),
        ),
        Event::Applied {
            kind, name, change, ..
        } => format!(
            "{done} {} {}",
            style(format!("{kind}/{name}")).bold().for_stderr(),
            match change {
                Change::Created => "created",
                Change::Changed => "changed",
                Change::Unchanged => "unchanged",
            }
        ),
        Event::Pruned { kind, name } => format!(
            "{done} {} pruned: the program no longer declares it",
            style(format!("{kind}/{name}")).bold().for_stderr()
        ),
        Event::Forwarded { port, url } => format!(
            "{} {} is port {port} of the ready pods",
            style("→").cyan().for_stderr(),
            style(url).bold().for_stderr(),
        ),
        Event::Deleted { kind, name } => format!(
            "{done} {} deleted",
            style(format!("{kind}/{name}")).bold().for_stderr()
        ),
        Event::Status {
            kind,
            name,
            ready,
            message,
        } => format!(
            "{} {} {message}",
            match ready {
                Some(true) => done,
                Some(false) => style("✗").red().for_stderr(),
                None => style("·").dim().for_stderr(),
            },
            style(format!("{kind}/{name}")).bold().for_stderr()
        ),
        Event::Done { message } => format!("{done} {message}"),
        // Told by the error report at the terminal.
        Event::Failed { .. } | Event::Progress { .. } | Event::Log { .. } => return None,
    })
}

fn log_line(pod: &str, line: &[u8]) -> Vec<u8> {
    let prefix = format!("{} ", style(format!("{pod} |")).fg(color(pod)));
    [prefix.as_bytes(), line].concat()
}

/// The same pod has the same colour in every run.
fn color(pod: &str) -> Color {
    const COLORS: [Color; 6] = [
        Color::Cyan,
        Color::Green,
        Color::Yellow,
        Color::Blue,
        Color::Magenta,
        Color::Red,
    ];
    let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(pod);
    COLORS[usize::try_from(hash % COLORS.len() as u64).unwrap_or(0)]
}

//! [`render`]: rustc's diagnostics as text that is equal on every toolchain and machine.

use std::fmt::Write as _;

use serde_json::Value;

/// The errors and warnings of one target, each with the line that it points at.
#[must_use]
pub fn render(messages: &[Value], target: &str) -> String {
    messages
        .iter()
        .filter(|message| message["target"]["name"] == target)
        .map(|message| &message["message"])
        .filter(|diagnostic| ["error", "warning"].contains(&text(&diagnostic["level"])))
        // A summary points nowhere.
        .filter(|diagnostic| !text(&diagnostic["message"]).starts_with("aborting due to"))
        .map(one)
        .collect()
}

fn one(diagnostic: &Value) -> String {
    let mut out = format!(
        "{}: {}\n",
        text(&diagnostic["level"]),
        text(&diagnostic["message"])
    );
    let spans = diagnostic["spans"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    for span in spans.iter().filter(|span| span["is_primary"] == true) {
        let file = text(&span["file_name"])
            .rsplit('/')
            .next()
            .unwrap_or_default();
        let (line, column) = (&span["line_start"], &span["column_start"]);
        writeln!(out, " --> {file}:{line}:{column}").expect("a string takes all text");
        for shown in span["text"].as_array().into_iter().flatten() {
            let from = number(&shown["highlight_start"]).saturating_sub(1);
            let to = number(&shown["highlight_end"]).saturating_sub(1);
            let carets = "^".repeat(to.saturating_sub(from).max(1));
            writeln!(out, "  | {}", text(&shown["text"])).expect("a string takes all text");
            writeln!(out, "  | {}{carets}", " ".repeat(from)).expect("a string takes all text");
        }
    }
    out.push('\n');
    out
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn number(value: &Value) -> usize {
    let number = value.as_u64().unwrap_or_default();
    usize::try_from(number).unwrap_or_default()
}

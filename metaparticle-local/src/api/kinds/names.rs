//! What names, keys and the like may look like: the messages about a text, none if it is right.

/// Messages about a text.
pub(super) type Rule = fn(&str) -> Vec<String>;

const LABEL: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const QUALIFIED: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";

/// RFC 1123 label: `my-name`.
pub(super) fn dns_label(text: &str) -> Vec<String> {
    let mut messages = longest(text, 63);
    if !is_label(text) {
        messages.push(if is_subdomain(text) {
            "must not contain dots".to_owned()
        } else {
            format!(
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start \
                 and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
                 '{LABEL}')"
            )
        });
    }
    messages
}

/// RFC 1123 subdomain: `my.name`.
pub(super) fn dns_subdomain(text: &str) -> Vec<String> {
    let mut messages = longest(text, 253);
    if !is_subdomain(text) {
        messages.push(format!(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must \
             start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
             '{LABEL}(\\.{LABEL})*')"
        ));
    }
    messages
}

/// As [`dns_subdomain`], with underscores: where names are looked for.
pub(super) fn dns_subdomain_with_underscores(text: &str) -> Vec<String> {
    const PART: &str = "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?";
    let mut messages = longest(text, 253);
    let is_edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_part = |part: &str| {
        let part = part.strip_prefix('_').unwrap_or(part);
        part.starts_with(is_edge)
            && part.ends_with(is_edge)
            && part.chars().all(|c| is_edge(c) || c == '-' || c == '_')
    };
    if !text.split('.').all(is_part) {
        messages.push(format!(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and \
             must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
             '{PART}(\\.{PART})*')"
        ));
    }
    messages
}

/// What every name must be, as a part of a path.
pub(super) fn path_segment(text: &str) -> Vec<String> {
    match text {
        "." => return vec!["may not be '.'".to_owned()],
        ".." => return vec!["may not be '..'".to_owned()],
        _ => {}
    }
    let bad = ["/", "%"].into_iter().filter(|it| text.contains(it));
    bad.map(|it| format!("may not contain '{it}'")).collect()
}

/// A label's key, a finalizer: `example.com/name`, `name`.
pub(crate) fn qualified(text: &str) -> Vec<String> {
    let explained = format!(
        "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric \
         character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{QUALIFIED}')"
    );
    let mut messages = Vec::new();
    let parts: Vec<&str> = text.split('/').collect();
    let name = match parts.as_slice() {
        [name] => name,
        [prefix, name] => {
            if prefix.is_empty() {
                messages.push("prefix part must be non-empty".to_owned());
            } else {
                let wrong = dns_subdomain(prefix).into_iter();
                messages.extend(wrong.map(|it| format!("prefix part {it}")));
            }
            name
        }
        _ => {
            return vec![format!(
                "a valid label key {explained} with an optional DNS subdomain prefix and '/' (e.g. \
                 'example.com/MyName')"
            )];
        }
    };
    if name.is_empty() {
        messages.push("name part must be non-empty".to_owned());
    }
    let wrong = most_bytes(name, 63).into_iter();
    messages.extend(wrong.map(|it| format!("name part {it}")));
    if name.is_empty() || !is_qualified_name(name) {
        messages.push(format!("name part {explained}"));
    }
    messages
}

/// A label's value; may be empty.
pub(crate) fn label_value(text: &str) -> Vec<String> {
    let mut messages = most_bytes(text, 63);
    if !is_qualified_name(text) {
        messages.push(format!(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must \
             start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used \
             for validation is '({QUALIFIED})?')"
        ));
    }
    messages
}

/// A key of a ConfigMap or Secret, which may become a file's name.
pub(super) fn config_key(text: &str) -> Vec<String> {
    let mut messages = longest(text, 253);
    if text.is_empty() || !text.chars().all(is_name_char) {
        messages.push(
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or \
             'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
                .to_owned(),
        );
    }
    match text {
        "." | ".." => messages.push(format!("must not be '{text}'")),
        _ if text.starts_with("..") => messages.push("must not start with '..'".to_owned()),
        _ => {}
    }
    messages
}

/// The name of an environment variable.
pub(super) fn env_name(text: &str) -> Vec<String> {
    if text.chars().all(|c| matches!(c, ' '..='~') && c != '=') {
        return Vec::new();
    }
    vec![
        "a valid environment variable name must consist only of printable ASCII characters other than '='".to_owned(),
    ]
}

/// The name of a port of a container.
pub(super) fn port_name(text: &str) -> Vec<String> {
    let mut messages = longest(text, 15);
    let may = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let rules = [
        (
            text.is_empty() || !text.chars().all(may),
            "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
        ),
        (
            !text.contains(|c: char| c.is_ascii_lowercase()),
            "must contain at least one letter (a-z)",
        ),
        (text.contains("--"), "must not contain consecutive hyphens"),
        (
            text.starts_with('-') || text.ends_with('-'),
            "must not begin or end with a hyphen",
        ),
    ];
    let broken = rules.into_iter().filter(|(broken, _)| *broken);
    messages.extend(broken.map(|(_, message)| message.to_owned()));
    messages
}

/// A name of an HTTP header.
pub(super) fn header_name(text: &str) -> Vec<String> {
    if !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        return Vec::new();
    }
    vec![
        "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for \
         validation is '[-A-Za-z0-9]+')"
            .to_owned(),
    ]
}

fn longest(text: &str, most: usize) -> Vec<String> {
    if text.len() <= most {
        return Vec::new();
    }
    vec![format!("must be no more than {most} characters")]
}

/// The rules of labels say it more exactly.
fn most_bytes(text: &str, most: usize) -> Vec<String> {
    let messages = longest(text, most).into_iter();
    messages
        .map(|it| it.replace("characters", "bytes"))
        .collect()
}

fn is_subdomain(text: &str) -> bool {
    text.split('.').all(is_label)
}

fn is_label(text: &str) -> bool {
    let may = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty() && text.chars().all(may) && !text.starts_with('-') && !text.ends_with('-')
}

/// Also true for an empty text.
fn is_qualified_name(text: &str) -> bool {
    let edge = |c: char| !c.is_ascii_alphanumeric();
    text.chars().all(is_name_char) && !text.starts_with(edge) && !text.ends_with(edge)
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

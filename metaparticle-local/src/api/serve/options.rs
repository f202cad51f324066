//! Parameters of writes: whether they are rehearsals, in whose name they are, how strict they are.

use http::{Method, header};
use serde_json::json;

use super::{
    super::{
        decode::FieldValidation,
        failure::{Failure, FieldError},
    },
    Call, list,
};

/// The longest name of a manager, in bytes.
const LONGEST_MANAGER: usize = 128;

impl Call<'_> {
    /// Refuses parameters of a create, update or patch that cannot be meant.
    pub(super) fn check_write_options(&self) -> Result<(), Failure> {
        let method = self.request.method();
        let applies = self.media() == "application/apply-patch+yaml";
        let kind = match *method {
            Method::POST => "CreateOptions",
            Method::PUT => "UpdateOptions",
            Method::PATCH => "PatchOptions",
            _ => return Ok(()),
        };
        let mut errors = Vec::new();
        if *method == Method::PATCH && !applies && self.query.get("force").is_some() {
            errors.push(FieldError::forbidden(
                "force",
                "may not be specified for non-apply patch",
            ));
        }
        let manager = self.query.get("fieldManager").unwrap_or_default();
        if *method == Method::PATCH && applies && manager.is_empty() {
            errors.push(FieldError::required(
                "fieldManager",
                "is required for apply patch",
            ));
        }
        errors.extend(manager_error(manager));
        errors.extend(self.dry_run_error());
        let modes = ["", "Ignore", "Strict", "Warn"];
        let mode = self.query.get("fieldValidation").unwrap_or_default();
        if !modes.contains(&mode) {
            errors.push(FieldError::not_supported(
                "fieldValidation",
                &mode.into(),
                &modes,
            ));
        }
        refuse(kind, &errors)
    }

    fn dry_run_error(&self) -> Option<FieldError> {
        let given: Vec<&str> = self
            .query
            .all("dryRun")
            .filter(|it| !it.is_empty())
            .collect();
        let wrong = given.iter().any(|it| *it != "All");
        wrong.then(|| FieldError::not_supported("dryRun", &json!(given), &["All"]))
    }

    /// Whether the request is a rehearsal.
    pub(super) fn dry_run(&self) -> Result<bool, Failure> {
        if let Some(error) = self.dry_run_error() {
            refuse("DeleteOptions", &[error])?;
        }
        Ok(self.query.get("dryRun").is_some())
    }

    pub(super) fn validation(&self) -> FieldValidation {
        match self.query.get("fieldValidation") {
            Some("Strict") => FieldValidation::Strict,
            Some("Ignore") => FieldValidation::Ignore,
            _ => FieldValidation::Warn,
        }
    }

    /// In whose name the request writes: as it says, else as its user agent is called.
    pub(super) fn manager(&self) -> &str {
        let agent = || {
            let agent = self.request.headers().get(header::USER_AGENT);
            let agent = agent.and_then(|it| it.to_str().ok())?;
            agent.split('/').next().filter(|it| !it.is_empty())
        };
        let given = self.query.get("fieldManager");
        given.or_else(agent).unwrap_or("unknown")
    }
}

fn manager_error(manager: &str) -> Option<FieldError> {
    if manager.len() > LONGEST_MANAGER {
        return Some(FieldError::too_long("fieldManager", LONGEST_MANAGER));
    }
    let (at, wrong) = manager
        .char_indices()
        .find(|(_, letter)| letter.is_control())?;
    let detail = format!(
        "invalid character U+{:04X} (at position {at})",
        u32::from(wrong)
    );
    let quoted = manager.chars().map(|letter| match letter {
        '\t' => "\\t".to_owned(),
        '\n' => "\\n".to_owned(),
        '\r' => "\\r".to_owned(),
        letter if letter.is_control() => format!("\\x{:02x}", u32::from(letter)),
        letter => letter.to_string(),
    });
    let error = FieldError::invalid("fieldManager", &manager.into(), &detail);
    Some(FieldError {
        message: format!(
            "Invalid value: \"{}\": {detail}",
            quoted.collect::<String>()
        ),
        ..error
    })
}

/// A 422 about options of this kind, if something is wrong with them.
pub(super) fn refuse(kind: &str, errors: &[FieldError]) -> Result<(), Failure> {
    if errors.is_empty() {
        Ok(())
    } else {
        Err(failure(kind, errors))
    }
}

fn failure(kind: &str, errors: &[FieldError]) -> Failure {
    let failure = list::options("", errors);
    let message = failure.message.replacen("ListOptions", kind, 1);
    let details = failure.details.map(|mut details| {
        details["kind"] = kind.into();
        details
    });
    Failure {
        message,
        details,
        ..failure
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manager_is_short_and_printable() {
        assert_eq!(manager_error("kubectl"), None);
        let error = manager_error("a\tb").unwrap();
        assert_eq!(
            error.message,
            "Invalid value: \"a\\tb\": invalid character U+0009 (at position 1)"
        );
        assert!(manager_error(&"m".repeat(129)).is_some());
    }
}

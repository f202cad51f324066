//! `render`: the files from which the program is deployed, printed, written or compared. Needs no cluster.

use std::{
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

use metaparticle_spec::{Artifact, Embedded, Format, render::render_manifests};
use miette::Diagnostic;
use thiserror::Error;

use super::{
    command::Render,
    report::{Event, Report},
};

/// How many lines of a difference are shown.
const SHOWN: usize = 12;

/// Why files could not be printed, written or compared.
#[derive(Debug, Error, Diagnostic)]
#[non_exhaustive]
pub enum Error {
    /// Files in a directory are not what the program gives now.
    #[error("{} is stale:\n{differences}", .directory.display())]
    #[diagnostic(help(
        "write it anew with `cargo run -- metaparticle render --out {}`, with the same --format and --image",
        .directory.display()
    ))]
    Stale {
        /// The directory.
        directory: PathBuf,
        /// What differs.
        differences: String,
    },
    /// A file or directory cannot be read.
    #[error("cannot read {}", .path.display())]
    Read {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file or directory cannot be written.
    #[error("cannot write {}", .path.display())]
    Write {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Runs `render`.
///
/// # Errors
/// [`Error::Stale`] if `--check` finds a difference; else that files cannot be read or written.
pub fn render(embedded: &Embedded, options: &Render, report: &Report) -> Result<(), Error> {
    let files = files(embedded, options);
    if let Some(directory) = &options.check {
        return check(&files, directory, report);
    }
    if let Some(directory) = &options.out {
        return write(&files, directory, report);
    }
    report.text(&printed(&files));
    Ok(())
}

/// The embedded files, unless others are asked for.
fn files(embedded: &Embedded, options: &Render) -> Vec<Artifact> {
    let is_manifest = |artifact: &Artifact| !artifact.path.starts_with("Dockerfile");
    if options.image.is_none() && options.format == Format::Yaml {
        return embedded.artifacts.clone();
    }
    let spec = &embedded.spec;
    let image = options.image.clone().unwrap_or_else(|| {
        metaparticle_spec::render::image_reference(spec, spec.repository.as_ref())
    });
    let mut files = embedded.artifacts.clone();
    files.retain(|artifact| !is_manifest(artifact));
    files.extend(render_manifests(spec, &image, options.format));
    files
}

/// Plain manifests as they are, for a pipe; several files with their names.
fn printed(files: &[Artifact]) -> String {
    let shown: Vec<&Artifact> = files
        .iter()
        .filter(|file| !file.path.starts_with("Dockerfile"))
        .collect();
    match shown[..] {
        [only] => only.text.clone(),
        _ => shown.iter().fold(String::new(), |mut text, file| {
            let _ = writeln!(text, "# {}\n{}", file.path, file.text);
            text
        }),
    }
}

fn write(files: &[Artifact], directory: &Path, report: &Report) -> Result<(), Error> {
    for file in files {
        let path = directory.join(&file.path);
        let parent = path.parent().unwrap_or(directory);
        fs::create_dir_all(parent)
            .and_then(|()| fs::write(&path, &file.text))
            .map_err(|source| Error::Write {
                path: path.clone(),
                source,
            })?;
        report.event(Event::note(format!("{} written", path.display())));
    }
    Ok(())
}

fn check(files: &[Artifact], directory: &Path, report: &Report) -> Result<(), Error> {
    let mut differences = String::new();
    for file in files {
        let path = directory.join(&file.path);
        match fs::read_to_string(&path) {
            Ok(present) if present == file.text => {}
            Ok(present) => {
                let _ = write!(
                    differences,
                    "{}:\n{}",
                    file.path,
                    difference(&present, &file.text)
                );
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let _ = writeln!(differences, "{}: missing", file.path);
            }
            Err(source) => return Err(Error::Read { path, source }),
        }
    }
    if !differences.is_empty() {
        return Err(Error::Stale {
            directory: directory.to_owned(),
            differences: differences.trim_end().to_owned(),
        });
    }
    report.event(Event::Done {
        message: format!("{} is up to date", directory.display()),
    });
    Ok(())
}

/// The lines between the common beginning and the common end: `-` is in the file, `+` is what it should be.
fn difference(present: &str, wanted: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (present.lines().collect(), wanted.lines().collect());
    let same = |pair: &(&&str, &&str)| pair.0 == pair.1;
    let start = old.iter().zip(&new).take_while(same).count();
    let shorter = old.len().min(new.len()) - start;
    let ends = old.iter().rev().zip(new.iter().rev());
    let end = ends.take(shorter).take_while(same).count();
    let mut text = format!("  @@ line {} @@\n", start + 1);
    for (sign, lines) in [('-', &old), ('+', &new)] {
        let lines = &lines[start..lines.len() - end];
        for line in lines.iter().take(SHOWN) {
            let _ = writeln!(text, "  {sign}{line}");
        }
        if lines.len() > SHOWN {
            let _ = writeln!(text, "  {sign}… {} more", lines.len() - SHOWN);
        }
    }
    if old == new {
        text += "  the ends of lines differ\n";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{super::fixture, *};

    fn options() -> Render {
        Render::default()
    }

    #[test]
    fn without_options_the_embedded_bytes_are_given() {
        let embedded = fixture::embedded("web");
        assert_eq!(files(&embedded, &options()), embedded.artifacts);
        assert_eq!(printed(&embedded.artifacts), "embedded manifests\n");
    }

    #[test]
    fn an_image_is_written_into_the_manifests() {
        let options = Render {
            image: Some("example.com/web@sha256:0".into()),
            ..options()
        };
        let text = printed(&files(&fixture::embedded("web"), &options));
        assert!(text.contains("example.com/web@sha256:0"), "{text}");
    }

    #[test]
    fn what_is_written_is_up_to_date_and_an_edit_makes_it_stale() {
        let directory = tempfile::tempdir().unwrap();
        let files = files(&fixture::embedded("web"), &options());
        write(&files, directory.path(), &Report::capture()).unwrap();
        check(&files, directory.path(), &Report::capture()).unwrap();
        fs::write(directory.path().join("manifests.yaml"), "edited\n").unwrap();
        fs::remove_file(directory.path().join("Dockerfile")).unwrap();
        let stale = check(&files, directory.path(), &Report::capture()).unwrap_err();
        let text = stale.to_string();
        assert!(text.contains("Dockerfile: missing"), "{text}");
        assert!(text.contains("-edited\n  +embedded manifests"), "{text}");
    }

    #[test]
    fn a_difference_shows_only_the_lines_that_differ() {
        let text = difference("a\nb\nc\nd\n", "a\nx\nc\nd\n");
        assert_eq!(text, "  @@ line 2 @@\n  -b\n  +x\n");
    }

    #[test]
    fn a_repeated_line_that_was_added_is_shown_once() {
        assert_eq!(difference("a\na\n", "a\na\na\n"), "  @@ line 3 @@\n  +a\n");
    }
}

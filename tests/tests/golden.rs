//! What is generated for a handful of applications, as files to read. `UPDATE_GOLDEN=1` rewrites them: read the diff.

use std::{collections::BTreeSet, env, ffi::OsStr, fs, path::PathBuf};

use metaparticle_spec::{
    Artifact, Format,
    render::{image_reference, render, render_manifests},
};
use metaparticle_tests::apps;

#[test]
fn generated_files_equal_the_golden_ones() {
    for (spec, build) in apps::all() {
        compare(spec.name.as_str(), &render(&spec, &build));
    }
}

#[test]
fn kustomize_base_equals_the_golden_one() {
    compare("web/kustomize", &web(Format::Kustomize));
}

#[test]
fn helm_chart_equals_the_golden_one() {
    compare("web/helm", &web(Format::Helm));
}

fn web(format: Format) -> Vec<Artifact> {
    let spec = apps::web();
    let image = image_reference(&spec, spec.repository.as_ref());
    render_manifests(&spec, &image, format)
}

/// Compares each artifact with its file below `golden/<folder>`, or writes it.
fn compare(folder: &str, artifacts: &[Artifact]) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("golden")
        .join(folder);
    for Artifact { path, text } in artifacts {
        let path = folder.join(path);
        if env::var_os("UPDATE_GOLDEN").is_some() {
            fs::create_dir_all(path.parent().expect("a file has a folder"))
                .expect("the folder is made");
            fs::write(&path, text).expect("the file is written");
            continue;
        }
        let golden = fs::read_to_string(&path).unwrap_or_default();
        // Git may have written the file with other line ends.
        let golden = golden.replace("\r\n", "\n");
        let line = golden
            .lines()
            .zip(text.lines())
            .position(|(golden, text)| golden != text);
        assert!(
            golden == *text,
            "{} differs from line {} on; UPDATE_GOLDEN=1 rewrites it. Generated:\n{text}",
            path.display(),
            line.unwrap_or_else(|| golden.lines().count().min(text.lines().count())) + 1,
        );
    }
    // Folders are other forms, compared by themselves.
    let files = fs::read_dir(&folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("the folder can be read"))
        .filter(|entry| entry.path().is_file())
        .map(|entry| entry.file_name());
    let generated: BTreeSet<_> = artifacts.iter().map(|file| file.path.as_ref()).collect();
    for file in files {
        assert!(
            generated.contains::<OsStr>(&file),
            "{} is not generated any more: remove it",
            folder.join(file).display()
        );
    }
}

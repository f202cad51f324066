//! Each file of `ui/fail` is refused with exactly the diagnostics beside it; each file of `ui/pass` compiles without
//! any, and runs. So does each file of `ui/renamed`, whose package calls the crate `renamed`.
//!
//! One mistake a file, named for it. `UPDATE_EXPECT=1` writes the `.stderr` files anew: read the difference. A file of
//! `ui/pass` whose first line is `// exits with N` is expected to; otherwise it ends with 0.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    sync::OnceLock,
};

use libtest_mimic::{Arguments, Failed, Trial};
use metaparticle_compile_tests::{Cargo, Outcome, Package, cargo::shared, diagnostics, package};

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // The cases wait for one build; more threads would only wait, too.
    arguments.test_threads = Some(1);
    let fail = cases("fail").into_iter().map(|case| {
        let name = format!("fail::{}", name(&case));
        Trial::test(name, move || refused(&case))
    });
    let pass = [cases("pass"), cases("renamed")].concat();
    let pass = pass.into_iter().map(|case| {
        let name = format!("pass::{}", name(&case));
        Trial::test(name, move || runs(&case))
    });
    libtest_mimic::run(&arguments, fail.chain(pass).collect()).exit_code()
}

fn refused(case: &Path) -> Result<(), Failed> {
    let found = diagnostics::render(&built().messages, name(case));
    let expectation = case.with_extension("stderr");
    if env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&expectation, &found)?;
    }
    let expected = fs::read_to_string(&expectation).unwrap_or_default();
    if found.is_empty() {
        return Err("it was not refused".into());
    }
    same(&expected, &found)
}

fn runs(case: &Path) -> Result<(), Failed> {
    same("", &diagnostics::render(&built().messages, name(case)))?;
    let source = fs::read_to_string(case)?;
    let code = match source.strip_prefix("// exits with ") {
        Some(rest) => rest.lines().next().unwrap_or_default().parse()?,
        None => 0,
    };
    let status = Command::new(built().executable(name(case)))
        .env("METAPARTICLE_ROLE", "replica")
        .output()?
        .status;
    if status.code() == Some(code) {
        Ok(())
    } else {
        Err(format!("expected exit code {code}, got {status}").into())
    }
}

fn same(expected: &str, found: &str) -> Result<(), Failed> {
    if expected == found {
        return Ok(());
    }
    Err(format!("expected:\n{expected}\nfound:\n{found}").into())
}

/// All cases are binaries of one workspace: one build serves them all.
fn built() -> &'static Outcome {
    static BUILT: OnceLock<Outcome> = OnceLock::new();
    BUILT.get_or_init(|| {
        let root = Package {
            dir: shared().join("ui"),
        };
        let members =
            "[workspace]\nmembers = ['ui', 'renamed']\nresolver = '3'\n[profile.dev]\ndebug = 0\nincremental = false\n";
        root.write("Cargo.toml", members);
        package::lock(&root.dir);

        let ui = Package::member(&root.dir.join("ui"), "ui");
        ui.append(
            "Cargo.toml",
            "[features]\ndefault = ['gated']\ngated = []\n",
        );
        ui.edit("Cargo.toml", package::NO_FEATURES, package::WITH_ROUTER);
        add_binaries(&ui, &[cases("fail"), cases("pass")].concat());
        let renamed = Package::member(&root.dir.join("renamed"), "renamed");
        renamed.edit(
            "Cargo.toml",
            "metaparticle = {",
            "renamed = { package = 'metaparticle',",
        );
        add_binaries(&renamed, &cases("renamed"));

        let args = ["build", "--bins", "--keep-going", "--message-format=json"];
        Cargo::new(&root.dir, &args).run()
    })
}

fn add_binaries(package: &Package, cases: &[PathBuf]) {
    for case in cases {
        let bin = format!(
            "[[bin]]\nname = '{}'\npath = '{}'\n",
            name(case),
            case.display()
        );
        package.append("Cargo.toml", &bin);
    }
}

fn cases(kind: &str) -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("ui").join(kind);
    let entries = fs::read_dir(dir).expect("the cases are committed");
    let mut cases: Vec<PathBuf> = entries
        .map(|entry| entry.expect("the directory can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect();
    cases.sort();
    cases
}

fn name(case: &Path) -> &str {
    let stem = case.file_stem().and_then(|stem| stem.to_str());
    stem.expect("a case has a plain name")
}

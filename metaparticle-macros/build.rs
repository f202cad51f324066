//! Hands the version of the compiling rustc to the macros: the generated Dockerfile pins it, and a macro cannot ask.

use std::{env, process::Command};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let rustc = env::var_os("RUSTC").expect("cargo names the compiler to build scripts");
    let output = Command::new(rustc)
        .arg("--version")
        .output()
        .expect("the compiler that cargo uses can be run");
    let text = String::from_utf8_lossy(&output.stdout);
    // `rustc 1.95.0 (59807616e 2026-04-14)`
    let version = text
        .split_whitespace()
        .nth(1)
        .expect("rustc says its version in the second word");
    println!("cargo::rustc-env=METAPARTICLE_RUSTC={version}");
}

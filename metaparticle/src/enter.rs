//! The entry: what happens before the user's `main`. Expansions reach it through `__enter!` and nothing else.
//!
//! In the container it leaves a marker and sees to SIGTERM; everywhere else the role decides.

/// Proof that a binary was compiled for the container: its read-only data holds this once. In no other binary.
pub const CONTAINER_MARKER: [u8; 26] = *b"\0metaparticle-container-v1";

/// Host build: the embedded record is kept, and `enter` decides whether the user's `main` runs.
#[cfg(not(metaparticle_container))]
#[doc(hidden)]
#[macro_export]
macro_rules! __enter {
    ($embedded:literal) => {{
        #[used]
        static EMBEDDED: &[::core::primitive::u8] = $embedded;
        $crate::__private::enter(EMBEDDED);
    }};
    ($embedded:literal, sharded) => {{
        $crate::__enter!($embedded);
        $crate::__open!();
    }};
}

/// Container build: the record is dropped, the marker is kept, and the user's `main` runs.
#[cfg(metaparticle_container)]
#[doc(hidden)]
#[macro_export]
macro_rules! __enter {
    ($embedded:literal) => {{
        #[used]
        static MARKER: [::core::primitive::u8; 26] = $crate::__private::CONTAINER_MARKER;
        $crate::__private::enter();
    }};
    ($embedded:literal, sharded) => {{
        $crate::__enter!($embedded);
        $crate::__open!();
    }};
}

/// What a sharded program has before its `main`, and no other: who has no shards links nothing of it.
#[cfg(all(unix, feature = "router"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __open {
    () => {
        $crate::__private::open();
    };
}

#[cfg(not(all(unix, feature = "router")))]
#[doc(hidden)]
#[macro_export]
macro_rules! __open {
    () => {
        ::core::compile_error!(
            "#[sharded] needs the feature `router` of the crate metaparticle, and a program for Unix"
        );
    };
}

/// Returns at once: in the container there is nothing to decide.
#[cfg(metaparticle_container)]
pub fn enter() {
    #[cfg(unix)]
    crate::terminate::end_at_sigterm();
}

#[cfg(not(metaparticle_container))]
pub use self::host::{container_marker, enter};

#[cfg(not(metaparticle_container))]
mod host {
    use std::{env, ffi::OsStr, process};

    use super::CONTAINER_MARKER;

    /// Values of `METAPARTICLE_ROLE`, as the generated manifests set it.
    const ROLES: [&str; 4] = ["replica", "shard", "job", "router"];

    /// Returns if our manifests gave the program a role; otherwise runs the deployer and ends the process.
    ///
    /// It runs before the user's `main` has built a runtime, and builds its own.
    pub fn enter(embedded: &'static [u8]) {
        match env::var_os("METAPARTICLE_ROLE") {
            Some(role) if is_known(&role) => {
                #[cfg(all(unix, feature = "coordination"))]
                crate::terminate::end_at_sigterm();
            }
            Some(role) => refuse(&format!(
                "METAPARTICLE_ROLE is `{}`: use one of {}, or unset it to deploy",
                role.display(),
                ROLES.join(", ")
            )),
            None => deploy(embedded),
        }
    }

    fn is_known(role: &OsStr) -> bool {
        ROLES.iter().any(|known| role == *known)
    }

    #[cfg(feature = "deploy")]
    fn deploy(embedded: &'static [u8]) -> ! {
        let embedded = metaparticle_spec::Embedded::decode(embedded)
            .expect("the macro of the same version has encoded it");
        process::exit(crate::deploy::main(embedded).code().into());
    }

    #[cfg(not(feature = "deploy"))]
    fn deploy(_embedded: &'static [u8]) -> ! {
        refuse(
            "this program was built without the deployer: enable the feature `deploy` of the crate metaparticle, \
             or set METAPARTICLE_ROLE (such as METAPARTICLE_ROLE=replica) to run it here",
        )
    }

    #[allow(
        clippy::print_stderr,
        reason = "ends the process; there is no output module without the deployer"
    )]
    fn refuse(message: &str) -> ! {
        eprintln!("error: {message}");
        process::exit(2);
    }

    /// The bytes that every container binary holds, and no other.
    ///
    /// They go through a reversed copy, so that this code does not plant the marker in the host binary.
    #[must_use]
    pub fn container_marker() -> [u8; CONTAINER_MARKER.len()] {
        const REVERSED: [u8; CONTAINER_MARKER.len()] = reversed(CONTAINER_MARKER);
        let mut marker = std::hint::black_box(REVERSED);
        marker.reverse();
        marker
    }

    /// `reverse` is const from Rust 1.90 on.
    const fn reversed<const N: usize>(bytes: [u8; N]) -> [u8; N] {
        let mut reversed = bytes;
        let mut index = 0;
        while index < N {
            reversed[index] = bytes[N - 1 - index];
            index += 1;
        }
        reversed
    }
}

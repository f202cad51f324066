//! The files beside the binary: written by the macro, and only where a program for this machine is linked.
use metaparticle_spec::Embedded;

use crate::invocation::Invocation;

pub fn write(_embedded: &Embedded, _invocation: &Invocation) -> Vec<String> {
    Vec::new()
}

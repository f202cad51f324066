//! Compile-fail suite; see ui/.

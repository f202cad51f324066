//! The node: pods as processes of this machine, each with an address of its own.

//! Annotate `main`, and `cargo run` turns the program into a distributed application on Kubernetes.

//! The API over HTTPS on loopback, with a bearer token, and the kubeconfig that says so.

//! Heads of requests and responses: what a gate refuses, what it mends, and what it leaves alone. Requests are written as
//! bytes and read by the server that gates use, because some cases only that server can see, or hides.

#[path = "../fuzz_head/check.rs"]
mod check;
mod forwarded;
mod one;
mod passed;
mod properties;
mod refused;
mod responses;

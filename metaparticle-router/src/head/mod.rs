//! What is decided on the head of a request that came in ([`enter`]), of a request that goes on ([`speak`]) and of a
//! response that goes back ([`leave`]): smuggling is refused, and what ends here is taken off.
//!
//! Bodies are not looked at, and nothing is read or written.

mod connection;
mod edge;
mod forwarded;
mod framing;
mod name;
mod request;
mod response;
mod target;

pub use edge::Edge;
pub(crate) use name::is_stripped;
pub use request::{Entered, enter, speak};
pub use response::leave;

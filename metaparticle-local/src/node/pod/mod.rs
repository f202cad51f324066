//! One pod: what its containers do, what to do next, and how that reads in its status.

pub(crate) mod decide;
pub(crate) mod record;
pub(crate) mod status;

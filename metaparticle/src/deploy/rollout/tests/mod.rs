//! Tables of what is seen and how it is judged.

#![expect(
    clippy::needless_pass_by_value,
    reason = "tables read better with the values in them"
)]

mod causes;
mod revisions;
mod world;

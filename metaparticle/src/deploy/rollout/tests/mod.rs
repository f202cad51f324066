//! Tables of what is seen and how it is judged.

mod causes;
mod revisions;
mod world;

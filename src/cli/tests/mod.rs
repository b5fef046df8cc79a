//! The command line as a human meets it: every rendering held against what it should look like, and
//! whole commands over a real socket.

mod arguments;
mod flows;
mod goldens;
pub(crate) mod views;

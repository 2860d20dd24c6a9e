//! Create, clone, restore and delete: what the client does after a lost response.
//!
//! [`machine`] decides whether to check, to resend or to end the call. [`evidence`] determines what
//! a check shows. [`drive`] carries out the sends and checks, and the other modules describe them
//! for each operation.

mod creation;
mod deletion;
mod drive;
mod evidence;
mod machine;
#[cfg(test)]
mod model;
mod restoration;
#[cfg(test)]
mod restore_model;

//! Registers and unregisters repositories.

mod send;

pub(crate) use send::{register, unregister};

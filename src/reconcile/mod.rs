//! Creates, clones, restores and deletes that report the truth after a lost response.

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

//! The file of a ticket, with which another command resumes a wait.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::process;

use es_snapshot::Ticket;

use crate::config::MAX_BYTES;
use crate::failure::Failure;

/// The path that stands for standard input.
pub(crate) const STANDARD_INPUT: &str = "-";

/// Writes the ticket to a file.
pub(crate) fn write(path: &Path, ticket: &Ticket) -> Result<(), Failure> {
    let written = serde_json::to_string(ticket).map_err(io::Error::from).and_then(|text| replace(path, &(text + "\n")));
    written.map_err(|error| Failure::usage(format!("the ticket cannot be written to {}: {error}", path.display())))
}

/// Reads a ticket from a file or standard input.
pub(crate) fn read(path: &Path) -> Result<Ticket, Failure> {
    let text = read_text(path)
        .map_err(|error| Failure::usage(format!("the ticket {} cannot be read: {error}", path.display())))?;
    serde_json::from_str(&text).map_err(|error| Failure::usage(format!("{} is not a ticket: {error}", path.display())))
}

/// Writes a file as a whole. If that fails, the file has its old content. What is not a plain file,
/// such as a link, is written in place.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let is_plain = fs::symlink_metadata(path).map_or(true, |metadata| metadata.is_file());
    let (true, Some(name)) = (is_plain, path.file_name()) else { return fs::write(path, text) };
    let mut new = name.to_owned();
    new.push(format!(".{}.new", process::id()));
    let new = path.with_file_name(new);
    // Without permission for the folder, the file itself may still be writable.
    let Ok(mut file) = File::create_new(&new) else { return fs::write(path, text) };
    let written = file.write_all(text.as_bytes()).and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written
}

fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    if path.as_os_str() == STANDARD_INPUT {
        io::stdin().lock().take(MAX_BYTES).read_to_string(&mut text)?;
    } else {
        fs::File::open(path)?.take(MAX_BYTES).read_to_string(&mut text)?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("es-snapshot-{name}-{}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn replaces_a_file_and_leaves_no_other() {
        let folder = folder("replace");
        let path = folder.join("t.json");
        fs::write(&path, "old").unwrap();

        replace(&path, "new").unwrap();

        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    #[cfg(unix)]
    fn writes_through_a_link() {
        let folder = folder("link");
        let (target, link) = (folder.join("target"), folder.join("link"));
        fs::write(&target, "old").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();

        replace(&link, "new").unwrap();

        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&target).unwrap(), "new");
        fs::remove_dir_all(&folder).unwrap();
    }
}

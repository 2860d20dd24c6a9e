//! The command with which an operator resumes a wait.

use es_snapshot::Ticket;

use crate::config::PASSWORD_STDIN;

/// What a command needs to be run again: the flags of the connection, and the file of the ticket.
#[derive(Clone, Debug, Default)]
pub(crate) struct Resume {
    pub(crate) connection: Vec<String>,
    pub(crate) ticket_file: Option<String>,
}

impl Resume {
    /// Returns the command that waits for the operation of the ticket.
    pub(crate) fn command(&self, ticket: &Ticket) -> String {
        let mut words = vec!["wait".to_owned()];
        match &self.ticket_file {
            Some(file) => words.extend(["--ticket".to_owned(), file.clone()]),
            None => words.extend(by_name(ticket)),
        }
        self.of(words.iter().map(String::as_str))
    }

    /// Returns a command for the same domain.
    pub(crate) fn of<'a>(&'a self, words: impl IntoIterator<Item = &'a str>) -> String {
        let words = ["es-snapshot"].into_iter().chain(words).chain(self.connection.iter().map(String::as_str));
        words.map(quoted).collect::<Vec<_>>().join(" ")
    }

    /// Returns the command that waits for exactly the operation of the ticket, even if an earlier
    /// one concerned the same snapshot.
    pub(crate) fn exact(&self, ticket: &Ticket) -> String {
        /// Longer tickets would flood the terminal.
        const LONGEST: usize = 2048;
        let reads_password = self.connection.iter().any(|flag| flag == PASSWORD_STDIN);
        let json = serde_json::to_string(ticket).ok().filter(|json| json.len() <= LONGEST && !reads_password);
        let (None, Some(json)) = (&self.ticket_file, json) else { return self.command(ticket) };
        let from_input = Self { ticket_file: Some("-".to_owned()), ..self.clone() };
        format!("printf %s {} | {}", quoted(&json), from_input.command(ticket))
    }
}

fn by_name(ticket: &Ticket) -> Vec<String> {
    let mut words = vec![ticket.repository().to_string(), ticket.snapshot().to_string()];
    match ticket {
        Ticket::Restore(_) => words.extend(["--for", "restore"].map(str::to_owned)),
        Ticket::Deletion(_) => words.extend(["--for", "deletion"].map(str::to_owned)),
        _ => {}
    }
    words
}

/// Returns the word as a shell reads it.
pub(crate) fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use es_snapshot::wait::{RestoreTicket, SnapshotTicket};

    use super::*;

    #[test]
    fn names_the_snapshot_and_the_flags_of_the_connection() {
        let ticket = SnapshotTicket::new("backups", "monday").unwrap().into();
        let resume = Resume { connection: vec!["--context".to_owned(), "the prod".to_owned()], ticket_file: None };

        assert_eq!(resume.command(&ticket), "es-snapshot wait backups monday --context 'the prod'");
    }

    #[test]
    fn names_the_file_of_the_ticket_if_there_is_one() {
        let ticket = RestoreTicket::new("backups", "monday").unwrap().into();
        let resume = Resume { connection: Vec::new(), ticket_file: Some("/tmp/t.json".to_owned()) };

        assert_eq!(resume.command(&ticket), "es-snapshot wait --ticket /tmp/t.json");
    }

    #[test]
    fn the_exact_command_contains_the_ticket() {
        let ticket: Ticket = SnapshotTicket::new("backups", "monday").unwrap().into();
        let json = serde_json::to_string(&ticket).unwrap();

        let command = Resume::default().exact(&ticket);

        assert_eq!(command, format!("printf %s '{json}' | es-snapshot wait --ticket -"));
    }

    #[test]
    fn the_exact_command_leaves_standard_input_to_the_password() {
        let ticket = SnapshotTicket::new("backups", "monday").unwrap().into();
        let resume = Resume { connection: vec![PASSWORD_STDIN.to_owned()], ticket_file: None };

        assert_eq!(resume.exact(&ticket), "es-snapshot wait backups monday --password-stdin");
    }

    #[test]
    fn quotes_what_a_shell_would_interpret() {
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted("$HOME"), "'$HOME'");
        assert_eq!(quoted(""), "''");
    }
}

//! Consent to a change that deletes or overwrites.

use std::io;

use crate::args::Consent;
use crate::failure::Failure;
use crate::output::Console;

/// Asks whether to do this, unless the flags consent. Without a terminal, nobody can be asked.
pub(crate) async fn confirm(console: &Console, consent: Consent, question: &str) -> Result<(), Failure> {
    if consent.yes {
        return Ok(());
    }
    if !console.can_ask() {
        return Err(Failure::refused(format!("not confirmed: {question} Pass --yes to consent without a terminal")));
    }
    console.question(&format!("{question} [y/N] "));
    // On another thread, so that Ctrl-C still ends the command.
    let line = tokio::task::spawn_blocking(|| io::stdin().lines().next()).await;
    match line {
        Ok(Some(Ok(line))) if is_yes(&line) => Ok(()),
        _ => Err(Failure::refused("not confirmed: nothing was changed")),
    }
}

fn is_yes(line: &str) -> bool {
    matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_y_and_yes_consent() {
        assert!(["y", "Y\n", " yes "].into_iter().all(is_yes));
        assert!(["", "n", "no", "yesterday", "ja"].into_iter().all(|line| !is_yes(line)));
    }
}

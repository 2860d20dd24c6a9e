//! The display of progress: a bar on a terminal, otherwise one line a minute.

use std::time::Duration;

use es_snapshot::wait::Progress;
use indicatif::{ProgressBar, ProgressStyle};

use super::{amount, took};

/// A display of progress on standard error.
#[derive(Debug)]
pub(crate) struct Meter {
    /// `None` without a terminal.
    bar: Option<ProgressBar>,
}

impl Meter {
    pub(crate) fn new(is_terminal: bool) -> Self {
        let bar = is_terminal.then(|| {
            // Empty until the first progress is known.
            let bar = ProgressBar::new(1);
            if let Ok(style) = ProgressStyle::with_template("{spinner} [{bar:30}] {msg}") {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Self { bar }
    }

    /// Shows this progress on a terminal. Returns whether there is one.
    pub(crate) fn show(&self, progress: &Progress) -> bool {
        let Some(bar) = &self.bar else { return false };
        let (done, total) = match progress.bytes_total() {
            0 => (progress.shards_done(), progress.shards_total()),
            total => (progress.bytes_done(), total),
        };
        bar.set_length(total);
        bar.set_position(done);
        bar.set_message(describe(progress));
        true
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Returns the figures that are known: shards, bytes, rate and the time that is left.
pub(crate) fn describe(progress: &Progress) -> String {
    let mut figures = Vec::new();
    if progress.shards_total() > 0 {
        figures.push(format!("{} of {} shards", progress.shards_done(), progress.shards_total()));
    }
    if progress.shards_failed() > 0 {
        figures.push(format!("{} failed", progress.shards_failed()));
    }
    if progress.bytes_total() > 0 {
        figures.push(format!("{} of {}", amount(progress.bytes_done()), amount(progress.bytes_total())));
    }
    if let Some(rate) = progress.bytes_per_second() {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate to be shown")]
        figures.push(format!("{}/s", amount(rate as u64)));
    }
    if let Some(eta) = progress.eta() {
        figures.push(format!("{} left", took(eta)));
    }
    if figures.is_empty() { "running".to_owned() } else { figures.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_only_the_figures_that_are_known() {
        assert_eq!(describe(&Progress::default()), "running");
        assert_eq!(describe(&Progress::default().with_shards(3, 10)), "3 of 10 shards");
        assert_eq!(
            describe(&Progress::default().with_shards(3, 10).with_bytes(512, 3 << 30)),
            "3 of 10 shards, 512 B of 3.00 GiB"
        );
    }
}

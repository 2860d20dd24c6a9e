//! The log of `--debug`: the events of the library, which contain no secret.

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Writes the events of the library to standard error from now on.
pub(crate) fn start() {
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false).with_target(false);
    let ours = Targets::new().with_target("es_snapshot", LevelFilter::DEBUG);
    tracing_subscriber::registry().with(lines).with(ours).init();
}

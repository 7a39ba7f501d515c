//! The log: lines on standard error, which is the journal under systemd. No secret ever gets there, because types that
//! hold secrets print themselves redacted.

use std::io::{self, IsTerminal};

use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::settings::options::Options;

/// Starts logging. `RUST_LOG` wins over the options. A daemon that was not told to log says no more than what is wrong
/// at its start.
pub fn start(options: &Options) {
    let level = match options {
        Options { debug: true, .. } => "warn,oidc_agent=debug",
        Options { console: true, .. } | Options { log_stderr: true, .. } => "warn,oidc_agent=info",
        _ => "warn",
    };
    let asked = std::env::var("RUST_LOG").ok().filter(|directives| !directives.trim().is_empty());
    let filter: Targets = asked
        .and_then(|directives| directives.parse().ok())
        .unwrap_or_else(|| level.parse().expect("directives of our own"));
    let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    // A log on a full disk is lost; saying so on the same standard error would only panic.
    let log = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_writer(io::stderr)
        .with_ansi(colour)
        .log_internal_errors(false);
    // systemd stamps each line itself.
    if std::env::var_os("JOURNAL_STREAM").is_some() {
        let _ = log.without_time().finish().with(filter).try_init();
    } else {
        let _ = log.finish().with(filter).try_init();
    }
}

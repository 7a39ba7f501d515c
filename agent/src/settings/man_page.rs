//! `oidc-agent(1)`, made from the options.

use std::{io, process::ExitCode};

use clap::CommandFactory;
use clap_mangen::{
    Man,
    roff::{Roff, bold, roman},
};

use super::cli::Cli;
use crate::output;

type Entries = &'static [(&'static str, &'static str)];

const SECTIONS: &[(&str, Entries)] = &[
    (
        "EXIT STATUS",
        &[
            (
                "0",
                "The agent runs (as a daemon), or has ended as it was told to. With COMMAND: what the command ended with.",
            ),
            ("1", "The agent could not start or has failed; standard error says why."),
            ("3", "An agent serves the socket already."),
            ("64", "Wrong options or arguments."),
            ("255", "COMMAND cannot be run."),
        ],
    ),
    (
        "ENVIRONMENT",
        &[
            (
                "OIDC_CONFIG_DIR",
                "The oidc-agent directory. Unset: ~/.config/oidc-agent or ~/.oidc-agent, whichever exists.",
            ),
            (
                "OIDC_USER_CONFIG",
                "The file with the user's defaults, in place of config in the oidc-agent directory.",
            ),
            (
                "OIDC_SOCK, OIDCD_PID",
                "Printed for eval: the socket, and the process id. --kill ends the process if it is an oidc-agent of this user and, where an agent answers at the socket, that one. --status asks at the socket.",
            ),
            ("XDG_RUNTIME_DIR, TMPDIR", "Where the socket's directory is made; see FILES."),
            (
                "OIDC_ENCRYPTION_PW, OIDC_REFRESH_TOKEN",
                "Are for clients: the agent removes them from its environment.",
            ),
            ("OIDC_PINENTRY", "The program that asks the person. Unset: pinentry."),
            (
                "SSL_CERT_FILE, SSL_CERT_DIR",
                "Trusted certificates in place of the system's; the latter is a list with colons.",
            ),
            (
                "https_proxy, all_proxy, no_proxy",
                "Proxies for connections to providers (http, https, socks4, socks4a, socks5, socks5h), also in capitals.",
            ),
            ("RUST_LOG", "Which log messages are written, such as debug."),
        ],
    ),
    (
        "FILES",
        &[
            (
                "~/.config/oidc-agent/ACCOUNT",
                "An encrypted account. The agent rewrites it when a provider replaces a refresh token.",
            ),
            (
                "~/.config/oidc-agent/config, /etc/oidc-agent/config",
                "Defaults, as of release 5 of the C suite.",
            ),
            (
                "~/.config/oidc-agent/issuer.config, issuer.config.d, /etc/oidc-agent/issuer.config.d",
                "What is known about issuers.",
            ),
            (
                "$XDG_RUNTIME_DIR/oidc-agent/oidc-agent.sock, /run/user/UID/oidc-agent/oidc-agent.sock, ${TMPDIR-/tmp}/oidc-agent-service-UID/oidc-agent.sock, /tmp/oidc-agent-service-UID/oidc-agent.sock",
                "The socket, with --service: the first place that can be used. The others are links to it. If XDG_RUNTIME_DIR and TMPDIR both name directories, only those below them.",
            ),
        ],
    ),
];

/// Prints the page, for `man`.
pub fn print() -> ExitCode {
    match render() {
        Ok(page) => {
            output::result(&String::from_utf8_lossy(&page));
            ExitCode::SUCCESS
        }
        Err(_) => ExitCode::FAILURE,
    }
}

fn render() -> io::Result<Vec<u8>> {
    let command = Cli::command();
    let after = command.get_after_help().map(ToString::to_string);
    let man =
        Man::new(command).manual("oidc-agent").source(concat!("oidc-agent ", env!("CARGO_PKG_VERSION")));
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    let mut rest = Roff::new();
    for line in after.iter().flat_map(|text| text.lines()) {
        rest.control("PP", []);
        rest.text([roman(line)]);
    }
    rest.control("PP", []);
    rest.text([roman("The log goes to standard error: with --console, as a systemd service (journalctl --user -u oidc-agent), or with --log-stderr. A daemon keeps none otherwise.")]);
    rest.to_writer(&mut page)?;
    man.render_options_section(&mut page)?;
    let mut rest = Roff::new();
    for (heading, entries) in SECTIONS {
        rest.control("SH", [*heading]);
        for (what, meaning) in *entries {
            rest.control("TP", []);
            rest.text([bold(*what)]);
            rest.text([roman(*meaning)]);
        }
    }
    rest.control("SH", ["SEE ALSO"]);
    let others = ["oidc", "oidc-add", "oidc-gen", "oidc-token"];
    rest.text(
        others
            .iter()
            .flat_map(|name| [bold(*name), roman(if *name == "oidc-token" { "(1)" } else { "(1), " })])
            .collect::<Vec<_>>(),
    );
    rest.to_writer(&mut page)?;
    Ok(page)
}

//! Man pages: `oidc.1`, a page for each of its commands (`oidc-reset.1`), and one for each of the C suite's names.
//!
//! `oidc-add.1` and `oidc-token.1` describe both spellings: the name is the same. `oidc-agent.1` is the agent's own page.

use std::{io, path::Path};

use clap::Command;
use clap_mangen::{
    Man,
    roff::{Roff, bold, roman},
};

use crate::{cli::environment, say::exit};

const FILES: &[(&str, &str)] = &[
    ("~/.config/oidc-agent/ACCOUNT", "An encrypted account."),
    ("~/.config/oidc-agent/issuer.config", "What is known about issuers, and which accounts belong to them."),
    ("~/.config/oidc-agent/config", "Defaults of the agent."),
    ("/etc/oidc-agent/issuer.config.d", "Issuers that are offered to all users."),
    (
        "$XDG_RUNTIME_DIR/oidc-agent/oidc-agent.sock, /run/user/UID/oidc-agent/oidc-agent.sock, ${TMPDIR-/tmp}/oidc-agent-service-UID/oidc-agent.sock, /tmp/oidc-agent-service-UID/oidc-agent.sock",
        "The agent's socket: its default places, in this order.",
    ),
];

/// Writes the pages of every program and its commands into a directory that exists.
pub fn write_pages(programs: Vec<Command>, directory: &Path) -> io::Result<()> {
    let mut pages = Vec::new();
    for command in programs {
        let name = command.get_name().to_owned();
        let has_page = |sub: &&Command| !sub.is_hide_set() && sub.get_name() != "agent";
        for sub in command.get_subcommands().filter(has_page) {
            let name = format!("{name}-{}", sub.get_name());
            let below = sub.get_subcommands().filter(|below| !below.is_hide_set());
            pages.extend(below.map(|below| (format!("{name}-{}", below.get_name()), below.clone())));
            pages.push((name, sub.clone()));
        }
        pages.push((name, command));
    }
    let names: Vec<String> = pages.iter().map(|(name, _)| name.clone()).collect();
    for (name, command) in pages {
        fs_err::write(directory.join(format!("{name}.1")), page(&name, command, &names)?)?;
    }
    Ok(())
}

fn page(name: &str, command: Command, all: &[String]) -> io::Result<Vec<u8>> {
    // What `whatis` and `apropos` file it under.
    let command = command.display_name(name);
    let has_commands = command.has_subcommands();
    let after = command.get_after_help().map(ToString::to_string);
    let man = Man::new(command)
        .title(name)
        .manual("oidc-agent")
        .source(concat!("oidc-agent ", env!("CARGO_PKG_VERSION")));

    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    if let Some(after) = after {
        let mut more = Roff::new();
        for paragraph in after.split("\n\n") {
            more.control("PP", []);
            more.text([roman(paragraph)]);
        }
        more.to_writer(&mut text)?;
    }
    man.render_options_section(&mut text)?;
    if has_commands {
        man.render_subcommands_section(&mut text)?;
    }
    let mut rest = Roff::new();
    exit_status(&mut rest);
    described(&mut rest, "ENVIRONMENT", environment::VARIABLES);
    described(&mut rest, "FILES", FILES);
    see_also(&mut rest, name, all);
    rest.to_writer(&mut text)?;
    Ok(text)
}

fn exit_status(roff: &mut Roff) {
    roff.control("SH", ["EXIT STATUS"]);
    for (code, meaning) in exit::meanings() {
        roff.control("TP", []);
        roff.text([bold(code.to_string())]);
        roff.text([roman(meaning)]);
    }
    roff.control("PP", []);
    roff.text([roman(exit::C_SUITE_REMARK)]);
}

fn described(roff: &mut Roff, heading: &str, entries: &[(&str, &str)]) {
    roff.control("SH", [heading]);
    for (what, meaning) in entries {
        roff.control("TP", []);
        roff.text([bold(*what)]);
        roff.text([roman(*meaning)]);
    }
}

fn see_also(roff: &mut Roff, name: &str, all: &[String]) {
    roff.control("SH", ["SEE ALSO"]);
    let mut others: Vec<&str> =
        all.iter().map(String::as_str).chain(["oidc-agent"]).filter(|other| *other != name).collect();
    others.sort_unstable();
    let mut line = Vec::new();
    for (at, other) in others.iter().enumerate() {
        line.push(bold(*other));
        line.push(roman(if at + 1 == others.len() { "(1)" } else { "(1), " }));
    }
    roff.text(line);
}

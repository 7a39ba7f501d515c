//! What a person is asked by: terminal, browser, pinentry; and the ports at which a login in the browser comes back.

use std::{
    io::{self, BufRead, BufReader, IsTerminal, Write},
    net::{Ipv4Addr, TcpListener},
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use oidc_proto::{environment::without_secrets, program};
use rustix::termios::ttyname;
use url::Url;

use super::{
    check::{Check, Seen},
    surroundings::Surroundings,
};
use crate::process::patience::within;

/// How long pinentry may take to greet.
const GREETING: Duration = Duration::from_millis(1500);

/// What was found out.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The variables.
    pub surroundings: Surroundings,
    /// The terminal of this process.
    pub terminal: Option<String>,
    /// An account file is sealed for a key of gpg's.
    pub uses_gpg: bool,
    /// A program that opens a browser, where there is one.
    pub browser: Option<String>,
    /// What became of pinentry.
    pub pinentry: Pinentry,
    /// Ports, and whether another program has each of them.
    pub ports: Vec<(u16, bool)>,
}

/// What became of pinentry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Pinentry {
    /// It is not wanted: its variable is set to nothing.
    #[default]
    Unwanted,
    /// There is no such program.
    Missing(String),
    /// It does not greet in time.
    Silent(String),
    /// It ends at once, or says something else.
    Broken(String),
    /// It greets.
    Works(String),
}

impl Facts {
    /// Of this process.
    pub fn gather(surroundings: Surroundings, uses_gpg: bool, ports: &[u16]) -> Self {
        let streams = [ttyname_of(&io::stdin()), ttyname_of(&io::stderr()), ttyname_of(&io::stdout())];
        let mut facts = Self {
            terminal: streams.into_iter().flatten().next(),
            uses_gpg,
            browser: opener(&surroundings),
            pinentry: pinentry(&surroundings),
            ports: Vec::new(),
            surroundings,
        };
        facts.look_at_ports(ports);
        facts
    }

    /// Finds out which of these ports other programs have.
    pub fn look_at_ports(&mut self, ports: &[u16]) {
        let is_taken = |port: u16| {
            let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, port));
            bound.is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse)
        };
        self.ports = ports.iter().map(|port| (*port, is_taken(*port))).collect();
    }
}

fn ttyname_of(stream: &(impl IsTerminal + std::os::fd::AsFd)) -> Option<String> {
    stream.is_terminal().then(|| ttyname(stream, Vec::new()).ok()).flatten()?.into_string().ok()
}

/// The first program that would open a browser and is there.
fn opener(surroundings: &Surroundings) -> Option<String> {
    let openers = open::commands("http://127.0.0.1/");
    let programs = openers.iter().map(|opener| opener.get_program().to_string_lossy().into_owned());
    programs.into_iter().find(|program| find(program, surroundings).is_some())
}

/// Where a program is: itself if it is a path, else the first in `PATH`.
fn find(program: &str, surroundings: &Surroundings) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(|path| program::is_program(path));
    }
    program::find(std::env::split_paths(surroundings.get("PATH")?), program)
}

fn pinentry(surroundings: &Surroundings) -> Pinentry {
    let program = match surroundings.get("OIDC_PINENTRY") {
        Some(value) if value.is_empty() => return Pinentry::Unwanted,
        Some(value) => value.to_string_lossy().into_owned(),
        None => "pinentry".to_owned(),
    };
    let Some(path) = find(&program, surroundings) else { return Pinentry::Missing(program) };
    let mut command = Command::new(path);
    without_secrets(&mut command).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let Ok(mut child) = command.spawn() else { return Pinentry::Broken(program) };
    let stdout = child.stdout.take();
    // At most a line of the protocol: 1000 bytes.
    let greeting = within(GREETING, move || {
        let mut line = Vec::new();
        let _ = BufReader::new(io::Read::take(stdout?, 1000)).read_until(b'\n', &mut line);
        Some(line)
    });
    if let Some(stdin) = &mut child.stdin {
        // It may be gone already.
        let _ = stdin.write_all(b"BYE\n");
    }
    let _ = child.kill();
    let _ = child.wait();
    match greeting.flatten() {
        None => Pinentry::Silent(program),
        Some(line) if line.starts_with(b"OK") => Pinentry::Works(program),
        Some(_) => Pinentry::Broken(program),
    }
}

/// The ports of loopback redirect URIs.
pub fn ports_of(redirect_uris: &[String]) -> Vec<u16> {
    let port = |uri: &String| {
        let url = Url::parse(uri).ok().filter(|url| url.scheme() == "http")?;
        url.port_or_known_default().filter(|port| *port != 0)
    };
    let mut ports: Vec<_> = redirect_uris.iter().filter_map(port).collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

/// The checks.
pub const CHECKS: &[Check<Facts>] = &[
    Check {
        code: "terminal",
        why: "passwords are asked for on the terminal unless an option names another way",
        judge: terminal,
    },
    Check {
        code: "gpg_terminal",
        why: "gpg asks for the passphrase of an account sealed for its key on the terminal that GPG_TTY names",
        judge: gpg_terminal,
    },
    Check {
        code: "browser",
        why: "a login is in a browser here, or by a code on another device",
        judge: browser,
    },
    Check {
        code: "pinentry",
        why: "the agent asks by it: for the password of an account that a program wants, and before a token is given out",
        judge: pinentry_works,
    },
    Check {
        code: "redirect_ports",
        why: "a login in the browser comes back at one of these ports",
        judge: redirect_ports,
    },
];

fn terminal(facts: &Facts) -> Vec<Seen> {
    vec![match &facts.terminal {
        Some(terminal) => Seen::ok("terminal", format!("there is a terminal, {terminal}")),
        None => Seen::ok(
            "terminal",
            "there is no terminal here: passwords come from --pw-env, --pw-cmd or --pw-file",
        ),
    }]
}

fn gpg_terminal(facts: &Facts) -> Vec<Seen> {
    const NAME: &str = "GPG_TTY";
    if !facts.uses_gpg || facts.surroundings.has_display() {
        return Vec::new();
    }
    let named = facts.surroundings.text(NAME);
    let mend = "export GPG_TTY=$(tty)";
    vec![match (named, &facts.terminal) {
        (None, _) => Seen::warning(
            NAME,
            "GPG_TTY is not set, there is no display, and an account is sealed for a key of gpg's",
        )
        .mend(mend),
        (Some(named), Some(terminal)) if named != *terminal => {
            Seen::warning(NAME, format!("GPG_TTY names {named}, and the terminal here is {terminal}"))
                .mend(mend)
        }
        (Some(named), _) => Seen::ok(NAME, format!("GPG_TTY names {named}")),
    }]
}

fn browser(facts: &Facts) -> Vec<Seen> {
    vec![match (facts.surroundings.has_display(), &facts.browser) {
        (false, _) => Seen::ok(
            "browser",
            "there is no display: logins are by a code on another device, or by a copied address",
        ),
        (true, Some(opener)) => Seen::ok("browser", format!("{opener} opens a browser")),
        (true, None) => Seen::warning("browser", "there is a display, and no program that opens a browser")
            .mend("install xdg-utils, or log in with `oidc gen --flow=device`"),
    }]
}

fn pinentry_works(facts: &Facts) -> Vec<Seen> {
    const MEND: &str = "install pinentry, or name another one in OIDC_PINENTRY and start the agent anew";
    vec![match &facts.pinentry {
        Pinentry::Unwanted => {
            Seen::ok("pinentry", "OIDC_PINENTRY is set to nothing: an agent that is started so asks nobody")
        }
        Pinentry::Missing(program) => {
            Seen::warning("pinentry", format!("there is no program {program}")).mend(MEND)
        }
        Pinentry::Silent(program) => Seen::problem("pinentry", format!("{program} says nothing")).mend(MEND),
        Pinentry::Broken(program) => {
            Seen::problem("pinentry", format!("{program} does not greet as a pinentry does")).mend(MEND)
        }
        Pinentry::Works(program) => Seen::ok("pinentry", format!("{program} works")),
    }]
}

fn redirect_ports(facts: &Facts) -> Vec<Seen> {
    let taken: Vec<_> =
        facts.ports.iter().filter(|(_, taken)| *taken).map(|(port, _)| port.to_string()).collect();
    if facts.ports.is_empty() {
        return Vec::new();
    }
    let all: Vec<_> = facts.ports.iter().map(|(port, _)| port.to_string()).collect();
    let mend =
        format!("end what listens there (`ss -ltnp 'sport = :{}'`), or log in with --flow=device", all[0]);
    vec![if taken.len() == facts.ports.len() {
        Seen::warning(
            "ports",
            format!("other programs have every port that a login comes back at: {}", taken.join(", ")),
        )
        .mend(mend)
    } else {
        let text = if taken.is_empty() {
            String::new()
        } else {
            format!("; other programs have {}", taken.join(", "))
        };
        Seen::ok("ports", format!("a login can come back at one of {}{text}", all.join(", ")))
    }]
}

#[cfg(test)]
mod tests;

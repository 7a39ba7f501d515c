//! What people read: the messages of `gen`, `add`, `token` and `reset`, each in its situation, said by the real programs at
//! the embedded provider. They stand in one text, so that they can be read in one go:
//! `tests/tests/snapshots/messages__catalogue.snap`. `INSTA_UPDATE=always cargo test -p oidc-tests --test messages` writes it
//! anew.

use std::{fmt::Write, process::Command, thread};

use oidc_tests::{
    agent::Agent,
    environment::{Environment, FileFormat, PASSWORD},
    http,
    programs::run,
    provider::{Endpoint, Fault, MetadataPlace, Provider, Quirks, Registration},
    scene::load_into,
    terminal::Terminal,
};
use regex::Regex;

/// What differs from run to run, and what stands for it.
const VOLATILE: &[(&str, &str)] = &[
    (r"127\.0\.0\.1(:|%3A)\d+", "127.0.0.1:PORT"),
    (r"localhost(:|%3A)\d{4,5}", "localhost:PORT"),
    (r"client-[A-Za-z0-9_-]{16}", "client-ID"),
    (r"\b[B-Z]{4}-[B-Z]{4}\b", "USER-CODE"),
    (r"\b\d{1,2}:\d\d left", "M:SS left"),
    (r"\b(state|nonce|code_challenge)=[^&\s]+", "$1=RANDOM"),
    (r"eyJ[A-Za-z0-9_.-]+", "TOKEN"),
    (r"HTTP/1\.1 \d+", "HTTP/1.1"),
];

/// An answer of a person: a part of what is asked, and what is typed.
type Answers<'a> = &'a [(&'a str, &'a str)];

/// A provider, an agent and a person, and what they say to each other.
struct Situation {
    agent: Agent,
    environment: Environment,
    provider: Provider,
    text: String,
}

impl Situation {
    fn new(title: &str) -> Self {
        Self::at(title, Quirks::default())
    }

    /// The person approves a device login at once.
    fn at(title: &str, quirks: Quirks) -> Self {
        let provider = Provider::with(Quirks { device_approved_at_poll: Some(1), ..quirks });
        let environment = Environment::new();
        let agent = Agent::start(&environment);
        Self { agent, environment, provider, text: format!("\n## {title}\n") }
    }

    /// With an account `acc` in a file.
    fn with_account(title: &str) -> Self {
        Self::with_account_at(title, Quirks::default())
    }

    fn with_account_at(title: &str, quirks: Quirks) -> Self {
        let situation = Self::at(title, quirks);
        situation.environment.add_account(&situation.provider.seed_account("acc"), FileFormat::Native);
        situation
    }

    /// With an account `acc` in a file and in the agent.
    fn loaded(title: &str) -> Self {
        Self::loaded_at(title, Quirks::default())
    }

    fn loaded_at(title: &str, quirks: Quirks) -> Self {
        let situation = Self::with_account_at(title, quirks);
        load_into(&situation.agent, &situation.environment, "acc");
        situation
    }

    fn change(self, change: impl FnOnce(&mut Quirks)) -> Self {
        self.provider.change(change);
        self
    }

    /// The command line, with `ISSUER` for the provider's address.
    fn command(&mut self, line: &str) -> Command {
        let _ = write!(self.text, "\n$ oidc {line}\n");
        let mut command = self.agent.command(&self.environment, "oidc");
        command.env("OIDC_NO_AUTOSTART", "1").args(words(line).map(|word| match word.as_str() {
            "ISSUER" => self.provider.issuer(),
            _ => word,
        }));
        command
    }

    /// Nobody is there to be asked.
    fn alone(mut self, line: &str) -> Self {
        let oidc = self.command(line);
        let mut command = Command::new("setsid");
        command.arg("--wait").arg(oidc.get_program()).args(oidc.get_args());
        command.env_clear().envs(oidc.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let finished = run(command);
        let code = finished.code.expect("an end");
        let _ = writeln!(self.text, "{}{}[{code}]", finished.stderr, finished.stdout);
        self
    }

    /// Somebody is there and answers; `^C` is the key.
    fn asked(mut self, line: &str, answers: Answers) -> Self {
        let mut terminal = Terminal::start(self.command(line));
        let (mut shown, mut asked, mut typed, mut read) = (String::new(), "", "", 0);
        for (question, answer) in answers {
            let before = terminal.expect(question);
            shown.push_str(&with_echo(asked, &before, typed));
            shown.push_str(question);
            (asked, typed, read) = (question, answer, read + before.len() + question.len());
            match *answer {
                "^C" => terminal.type_control('c'),
                "^D" => terminal.type_control('d'),
                "PASSWORD" => terminal.type_line(PASSWORD),
                "ISSUER" => terminal.type_line(&self.provider.issuer()),
                answer => terminal.type_line(answer),
            }
        }
        let (code, seen) = terminal.finish();
        shown.push_str(&with_echo(asked, &seen[read..], typed));
        let _ = writeln!(self.text, "{}[{code}]", on_screen(&shown));
        self
    }

    fn end(self) -> String {
        let root = self.environment.path("");
        self.text.replace(root.to_str().expect("a text").trim_end_matches('/'), "ROOT")
    }
}

/// The words of a line; `'` holds some together.
fn words(line: &str) -> impl Iterator<Item = String> {
    let parts = line.split('\'').enumerate();
    let words = parts.flat_map(|(number, part)| match number % 2 {
        0 => part.split_whitespace().map(str::to_owned).collect::<Vec<_>>(),
        _ => vec![part.to_owned()],
    });
    words.collect::<Vec<_>>().into_iter()
}

/// What follows a question, with the answer where its line was shown: the terminal of a test shows nothing that is typed.
fn with_echo(question: &str, after: &str, typed: &str) -> String {
    let is_whole = question.ends_with([':', ']']) && after.starts_with(' ');
    let end = if is_whole { Some(1) } else { after.find(": ").map(|at| at + 2) };
    let (rest, next) = end.map_or((after, "\n"), |end| after.split_at(end));
    // What is secret ends with a line of its own.
    if rest.contains('\n') || next.starts_with(['\r', '\n']) || typed.starts_with('^') {
        return after.to_owned();
    }
    format!("{rest}{typed}\n{next}")
}

/// What stays on the screen: without lines that others overwrote, and without the picture of a code.
fn on_screen(seen: &str) -> String {
    let mut shown = String::new();
    for line in seen.lines() {
        let last = line.split('\r').rfind(|part| !part.is_empty()).unwrap_or_default();
        // The picture comes byte by byte.
        if !last.chars().any(|letter| letter >= '\u{80}') {
            let _ = writeln!(shown, "{}", last.trim_end());
        }
    }
    shown
}

const NEW: &str = "gen acc --issuer ISSUER --scope 'openid profile offline_access' --flow device --pw-env";

fn new_with(more: &str) -> String {
    format!("{NEW} {more}")
}

fn refused(error: &str) -> Fault {
    Fault::OAuthError { status: 400, error: error.into(), description: Some("because".into()) }
}

fn r#gen() -> String {
    [dialogue(), registration(), login(), pending(), certificates(), existing()].concat()
}

fn dialogue() -> String {
    let nowhere = Quirks { metadata: MetadataPlace::Nowhere, ..Quirks::default() };
    [
        Situation::new("A newcomer is asked for everything, and mistypes some of it")
            .asked(
                "gen",
                &[
                    ("configure:", "../acc"),
                    ("configure:", "acc"),
                    ("Issuer", "http://op.example"),
                    ("Issuer", "https://127.0.0.1:1"),
                    ("Issuer", "ISSUER"),
                    ("Scopes", ""),
                    ("Enter encryption password", ""),
                    ("Enter encryption password", "PASSWORD"),
                    ("Confirm", "mistyped"),
                    ("Enter encryption password", "PASSWORD"),
                    ("Confirm", "PASSWORD"),
                ],
            )
            .end(),
        Situation::at("An address without a provider", nowhere).alone(&new_with("--prompt=none")).end(),
        Situation::new("Nobody can be asked")
            .alone("gen acc")
            .alone("gen acc --prompt=none")
            .alone("gen --prompt=none")
            .alone("gen acc --issuer ISSUER --scope openid -m --prompt=none")
            .alone("gen acc --issuer ISSUER --scope openid --flow device")
            .alone("gen acc --issuer ISSUER --scope openid --flow device --pw-env=UNSET --prompt=none")
            .alone("gen acc --delete")
            .end(),
        Situation::new("The person breaks off")
            .asked("gen acc", &[("Issuer", "^C")])
            .asked("gen acc --issuer ISSUER", &[("Scopes", "^D")])
            .asked("gen acc --issuer ISSUER --scope openid", &[("Enter encryption", "^C")])
            .end(),
    ]
    .concat()
}

fn registration() -> String {
    let closed = |registration| Quirks { registration, ..Quirks::default() };
    let mut away = Situation::new("The provider is away");
    away.provider.stop();
    [
        Situation::at("The provider registers nobody", closed(Registration::Closed))
            .alone(&new_with("--prompt=none"))
            .asked(NEW, &[("Client id:", "^C")])
            .end(),
        Situation::at("The provider has no registration", closed(Registration::Absent))
            .alone(&new_with("--prompt=none"))
            .asked(NEW, &[("Client id:", "unknown"), ("Client secret", "")])
            .end(),
        Situation::at(
            "The provider wants an initial access token",
            closed(Registration::Bearer("right".into())),
        )
        .alone(&new_with("--prompt=none"))
        .asked(NEW, &[("Initial access token", "wrong"), ("Initial access token", "right")])
        .end(),
        Situation::new("The registration has to do without something")
            .change(|quirks| quirks.refused_redirects = vec!["edu.kit".into()])
            .alone(NEW)
            .end(),
        Situation::new("The registration has to do without what an account needs")
            .change(|quirks| quirks.refused_redirects = vec!["edu.kit".into()])
            .change(|quirks| quirks.refused_scopes = vec!["offline_access".into()])
            .alone(NEW)
            .end(),
        Situation::new("The registration is refused whatever is asked for")
            .change(|quirks| quirks.refused_members = vec!["client_name".into()])
            .alone(&new_with("--prompt=none"))
            .end(),
        Situation::new("The provider drops a scope")
            .change(|quirks| quirks.drops_scopes = vec!["profile".into()])
            .alone(NEW)
            .end(),
        away.alone(&new_with("--prompt=none")).end(),
    ]
    .concat()
}

fn login() -> String {
    let unapproved = |situation: Situation| situation.change(|quirks| quirks.device_approved_at_poll = None);
    let failing = |title: &str, fault: Fault| {
        let situation = Situation::new(title);
        situation.provider.faults().set(Endpoint::Token, fault);
        situation.alone(NEW).end()
    };
    let short = Quirks { device_lifetime: 2, ..Quirks::default() };
    [
        Situation::new("A login by a code for another device")
            .alone(&NEW.replace("--flow device ", ""))
            .end(),
        unapproved(Situation::new("The person breaks off while the login is waited for"))
            .asked(NEW, &[("Waiting for the login", "^C")])
            .end(),
        unapproved(Situation::at("Nobody logs in in time", short)).alone(NEW).end(),
        failing("The person says no", refused("access_denied")),
        failing("The provider does not take the client", refused("invalid_client")),
        failing("The client may not log in this way", refused("unauthorized_client")),
        failing("The client does not get the scopes", refused("invalid_scope")),
        pasted(),
        Situation::new("By a refresh token that is none")
            .alone("gen acc --issuer ISSUER --scope openid --rt=none --client-id=c --client-secret= --pw-env")
            .end(),
        Situation::new("By user name and password")
            .asked(
                "gen acc --issuer ISSUER --scope openid --flow password --pw-env",
                &[("Username:", "ada"), ("Password:", ""), ("Password:", "^C")],
            )
            .end(),
    ]
    .concat()
}

/// The address that the browser comes to is pasted.
fn pasted() -> String {
    let mut situation = Situation::new("A browser on another machine");
    let line = NEW.replace("device", "code --no-webserver");
    let mut terminal = Terminal::start(situation.command(&line));
    terminal.expect("Browser of your choice:");
    let shown = terminal.expect("Address (Enter");
    let address = shown.split_whitespace().find(|word| word.starts_with("http")).expect("an address");
    let answer = http::get(address).send().expect("the provider answers");
    let redirected = answer.header("location").expect("a redirect").to_owned();
    for wrong in ["", "nonsense", "http://localhost:4242/?code=c&state=other"] {
        terminal.type_line(wrong);
        terminal.expect("Address (Enter");
    }
    terminal.type_line(&redirected);
    let (code, seen) = terminal.finish();
    let seen = on_screen(&seen).replace(&redirected, "REDIRECTED");
    let _ = writeln!(situation.text, "{seen}[{code}]");
    situation.end()
}

fn pending() -> String {
    let failed = |title: &str| {
        let situation = Situation::new(title);
        situation.provider.faults().set(Endpoint::Token, refused("access_denied"));
        let before = situation.text.clone();
        let situation = situation.alone(NEW);
        situation.provider.faults().clear_all();
        Situation { text: before, ..situation }
    };
    let lost = failed("A registration is left, and the provider has lost it");
    lost.provider.forget_clients();
    let kept = failed("A registration is left, and is not to be removed from here");
    let forbidden = Fault::Status { status: 403, retry_after: None, body: None };
    kept.provider.faults().set(Endpoint::ClientConfiguration, forbidden);
    [
        failed("A registration is left, and used").asked(NEW, &[("Do you want to use it?", "")]).end(),
        failed("A registration is left, and another one wanted")
            .asked(NEW, &[("Do you want to use it?", "no")])
            .end(),
        failed("A registration is left, and the person breaks off")
            .asked(NEW, &[("Do you want to use it?", "^C")])
            .end(),
        failed("A registration is left, and removed")
            .asked("gen --delete acc --pw-env", &[("Do you really want", "yes")])
            .end(),
        lost.alone(NEW).asked(NEW, &[("Do you want to use it?", "")]).end(),
        kept.alone("gen --delete acc --pw-env --confirm-yes").alone("reset acc --force").end(),
        failed("A registration is left of another issuer")
            .alone("gen acc --issuer https://other.example --scope openid --pw-env --prompt=none")
            .end(),
    ]
    .concat()
}

fn certificates() -> String {
    let situation = Situation::new("Certificates that are none");
    let file = situation.environment.path("notes");
    fs_err::write(&file, "no certificate").expect("written");
    let given = new_with(&format!("--cp {}", file.display()));
    situation.alone(&given).alone(&new_with("--cp /nonexistent/ca.pem")).end()
}

fn existing() -> String {
    let again = "gen acc --reauthenticate --flow device --pw-env";
    [
        Situation::with_account("There is an account of that name")
            .alone(NEW)
            .asked("gen", &[("configure:", "acc"), ("configure:", "^C")])
            .end(),
        Situation::with_account("A new login for an account")
            .alone(again)
            .alone("gen other --reauthenticate --pw-env")
            .asked("gen acc --reauthenticate", &[("Enter decryption", "^C")])
            .alone("gen acc --reauthenticate --flow refresh --pw-env")
            .alone("gen acc --reauthenticate --client-id other --pw-env")
            .alone("gen acc --reauthenticate --issuer https://other.example --pw-env")
            .end(),
        Situation::with_account("A new login that gets less")
            .change(|quirks| quirks.drops_scopes = vec!["profile".into()])
            .alone(&format!("{again} --scope 'openid profile'"))
            .end(),
        Situation::with_account("An account is deleted")
            .asked("gen --delete acc --pw-env", &[("Do you really want", "no")])
            .asked("gen --delete acc --pw-env", &[("Do you really want", "^C")])
            .asked(
                "gen --delete acc",
                &[
                    ("Do you really want", "yes"),
                    ("Enter decryption", "PASSWORD"),
                    ("Should this client", ""),
                ],
            )
            .alone("gen --delete acc --confirm-yes")
            .end(),
        Situation::with_account("A file is opened")
            .alone("gen --print other")
            .asked(
                "gen --print acc",
                &[("Enter decryption", "a"), ("Enter decryption", "b"), ("Enter decryption", "c")],
            )
            .alone("gen acc --rename acc --pw-env")
            .end(),
    ]
    .concat()
}

fn add() -> String {
    let damaged = Situation::with_account("An account file is damaged");
    let file = damaged.environment.account_file("acc");
    let bytes = fs_err::read(&file).expect("a file");
    fs_err::write(&file, &bytes[..bytes.len() / 2]).expect("written");
    let locked = Situation::with_account("The agent is locked");
    let lock = serde_json::json!({"request": "lock", "password": "lock"});
    assert_eq!(locked.agent.request(&lock).expect("a reply")["status"], "success");
    let mut alone = Situation::with_account("No agent runs");
    alone.agent.kill();
    [
        Situation::with_account("An account is loaded")
            .asked("add acc", &[("Enter decryption", "mistyped"), ("Enter decryption", "PASSWORD")])
            .alone("add acc --pw-env")
            .end(),
        Situation::with_account("An account cannot be loaded")
            .alone("add other --pw-env")
            .alone("add acc")
            .alone("add acc --pw-env=UNSET")
            .alone("add acc --pw-cmd 'echo wrong'")
            .alone("add acc --pw-cmd false")
            .alone("add acc --pw-file /nonexistent")
            .asked("add acc", &[("Enter decryption", "^C")])
            .asked("add acc", &[("Enter decryption", "^D")])
            .asked(
                "add acc",
                &[("Enter decryption", "a"), ("Enter decryption", "b"), ("Enter decryption", "c")],
            )
            .end(),
        damaged.alone("add acc --pw-env").end(),
        locked.alone("add acc --pw-env").alone("token acc").alone("gen other").end(),
        alone.alone("add acc --pw-env").alone("token acc").alone("reset acc --force").end(),
    ]
    .concat()
}

fn token() -> String {
    let failing = |title: &str, fault: Fault| {
        let situation = Situation::loaded(title);
        situation.provider.faults().set(Endpoint::Token, fault);
        situation.alone("token --force-new acc").end()
    };
    let ended = Situation::loaded("The login has ended");
    ended.provider.revoke_logins();
    let lost = Situation::loaded("The client is gone");
    lost.provider.forget_clients();
    let mut away = Situation::loaded("The provider is away");
    away.provider.stop();
    let page = Fault::Bytes {
        status: 200,
        content_type: "text/html".into(),
        body: b"<html><title>Maintenance</title></html>".to_vec(),
    };
    [
        Situation::loaded("A token").alone("token acc").end(),
        Situation::with_account("An account that is not loaded")
            .alone("token acc")
            .alone("token other")
            .alone("token https://other.example")
            .asked("token acc", &[("Enter decryption", "PASSWORD")])
            .end(),
        Situation::loaded("Other scopes than asked for")
            .change(|quirks| quirks.ignores_scope_on_refresh = true)
            .alone("token acc --scope openid")
            .alone("token acc --scope 'openid unknown'")
            .alone("token acc --scope unknown --strict")
            .end(),
        Situation::loaded("Longer than the provider grants").alone("token acc -t 100000 --strict").end(),
        ended.alone("token --force-new acc").end(),
        lost.alone("token --force-new acc").end(),
        away.alone("token --force-new acc").end(),
        failing("The provider is busy", Fault::Status { status: 503, retry_after: Some(20), body: None }),
        failing("The provider answers with a web page", page),
        failing("The scopes are refused", refused("invalid_scope")),
    ]
    .concat()
}

fn reset() -> String {
    let mut away = Situation::loaded("The provider is away");
    away.provider.stop();
    [
        Situation::with_account("What would go")
            .alone("reset acc --dry-run")
            .alone("reset acc")
            .asked("reset acc", &[("[y/N]", "n")])
            .asked("reset acc", &[("[y/N]", "y")])
            .alone("reset acc --force")
            .end(),
        Situation::loaded("An account that the agent holds").alone("reset acc --force").end(),
        away.alone("reset acc --force").end(),
    ]
    .concat()
}

#[test]
fn catalogue() {
    let parts = [("gen", r#gen as fn() -> String), ("add", add), ("token", token), ("reset", reset)];
    let threads = parts.map(|(title, part)| (title, thread::spawn(part)));
    let mut text = String::new();
    for (title, thread) in threads {
        let _ = write!(text, "\n# {title}\n{}", thread.join().expect("all of it"));
    }
    let text = VOLATILE.iter().fold(text, |text, (volatile, stands_for)| {
        Regex::new(volatile).expect("a pattern").replace_all(&text, *stands_for).into_owned()
    });
    insta::with_settings!({ omit_expression => true }, {
        insta::assert_snapshot!("catalogue", text);
    });
}

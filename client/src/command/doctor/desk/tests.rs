use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::command::doctor::check::{State, state_of};

fn facts(variables: &[(&'static str, &str)]) -> Facts {
    Facts { surroundings: Surroundings::with(variables), ..Facts::default() }
}

#[test]
fn each_fault_is_told() {
    let pinentry = |pinentry| Facts { pinentry, ..facts(&[]) };
    let ports = |ports: &[(u16, bool)]| Facts { ports: ports.to_vec(), ..facts(&[]) };
    let gpg = |variables: &[(&'static str, &str)]| Facts {
        uses_gpg: true,
        terminal: Some("/dev/pts/1".into()),
        ..facts(variables)
    };
    for (facts, code, expected) in [
        (facts(&[]), "terminal", Some(State::Ok)),
        (facts(&[]), "gpg_terminal", None),
        (gpg(&[]), "gpg_terminal", Some(State::Warning)),
        (gpg(&[("DISPLAY", ":0")]), "gpg_terminal", None),
        (gpg(&[("GPG_TTY", "/dev/pts/2")]), "gpg_terminal", Some(State::Warning)),
        (gpg(&[("GPG_TTY", "/dev/pts/1")]), "gpg_terminal", Some(State::Ok)),
        (facts(&[]), "browser", Some(State::Ok)),
        (facts(&[("WAYLAND_DISPLAY", "w")]), "browser", Some(State::Warning)),
        (
            Facts { browser: Some("xdg-open".into()), ..facts(&[("DISPLAY", ":0")]) },
            "browser",
            Some(State::Ok),
        ),
        (pinentry(Pinentry::Unwanted), "pinentry", Some(State::Ok)),
        (pinentry(Pinentry::Works("p".into())), "pinentry", Some(State::Ok)),
        (pinentry(Pinentry::Missing("p".into())), "pinentry", Some(State::Warning)),
        (pinentry(Pinentry::Silent("p".into())), "pinentry", Some(State::Problem)),
        (pinentry(Pinentry::Broken("p".into())), "pinentry", Some(State::Problem)),
        (ports(&[]), "redirect_ports", None),
        (ports(&[(1, false), (2, true)]), "redirect_ports", Some(State::Ok)),
        (ports(&[(1, true), (2, true)]), "redirect_ports", Some(State::Warning)),
    ] {
        assert_eq!(state_of(CHECKS, code, &facts), expected, "{code}: {facts:?}");
    }
}

#[test]
fn real_programs_are_told_apart() {
    let directory = tempfile::tempdir().expect("a directory");
    let script = |name: &str, body: &str| {
        let path = directory.path().join(name);
        fs_err::write(&path, format!("#!/bin/sh\n{body}\n")).expect("written");
        fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).expect("mode set");
        path.to_str().expect("UTF-8").to_owned()
    };
    let greets = script("greets", "echo OK hello; read line");
    let broken = script("broken", "exit 1");
    let silent = script("silent", "exec sleep 60");
    for (program, expected) in [
        (greets.clone(), Pinentry::Works(greets)),
        (broken.clone(), Pinentry::Broken(broken)),
        (silent.clone(), Pinentry::Silent(silent)),
        ("/no/such".to_owned(), Pinentry::Missing("/no/such".into())),
        (String::new(), Pinentry::Unwanted),
    ] {
        assert_eq!(pinentry(&Surroundings::with(&[("OIDC_PINENTRY", &program)])), expected);
    }
}

#[test]
fn ports_are_those_of_loopback_addresses() {
    let uris = [
        "http://localhost:4242",
        "edu.kit.data.oidc-agent:/redirect",
        "http://127.0.0.1:8080/x",
        "http://[",
        "http://localhost:4242/",
    ];
    assert_eq!(ports_of(&uris.map(str::to_owned)), [4242, 8080]);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bound");
    let port = listener.local_addr().expect("an address").port();
    assert_eq!(
        Facts::gather(Surroundings::with(&[("OIDC_PINENTRY", "")]), false, &[port]).ports,
        [(port, true)]
    );
}

//! Passwords of every kind, by every way they come: each is one and the same password.

use std::process::Command;

use oidc_tests::{
    agent::Agent,
    environment::Environment,
    programs::run,
    pty::{Pty, Shell},
};

struct Stage {
    agent: Agent,
    environment: Environment,
}

impl Stage {
    fn oidc(&self, arguments: &[&str], password: &str) -> Command {
        let mut command = self.agent.command(&self.environment, "oidc");
        command.args(arguments).env("OIDC_NO_AUTOSTART", "1").env("OIDC_ENCRYPTION_PW", password);
        command
    }
}

#[test]
fn a_password_is_the_same_whichever_way_it_comes() {
    let environment = Environment::new();
    let stage = Stage { agent: Agent::start(&environment), environment };
    let file = stage.environment.path("password");
    let path = file.to_str().expect("a path");
    let passwords = [
        "  blanks at both ends ".to_owned(),
        "Übergrößenträger".into(),
        "\"double\" and 'single' \\ $HOME `id` $(id) ${x} %s ; | & *".into(),
        "a\ttab".into(),
        "\u{1f511}\u{200d}\u{1f469}".into(),
        "null".into(),
        "y".repeat(4095),
    ];
    for password in &passwords {
        fs_err::write(&file, format!("{password}\nnot the first line\n")).expect("a file");
        let print = format!("head -n 1 '{path}'");
        run(stage.oidc(&["lock", "--pw-file", path], password)).success();
        let opened = run(stage.oidc(&["unlock", "--pw-cmd", &print], password));
        assert_eq!(opened.code, Some(0), "{password:.40}: {opened:?}");
        run(stage.oidc(&["lock", "--pw-env"], password)).success();
        let mut command = stage.oidc(&["unlock"], "");
        command.env_remove("OIDC_ENCRYPTION_PW");
        let mut pty = Pty::start(&command, Shell::Plain, b"");
        pty.expect("password: ");
        pty.type_keys(password.as_bytes());
        pty.type_keys(b"\n");
        let (status, shown) = pty.finish();
        assert_eq!(status, 0, "{password:.40}: {shown}");
    }
}

#[test]
fn nothing_is_no_password_and_another_form_is_another_one() {
    let environment = Environment::new();
    let stage = Stage { agent: Agent::start(&environment), environment };
    let file = stage.environment.path("password");
    fs_err::write(&file, "").expect("a file");
    for way in [["--pw-cmd", "true"], ["--pw-file", file.to_str().expect("a path")]] {
        let refused = run(stage.oidc(&[&["lock"][..], &way].concat(), "")).failure();
        assert!(refused.contains(way[0]) || refused.contains("password"), "{way:?}: {refused}");
    }
    run(stage.oidc(&["lock", "--pw-env"], "gr\u{fc}n ")).success();
    // A guesser is made to wait, so these are few.
    for near in ["gr\u{fc}n", "gru\u{308}n "] {
        let refused = run(stage.oidc(&["unlock", "--pw-env"], near));
        assert!(refused.code != Some(0) && !refused.stderr.contains("panicked"), "{near:?}: {refused:?}");
    }
}

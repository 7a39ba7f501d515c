//! The forgotten password of a file that has a recovery phrase: shown on a terminal, written down, and used without the
//! provider.

use std::{fs::Permissions, os::unix::fs::PermissionsExt};

use oidc_proto::vault::{self, Phrase, Protection, Recovery};
use oidc_tests::{
    environment::PASSWORD,
    scene::{ACCOUNT, Scene, access_token},
    terminal::Terminal,
};
use serde_json::json;

/// The words as they stand on the terminal, in their order.
fn written_down(shown: &str) -> Vec<String> {
    let mut words = shown.split_whitespace().skip_while(|word| *word != "again.").skip(1);
    let mut found = Vec::new();
    while let (Some(number), Some(word)) = (words.next(), words.next()) {
        match number.parse::<usize>() {
            Ok(number) if number == found.len() + 1 => found.push(word.to_owned()),
            _ => break,
        }
    }
    found
}

#[test]
fn a_phrase_that_was_written_down_opens_the_account_without_the_provider() {
    let scene = Scene::new();
    let mut terminal = Terminal::start(scene.command(&["passwd", "--add-recovery", ACCOUNT]));
    terminal.expect("Enter decryption password");
    terminal.type_line(PASSWORD);
    let shown = terminal.expect("what is word ");
    let words = written_down(&shown);
    assert_eq!(words.len(), 12, "{shown}");
    for round in 0..2 {
        let number: usize = terminal.expect("?").trim().parse().expect("a number");
        terminal.type_line(&words[number - 1]);
        if round == 0 {
            terminal.expect("what is word ");
        }
    }
    let (code, shown) = terminal.finish();
    assert!(code == 0 && shown.contains("opened by the password, or the recovery phrase"), "{shown}");
    let file = fs_err::read_to_string(scene.environment.account_file(ACCOUNT)).expect("a file");
    assert!(words.iter().filter(|word| word.len() > 4).all(|word| !file.contains(word.as_str())), "{file}");

    let before = scene.provider.log().requests().len();
    let mut terminal = Terminal::start(scene.command(&["passwd", "--recover", ACCOUNT]));
    terminal.expect("12 words:");
    terminal.type_line(&words.join(" "));
    terminal.expect("Enter new encryption password");
    terminal.type_line("another one");
    terminal.expect("Confirm new encryption password");
    terminal.type_line("another one");
    let (code, shown) = terminal.finish();
    assert!(code == 0 && shown.contains(&format!("New password set for '{ACCOUNT}'")), "{shown}");
    assert_eq!(scene.provider.log().requests().len(), before, "the provider was asked");

    let new = [("OIDC_ENCRYPTION_PW", "another one")];
    let added = scene.oidc_with(&["add", "--pw-env", ACCOUNT], &new);
    assert_eq!(added.code, Some(0), "{added:?}");
    access_token(&scene.ask(json!({})));
}

#[test]
fn without_a_terminal_no_phrase_is_made() {
    let scene = Scene::new();
    let path = scene.environment.account_file(ACCOUNT);
    let before = fs_err::read(&path).expect("a file");
    let password = [("OIDC_ENCRYPTION_PW", PASSWORD)];
    let refused = scene.oidc_with(&["passwd", "--add-recovery", "--pw-env", ACCOUNT], &password);
    assert_eq!(refused.code, Some(10), "{refused:?}");
    assert_eq!(fs_err::read(&path).expect("a file"), before);
}

/// A key that expired, or that is on another computer only: `gpg` encrypts for it no more.
#[test]
fn a_key_that_cannot_be_encrypted_for_hinders_no_phrase() {
    let scene = Scene::new();
    let (path, phrase) = (scene.environment.account_file(ACCOUNT), Phrase::random());
    let (account, password) = (scene.environment.read_account(ACCOUNT), PASSWORD.into());
    let recovery = Recovery::default().with_phrase(&phrase);
    let (bytes, _) =
        vault::seal_new(&account, &Protection::Recoverable(&password, &recovery)).expect("sealed");
    fs_err::write(&path, bytes).expect("written");
    let words = scene.environment.path("words");
    fs_err::write(&words, phrase.expose().as_bytes()).expect("written");

    let programs = scene.environment.path("programs");
    fs_err::create_dir(&programs).expect("a directory");
    let message = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/accounts/gpg/gpg-5.3.3");
    let (gpg, gone) = (programs.join("gpg"), scene.environment.path("gone"));
    let script = format!(
        "#!/bin/sh\ncat > /dev/null\n\
         if [ -e '{}' ]; then echo '[GNUPG:] INV_RECP 5 x' >&2; exit 2; fi\nsed '/END PGP/q' '{message}'\n",
        gone.display()
    );
    fs_err::write(&gpg, script).expect("written");
    fs_err::set_permissions(&gpg, Permissions::from_mode(0o700)).expect("executable");
    let search = format!("{}:{}", programs.display(), std::env::var("PATH").expect("a path"));
    let variables = [("OIDC_ENCRYPTION_PW", PASSWORD), ("PATH", &search), ("NEW", "another one")];
    let oidc = |arguments: &[&str]| scene.oidc_with(arguments, &variables);

    oidc(&["add", "--pw-env", ACCOUNT]).success();
    oidc(&["passwd", "--recovery-gpg", "me@example.org", "--pw-env", ACCOUNT]).success();
    fs_err::write(&gone, "").expect("written");
    // Whoever knows the password decides: nothing is taken away in passing.
    let refused = oidc(&["passwd", "--pw-env", "--new-pw-env=NEW", ACCOUNT]);
    assert_eq!(refused.code, Some(12), "{refused:?}");

    let words = words.to_str().expect("text");
    let recovered = oidc(&["passwd", "--recover", "--phrase-file", words, "--new-pw-env=NEW", ACCOUNT]);
    assert_eq!(recovered.code, Some(0), "{recovered:?}");
    let id = recovered.stderr.split("the recovery key ").nth(1).expect("a key is named");
    assert!(id.split(':').next().is_some_and(|id| id.len() == 16), "{recovered:?}");
    let bytes = fs_err::read(&path).expect("a file");
    let header = vault::header(&bytes).expect("a header");
    assert!(header.has_recovery_phrase && !header.has_recovery_key, "{recovered:?}");
    assert!(vault::unlock(&bytes, &"another one".into()).is_ok());
    assert!(vault::unlock_with_phrase(&bytes, &phrase).is_ok());

    // The same from the copy of an agent, whose gpg has no such key.
    fs_err::remove_file(&gone).expect("removed");
    oidc(&["passwd", "--recovery-gpg", "me@example.org", "--pw-env=NEW", ACCOUNT]).success();
    let copied = oidc(&["passwd", "--from-agent", "--force", "--new-pw-env", "OIDC_ENCRYPTION_PW", ACCOUNT]);
    assert_eq!(copied.code, Some(0), "{copied:?}");
    assert!(copied.stderr.contains("the recovery key that the file"), "{copied:?}");
    let bytes = fs_err::read(&path).expect("a file");
    assert!(vault::unlock(&bytes, &password).is_ok() && vault::unlock_with_phrase(&bytes, &phrase).is_ok());
}

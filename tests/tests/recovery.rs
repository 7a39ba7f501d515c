//! The forgotten password of a file that has a recovery phrase: shown on a terminal, written down, and used without the
//! provider.

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

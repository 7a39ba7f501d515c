//! What scripts for the C suite's `oidc-gen` rely on.

use super::{super::testing::Stage, NEW, error, good_agent, name};
use crate::say::{dialect::Dialect, exit::Exit};

#[test]
fn the_c_suites_scripts_find_its_sentences() {
    let mut stage = Stage::new(good_agent());
    stage.dialect = Dialect::CSuite;
    let run = stage.run(NEW);
    run.result.unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
    assert_eq!(
        run.stdout,
        "Registering Client ...\nGenerating account configuration ...\naccepted\nEverything setup correctly!\n"
    );

    // As recorded from 4.2.6 and 5.3.3.
    let mut stage = Stage::new(good_agent());
    stage.dialect = Dialect::CSuite;
    let manual = ["-m", "--client-id=c", "--client-secret=s", "--rt=rt"];
    let run = stage.run(&[NEW, &manual].concat());
    run.result.unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
    assert_eq!(
        run.stdout,
        "No account exists with this short name. Creating new configuration ...\nGenerating account configuration ...\n\
         success\nThe generated account config was successfully added to oidc-agent. You don't have to run oidc-add.\n\
         Everything setup correctly!\n"
    );
    let run = stage.run(&["-d", "acc", "--confirm-yes", "--pw-cmd", "echo pw"]);
    run.result.unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
    assert_eq!(
        run.stdout,
        "The generated account was successfully removed from oidc-agent. You don't have to run oidc-add.\n\
         Successfully deleted account configuration.\n"
    );
}

#[test]
fn only_a_whole_yes_deletes_under_the_c_suites_name() {
    for (answer, is_deleted) in [("y", false), ("Yes", false), ("", false), ("quit", false), ("yes", true)] {
        let mut stage = Stage::new(good_agent());
        stage.run(NEW).result.expect("an account");
        stage.dialect = Dialect::CSuite;
        let answers = [("Do you really want to delete", answer), ("Should this client", "yes")];
        let mut stage = stage.with_answers(&answers);
        let run = stage.run(&["-d", "acc", "--pw-cmd", "echo pw"]);
        run.result.unwrap_or_else(|error| panic!("{answer}: {error}: {}", run.stderr));
        assert_eq!(!stage.home().file(&name()).exists(), is_deleted, "{answer}");
    }
    let mut stage = Stage::new(good_agent());
    stage.run(NEW).result.expect("an account");
    let mut stage = stage.with_answers(&[("Do you really want", "quit")]);
    assert_eq!(error(stage.run(&["-d", "acc"])).exit(), Exit::Refused);
}

#[test]
fn options_that_contradict_each_other_end_as_the_name_of_the_command_wants_it() {
    for (dialect, line, exit) in [
        (Dialect::CSuite, &["-u", "acc", "--no-save"][..], Exit::Failure),
        (Dialect::CSuite, &["acc", "--rename=x", "--no-save"], Exit::Failure),
        (Dialect::CSuite, &["-d"], Exit::Usage),
        (Dialect::CSuite, &["--rename=x"], Exit::Failure),
        (Dialect::Ours, &["-u", "acc", "--no-save"], Exit::Usage),
        (Dialect::Ours, &["-d"], Exit::Usage),
        (Dialect::Ours, &["--rename=x"], Exit::Usage),
    ] {
        let mut stage = Stage::new(good_agent());
        stage.dialect = dialect;
        assert_eq!(error(stage.run(line)).exit(), exit, "{dialect:?} {line:?}");
    }
}

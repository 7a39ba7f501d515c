//! Accounts that are there already: another login, another name, their end.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use oidc_proto::{
    account::AccountConfig,
    message::{Flow, RemoteOutcome, Reply, Request, ResetReport},
    shortname::Shortname,
    vault::{self, Format, Protection},
};

use super::{super::testing::Stage, NEW, agent_that_fails_once, error, good_agent, last_login, name, stored};
use crate::say::{dialect::Dialect, exit::Exit};

#[test]
fn whoever_breaks_off_a_deletion_has_lost_nothing() {
    let mut stage = Stage::new(good_agent());
    stage.run(NEW).result.expect("an account");
    let asked = stage.requests().len();
    for answers in [&[("Do you really", "^C")][..], &[("Do you really", "yes"), ("Should this client", "^C")]]
    {
        stage = stage.with_answers(answers);
        let run = stage.run(&["acc", "--delete", "--pw-cmd", "echo pw"]);
        assert!(
            run.stderr.ends_with("Nothing was deleted, neither here nor at the provider.\n"),
            "{}",
            run.stderr
        );
        assert_eq!(error(run).exit(), Exit::Interrupted);
    }
    let names: Vec<_> = stage.requests()[asked..].iter().map(Request::name).collect();
    assert!(!names.contains(&"delete") && !names.contains(&"delete_client"), "{names:?}");
}

#[test]
fn a_new_login_takes_the_scopes_and_the_flow_that_are_given_and_refuses_the_rest() {
    let mut stage = Stage::new(good_agent());
    stage.run(NEW).result.expect("an account");
    let again = ["acc", "--reauthenticate", "--pw-cmd", "echo pw"];
    let run = stage.run(&[&again[..], &["--scope", "openid email", "--flow", "device"]].concat());
    run.result.unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
    assert!(!run.stderr.contains("Generating account configuration"), "{}", run.stderr);
    let login = last_login(&stage);
    assert_eq!(login.config.auth_scope.as_deref(), Some("openid email offline_access"));
    assert_eq!(login.flows, [Flow::Device]);
    assert_eq!(stored(&stage).auth_scope.as_deref(), Some("openid email offline_access"));

    let before = stage.requests().len();
    for (option, reason) in [
        ("--client-id=x", "`oidc gen -m acc` gives it another one"),
        ("--pub", "keeps its client"),
        ("--at=t", "no client is registered"),
        ("--only-at", "the new login is stored"),
        ("--issuer=https://other.example", "is one at https://op.example"),
        ("--flow=refresh", "--rt-file"),
    ] {
        let error = error(stage.run(&[&again[..], &[option]].concat()));
        assert!(error.to_string().contains(reason), "{option}: {error}");
        assert_eq!(error.exit(), Exit::Usage, "{option}");
    }
    assert!(!stage.requests()[before..].iter().any(|request| request.name() == "gen"));

    let mut stage = stage.with_answers(&[("Enter decryption", "^C")]);
    let run = stage.run(&again[..2]);
    assert!(run.stderr.contains("keeps the login that it had"), "{}", run.stderr);
}

#[test]
fn an_account_of_a_refresh_token_can_log_in_by_any_way_later() {
    for (answers, uri) in [
        (&[][..], "http://localhost:8080"),
        (&[("Redirect_uris", "http://localhost:2345"), ("never", "")], "http://localhost:2345"),
    ] {
        let mut stage = Stage::new(good_agent());
        stage.machine.has_display = true;
        let line = ["--rt", "imported", "--client-id", "cid", "--client-secret=", "--prompt=none"];
        stage.run(&[NEW, &line].concat()).result.expect("an account");
        stage = stage.with_answers(answers);
        let run = stage.run(&["acc", "--reauthenticate", "--pw-cmd", "echo pw"]);
        run.result.unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
        let login = last_login(&stage);
        assert_eq!(login.config.redirect_uris[0], uri);
        assert_eq!(login.flows, [Flow::Code, Flow::Device]);
        assert_eq!(stored(&stage).client_id.as_deref(), Some("cid"));
    }
}

#[test]
fn own_certificates_are_kept_with_the_account_and_those_of_the_system_are_not() {
    let own = tempfile::tempdir().expect("a directory");
    let path = own.path().join("ca.pem");
    let pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    fs_err::write(&path, pem).expect("written");
    let option = format!("--cp={}", path.display());

    let mut stage = Stage::new(agent_that_fails_once());
    error(stage.run(&[NEW, &[&option]].concat()));
    assert_eq!(stage.home().read_certificates(&name()).expect("readable"), None, "the login failed");
    let run = stage.run(&[NEW, &[&option]].concat());
    run.result.unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
    let copy = stage.home().certificates_path(&name());
    assert_eq!(fs_err::read_to_string(&copy).expect("a copy"), pem);
    assert_eq!(last_login(&stage).config.cert_path.as_deref(), copy.to_str());
    assert_eq!(stored(&stage).cert_path.as_deref(), copy.to_str());

    stage.run(&["acc", "--rename", "new", "--pw-cmd", "echo pw"]).result.expect("renamed");
    assert!(!copy.exists());
    let copy = stage.home().certificates_path(&"new".parse().expect("a name"));
    let run = stage.run(&["--print", "new", "--pw-cmd", "echo pw"]);
    let account = AccountConfig::parse(run.stdout.as_bytes()).expect("an account");
    assert!(copy.exists() && account.cert_path.as_deref() == copy.to_str(), "{account:?}");
    stage.run(&["new", "--delete", "--confirm-yes", "--pw-cmd", "echo pw"]).result.expect("deleted");
    assert!(!copy.exists());
}

#[test]
fn a_file_loses_its_recovery_phrase_with_a_warning_alone() {
    let phrase = vault::Phrase::random();
    let (password, recovery) = ("pw".into(), vault::Recovery::default().with_phrase(&phrase));
    let opens = |stage: &Stage| {
        let bytes = stage.home().read(&name()).expect("a file");
        vault::unlock_with_phrase(&bytes, &phrase).is_ok()
    };
    let lost = "no place for a recovery phrase or key: those";
    for (dialect, options, stays) in [
        (Dialect::CSuite, &["-u", "acc"][..], true),
        (Dialect::CSuite, &["-u", "acc", "--format", "oidc-agent"], false),
        (Dialect::Ours, &["--update", "acc"], true),
        (Dialect::Ours, &["--update", "acc", "--format", "oidc-agent"], false),
        (Dialect::Ours, &["acc", "-m", "--rt=new", "--format", "oidc-agent"], false),
    ] {
        let mut stage = Stage::new(good_agent());
        stage.run(NEW).result.expect("an account");
        let protection = Protection::Recoverable(&password, &recovery);
        let (bytes, _) = vault::seal_new(&stored(&stage), &protection).expect("sealed");
        fs_err::write(stage.home().file(&name()), bytes).expect("written");
        stage.dialect = dialect;
        let run = stage.run(&[options, &["--pw-cmd", "echo pw"][..]].concat());
        run.result.unwrap_or_else(|error| panic!("{options:?}: {error}: {}", run.stderr));
        assert_eq!(opens(&stage), stays, "{options:?}: {}", run.stderr);
        assert_eq!(run.stderr.contains(lost), !stays, "{options:?}: {}", run.stderr);
    }
}

#[test]
fn an_account_is_logged_in_anew_renamed_and_converted() {
    let mut stage = Stage::new(good_agent());
    stage.run(NEW).result.expect("an account");
    let pw = ["--pw-cmd", "echo pw"];
    let run = stage.run(&[&["acc", "--reauthenticate", "--flow", "code"][..], &pw].concat());
    run.result.unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
    assert!(stored(&stage).registration_access_token.is_some());

    let run = stage.run(&[&["--update", "acc", "--format", "oidc-agent"][..], &pw].concat());
    run.result.unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
    assert_eq!(run.stdout, "Updated config file format\n");
    assert_eq!(vault::format_of(&stage.home().read(&name()).expect("a file")), Ok(Format::OidcAgent));
    stage.run(&[&["--update", "acc"][..], &pw].concat()).result.expect("converted back");
    assert_eq!(vault::format_of(&stage.home().read(&name()).expect("a file")), Ok(Format::Native));

    let run = stage.run(&[&["acc", "--rename", "new"][..], &pw].concat());
    run.result.unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
    assert_eq!(stage.home().list().expect("a listing"), ["new".parse::<Shortname>().expect("a name")]);

    let run = stage.run(&[&["--print", "new"][..], &pw].concat());
    let printed = AccountConfig::parse(run.stdout.as_bytes()).expect("an account");
    assert_eq!(printed.name.as_deref(), Some("new"));
    assert!(printed.registration_access_token.is_some());
}

#[test]
fn an_existing_account_is_not_overwritten() {
    let mut stage = Stage::new(good_agent());
    stage.run(NEW).result.expect("an account");
    let before = stage.home().read(&name()).expect("a file");
    let text = error(stage.run(NEW)).to_string();
    assert!(text.starts_with("An account with that shortname is already configured"), "{text}");
    assert_eq!(stage.home().read(&name()).expect("a file"), before);
}

#[test]
fn an_account_that_the_agent_holds_is_deleted_without_its_password() {
    let made = Arc::new(AtomicUsize::new(0));
    let loaded = Arc::clone(&made);
    let mut agent = good_agent();
    let mut stage = Stage::new(move |request| match request {
        Request::LoadedAccounts if loaded.load(Ordering::SeqCst) > 0 => {
            Reply::success_with(vec!["acc".to_owned()])
        }
        Request::Reset(_) => Reply::success_with(
            ResetReport {
                was_loaded: true,
                refresh_token: RemoteOutcome::Done,
                client: RemoteOutcome::Done,
                ..ResetReport::default()
            }
            .to_info(),
        ),
        other => agent(other),
    });
    stage.run(NEW).result.expect("an account");
    made.store(1, Ordering::SeqCst);
    let run = stage.run(&["acc", "--delete", "--confirm-yes"]);
    run.result.unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
    assert_eq!(stage.request_names().last(), Some(&"reset"));
    assert_eq!(run.stdout, "Successfully deleted account configuration.\n");
    assert!(run.stderr.contains("Deleted oidc client."));
    assert!(stage.home().list().expect("a listing").is_empty());
}

#[test]
fn an_account_that_is_not_loaded_is_decrypted_revoked_and_deleted() {
    let mut stage = Stage::new(good_agent());
    stage.run(NEW).result.expect("an account");
    let run = stage.run(&["acc", "--delete", "--confirm-yes", "--pw-cmd", "echo pw"]);
    run.result.unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
    let names = stage.request_names();
    assert_eq!(names[names.len() - 3..], ["delete", "delete_client", "remove"]);
    assert!(stage.home().list().expect("a listing").is_empty());
}

//! Offers that a prompt program answers from a script, and logins that end as told.

use std::{
    os::{fd::AsFd, unix::net::UnixStream},
    path::PathBuf,
    pin::Pin,
};

use oidc_proto::{account::AccountConfig, peer::Peer};
use tempfile::TempDir;

use super::{
    super::{
        account::Flags,
        held::Open,
        login_offers::LogIn,
        testing::{Bench, START},
    },
    *,
};
use crate::{
    caller::{Caller, Executable, Role, Standing},
    settings::options::Options,
};

const OK: &str = "echo OK";
const NOT_NOW: &str = "echo 'ERR 83886179 Operation cancelled'";
const NEVER: &str = "exec sleep 600";

/// Ends each login like this, or never.
struct Login(Option<Result<(), Failure>>);

impl LogIn for Login {
    fn log_in(
        self: Arc<Self>,
        _: Arc<Account>,
        _: Pinentry,
    ) -> Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>> {
        Box::pin(async move {
            match &self.0 {
                Some(ended) => ended.clone(),
                None => std::future::pending().await,
            }
        })
    }
}

fn options(auto_reauthenticate: Option<bool>) -> Options {
    Options { auto_reauthenticate, ..Options::default() }
}

/// An agent with a loaded account whose login is dead.
async fn bench() -> (Bench, Arc<Account>) {
    let bench = Bench::with(options(Some(true)));
    bench.add("https://op.example", "acc").await;
    let account = bench.accounts.find(&"acc".parse().expect("a name")).expect("loaded");
    account.with_open(|open| open.standing.refused(dead())).expect("not locked");
    (bench, account)
}

fn dead() -> Failure {
    Failure::new(ErrorCode::LoginNeeded, "invalid_grant: expired")
}

/// A prompt program that does this when it is to open its window.
fn pinentry(answer: &str) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let program = directory.path().join("pinentry");
    let script = format!(
        "#!/bin/sh\necho OK\nwhile read -r line; do case \"$line\" in CONFIRM) {answer};; BYE) echo OK; exit;; \
         *) echo OK;; esac; done\n"
    );
    fs_err::write(&program, script).expect("written");
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    fs_err::set_permissions(&program, executable).expect("executable");
    (directory, program)
}

/// Makes an offer as a request does; `meanwhile` happens when it stands.
async fn conducted(
    bench: &Bench,
    account: &Arc<Account>,
    (answer, login): (&str, Login),
    meanwhile: impl AsyncFnOnce(&Accounts),
) -> Ended {
    let (_directory, program) = pinentry(answer);
    let accounts = &bench.accounts;
    let login: Arc<dyn LogIn> = Arc::new(login);
    accounts.log_in_by(Arc::downgrade(&login));
    let Offered::Ours(offer) = accounts.0.offers.wish(&account.name, accounts.now().boot) else {
        panic!("not offered")
    };
    let _waits = offer.subscribe();
    let pinentry = Pinentry::at(program);
    let conduct = accounts.conduct(&offer, account, &pinentry, "Log in?".to_owned(), Subject::Loaded);
    let (ended, ()) = tokio::join!(conduct, meanwhile(accounts));
    ended
}

#[tokio::test]
async fn what_the_person_says_and_how_the_login_ends() {
    let failed = Failure::new(ErrorCode::ProviderRefused, "access_denied");
    for (answer, login, expected) in [
        (OK, Some(Ok(())), Ok(())),
        (OK, Some(Err(failed)), Err("The new login failed: access_denied.")),
        (NOT_NOW, None, Err("The person does not want to log in now.")),
        ("exit", None, Err("The agent offered a new login, but cannot ask")),
    ] {
        let (bench, account) = bench().await;
        let ended = conducted(&bench, &account, (answer, Login(login)), async |_| {}).await;
        match (&ended, expected) {
            (Ended::LoggedIn, Ok(())) => {}
            (Ended::ToNothing(why), Err(expected)) => assert!(why.starts_with(expected), "{answer}: {why}"),
            _ => panic!("{answer}: {ended:?}"),
        }
    }
}

#[tokio::test]
async fn an_offer_is_taken_back_when_it_is_of_no_use_any_more() {
    let name = || "acc".parse().expect("a name");
    for answer in [NEVER, OK] {
        let (bench, account) = bench().await;
        let ended = conducted(&bench, &account, (answer, Login(None)), async |accounts| {
            accounts.remove(&name());
        });
        let Ended::TakenBack(why) = ended.await else { panic!("not taken back") };
        assert_eq!(why.code, ErrorCode::AccountNotLoaded, "{answer}");

        let (bench, account) = self::bench().await;
        let ended = conducted(&bench, &account, (answer, Login(None)), async |accounts| {
            let config = AccountConfig {
                refresh_token: Some("rt-2".into()),
                ..account.with_open(|open| open.config.clone()).expect("open")
            };
            accounts.admit(config, None).await.expect("loaded");
        });
        assert_eq!(ended.await, Ended::LoggedIn, "{answer}: somebody has logged in elsewhere");
    }
    let (bench, account) = bench().await;
    let ended = conducted(&bench, &account, (NEVER, Login(None)), async |accounts| {
        accounts.lock("sesame".into()).await.expect("locked");
    });
    assert_eq!(ended.await, Ended::TakenBack(Box::new(Failure::agent_locked())));
}

#[tokio::test]
async fn only_who_has_a_person_before_it_has_one_asked() {
    for (option, has_display, allowed, role, is_offered) in [
        (Some(true), true, true, Role::Owner, true),
        (Some(true), false, true, Role::Owner, false),
        (Some(true), true, false, Role::Owner, false),
        (Some(true), true, true, Role::Member, false),
        (Some(false), true, true, Role::Owner, false),
        (None, true, true, Role::Owner, false),
    ] {
        let bench = Bench::with(options(option));
        bench.add("https://op.example", "acc").await;
        let account = bench.accounts.find(&"acc".parse().expect("a name")).expect("loaded");
        let (ours, _theirs) = UnixStream::pair().expect("a pair");
        let peer = Peer { uid: 1, gid: 1, pid: None };
        let asking = Asking::new(Caller::new(peer, role, ours.as_fd()), None, allowed);
        let display = ("DISPLAY".to_owned(), ":7".to_owned());
        let environment = if has_display { vec![display] } else { Vec::new() };
        let process = Process { environment, ..Process::default() };
        let outcome = bench
            .accounts
            .may_offer(&account, &asking)
            .then(|| bench.accounts.outcome(&account, &asking, &process, &dead(), Subject::Loaded));
        assert_eq!(outcome.flatten().is_some(), is_offered, "{option:?} {has_display} {allowed} {role:?}");
    }
}

#[tokio::test]
async fn nobody_logs_in_for_a_robot() {
    let bench = Bench::with(options(Some(true)));
    let config = AccountConfig {
        name: Some("robot".into()),
        issuer_url: Some("https://op.example".into()),
        client_id: Some("c".into()),
        client_secret: Some("s".into()),
        grant_type: Some("client_credentials".into()),
        ..AccountConfig::default()
    };
    let account =
        Arc::new(Account::new("robot".parse().expect("a name"), Open::new(config), Flags::default(), None));
    assert!(!bench.accounts.may_offer(&account, &Asking::new(Caller::unseen(), None, true)));
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_told_at_once_that_the_agent_is_locked_and_does_not_wait_for_ever() {
    let (bench, account) = bench().await;
    let accounts = &bench.accounts;
    let Offered::Ours(offer) = accounts.0.offers.wish(&account.name, accounts.now().boot) else {
        panic!("not offered")
    };
    let began = Instant::now();
    let ended = accounts.end_of(offer.subscribe()).await.expect("not locked");
    assert_eq!(ended, Ended::ToNothing("Nobody has logged in so far.".into()));
    assert_eq!(began.elapsed(), deadlines::QUESTION + deadlines::LOGIN);
    assert!(bench.clock.now().wall >= START);
    accounts.lock("sesame".into()).await.expect("locked");
    assert_eq!(accounts.end_of(offer.subscribe()).await, Err(Failure::agent_locked()));
}

#[test]
fn a_question_fits_a_line_of_the_protocol() {
    for long in ["x".repeat(2000), "%".repeat(2000), "\u{1f600}".repeat(2000), "\n".repeat(2000)] {
        let config = AccountConfig { issuer_url: Some(long.clone()), ..AccountConfig::default() };
        let name = "n".repeat(200).parse().expect("a name");
        let account = Account::new(name, Open::new(config), Flags::default(), None);
        let process = Process {
            pid: Some(i32::MAX),
            executable: Some(Executable { path: long.clone(), standing: Standing::Deleted }),
            command_line: Some(long.clone()),
            terminal: Some(format!("/dev/{long}").into()),
            unit: Some(long.clone()),
            ..Process::default()
        };
        let asker = Asking::new(Caller::unseen(), Some(&long), true).description(&process);
        let failure = Failure::new(ErrorCode::LoginNeeded, long.clone());
        let question = description(&account, &failure, &asker);
        let escapes = 2 * question.chars().filter(|c| matches!(c, '\n' | '%')).count();
        assert!("SETDESC ".len() + question.len() + escapes < 1000, "{}", question.len() + escapes);
    }
}

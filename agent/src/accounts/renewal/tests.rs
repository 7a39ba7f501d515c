//! Renewal with a played provider and a file on the disk.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use super::super::{
    source::{Unanswered, played::Played},
    testing::{Bench, File, granted, refused, token_request},
};
use super::*;
use crate::{caller::Caller, provider::TokenResponse};

type Answers = Arc<Mutex<VecDeque<Result<TokenResponse, Unanswered>>>>;

/// A provider that gives these answers in turn, and the account's file.
async fn answering(
    answers: impl IntoIterator<Item = Result<TokenResponse, Unanswered>>,
) -> (Bench, Played, File) {
    let answers: Answers = Arc::new(Mutex::new(answers.into_iter().collect()));
    let played = Played::new(true, move |_| {
        let next = answers.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        next.expect("the provider is asked no more often than expected")
    });
    let bench = Bench::new();
    let file = bench.add_played(&played).await;
    (bench, played, file)
}

fn code(result: Result<Arc<super::super::CachedToken>, Failure>) -> &'static str {
    result.map_or_else(|failure| failure.code.as_str(), |_| "token")
}

async fn new_token(bench: &Bench) -> &'static str {
    let request = oidc_proto::message::TokenRequest {
        validity: oidc_proto::message::Validity::ForceNew,
        ..token_request("acc")
    };
    code(bench.accounts.access_token(request, Caller::unseen()).await)
}

fn current(bench: &Bench) -> String {
    bench.held(|open| open.tokens.current().map(|token| token.expose().to_owned()).unwrap_or_default())
}

/// The account has gone on from `rt-1` to `rt-2`. What happens on the disk then; what a request gives, what it sends,
/// and what stands in the file after a successor `rt-3`.
#[tokio::test(start_paused = true)]
async fn the_newest_token_is_sent_and_its_successor_stored() {
    type Row = (&'static str, fn(&File, &[u8]), &'static str, &'static str, &'static str);
    let rows: &[Row] = &[
        ("nothing happens", |_, _| {}, "token", "rt-2", "rt-3"),
        ("another program's token", |file, _| file.set_token("rt-7"), "token", "rt-7", "rt-3"),
        ("the same beside the file", |file, _| file.put_beside("rt-7"), "token", "rt-7", "rt-3"),
        ("a spent one is put back", |file, _| file.set_token("rt-1"), "token", "rt-2", "rt-3"),
        ("a whole older file is put back", |file, older| file.put(older), "token", "rt-2", "rt-3"),
        ("the token is taken out", |file, _| file.set_token(""), "token", "rt-2", "rt-3"),
        (
            "another login",
            |file, _| {
                file.change(|account| {
                    (account.client_id, account.refresh_token) = (Some("d".into()), Some("rt-1".into()));
                });
            },
            "token",
            "rt-1",
            "rt-3",
        ),
        (
            "another client, and no login",
            |file, _| {
                file.change(|account| {
                    (account.client_id, account.refresh_token) = (Some("d".into()), None);
                });
            },
            "token",
            "",
            "rt-3",
        ),
        ("the file is deleted", |file, _| file.delete(), "token", "rt-2", ""),
        (
            "the file is damaged",
            |file, _| file.put(b"{\"format\":\"oidc-account/1\"}"),
            "token",
            "rt-2",
            "damaged",
        ),
        ("another password", |file, _| file.rekey(), "account_not_loaded", "nothing", "another key"),
        ("no room for a successor", |file, _| file.block_successors(), "write_failed", "nothing", "rt-2"),
    ];
    for (what, happens, gives, sends, in_file) in rows {
        let answers = [granted("at-1", "rt-2"), granted("at-2", "rt-3")].map(Ok);
        let (bench, played, file) = answering(answers).await;
        let older = file.bytes();
        assert_eq!(new_token(&bench).await, "token", "{what}");
        assert_eq!(file.token(), "rt-2", "{what}");
        happens(&file, &older);
        assert_eq!(new_token(&bench).await, *gives, "{what}");
        let sent = played.asked().get(1).cloned().unwrap_or_else(|| "nothing".to_owned());
        assert_eq!(sent, *sends, "{what}");
        match *in_file {
            "damaged" => assert!(bench.held(|open| open.tokens.kept() != Kept::Nowhere), "{what}"),
            "another key" => assert!(bench.held(|open| open.standing.is_rekeyed()), "{what}"),
            expected => assert_eq!(file.token(), expected, "{what}"),
        }
    }
}

/// What another program does while the provider is asked, what the request gives, and which token is in memory and in
/// the file afterwards.
#[tokio::test(start_paused = true)]
async fn what_happens_while_the_provider_is_asked() {
    type Row = (&'static str, fn(&File), &'static str, &'static str, &'static str);
    let rows: &[Row] = &[
        ("nothing", |_| {}, "token", "rt-2", "rt-2"),
        ("another one stores a token", |file| file.set_token("rt-9"), "token", "rt-9", "rt-9"),
        ("the spent one is stored again", |file| file.set_token("rt-1"), "token", "rt-2", "rt-2"),
        ("the file is deleted", |file| file.delete(), "token", "rt-2", ""),
        (
            "something else of the account changes",
            |file| file.change(|account| account.scope = Some("profile".into())),
            "token",
            "rt-2",
            "rt-2",
        ),
    ];
    for (what, happens, gives, in_memory, in_file) in rows {
        let disk = Arc::new(OnceLock::<File>::new());
        let played = Played::new(true, {
            let (disk, happens) = (Arc::clone(&disk), *happens);
            move |_| {
                happens(disk.get().expect("set"));
                Ok(granted("at-1", "rt-2"))
            }
        });
        let bench = Bench::new();
        let file = bench.add_played(&played).await;
        let file = disk.get_or_init(|| file);
        assert_eq!(new_token(&bench).await, *gives, "{what}");
        assert_eq!((current(&bench).as_str(), file.token().as_str()), (*in_memory, *in_file), "{what}");
        assert!(!bench.held(|open| open.tokens.is_unsaved()), "{what}");
    }
}

/// What stands in the file by the time the provider calls the token dead: is another one tried, and what is known then?
#[tokio::test(start_paused = true)]
async fn a_dead_token_is_believed_when_there_is_no_other() {
    type Row = (&'static str, fn(&File), &'static str, &'static [&'static str], bool);
    let rows: &[Row] = &[
        ("nothing new", |_| {}, "login_needed", &["rt-1"], true),
        ("another program's", |file| file.set_token("rt-7"), "token", &["rt-1", "rt-7"], false),
        ("no file", |file| file.delete(), "login_needed", &["rt-1"], true),
    ];
    for (what, happens, gives, asked, is_dead) in rows {
        let disk = Arc::new(OnceLock::<File>::new());
        let played = Played::new(true, {
            let (disk, happens) = (Arc::clone(&disk), *happens);
            move |question| {
                if question.secret.is_some_and(|secret| secret.expose() == "rt-7") {
                    return Ok(granted("at-1", ""));
                }
                happens(disk.get().expect("set"));
                Err(refused(400, "invalid_grant"))
            }
        });
        let bench = Bench::new();
        disk.set(bench.add_played(&played).await).unwrap_or_else(|_| unreachable!("set once"));
        assert_eq!(new_token(&bench).await, *gives, "{what}");
        assert_eq!(played.asked(), *asked, "{what}");
        assert_eq!(bench.held(|open| open.standing.refusal().is_some()), *is_dead, "{what}");
        // Nothing is asked twice with a dead token, but what another login brings is.
        assert_eq!(new_token(&bench).await, *gives, "{what}");
        if *is_dead {
            assert_eq!(played.asked(), *asked, "{what}");
            assert!(bench.accounts.status()[0].login_needed.is_some(), "{what}");
        }
    }
}

/// Whether the provider is known to replace the token, and whether it is asked where a successor finds no room.
#[tokio::test(start_paused = true)]
async fn without_room_it_matters_whether_the_token_is_replaced() {
    for (answer, is_asked) in [("rt-2", false), ("", true)] {
        let answers = [granted("at-1", answer), granted("at-2", answer)].map(Ok);
        let (bench, played, file) = answering(answers).await;
        assert_eq!(new_token(&bench).await, "token");
        file.block_successors();
        let gives = if is_asked { "token" } else { "write_failed" };
        assert_eq!(new_token(&bench).await, gives, "{answer:?}");
        assert_eq!(played.asked().len() == 2, is_asked, "{answer:?}");
    }
}

/// When the agent is locked, when it is unlocked, and that the successor is in file and memory in any case.
#[tokio::test(start_paused = true)]
async fn a_lock_while_the_provider_is_asked_loses_nothing() {
    let (bench, played, file) = answering([Ok(granted("at-1", "rt-2"))]).await;
    played.hold();
    let asking = tokio::spawn({
        let accounts = bench.accounts.clone();
        async move { code(accounts.access_token(token_request("acc"), Caller::unseen()).await) }
    });
    while played.asked().is_empty() {
        tokio::task::yield_now().await;
    }
    bench.accounts.lock("sesame".into()).await.expect("locked");
    played.release(1);
    assert_eq!(asking.await.expect("no panic"), "agent_locked", "nothing leaves a locked agent");
    assert_eq!(file.token(), "rt-2");
    bench.accounts.unlock("sesame".into()).await.expect("unlocked");
    assert_eq!(current(&bench), "rt-2");
    assert_eq!(code(bench.token("acc").await), "token", "from the cache");
    assert_eq!(played.asked(), ["rt-1"]);
}

/// Another program holds the account's lock for that long; whether the token is spent.
#[tokio::test(start_paused = true)]
async fn nothing_is_spent_while_another_program_may() {
    for (held_for, gives, asked) in [(5, "token", 1), (29, "token", 1), (60, "write_failed", 0)] {
        let (bench, played, file) = answering([Ok(granted("at-1", ""))]).await;
        let lock = file.lock();
        let release = tokio::spawn(async move {
            tokio::time::sleep(std::time::Duration::from_secs(held_for)).await;
            drop(lock);
        });
        assert_eq!(new_token(&bench).await, gives, "{held_for} s");
        assert_eq!(played.asked().len(), asked, "{held_for} s");
        release.abort();
    }
}

/// Whoever waits for an account whose file another program has is told so, in which way ever they wait; nobody is
/// told of the provider, which was not asked.
#[tokio::test(start_paused = true)]
async fn a_held_file_is_not_the_providers_fault() {
    let (bench, played, file) = answering([Ok(granted("at-1", ""))]).await;
    let lock = file.lock();
    let path = bench.accounts.deps().home.file(&"acc".parse().expect("a name"));
    let mut waiting = tokio::task::JoinSet::new();
    for scope in [None, None, Some("behind the others")] {
        let (accounts, scope) = (bench.accounts.clone(), scope.map(str::to_owned));
        waiting.spawn(async move {
            let request = oidc_proto::message::TokenRequest { scope, ..token_request("acc") };
            accounts.access_token(request, Caller::unseen()).await.expect_err("in use")
        });
    }
    let account = bench.accounts.find(&"acc".parse().expect("a name")).expect("loaded");
    while account.held_up().is_none() {
        tokio::task::yield_now().await;
    }
    let accounts = bench.accounts.clone();
    waiting
        .spawn(async move { accounts.at_rest(&"acc".parse().expect("a name")).await.err().expect("in use") });
    for failure in waiting.join_all().await {
        assert_eq!(failure.code, ErrorCode::WriteFailed, "{failure:?}");
        assert!(failure.error.contains(&path.display().to_string()), "{failure:?}");
        assert!(!failure.error.contains("op.example"), "{failure:?}");
        assert!(failure.info.is_some_and(|info| info.contains("another agent")));
    }
    drop(lock);
    assert_eq!(code(bench.token("acc").await), "token");
    assert_eq!(played.asked(), ["rt-1"]);
    assert!(account.held_up().is_none());
}

/// The account is logged out by its file: memory holds no token, so whatever is found next is newer.
#[tokio::test(start_paused = true)]
async fn an_account_without_a_token_takes_what_it_finds() {
    type Row = (&'static str, fn(&File), &'static str);
    let rows: &[Row] = &[
        ("nothing", |_| {}, ""),
        ("a login", |file| file.set_token("rt-5"), "rt-5"),
        ("one that was used before", |file| file.set_token("rt-1"), "rt-1"),
        (
            "the login of another client",
            |file| {
                file.change(|account| account.client_id = Some("e".into()));
                file.set_token("rt-5");
            },
            "rt-5",
        ),
    ];
    for (what, happens, sends) in rows {
        let (bench, played, file) = answering([granted("at-1", ""), granted("at-2", "")].map(Ok)).await;
        file.change(|account| (account.client_id, account.refresh_token) = (Some("d".into()), None));
        assert_eq!(new_token(&bench).await, "token", "{what}");
        assert_eq!(current(&bench), "", "{what}: logged out");
        happens(&file);
        assert_eq!(new_token(&bench).await, "token", "{what}");
        assert_eq!(played.asked(), ["", *sends], "{what}");
        assert_eq!(current(&bench), *sends, "{what}");
    }
}

/// The file turns out not to be writable when the provider has answered. Whether there is a runtime directory, what
/// the request gives and where the successor is kept; that nothing is lost, and that it reaches the file when that can
/// be written again.
#[tokio::test(start_paused = true)]
async fn what_cannot_be_written_is_kept_in_the_runtime_directory() {
    for (has_runtime, gives, kept) in [(true, "token", Kept::ForNow), (false, "write_failed", Kept::Nowhere)]
    {
        let disk = Arc::new(OnceLock::<File>::new());
        let played = Played::new(true, {
            let disk = Arc::clone(&disk);
            move |question| {
                if question.secret.is_some_and(|secret| secret.expose() == "rt-2") {
                    return Ok(granted("at-2", "rt-3"));
                }
                disk.get().expect("set").replace_by_directory();
                Ok(granted("at-1", "rt-2"))
            }
        });
        let bench = if has_runtime { Bench::with_runtime_directory() } else { Bench::new() };
        let file = bench.add_played(&played).await;
        let (before, file) = (file.bytes(), disk.get_or_init(|| file));
        let request = oidc_proto::message::TokenRequest {
            validity: oidc_proto::message::Validity::ForceNew,
            ..token_request("acc")
        };
        let given = bench.accounts.access_token(request, Caller::unseen()).await;
        if let Ok(token) = &given {
            let warned = token.warnings.iter().any(|warning| warning.contains("runtime directory"));
            assert!(warned, "{:?}", token.warnings);
        }
        assert_eq!(code(given), gives);
        assert_eq!((current(&bench).as_str(), bench.held(|open| open.tokens.kept())), ("rt-2", kept));
        assert!(bench.accounts.status()[0].unsaved);
        assert_eq!(bench.in_runtime_directory(), usize::from(has_runtime));

        file.put_back(&before);
        assert_eq!(new_token(&bench).await, "token");
        assert_eq!(played.asked(), ["rt-1", "rt-2"], "the spent one is not sent again");
        assert_eq!((current(&bench).as_str(), file.token().as_str()), ("rt-3", "rt-3"));
        assert!(!bench.accounts.status()[0].unsaved);
        assert_eq!(bench.in_runtime_directory(), 0);
    }
}

/// Why no room can be made, whether the provider replaces refresh tokens, whether there is a runtime directory, and
/// whether the refresh token is sent nevertheless.
#[test]
fn a_full_disk_stops_an_account_whose_token_is_replaced() {
    let path = || "acc".into();
    let full = || [HomeError::NoSpace(path()), HomeError::Io(std::io::ErrorKind::Other.into())];
    for error in full() {
        for (rotates, has_stand_in, is_sent) in [
            (Some(true), true, false),
            (Some(true), false, false),
            (Some(false), false, true),
            (None, true, true),
            (None, false, false),
        ] {
            let sent = may_be_spent_without_room(&error, rotates, has_stand_in);
            assert_eq!(sent, is_sent, "{error}, {rotates:?}, {has_stand_in}");
        }
    }
    for rotates in [Some(true), Some(false), None] {
        let read_only = HomeError::PermissionDenied(path());
        assert!(may_be_spent_without_room(&read_only, rotates, false), "{rotates:?}");
    }
    assert!(!may_be_spent_without_room(&HomeError::Locked(path()), None, true));
}

#[test]
fn what_was_set_up_to_be_read_only_is_told_from_what_will_pass() {
    let path = || "acc".into();
    for (error, is_lasting) in [
        (HomeError::PermissionDenied(path()), true),
        (HomeError::NotFound(path()), true),
        (HomeError::NoDirectory, true),
        (HomeError::NoSpace(path()), false),
        (HomeError::Locked(path()), false),
    ] {
        assert_eq!(super::is_lasting(&error), is_lasting, "{error}");
    }
}

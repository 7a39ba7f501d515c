use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;
use crate::{
    command::doctor::check::{State, judge, state_of},
    testing::Bench,
};

fn file(content: Content, mode: u32, uid: u32) -> Facts {
    let file = File { name: "demo".into(), path: "/accounts/demo".into(), mode, uid, content };
    Facts { uid: 1000, files: vec![file], hidden: Vec::new() }
}

fn hidden(kind: HiddenKind, age: u64) -> Facts {
    let file = HiddenFile { path: "/accounts/.demo.x".into(), kind, stem: "demo".into() };
    Facts { uid: 1000, files: Vec::new(), hidden: vec![(file, age)] }
}

#[test]
fn each_fault_is_told() {
    let whole = || Content::Sealed(Format::Native);
    for (facts, code, expected) in [
        (file(whole(), 0o600, 1000), "file_readable", Some(State::Ok)),
        (file(Content::Unreadable("denied".into()), 0o600, 1000), "file_readable", Some(State::Problem)),
        (file(Content::Damaged("cut".into()), 0o600, 1000), "file_damaged", Some(State::Problem)),
        (file(whole(), 0o600, 1000), "file_damaged", None),
        (file(Content::Foreign, 0o600, 1000), "file_foreign", Some(State::Warning)),
        (file(whole(), 0o600, 1000), "file_foreign", None),
        (file(Content::Link, 0o777, 1000), "file_link", Some(State::Problem)),
        (file(whole(), 0o600, 1000), "file_link", None),
        (file(whole(), 0o600, 1001), "file_owner", Some(State::Problem)),
        (file(whole(), 0o600, 0), "file_owner", None),
        (file(Content::Link, 0o777, 1001), "file_owner", None),
        (file(whole(), 0o600, 1000), "file_mode", None),
        (file(whole(), 0o644, 1000), "file_mode", Some(State::Warning)),
        (file(whole(), 0o660, 1000), "file_mode", Some(State::Warning)),
        (file(Content::Open, 0o644, 1000), "file_mode", None),
        (file(Content::TooNew("later".into()), 0o600, 1000), "file_readable", Some(State::Problem)),
        (file(whole(), 0o666, 1000), "file_mode", Some(State::Problem)),
        (hidden(HiddenKind::Temporary, 5), "killed_writer", None),
        (hidden(HiddenKind::Temporary, 500), "killed_writer", Some(State::Warning)),
        (hidden(HiddenKind::Journal, 500), "killed_writer", Some(State::Warning)),
        (hidden(HiddenKind::Lock, 500), "killed_writer", None),
        (hidden(HiddenKind::Rotated, 5), "unsaved_rotation", Some(State::Warning)),
        (hidden(HiddenKind::Pending, 5), "pending_registration", Some(State::Warning)),
    ] {
        assert_eq!(state_of(CHECKS, code, &facts), expected, "{code}: {facts:?}");
    }
}

#[test]
fn real_files_are_told_apart_and_none_is_quoted() {
    let bench =
        Bench::new().with_account("whole").with_file("text", b"SECRET-3 canary").with_file("cut", b"");
    let whole = fs_err::read(bench.file("whole")).expect("read");
    let bench = bench.with_file("damaged", &whole[..whole.len() - 90]);
    symlink("no-such", bench.file("link")).expect("linked");
    fs_err::create_dir(bench.file("folder")).expect("made");
    let mode = std::fs::Permissions::from_mode(0o600);
    fs_err::set_permissions(bench.file("whole"), mode).expect("mode set");
    let facts = Facts::gather(&bench.home(), &Surroundings::with(&[]), None);
    let content =
        |name: &str| facts.files.iter().find(|file| file.name == name).map(|file| file.content.clone());
    assert_eq!(content("whole"), Some(Content::Sealed(Format::OidcAgent)));
    assert_eq!(content("text"), Some(Content::Foreign));
    assert!(matches!(content("damaged"), Some(Content::Damaged(_))), "{:?}", content("damaged"));
    assert_eq!((content("link"), content("folder")), (Some(Content::Link), None));
    let all = format!("{:?}", judge(CHECKS, &facts));
    assert!(!all.contains("canary") && !all.contains("SECRET"), "{all}");
    let only = "whole".parse().expect("a name");
    assert_eq!(Facts::gather(&bench.home(), &Surroundings::with(&[]), Some(&only)).files.len(), 1);
}

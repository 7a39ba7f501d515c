//! A disk that fills up while a rotated refresh token is written. The shell's `ulimit -f` stands in for it: no file may
//! grow beyond 512 bytes then, and the operating system says so in the middle of a write.

#![allow(clippy::unwrap_used)]

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use oidc_proto::{
    account::AccountConfig,
    home::{Home, Room},
    rotation::{self, Rotation, RotationError, Spent, Stored},
    secret::{Password, RefreshToken, SecretText},
    vault::{self, FileKey, Protection},
};

const DEADLINE: Duration = Duration::from_secs(10);
const TEST: &str = "the_old_file_stands_and_the_next_write_succeeds";
const DIRECTORY: &str = "OIDC_TEST_FULL_DISK";
const KEY: &str = "OIDC_TEST_FILE_KEY";

fn store(home: &Home, key: &FileKey) -> Result<Stored, RotationError> {
    let (old, new) = (RefreshToken::from("rt1"), RefreshToken::from("rt2"));
    let lock = home.lock(&"acc".parse().unwrap(), DEADLINE).unwrap();
    let rotation =
        Rotation { in_file: &old, durable: &old, spent: &Spent::default(), new: &new, ends_at: None };
    rotation::store(home, &lock, Some(key), &rotation, &mut Room::default())
}

/// The part that runs in a process of its own, in which files cannot grow.
fn while_the_disk_is_full(directory: &str) {
    let home = Home::at(directory);
    let key = FileKey::from_text(&SecretText::new(std::env::var(KEY).unwrap())).unwrap();
    // The file does not fit; the small sidecar does.
    let stored = store(&home, &key);
    assert!(matches!(&stored, Ok(Stored::Beside(Some(why))) if why.contains("no space left")), "{stored:?}");
}

#[test]
fn the_old_file_stands_and_the_next_write_succeeds() {
    if let Ok(directory) = std::env::var(DIRECTORY) {
        return while_the_disk_is_full(&directory);
    }
    let directory = tempfile::tempdir().unwrap();
    let (home, name) = (Home::at(directory.path()), "acc".parse().unwrap());
    let account =
        AccountConfig::parse(br#"{"name":"acc","issuer_url":"https://op/","refresh_token":"rt1"}"#).unwrap();
    let (file, key) = vault::seal_new(&account, &Protection::Native(&Password::from("p"))).unwrap();
    home.write(&home.lock(&name, DEADLINE).unwrap(), &file).unwrap();

    // Its output goes into pipes: the limit holds for any file, and this test's own output may be one.
    let refused = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$@\"", "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", TEST, "--nocapture"])
        .env(DIRECTORY, directory.path())
        .env(KEY, key.to_text().expose())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = [&refused.stdout, &refused.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat();
    assert!(refused.status.success(), "{said}");

    assert_eq!(home.read(&name).unwrap().as_slice(), file);
    let left: Vec<_> =
        fs_err::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "the file, its lock and the sidecar: {left:?}");
    assert_eq!(store(&home, &key).unwrap(), Stored::InFile { rolled_back: false });
}

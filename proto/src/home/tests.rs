use std::{
    os::unix::fs::{PermissionsExt, symlink},
    sync::mpsc,
    thread,
};

use super::*;

const SOON: Duration = Duration::from_millis(50);
const LATER: Duration = Duration::from_secs(30);

fn name(text: &str) -> Shortname {
    text.parse().unwrap()
}

fn home() -> (tempfile::TempDir, Home) {
    let directory = tempfile::tempdir().unwrap();
    let home = Home::at(directory.path());
    (directory, home)
}

/// Everything in the directory, in byte order.
fn entries(home: &Home) -> Vec<String> {
    let entries = fs_err::read_dir(home.path()).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn mode(path: &Path) -> u32 {
    fs_err::metadata(path).unwrap().permissions().mode() & 0o777
}

/// An environment below `root`.
fn environment<'a>(root: &'a Path, set: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<OsString> + 'a {
    move |variable| {
        let (_, below) = set.iter().find(|(name, _)| *name == variable)?;
        Some(root.join(below).into())
    }
}

#[test]
fn the_first_directory_that_exists_is_taken() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let both = [("OIDC_CONFIG_DIR", "explicit"), ("HOME", "home")];
    let find = |set| Home::find_with(environment(root, set)).map(|home| home.path);
    assert!(matches!(find(&both), Err(HomeError::NoDirectory)));
    assert!(matches!(find(&[]), Err(HomeError::NoHomeVariable)));

    for (made, found) in [
        ("home/.oidc-agent", "home/.oidc-agent"),
        ("home/.config/oidc-agent", "home/.config/oidc-agent"),
        ("explicit", "explicit"),
    ] {
        fs_err::create_dir_all(root.join(made)).unwrap();
        assert_eq!(find(&both).unwrap(), root.join(found));
    }
    assert_eq!(find(&both[1..]).unwrap(), root.join("home/.config/oidc-agent"));
    assert_eq!(find(&both[..1]).unwrap(), root.join("explicit"), "no HOME is needed then");

    fs_err::write(root.join("file"), "").unwrap();
    assert!(matches!(find(&[("OIDC_CONFIG_DIR", "file"), ("HOME", "home")]), Err(HomeError::Io(_))));
}

#[test]
fn a_new_directory_is_private_and_needs_its_parent() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let set = [("OIDC_CONFIG_DIR", "missing/dir"), ("HOME", "home")];
    let create = || Home::find_or_create_with(environment(root, &set)).map(|home| home.path);
    assert!(matches!(create(), Err(HomeError::NoDirectory)));
    fs_err::create_dir(root.join("home")).unwrap();
    assert_eq!(create().unwrap(), root.join("home/.oidc-agent"));
    assert_eq!(mode(&root.join("home/.oidc-agent")), 0o700);
    fs_err::create_dir(root.join("missing")).unwrap();
    assert_eq!(create().unwrap(), root.join("home/.oidc-agent"), "what exists comes first");
}

#[test]
fn only_regular_files_with_names_of_accounts_are_listed() {
    let (directory, home) = home();
    let path = |name: &str| directory.path().join(name);
    for name in [
        "wlcg",
        "a b",
        "B",
        ".hidden",
        "issuer.config",
        "config",
        "x.log",
        "x.stats",
        "c.clientconfig3",
        "n\u{7}",
    ] {
        fs_err::write(path(name), "").unwrap();
    }
    fs_err::create_dir(path("directory")).unwrap();
    symlink(path("wlcg"), path("link")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, path("pipe"), rustix::fs::Mode::RUSR).unwrap();
    assert_eq!(home.list().unwrap(), [name("B"), name("a b"), name("wlcg")]);
    assert!(matches!(Home::at("/nonexistent/x").list(), Err(HomeError::NotFound(_))));
}

#[test]
fn reading_is_typed_and_never_hangs() {
    let (directory, home) = home();
    let path = |name: &str| directory.path().join(name);
    fs_err::write(path("good"), "text").unwrap();
    assert_eq!(home.read(&name("good")).unwrap().as_slice(), b"text");
    assert!(matches!(home.read(&name("gone")), Err(HomeError::NotFound(_))));

    fs_err::create_dir(path("directory")).unwrap();
    symlink(path("good"), path("link")).unwrap();
    symlink("/dev/zero", path("endless")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, path("pipe"), rustix::fs::Mode::RUSR).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
    for odd in ["directory", "link", "endless", "pipe", "socket"] {
        assert!(matches!(home.read(&name(odd)), Err(HomeError::NotARegularFile(_))), "{odd}");
    }

    fs_err::File::create(path("huge")).unwrap().set_len(1 << 40).unwrap();
    assert!(matches!(home.read(&name("huge")), Err(HomeError::TooLarge(_))));
    fs_err::write(path("largest"), vec![b'x'; MAX]).unwrap();
    assert_eq!(home.read(&name("largest")).unwrap().len(), MAX);
}

const MAX: usize = crate::vault::MAX_FILE_LEN;

#[test]
fn a_write_is_private_whole_and_leaves_nothing_behind() {
    let (_directory, home) = home();
    let lock = home.lock(&name("acc"), SOON).unwrap();
    home.write(&lock, b"one").unwrap();
    assert_eq!(mode(&home.file(&name("acc"))), 0o600);
    fs_err::set_permissions(home.file(&name("acc")), std::fs::Permissions::from_mode(0o666)).unwrap();
    home.write(&lock, b"two").unwrap();
    assert_eq!(mode(&home.file(&name("acc"))), 0o600);
    assert_eq!(home.read(&name("acc")).unwrap().as_slice(), b"two");
    assert_eq!(entries(&home), [".acc.lock", "acc"]);
    assert_eq!(mode(&home.path().join(".acc.lock")), 0o600);
}

#[test]
fn what_is_no_file_is_not_written_over() {
    let (directory, home) = home();
    fs_err::write(directory.path().join("target"), "kept").unwrap();
    symlink(directory.path().join("target"), home.file(&name("link"))).unwrap();
    fs_err::create_dir(home.file(&name("directory"))).unwrap();
    for odd in ["link", "directory"] {
        let lock = home.lock(&name(odd), SOON).unwrap();
        assert!(matches!(home.write(&lock, b"x"), Err(HomeError::NotARegularFile(_))), "{odd}");
        assert!(matches!(home.delete(lock), Err(HomeError::NotARegularFile(_))), "{odd}");
    }
    assert_eq!(fs_err::read_to_string(directory.path().join("target")).unwrap(), "kept");
}

#[test]
fn replacing_notices_other_programs() {
    let (_directory, home) = home();
    let lock = home.lock(&name("acc"), SOON).unwrap();
    assert!(matches!(home.replace(&lock, b"", b"new"), Err(HomeError::NotFound(_))));
    home.write(&lock, b"theirs").unwrap();
    assert!(matches!(home.replace(&lock, b"mine", b"new"), Err(HomeError::Changed(_))));
    assert_eq!(home.read(&name("acc")).unwrap().as_slice(), b"theirs");
    home.replace(&lock, b"theirs", b"new").unwrap();
    assert_eq!(home.read(&name("acc")).unwrap().as_slice(), b"new");
    assert_eq!(entries(&home), [".acc.lock", "acc"]);
}

#[test]
fn leftovers_of_a_killed_writer_go_with_the_next_write() {
    let (directory, home) = home();
    for leftover in [".acc.aB3xYz.tmp", ".acc.b.aB3xYz.tmp", ".acc.notes.tmp", ".acc.rotated"] {
        fs_err::write(directory.path().join(leftover), "").unwrap();
    }
    let lock = home.lock(&name("acc"), SOON).unwrap();
    home.write(&lock, b"x").unwrap();
    assert_eq!(entries(&home), [".acc.b.aB3xYz.tmp", ".acc.lock", ".acc.notes.tmp", ".acc.rotated", "acc"]);
}

#[test]
fn deleting_takes_everything_of_the_account_and_nothing_else() {
    let (directory, home) = home();
    for file in ["acc", ".acc.rotated", ".acc.aB3xYz.tmp", "acc.b", ".acc.b.rotated", "issuer.config"] {
        fs_err::write(directory.path().join(file), "").unwrap();
    }
    let deleted = home.delete(home.lock(&name("acc"), SOON).unwrap()).unwrap();
    assert_eq!(deleted, Deleted { file: true, leftovers: 2 });
    assert_eq!(entries(&home), [".acc.b.rotated", "acc.b", "issuer.config"]);
    let deleted = home.delete(home.lock(&name("acc"), SOON).unwrap()).unwrap();
    assert_eq!(deleted, Deleted::default());
}

#[test]
fn names_of_configuration_files_have_no_lock() {
    let (_directory, home) = home();
    for reserved in ["issuer.config", "config", ".hidden", "x.log"] {
        assert!(matches!(home.lock(&name(reserved), SOON), Err(HomeError::Reserved(_))), "{reserved}");
    }
}

#[test]
fn the_longest_name_works() {
    let (_directory, home) = home();
    let longest = name(&"x".repeat(255));
    let lock = home.lock(&longest, SOON).unwrap();
    home.write(&lock, b"text").unwrap();
    assert_eq!(home.read(&longest).unwrap().as_slice(), b"text");
    assert_eq!(home.delete(lock).unwrap(), Deleted { file: true, leftovers: 0 });
    assert!(entries(&home).is_empty());
}

#[test]
fn a_held_lock_has_a_deadline() {
    let (_directory, home) = home();
    let lock = home.lock(&name("acc"), SOON).unwrap();
    assert!(matches!(home.lock(&name("acc"), SOON), Err(HomeError::Locked(_))));
    assert!(home.lock(&name("other"), SOON).is_ok());

    let (home, (got, waiting)) = (home.clone(), mpsc::channel());
    let waiter = {
        let home = home.clone();
        thread::spawn(move || got.send(home.lock(&name("acc"), LATER)).unwrap())
    };
    assert!(waiting.recv_timeout(SOON).is_err());
    drop(lock);
    assert!(waiting.recv_timeout(LATER).unwrap().is_ok());
    waiter.join().unwrap();
}

/// The lock's file goes with its account. Who waited on the old file must not hold a lock beside that of the new one.
#[test]
fn a_deleted_lock_is_no_lock() {
    let (_directory, home) = home();
    let lock = home.lock(&name("acc"), SOON).unwrap();
    let waiter = {
        let home = home.clone();
        thread::spawn(move || home.lock(&name("acc"), LATER).unwrap())
    };
    thread::sleep(SOON);
    home.delete(lock).unwrap();
    let _lock = waiter.join().unwrap();
    assert!(matches!(home.lock(&name("acc"), SOON), Err(HomeError::Locked(_))));
}

#[test]
fn many_writers_never_mix() {
    let (_directory, home) = home();
    home.write(&home.lock(&name("acc"), LATER).unwrap(), &[b'0'; 4096]).unwrap();
    thread::scope(|scope| {
        for writer in b'a'..b'e' {
            let home = &home;
            scope.spawn(move || {
                for _ in 0..10 {
                    home.write(&home.lock(&name("acc"), LATER).unwrap(), &[writer; 4096]).unwrap();
                    let read = home.read(&name("acc")).unwrap();
                    assert!(read.len() == 4096 && read.iter().all(|byte| *byte == read[0]));
                }
            });
        }
    });
    assert_eq!(entries(&home), [".acc.lock", "acc"]);
}

#[test]
fn an_unwritable_directory_is_said_so() {
    // Root may write everywhere but here.
    let home = Home::at("/proc/self");
    assert!(matches!(
        home.lock(&name("acc"), SOON),
        Err(HomeError::PermissionDenied(_) | HomeError::NotFound(_))
    ));
    for (kind, expected) in [
        (io::ErrorKind::StorageFull, "no space left to write /x"),
        (io::ErrorKind::QuotaExceeded, "no space left to write /x"),
        (io::ErrorKind::ReadOnlyFilesystem, "permission denied: /x"),
    ] {
        assert_eq!(file::error(&kind.into(), Path::new("/x")).to_string(), expected);
    }
}

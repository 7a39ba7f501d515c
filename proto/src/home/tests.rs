use std::{
    ffi::OsString,
    io,
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
fn a_new_directory_is_private_and_an_unasked_one_needs_its_parent() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let set = [("OIDC_CONFIG_DIR", "missing/dir"), ("HOME", "home")];
    let create = |set| Home::find_or_create_with(environment(root, set)).map(|home| home.path);
    assert!(matches!(create(&set[1..]), Err(HomeError::CannotMake { .. })));
    fs_err::create_dir(root.join("home")).unwrap();
    assert_eq!(create(&set[1..]).unwrap(), root.join("home/.oidc-agent"));
    assert_eq!(mode(&root.join("home/.oidc-agent")), 0o700);
    assert_eq!(create(&set).unwrap(), root.join("home/.oidc-agent"), "what exists comes first");
    assert_eq!(create(&set[..1]).unwrap(), root.join("missing/dir"));
    assert_eq!(mode(&root.join("missing/dir")), 0o700);
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
    symlink(path("missing"), path("dangling")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, path("pipe"), rustix::fs::Mode::RUSR).unwrap();
    assert_eq!(home.list().unwrap(), [name("B"), name("a b"), name("link"), name("wlcg")]);
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
    symlink(path("missing"), path("dangling")).unwrap();
    symlink("/dev/zero", path("endless")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, path("pipe"), rustix::fs::Mode::RUSR).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
    for odd in ["directory", "dangling", "endless", "pipe", "socket"] {
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
    symlink(directory.path().join("missing"), home.file(&name("dangling"))).unwrap();
    fs_err::create_dir(home.file(&name("directory"))).unwrap();
    for odd in ["dangling", "directory"] {
        let lock = home.lock(&name(odd), SOON).unwrap();
        assert!(matches!(home.write(&lock, b"x"), Err(HomeError::NotARegularFile(_))), "{odd}");
        assert!(
            matches!(home.make_room(&lock, 10), Err(HomeError::NotARegularFile(_))) || odd == "directory"
        );
    }
    let lock = home.lock(&name("directory"), SOON).unwrap();
    assert!(matches!(home.delete(lock), Err(HomeError::NotARegularFile(_))));
}

/// As in a Kubernetes secret, and as dotfile managers do it.
#[test]
fn a_link_stays_and_the_file_behind_it_is_replaced() {
    let (directory, home) = home();
    let path = |name: &str| directory.path().join(name);
    fs_err::create_dir(path("..1")).unwrap();
    fs_err::write(path("..1/acc"), "old").unwrap();
    symlink("..1", path("..data")).unwrap();
    symlink("..data/acc", path("acc")).unwrap();

    let lock = home.lock(&name("acc"), SOON).unwrap();
    assert_eq!(home.read(&name("acc")).unwrap().as_slice(), b"old");
    home.replace(&lock, b"old", b"new").unwrap();
    assert_eq!(fs_err::read_to_string(path("..1/acc")).unwrap(), "new");
    assert!(path("acc").is_symlink());
    assert_eq!(fs_err::read_dir(path("..1")).unwrap().count(), 1, "no temporary file stays");
    assert_eq!(home.delete(lock).unwrap(), Deleted { file: true, leftovers: 0 });
    assert!(!path("acc").is_symlink() && path("..1/acc").exists(), "the link itself goes");
}

#[test]
fn a_link_to_somebody_elses_file_is_refused() {
    let (directory, home) = home();
    let path = |name: &str| directory.path().join(name);
    fs_err::write(path("target"), "theirs").unwrap();
    symlink(path("target"), path("acc")).unwrap();
    // Only root can give files away.
    if std::os::unix::fs::chown(path("target"), Some(65534), None).is_err()
        || !rustix::process::geteuid().is_root()
    {
        return;
    }
    assert!(matches!(home.read(&name("acc")), Err(HomeError::ForeignLink(_))));
    assert!(home.list().unwrap().contains(&name("target")) && !home.list().unwrap().contains(&name("acc")));
    std::os::unix::fs::chown(path("target"), Some(0), None).unwrap();
    std::os::unix::fs::lchown(path("acc"), Some(65534), None).unwrap();
    assert!(matches!(home.read(&name("acc")), Err(HomeError::ForeignLink(_))));
}

/// A file that cannot be replaced is rewritten; what a crash cut off there is read as it was meant.
#[test]
fn a_rewriting_that_was_cut_off_is_completed() {
    let (directory, home) = home();
    let path = |name: &str| directory.path().join(name);
    let (old, new) = (vec![b'o'; 1000], vec![b'n'; 1000]);
    let text = |bytes: &[u8]| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes);
    let journal = format!(r#"{{"format":"oidc-in-place/1","old":"{}","new":"{}"}}"#, text(&old), text(&new));
    for found in [old.clone(), [&new[..512], &old[512..]].concat(), Vec::new(), new.clone()] {
        fs_err::write(path("acc"), &found).unwrap();
        fs_err::write(path(".acc.journal"), &journal).unwrap();
        assert_eq!(home.read(&name("acc")).unwrap().as_slice(), new);
        let lock = home.lock(&name("acc"), SOON).unwrap();
        home.replace(&lock, &new, b"next").unwrap();
        assert_eq!(home.read(&name("acc")).unwrap().as_slice(), b"next");
        assert_eq!(entries(&home), [".acc.lock", "acc"]);
    }
    fs_err::write(path("acc"), "by another program").unwrap();
    fs_err::write(path(".acc.journal"), &journal).unwrap();
    assert_eq!(home.read(&name("acc")).unwrap().as_slice(), b"by another program");
}

#[test]
fn only_a_directory_that_can_be_read_says_that_a_file_is_gone() {
    let (directory, home) = home();
    assert!(matches!(home.presence(&name("acc")), Presence::Gone));
    fs_err::write(directory.path().join("acc"), "").unwrap();
    assert!(matches!(home.presence(&name("acc")), Presence::There));
    symlink("missing", directory.path().join("dangling")).unwrap();
    assert!(matches!(home.presence(&name("dangling")), Presence::There));
    for missing in
        [directory.path().join("missing"), directory.path().join("acc/below"), "/nonexistent".into()]
    {
        assert!(
            matches!(Home::at(&missing).presence(&name("acc")), Presence::Unknown(_)),
            "{}",
            missing.display()
        );
    }
}

#[test]
fn room_is_made_before_it_is_needed() {
    let (directory, home) = home();
    fs_err::write(directory.path().join("acc"), "old").unwrap();
    let lock = home.lock(&name("acc"), SOON).unwrap();
    let mut room = home.make_room(&lock, 8192).unwrap();
    assert_eq!(entries(&home).len(), 3);
    home.replace_in(&lock, b"old", b"new", &mut room).unwrap();
    assert_eq!(home.read(&name("acc")).unwrap().as_slice(), b"new");
    drop(room);
    assert_eq!(entries(&home), [".acc.lock", "acc"]);

    fs_err::create_dir(directory.path().join(".acc.rotated")).unwrap();
    assert!(matches!(home.make_room(&lock, 8192), Err(HomeError::NotARegularFile(_))));
}

#[test]
fn a_directory_is_found_whatever_the_environment_says() {
    let root = tempfile::tempdir().unwrap();
    let find = |set: &[(&str, &str)]| {
        Home::find_with(|variable| {
            set.iter().find(|(name, _)| *name == variable).map(|(_, value)| OsString::from(value))
        })
    };
    assert!(matches!(find(&[("HOME", "/dev/null")]), Err(HomeError::NoDirectory)), "as without a directory");
    assert!(matches!(find(&[("HOME", "")]), Err(HomeError::NoHomeVariable)));
    let relative = Home::find_with(|variable| (variable == "OIDC_CONFIG_DIR").then(|| ".".into())).unwrap();
    assert!(relative.path().is_absolute());
    let explicit = root.path().join("a/b");
    let created = Home::find_or_create_with(|variable| {
        (variable == "OIDC_CONFIG_DIR").then(|| explicit.clone().into_os_string())
    });
    assert_eq!(created.unwrap().path(), explicit);
    let refused = Home::find_or_create_with(|variable| (variable == "HOME").then(|| "/dev/null".into()));
    let text = refused.unwrap_err().to_string();
    assert!(text.contains("/dev/null/.config/oidc-agent") && text.contains("HOME"), "{text}");
}

#[test]
fn a_file_that_others_may_write_is_remarked() {
    static HEARD: std::sync::Mutex<Vec<String>> = std::sync::Mutex::new(Vec::new());
    on_remark(|text| HEARD.lock().unwrap().push(text.to_owned()));
    let (directory, home) = home();
    let file = directory.path().join("it's loose");
    fs_err::write(&file, "x").unwrap();
    fs_err::set_permissions(&file, std::fs::Permissions::from_mode(0o666)).unwrap();
    for _ in 0..2 {
        home.read(&name("it's loose")).unwrap();
    }
    let path = file.to_str().unwrap();
    let heard = HEARD.lock().unwrap();
    let about: Vec<&String> = heard.iter().filter(|text| text.starts_with(path)).collect();
    assert_eq!(about.len(), 1, "{heard:?}");
    let quoted = crate::shell::quoted(path);
    assert!(about[0].ends_with(&format!("run `chmod 600 {quoted}`")), "{about:?}");
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
        assert_eq!(HomeError::at(Path::new("/x"), &kind.into()).to_string(), expected);
    }
}

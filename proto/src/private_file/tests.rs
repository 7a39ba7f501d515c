use std::{
    fs::Permissions,
    os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink},
};

use super::*;

fn root() -> (tempfile::TempDir, PathBuf) {
    let root = tempfile::tempdir().expect("a directory");
    let path = fs_err::canonicalize(root.path()).expect("a path");
    (root, path)
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs_err::read_dir(directory).expect("a directory");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect();
    names.sort();
    names
}

fn mode(path: &Path) -> u32 {
    fs_err::symlink_metadata(path).expect("there").mode() & 0o777
}

#[test]
fn a_file_is_made_and_replaced_with_just_its_mode() {
    let (_kept, root) = root();
    let path = root.join("token");
    let written = write(&Target::private(&path), b"one\n").expect("written");
    assert!(written.created);
    assert_eq!(mode(&path), 0o600);
    let inode = fs_err::metadata(&path).expect("there").ino();
    let open_to_group = Target { mode: 0o640, ..Target::private(&path) };
    assert!(!write(&open_to_group, b"two\n").expect("written").created);
    assert_eq!(mode(&path), 0o640);
    assert_ne!(fs_err::metadata(&path).expect("there").ino(), inode, "replaced");
    assert_eq!(fs_err::read(&path).expect("read"), b"two\n");
    assert_eq!(names(&root), ["token"], "no temporary file stays");
}

#[test]
fn of_writers_at_once_each_succeeds_and_one_is_the_last() {
    let (_kept, root) = root();
    let path = root.join("token");
    for _ in 0..20 {
        let start = std::sync::Barrier::new(8);
        std::thread::scope(|scope| {
            for number in 0..8_u8 {
                let (start, path) = (&start, &path);
                scope.spawn(move || {
                    start.wait();
                    write(&Target::private(path), &[b'0' + number; 64]).expect("written");
                });
            }
        });
        let whole = fs_err::read(&path).expect("read");
        assert!(whole.len() == 64 && whole.iter().all(|byte| *byte == whole[0]), "{whole:?}");
        assert_eq!(names(&root), ["token"], "no temporary file stays");
        fs_err::remove_file(&path).expect("removed");
    }
}

#[test]
fn what_came_meanwhile_is_replaced_only_if_it_is_a_file() {
    let (_kept, root) = root();
    let directory = Directory::open(&root).expect("opened");
    let (path, name) = (root.join("token"), OsStr::new("token"));
    let place = || replace(&directory, name, &Target::private(&path), true, b"token");
    fs_err::write(root.join("victim"), "v").expect("written");
    symlink("victim", &path).expect("linked");
    assert!(matches!(place(), Err(Failed::Other(WriteError::Link(_)))));
    fs_err::remove_file(&path).expect("removed");
    fs_err::write(&path, "quicker").expect("written");
    assert!(place().is_ok());
    assert_eq!(fs_err::read(&path).expect("read"), b"token");
    assert_eq!(names(&root), ["token", "victim"]);
}

#[test]
fn in_place_the_inode_stays_and_nothing_of_the_old_one() {
    let (_kept, root) = root();
    let path = root.join("token");
    let target = Target { in_place: true, ..Target::private(&path) };
    let first = write(&target, b"a long token\n").expect("written");
    assert!(first.created && !first.warnings.contains(&Warning::NotAtomic), "nothing was there to be torn");
    fs_err::set_permissions(&path, Permissions::from_mode(0o644)).expect("set");
    let inode = fs_err::metadata(&path).expect("there").ino();
    let second = write(&target, b"short\n").expect("written");
    assert!(second.warnings.contains(&Warning::NotAtomic));
    assert_eq!(fs_err::metadata(&path).expect("there").ino(), inode);
    assert_eq!(fs_err::read(&path).expect("read"), b"short\n");
    assert_eq!(mode(&path), 0o600, "before anything new is in it");
}

#[test]
fn missing_directories_are_made_private_if_asked() {
    let (_kept, root) = root();
    let path = root.join("a/b/token");
    let error = write(&Target::private(&path), b"t").expect_err("no directory");
    assert!(matches!(&error, WriteError::NoDirectory(missing) if *missing == root.join("a")), "{error}");
    write(&Target { create_directories: true, ..Target::private(&path) }, b"t").expect("written");
    assert_eq!(mode(&root.join("a")), 0o700);
    assert_eq!(mode(&root.join("a/b")), 0o700);
}

#[test]
fn links_on_the_way_are_followed_where_they_are_ones_own() {
    let (_kept, root) = root();
    fs_err::create_dir(root.join("real")).expect("made");
    symlink("real", root.join("relative")).expect("linked");
    symlink(root.join("relative/../real"), root.join("absolute")).expect("linked");
    for way in ["relative", "absolute"] {
        write(&Target::private(&root.join(way).join("token")), way.as_bytes()).expect("written");
        assert_eq!(fs_err::read(root.join("real/token")).expect("read"), way.as_bytes());
    }
    symlink("loop", root.join("loop")).expect("linked");
    write(&Target::private(&root.join("loop/token")), b"t").expect_err("no end");
    if geteuid().is_root() {
        lchown(root.join("relative"), Some(12345), None).expect("given away");
        let error = write(&Target::private(&root.join("relative/token")), b"t").expect_err("foreign");
        assert!(matches!(error, WriteError::ForeignLink { uid: 12345, .. }), "{error}");
    }
}

#[test]
fn no_link_leads_into_the_oidc_agent_directory() {
    let (_kept, root) = root();
    let accounts = root.join("accounts");
    fs_err::create_dir_all(accounts.join("files.d")).expect("made");
    fs_err::write(accounts.join("demo"), "an account").expect("written");
    fs_err::write(accounts.join("files.d/x.toml"), "entries").expect("written");
    symlink("accounts", root.join("link")).expect("linked");
    symlink("accounts/files.d", root.join("deep")).expect("linked");
    symlink("link", root.join("known-as")).expect("linked");
    for known_as in ["accounts", "known-as"] {
        let known_as = root.join(known_as);
        for name in ["accounts/demo", "link/demo", "deep/x.toml", "link/new", "link/../link/demo"] {
            for in_place in [false, true] {
                let path = root.join(name);
                let target = Target { in_place, ..Target::private(&path).outside(&known_as) };
                for refused in [
                    write(&target, b"token").map(drop),
                    examine(&target).map(drop),
                    remove_target(&target).map(drop),
                ] {
                    assert_eq!(refused.expect_err("refused").code(), "in_agent_directory", "{name}");
                }
            }
        }
    }
    assert_eq!(fs_err::read(accounts.join("demo")).expect("read"), b"an account");
    assert_eq!(fs_err::read(accounts.join("files.d/x.toml")).expect("read"), b"entries");
    assert_eq!(names(&accounts), ["demo", "files.d"]);
    for outside in [&accounts, &root.join("not-there"), &accounts.join("demo/x")] {
        let path = root.join("token");
        let target = Target::private(&path).outside(outside);
        write(&target, b"token").expect("beside it");
        assert_eq!(examine(&target).expect("beside it"), []);
        assert!(remove_target(&target).expect("removed"));
    }
}

#[test]
fn what_stands_at_the_name_must_be_a_file_of_ones_own() {
    let (_kept, root) = root();
    fs_err::write(root.join("victim"), "v").expect("written");
    symlink("victim", root.join("link")).expect("linked");
    fs_err::create_dir(root.join("directory")).expect("made");
    for in_place in [false, true] {
        let at = |name: &str| write(&Target { in_place, ..Target::private(&root.join(name)) }, b"token");
        assert!(matches!(at("link"), Err(WriteError::Link(_))));
        assert!(matches!(at("directory"), Err(WriteError::NotAFile(_))));
        assert!(matches!(at("victim/token"), Err(WriteError::NotADirectory(_))));
        if geteuid().is_root() {
            lchown(root.join("victim"), Some(12345), None).expect("given away");
            assert!(matches!(at("victim"), Err(WriteError::ForeignOwner { uid: 12345, .. })));
            lchown(root.join("victim"), Some(0), None).expect("taken back");
        }
    }
    assert_eq!(fs_err::read(root.join("victim")).expect("read"), b"v");
    assert!(matches!(write(&Target::private(Path::new("token")), b""), Err(WriteError::NotAbsolute(_))));
    assert!(matches!(write(&Target::private(Path::new("/")), b""), Err(WriteError::NotAbsolute(_))));
    assert_eq!(names(&root), ["directory", "link", "victim"]);
}

#[test]
fn errors_of_the_system_have_their_own_names() {
    let (_kept, root) = root();
    let directory = Directory::open(&root).expect("opened");
    for (errno, code) in [
        (rustix::io::Errno::BUSY, "mounted"),
        (rustix::io::Errno::XDEV, "mounted"),
        (rustix::io::Errno::ACCESS, "permission_denied"),
        (rustix::io::Errno::ROFS, "read_only"),
        (rustix::io::Errno::NOSPC, "no_space"),
        (rustix::io::Errno::DQUOT, "quota"),
        (rustix::io::Errno::STALE, "stale"),
        (rustix::io::Errno::IO, "io"),
    ] {
        let error = WriteError::at(Path::new("/d/token"), &errno.into(), &directory);
        assert_eq!(error.code(), code);
        assert!(error.to_string().contains("/d/token"), "{error}");
    }
}

#[test]
fn a_full_disk_loses_nothing() {
    let full = Path::new("/dev/full");
    let mut file = std::fs::File::options().write(true).open(full).expect("opened");
    let refused = io::Write::write_all(&mut file, b"t").expect_err("full");
    let directory = Directory::open(Path::new("/dev")).expect("opened");
    assert!(matches!(WriteError::at(full, &refused, &directory), WriteError::NoSpace(_)));
}

#[test]
fn only_what_dead_writers_left_long_ago_is_removed() {
    let (_kept, root) = root();
    let path = root.join("token");
    let alive = Temporary::create(&Directory::open(&root).expect("opened"), "token", 0o600).expect("made");
    let leave = |name: &str, age: u64| {
        let file = fs_err::File::create(root.join(name)).expect("made").into_parts().0;
        file.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(age)).expect("set");
    };
    leave(".token.aaaaaa.tmp", 120);
    leave(".token.bbbbbb.tmp", 0);
    leave(".other.aaaaaa.tmp", 120);
    leave("token", 120);
    assert_eq!(remove_leftovers([&*path]), 1);
    let left = names(&root);
    assert_eq!(left.len(), 4, "{left:?}");
    assert!(!left.contains(&".token.aaaaaa.tmp".into()), "{left:?}");
    drop(alive);
    assert_eq!(names(&root), [".other.aaaaaa.tmp", ".token.bbbbbb.tmp", "token"]);
}

#[test]
fn looking_changes_nothing_and_says_what_writing_would() {
    let (_kept, root) = root();
    let path = root.join("new/token");
    let target = Target::private(&path);
    assert!(matches!(examine(&target), Err(WriteError::NoDirectory(_))));
    assert_eq!(examine(&Target { create_directories: true, ..target }).expect("can be made"), []);
    assert!(!root.join("new").exists());
    let path = root.join("token");
    let target = Target { in_place: true, ..Target::private(&path) };
    assert_eq!(examine(&target).expect("nothing there"), []);
    write(&target, b"t").expect("written");
    assert_eq!(examine(&target).expect("there"), [Warning::NotAtomic]);
    fs_err::set_permissions(&root, Permissions::from_mode(0o777)).expect("a mode");
    assert_eq!(examine(&Target::private(&path)).expect("there"), [Warning::OpenDirectory]);
    fs_err::remove_file(&path).expect("removed");
    symlink("x", &path).expect("linked");
    assert!(matches!(examine(&Target::private(&path)), Err(WriteError::Link(_))));
}

#[test]
fn a_file_is_removed_once() {
    let (_kept, root) = root();
    let path = root.join("token");
    write(&Target::private(&path), b"t").expect("written");
    assert!(remove(&path).expect("removed"));
    assert!(!remove(&path).expect("nothing there"));
    assert!(!remove(&root.join("nowhere/token")).expect("nothing there"));
    symlink("x", &path).expect("linked");
    assert!(matches!(remove(&path), Err(WriteError::Link(_))));
}

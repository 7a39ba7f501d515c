use std::os::unix::{fs::symlink, net::UnixListener};

use super::*;
use crate::command::doctor::check::{State, state_of};

fn facts(there: There, is_named: bool) -> Facts {
    let place = Place { path: "/s".into(), there };
    Facts { is_named, may_start: true, places: vec![place], abandoned: Vec::new() }
}

#[test]
fn each_state_of_a_place_is_told() {
    for (there, is_named, code, expected) in [
        (There::Agent(Some(7)), false, "socket", Some(State::Ok)),
        (There::Busy, false, "socket", Some(State::Problem)),
        (There::Nothing, false, "socket", Some(State::Ok)),
        (There::Nothing, true, "socket", Some(State::Problem)),
        (There::Stale, false, "stale_socket", Some(State::Warning)),
        (There::NoSocket, false, "stale_socket", Some(State::Warning)),
        (There::Nothing, false, "stale_socket", None),
        (There::Foreign(1001), false, "foreign_socket", Some(State::Problem)),
        (There::Untrusted("it is open".into()), false, "foreign_socket", Some(State::Problem)),
        (There::Unknown("denied".into()), false, "foreign_socket", Some(State::Warning)),
        (There::Agent(None), false, "foreign_socket", None),
    ] {
        assert_eq!(state_of(CHECKS, code, &facts(there.clone(), is_named)), expected, "{there:?}");
    }
    let none = Facts { may_start: false, ..facts(There::Nothing, false) };
    assert_eq!(state_of(CHECKS, "socket", &none), Some(State::Warning));
    assert_eq!(state_of(CHECKS, "socket", &Facts::default()), Some(State::Problem));
}

#[test]
fn real_places_are_told_apart() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| directory.path().join(name);
    let _listener = UnixListener::bind(at("live")).expect("bound");
    drop(UnixListener::bind(at("stale")).expect("bound"));
    fs_err::write(at("file"), "").expect("written");
    symlink(at("no-such"), at("dangling")).expect("linked");
    let own = i32::try_from(std::process::id()).ok();
    for (name, expected) in [
        ("live", There::Agent(own)),
        ("stale", There::Stale),
        ("file", There::NoSocket),
        ("dangling", There::Stale),
        ("missing", There::Nothing),
        ("missing/socket", There::Nothing),
    ] {
        assert_eq!(look_at(&Places::Default(vec![at(name)]), &at(name)), expected, "{name}");
    }
}

#[test]
fn sockets_that_were_left_behind_are_found() {
    let directory = tempfile::tempdir().expect("a directory");
    let holder = directory.path().join("oidc-AbCdEf");
    fs_err::create_dir(&holder).expect("made");
    let live = UnixListener::bind(holder.join("oidc-agent.1")).expect("bound");
    let uid = holder.metadata().expect("there").uid();
    assert!(abandoned(directory.path(), uid).is_empty());
    drop(live);
    assert_eq!(abandoned(directory.path(), uid), [holder.join("oidc-agent.1")]);
    assert!(abandoned(directory.path(), uid + 1).is_empty(), "somebody else's");
    let facts = Facts { abandoned: vec![holder.join("oidc-agent.1")], ..Facts::default() };
    assert_eq!(state_of(CHECKS, "abandoned_sockets", &facts), Some(State::Warning));
}

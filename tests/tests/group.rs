//! `--with-group`: who is in it by the kernel's word, and what they get.

use std::{
    fs::Permissions,
    io::{Read, Write},
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::Path,
    thread,
    time::Duration,
};

use oidc_tests::{
    agent::Agent,
    environment::{Environment, FileFormat},
    provider::Provider,
    require,
    scene::{ACCOUNT, load_into},
};
use rustix::{
    fs::{Gid, Uid},
    thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid},
};
use serde_json::{Value, json};

/// A user and a group that own nothing.
const NOBODY: u32 = 65534;
/// A group that every system has: `daemon`.
const GROUP: u32 = 1;

/// What somebody with these groups hears; nothing if the agent does not talk to them. Credentials belong to a thread.
fn ask_as(socket: &Path, gid: u32, groups: &[u32], request: &Value) -> Value {
    let ask = || {
        let groups: Vec<Gid> = groups.iter().copied().map(Gid::from_raw).collect();
        let (uid, gid) = (Uid::from_raw(NOBODY), Gid::from_raw(gid));
        set_thread_groups(&groups).expect("root may");
        set_thread_res_gid(gid, gid, gid).expect("root may");
        set_thread_res_uid(uid, uid, uid).expect("root may");
        let mut stream = UnixStream::connect(socket).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a time limit");
        let mut heard = String::new();
        // Being cut off while writing or reading is an answer too.
        let _ = stream.write_all(request.to_string().as_bytes());
        let _ = stream.read_to_string(&mut heard);
        serde_json::from_str(&heard).unwrap_or(Value::Null)
    };
    thread::scope(|scope| scope.spawn(ask).join().expect("no panic"))
}

fn open_the_way(environment: &Environment, agent: &Agent) {
    for path in agent.socket().ancestors().skip(1).take_while(|path| path.starts_with(environment.path(""))) {
        fs_err::set_permissions(path, Permissions::from_mode(0o711)).expect("open permissions");
    }
}

#[test]
fn members_get_tokens_and_nothing_else() {
    let Some(()) = require::root() else { return };
    let (provider, environment) = (Provider::start(), Environment::new());
    environment.add_account(&provider.seed_account(ACCOUNT), FileFormat::Native);
    environment.add_account(&provider.seed_account("asleep"), FileFormat::Native);
    let agent = Agent::with_options(&environment, &["--with-group=daemon"]);
    load_into(&agent, &environment, ACCOUNT);
    open_the_way(&environment, &agent);
    let socket = agent.socket();

    let token = json!({"request": "access_token", "account": ACCOUNT});
    for (gid, groups) in [(NOBODY, &[GROUP, 7][..]), (GROUP, &[])] {
        assert_eq!(ask_as(socket, gid, groups, &token)["status"], "success");
        assert_eq!(
            ask_as(socket, gid, groups, &json!({"request": "loaded_accounts"}))["info"],
            json!([ACCOUNT])
        );
    }
    let config = json!({"name": "mine", "issuer_url": provider.issuer()});
    for request in [
        json!({"request": "id_token", "account": ACCOUNT}),
        json!({"request": "lock", "password": "x"}),
        json!({"request": "page"}),
        json!({"request": "remove_all"}),
        json!({"request": "remove", "account": ACCOUNT}),
        json!({"request": "reset", "account": ACCOUNT}),
        json!({"request": "gen", "config": config, "flow": "device"}),
        json!({"request": "add", "config": config}),
        json!({"request": "file_write", "filename": "x", "data": "eA"}),
        json!({"request": "file_read", "filename": "x"}),
        json!({"request": "passwd", "account": ACCOUNT, "password": "x"}),
        json!({"request": "scopes", "issuer": provider.issuer(), "cert_path": "/etc/shadow"}),
    ] {
        let reply = ask_as(socket, NOBODY, &[GROUP], &request);
        assert_eq!(reply["error_code"], "not_permitted", "{request}: {reply}");
    }
    // No question for the owner's password on behalf of somebody else.
    let reply = ask_as(socket, NOBODY, &[GROUP], &json!({"request": "access_token", "account": "asleep"}));
    assert_eq!(reply["error_code"], "account_not_loaded", "{reply}");
    assert!(reply["info"].to_string().contains("Only the owner"), "{reply}");
    assert_eq!(agent.request(&token).expect("a reply")["status"], "success", "all of it was left");
}

#[test]
fn a_mode_that_lets_everybody_in_makes_nobody_a_member() {
    let Some(()) = require::root() else { return };
    let (provider, environment) = (Provider::start(), Environment::new());
    environment.add_account(&provider.seed_account(ACCOUNT), FileFormat::Native);
    let agent = Agent::with_options(&environment, &["--with-group=daemon"]);
    load_into(&agent, &environment, ACCOUNT);
    open_the_way(&environment, &agent);
    fs_err::set_permissions(agent.socket(), Permissions::from_mode(0o666)).expect("open permissions");
    for request in ["check", "loaded_accounts", "access_token"] {
        let request = json!({"request": request, "account": ACCOUNT});
        assert_eq!(ask_as(agent.socket(), NOBODY, &[7], &request), Value::Null, "{request}");
    }
}

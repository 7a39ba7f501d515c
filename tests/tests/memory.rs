//! What stands in the memory of an agent that should hold no secret any more: nothing, be it in the heap, in the
//! buffers of libraries or on a stack.

use std::{
    io::{Read, Seek, SeekFrom},
    thread,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use oidc_proto::{account::AccountConfig, secret::ClientSecret};
use oidc_tests::{
    agent::Agent,
    provider::{AccessTokenFormat, Quirks, Rotation},
    require,
    scene::{ACCOUNT, Scene, access_token},
};
use serde_json::json;

/// Bytes of a secret that count as the secret: parts of it lie on stacks and at the ends of buffers.
const PART: usize = 8;

/// Whatever the agent learned, by name.
#[derive(Default)]
struct Canaries(Vec<(&'static str, Vec<u8>)>);

impl Canaries {
    fn add(&mut self, name: &'static str, secret: &str) {
        let secret = secret.as_bytes();
        for part in [&secret[..PART.min(secret.len())], &secret[secret.len().saturating_sub(PART)..]] {
            self.0.push((name, part.to_vec()));
        }
    }

    fn add_client(&mut self, account: &AccountConfig) {
        let secret = account.client_secret.as_ref().map(ClientSecret::expose).expect("a secret");
        let id = account.client_id.as_deref().expect("a client id");
        self.add("client secret", secret);
        let credentials = STANDARD.encode(format!("{id}:{secret}"));
        // The client id comes first and is no secret.
        self.add("Authorization header", &credentials[credentials.len() - 2 * PART..]);
    }
}

/// The names of those that are found in what the agent can write to, and where.
fn found(agent: &Agent, canaries: &Canaries) -> Vec<String> {
    let process = format!("/proc/{}", agent.pid().as_raw_nonzero());
    let maps = fs_err::read_to_string(format!("{process}/maps")).expect("maps");
    let mut memory = fs_err::File::open(format!("{process}/mem")).expect("memory");
    let mut found = Vec::new();
    for line in maps.lines().filter(|line| line.split(' ').nth(1).is_some_and(|mode| mode.starts_with("rw")))
    {
        let (range, _) = line.split_once(' ').expect("a range");
        let (start, end) = range.split_once('-').expect("a range");
        let [start, end] = [start, end].map(|address| u64::from_str_radix(address, 16).expect("an address"));
        let mut bytes = vec![0; usize::try_from(end - start).expect("a size")];
        memory.seek(SeekFrom::Start(start)).expect("its place");
        if memory.read_exact(&mut bytes).is_err() {
            continue;
        }
        let place = line.split_whitespace().nth(5).unwrap_or("anonymous");
        for (name, part) in &canaries.0 {
            if memchr::memmem::find(&bytes, part).is_some() {
                found.push(format!("{name} ({}) in {place}", String::from_utf8_lossy(part)));
            }
        }
    }
    found
}

/// That none of them is in the memory once the agent has come to rest. Threads that worked end when they are idle.
fn assert_clean(agent: &Agent, canaries: &Canaries, state: &str) {
    let end = Instant::now() + Duration::from_secs(8);
    let mut left = found(agent, canaries);
    while !left.is_empty() && Instant::now() < end {
        thread::sleep(Duration::from_millis(200));
        left = found(agent, canaries);
    }
    assert!(left.is_empty(), "{state}: {left:#?}");
}

/// An account that was loaded and used, and what the agent learned by it.
fn used(scene: &Scene, canaries: &mut Canaries) {
    scene.load(ACCOUNT);
    canaries.add_client(&scene.environment.read_account(ACCOUNT));
    for _ in 0..3 {
        canaries.add("refresh token", scene.stored_refresh_token().expose());
        let reply = scene.ask(json!({"min_valid_period": -1}));
        canaries.add("access token", access_token(&reply));
    }
    canaries.add("refresh token", scene.stored_refresh_token().expose());
}

fn scene() -> Scene {
    Scene::with(
        Quirks {
            access_token: AccessTokenFormat::Opaque,
            access_token_padding: 4000,
            rotation: Rotation::Always,
            ..Quirks::default()
        },
        oidc_tests::environment::FileFormat::Native,
    )
}

fn request(scene: &Scene, request: &serde_json::Value) {
    let reply = scene.agent.request(request).expect("a reply");
    assert_eq!(reply["status"], "success", "{reply}");
}

#[test]
fn a_locked_agent_holds_no_secret_in_clear() {
    let Some(()) = require::root() else { return };
    let (scene, mut canaries) = (scene(), Canaries::default());
    used(&scene, &mut canaries);
    let current = found(&scene.agent, &canaries);
    for name in ["refresh token", "access token", "client secret"] {
        assert!(
            current.iter().any(|found| found.starts_with(name)),
            "the search finds the {name}: {current:?}"
        );
    }
    request(&scene, &json!({"request": "lock", "password": "sesame"}));
    assert_clean(&scene.agent, &canaries, "locked");
    request(&scene, &json!({"request": "unlock", "password": "sesame"}));
    access_token(&scene.ask(json!({})));
}

#[test]
fn an_account_that_is_gone_leaves_no_secret_behind() {
    let Some(()) = require::root() else { return };
    let (scene, mut canaries) = (scene(), Canaries::default());
    used(&scene, &mut canaries);
    request(&scene, &json!({"request": "remove", "account": ACCOUNT}));
    assert_clean(&scene.agent, &canaries, "removed");

    used(&scene, &mut canaries);
    request(&scene, &json!({"request": "remove", "account": ACCOUNT}));
    let (account, key) = scene.environment.unlock_account(ACCOUNT);
    let add = json!({
        "request": "add",
        "config": account.to_object().members(),
        "lifetime": 2,
        "file_key": key.to_text().expose(),
    });
    request(&scene, &add);
    canaries.add("access token", access_token(&scene.ask(json!({"min_valid_period": -1}))));
    canaries.add("refresh token", scene.stored_refresh_token().expose());
    assert_clean(&scene.agent, &canaries, "its lifetime is over");

    used(&scene, &mut canaries);
    scene.oidc(&["reset", "--force", ACCOUNT]).success();
    assert_clean(&scene.agent, &canaries, "reset");
}

//! What must hold for as long as an agent runs: no refresh token is spent twice, none is lost, and nothing grows. Some seconds
//! here; `OIDC_TESTS_ROTATIONS=100000` makes it an hour or so.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use oidc_proto::secret::RefreshToken;
use oidc_tests::{
    agent::Agent,
    environment::{Environment, FileFormat},
    provider::Provider,
    scene::{ACCOUNT, access_token, load_into},
};
use serde_json::json;

/// How many threads ask each agent for a forced new token.
const ASKING: usize = 3;
/// Pages of memory, in KiB, that an agent may have gained at the end: caches and allocators settle within it.
const GROWTH: u64 = 3 * 1024;

/// A long run shows its figures (`--nocapture`) after so many requests.
const SHOWN_EVERY: usize = 2000;

fn rotations() -> usize {
    std::env::var("OIDC_TESTS_ROTATIONS").ok().and_then(|number| number.parse().ok()).unwrap_or(400)
}

/// Resident memory in KiB, and open descriptors.
fn size(agent: &Agent) -> (u64, usize) {
    let process = format!("/proc/{}", agent.pid().as_raw_nonzero());
    let status = fs_err::read_to_string(format!("{process}/status")).expect("a status");
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("resident memory");
    let resident =
        resident.split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number");
    let descriptors = fs_err::read_dir(format!("{process}/fd")).expect("descriptors").count();
    (resident, descriptors)
}

/// Asks the agents for so many new tokens, by several threads each.
#[allow(clippy::print_stdout, reason = "the figures of a long run")]
fn rotate(agents: &[Agent; 2], requests: usize) {
    let left = AtomicUsize::new(requests);
    let ask = |agent: &Agent| {
        while let Ok(left) =
            left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
        {
            if left.is_multiple_of(SHOWN_EVERY) {
                println!("{left} to go; {:?}", agents.each_ref().map(size));
            }
            let reply = agent.token(ACCOUNT, json!({"min_valid_period": -1}));
            assert!(access_token(&reply).contains('.'));
        }
    };
    thread::scope(|scope| {
        for agent in agents {
            for _ in 0..ASKING {
                scope.spawn(|| ask(agent));
            }
        }
    });
}

/// Two agents, as on two login nodes with one home directory, are asked for new tokens all the time; the provider rotates
/// at each refresh and revokes the login if a token comes back a second time.
#[test]
fn two_agents_on_one_directory_rotate_without_end() {
    let provider = Provider::start();
    let environment = Environment::new();
    environment.add_account(&provider.seed_account(ACCOUNT), FileFormat::Native);
    let agents = [Agent::named(&environment, "one"), Agent::named(&environment, "two")];
    for agent in &agents {
        load_into(agent, &environment, ACCOUNT);
    }

    // By then caches, allocators and threads have what they take.
    rotate(&agents, rotations() / 4);
    let before = agents.each_ref().map(size);
    rotate(&agents, rotations());
    let after = agents.each_ref().map(size);

    assert_eq!(provider.reuses(), 0);
    let stored: RefreshToken = environment.read_account(ACCOUNT).refresh_token.expect("a refresh token");
    assert!(provider.is_live(&stored), "the file holds the newest token");
    for (before, after) in before.iter().zip(after) {
        assert!(after.0 < before.0 + GROWTH, "memory grew: {before:?} -> {after:?}");
        assert!(after.1 <= before.1 + 2, "descriptors are kept: {before:?} -> {after:?}");
    }
    println!("{} refreshes; {before:?} -> {after:?}", provider.log().refreshes());
}

//! A thousand managed files with tokens of a minute, read by somebody all the time: what that costs the agent and the provider,
//! and the least that a reader ever found left.
//!
//! `files-load [MINUTES [FILES [TOKENS [SECONDS]]]]`: for how long, how many files, of how many different tokens, and how long
//! tokens live. Ends with 1 when a file was found with less than a third of that left.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use oidc_tests::{
    agent::Agent,
    provider::{Quirks, Rotation},
    scene::{Scene, claims},
};
use serde_json::json;

/// Accounts that give the tokens.
const ACCOUNTS: usize = 20;

struct Load {
    minutes: u64,
    files: usize,
    tokens: usize,
    life: u64,
}

#[allow(clippy::print_stderr, reason = "usage")]
fn main() -> ExitCode {
    let given = std::env::args().skip(1).map(|argument| argument.parse()).collect::<Result<Vec<u64>, _>>();
    let Some(given) = given.ok().filter(|given| given.len() <= 4) else {
        eprintln!("usage: files-load [MINUTES [FILES [TOKENS [SECONDS]]]]");
        return ExitCode::from(2);
    };
    let number = |index: usize, otherwise| given.get(index).copied().unwrap_or(otherwise);
    let files = usize::try_from(number(1, 1000)).unwrap_or(1000).max(1);
    let tokens = usize::try_from(number(2, 1000)).unwrap_or(files).clamp(1, files);
    if run(&Load { minutes: number(0, 10), files, tokens, life: number(3, 60) }) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

#[allow(clippy::print_stdout, reason = "figures for whoever runs it")]
fn run(load: &Load) -> bool {
    let quirks = Quirks { access_token_lifetime: load.life, rotation: Rotation::Never, ..Quirks::default() };
    let scene = Scene::empty(quirks);
    let accounts = ACCOUNTS.min(load.tokens);
    (0..accounts).for_each(|number| scene.add_unsaved(&format!("a{number}")));
    let paths = configure(&scene, load, accounts);
    let reply = scene.agent.request(&json!({"request": "files_reload"})).expect("a reply");
    assert_eq!(reply["status"], "success", "{reply}");
    let began = Instant::now();
    while fresh(&scene.agent) < load.files {
        assert!(began.elapsed() < Duration::from_secs(300), "only {} files are there", fresh(&scene.agent));
        thread::sleep(Duration::from_millis(100));
    }
    println!("all {} files there after {:.1} s", load.files, began.elapsed().as_secs_f64());
    let (requests, cpu, start) =
        (scene.provider.log().refreshes(), cpu_seconds(&scene.agent), Instant::now());
    let (mut lowest, mut reads, mut missing) = (i64::MAX, 0_u64, 0_u64);
    while start.elapsed() < Duration::from_secs(load.minutes * 60) {
        for path in &paths {
            reads += 1;
            match left(path) {
                Some(left) => lowest = lowest.min(left),
                None => missing += 1,
            }
        }
        thread::sleep(Duration::from_millis(500));
    }
    let elapsed = start.elapsed().as_secs_f64();
    let requests = scene.provider.log().refreshes() - requests;
    let cpu = cpu_seconds(&scene.agent) - cpu;
    #[allow(clippy::cast_precision_loss, reason = "figures for people")]
    let each = requests as f64 / load.tokens as f64 / (elapsed / load.life as f64);
    println!(
        "{} files, {} tokens of {} s, {accounts} accounts, {elapsed:.0} s",
        load.files, load.tokens, load.life
    );
    println!("requests at the provider: {requests}, {each:.2} for each life of each token");
    println!("CPU of the agent: {cpu:.2} s, {:.2} % of a core", 100.0 * cpu / elapsed);
    println!(
        "memory of the agent: {} KiB resident, PSS {}",
        scene.agent.resident() / 1024,
        pss(&scene.agent)
    );
    println!("reads: {reads}, of which {missing} found no whole token; least found left: {lowest} s");
    missing == 0 && lowest >= i64::try_from(load.life / 3).unwrap_or(0)
}

fn configure(scene: &Scene, load: &Load, accounts: usize) -> Vec<PathBuf> {
    let directory = scene.environment.path("tokens");
    fs_err::create_dir_all(&directory).expect("a directory");
    let path = |number: usize| directory.join(format!("f{number}"));
    let entry = |number: usize| {
        let token = number % load.tokens;
        format!(
            "[[file]]\nname = \"f{number}\"\naccount = \"a{}\"\npath = \"{}\"\naudience = [\"https://s{token}.example\"]\n",
            token % accounts,
            path(number).display()
        )
    };
    let text: String = (0..load.files).map(entry).collect();
    fs_err::write(scene.environment.accounts().join("files.toml"), format!("version = 1\n{text}"))
        .expect("written");
    (0..load.files).map(path).collect()
}

fn fresh(agent: &Agent) -> usize {
    let reply = agent.request(&json!({"request": "files_status"})).expect("a reply");
    reply["info"]["counts"]["fresh"].as_u64().and_then(|fresh| usize::try_from(fresh).ok()).unwrap_or(0)
}

/// What a reader finds left, in seconds.
fn left(path: &Path) -> Option<i64> {
    let text = fs_err::read_to_string(path).ok().filter(|text| text.matches('.').count() == 2)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
    Some(claims(text.trim())["exp"].as_i64()? - i64::try_from(now).ok()?)
}

/// `utime` and `stime` (proc(5)), in seconds.
fn cpu_seconds(agent: &Agent) -> f64 {
    const TICKS: f64 = 100.0;
    let stat =
        fs_err::read_to_string(format!("/proc/{}/stat", agent.pid().as_raw_nonzero())).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let field = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (field(11) + field(12)) / TICKS
}

fn pss(agent: &Agent) -> String {
    let rollup = fs_err::read_to_string(format!("/proc/{}/smaps_rollup", agent.pid().as_raw_nonzero()));
    let rollup = rollup.unwrap_or_default();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    line.map_or_else(|| "not told".to_owned(), |line| line.trim().to_owned())
}

//! One function for each group of rows.

use std::{
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use oidc_tests::{
    environment::{Environment, FileFormat},
    npm_provider::NpmProvider,
    provider::{Endpoint, Fault, Provider, Quirks, Rotation},
    require,
};
use serde_json::{Value, json};

use crate::{load, print, suite::Agent, suite::Suite};

/// The account that is measured.
const ACCOUNT: &str = "demo";
/// How often a program is run, or a refresh forced.
const REPEATS: usize = 200;
/// Clients at once.
const CLIENTS: [usize; 3] = [1, 64, 256];
/// How long to wait for what may never answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// A provider, an account file in the C suite's format, and an agent that has it loaded.
struct Stage {
    agent: Agent,
    environment: Environment,
    provider: Provider,
}

impl Stage {
    fn new(suite: &Suite, quirks: Quirks) -> Result<Self> {
        let provider = Provider::with(quirks);
        let environment = Environment::new();
        environment.add_account(&provider.seed_account(ACCOUNT), FileFormat::OidcAgent);
        let agent = suite.agent(&environment, "bench")?;
        agent.load(&environment, ACCOUNT, true)?;
        Ok(Self { agent, environment, provider })
    }

    fn add(&self, name: &str, with_token: bool) -> Result<()> {
        self.environment.add_account(&self.provider.seed_account(name), FileFormat::OidcAgent);
        self.agent.load(&self.environment, name, with_token)
    }
}

/// Start to exit of the client, with a token in the agent's cache.
pub fn process(suites: &[Suite]) -> Result<()> {
    let mut cells = Vec::new();
    for suite in suites {
        let stage = Stage::new(suite, Quirks::default())?;
        let mut client = suite.token_client(&stage.environment);
        client.arg(ACCOUNT).env("OIDC_SOCK", &stage.agent.socket);
        cells.push(run_time(client)?);
    }
    let bare = run_time(Command::new("/bin/true"))?;
    row("`token` process, median (bare: /bin/true)", &cells, Some(bare));
    Ok(())
}

fn run_time(mut command: Command) -> Result<String> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut times = Vec::with_capacity(REPEATS);
    for _ in 0..REPEATS {
        let begin = Instant::now();
        command.status()?;
        times.push(begin.elapsed());
    }
    Ok(milliseconds(median(times)))
}

/// Requests for a cached token.
pub fn throughput(suites: &[Suite]) -> Result<()> {
    let stages =
        suites.iter().map(|suite| Stage::new(suite, Quirks::default())).collect::<Result<Vec<_>>>()?;
    let environment = Environment::new();
    let socket = environment.path("bare.sock");
    let mut bare = Command::new(std::env::current_exe()?).arg(&socket).spawn()?;
    while !socket.exists() {
        thread::sleep(Duration::from_millis(1));
    }
    for sealed in [false, true] {
        for clients in CLIENTS {
            let kind = if sealed { "sealed" } else { "plain" };
            let measure = |socket: &Path| {
                let load = load::run(socket, ACCOUNT, clients, sealed);
                format!("{:.0}/s p99 {}", load.rate, milliseconds(load.p99))
            };
            let cells: Vec<String> = stages.iter().map(|stage| measure(&stage.agent.socket)).collect();
            row(&format!("{kind} requests, {clients} clients"), &cells, Some(measure(&socket)));
        }
    }
    bare.kill()?;
    bare.wait()?;
    Ok(())
}

/// A forced refresh: at the embedded provider, and over TLS at npm's `oidc-provider`.
pub fn refresh(suites: &[Suite]) -> Result<()> {
    let mut cells = Vec::new();
    for suite in suites {
        let stage = Stage::new(suite, Quirks::default())?;
        cells.push(forced(&stage.agent));
    }
    row("forced refresh, http, median", &cells, None);
    let Some(node) = require::node() else { return Ok(()) };
    let mut cells = Vec::new();
    for suite in suites {
        let provider = NpmProvider::start(&node);
        let environment = Environment::new();
        environment.add_account(&provider.account(ACCOUNT), FileFormat::OidcAgent);
        let agent = suite.agent(&environment, "bench")?;
        cells.push(match agent.load(&environment, ACCOUNT, true) {
            Ok(()) => forced(&agent),
            Err(error) => format!("{error}").chars().take(14).collect(),
        });
    }
    row("forced refresh, https (npm oidc-provider), median", &cells, None);
    Ok(())
}

fn forced(agent: &Agent) -> String {
    let mut times = Vec::new();
    for _ in 0..40 {
        let begin = Instant::now();
        let reply = agent.request(&token_request(json!({"min_valid_period": -1})));
        if reply.is_ok_and(|reply| reply.get("access_token").is_some()) {
            times.push(begin.elapsed());
        }
    }
    if times.is_empty() { "failed".into() } else { milliseconds(median(times)) }
}

/// From exec to the first answer.
pub fn start(suites: &[Suite]) -> Result<()> {
    let mut cells = Vec::new();
    for suite in suites {
        let environment = Environment::new();
        let times = (0..20).map(|n| Ok(suite.agent(&environment, &format!("s{n}"))?.ready_after));
        cells.push(milliseconds(median(times.collect::<Result<_>>()?)));
    }
    row("agent: exec to first answer, median", &cells, None);
    Ok(())
}

/// Locking and unlocking 20 accounts.
pub fn lock(suites: &[Suite]) -> Result<()> {
    let (mut locked, mut unlocked) = (Vec::new(), Vec::new());
    for suite in suites {
        let stage = Stage::new(suite, Quirks::default())?;
        for number in 1..20 {
            stage.add(&format!("account{number}"), true)?;
        }
        for (request, cells) in [("lock", &mut locked), ("unlock", &mut unlocked)] {
            let begin = Instant::now();
            stage.agent.request(&json!({"request": request, "password": "secret"}))?;
            cells.push(milliseconds(begin.elapsed()));
        }
    }
    row("lock, 20 accounts", &locked, None);
    row("unlock, 20 accounts", &unlocked, None);
    Ok(())
}

/// A cached token of one account while the provider hangs on another.
pub fn hang(suites: &[Suite]) -> Result<()> {
    let mut cells = Vec::new();
    for suite in suites {
        let stage = Stage::new(suite, Quirks::default())?;
        stage.add("other", true)?;
        stage.provider.faults().set(Endpoint::Token, Fault::Hang);
        let refreshes = stage.provider.log().refreshes();
        cells.push(thread::scope(|scope| {
            let hanging = || {
                let request = json!({"request": "access_token", "account": "other", "min_valid_period": -1});
                let _ = stage.agent.request_within(&request, PATIENCE);
            };
            scope.spawn(hanging);
            stage.provider.log().wait_for(
                refreshes + 1,
                PATIENCE,
                oidc_tests::provider::Recorded::is_refresh,
            );
            let begin = Instant::now();
            match stage.agent.request_within(&token_request(json!({})), PATIENCE) {
                Ok(_) => milliseconds(begin.elapsed()),
                Err(_) => format!("> {} s", PATIENCE.as_secs()),
            }
        }));
        stage.provider.faults().clear_all();
    }
    row("cached token while the provider hangs on another account", &cells, None);
    Ok(())
}

/// 100 clients that want a token longer than the provider grants.
pub fn herd(suites: &[Suite]) -> Result<()> {
    let mut cells = Vec::new();
    for suite in suites {
        let stage = Stage::new(suite, Quirks { rotation: Rotation::Always, ..Quirks::default() })?;
        let before = stage.provider.log().refreshes();
        let begin = Instant::now();
        thread::scope(|scope| {
            for _ in 0..100 {
                scope.spawn(|| stage.agent.request(&token_request(json!({"min_valid_period": 1_000_000}))));
            }
        });
        let refreshes = stage.provider.log().refreshes() - before;
        cells.push(format!("{refreshes} in {}", milliseconds(begin.elapsed())));
    }
    row("refreshes for 100 parallel requests, rotation on", &cells, None);
    Ok(())
}

/// Proportional set size.
pub fn memory(suites: &[Suite]) -> Result<()> {
    let (mut one, mut each) = (Vec::new(), Vec::new());
    for suite in suites {
        let stage = Stage::new(suite, Quirks::default())?;
        let small = stage.agent.memory()?;
        for number in 1..200 {
            stage.add(&format!("account{number}"), true)?;
        }
        let large = stage.agent.memory()?;
        one.push(format!("{small} KiB"));
        #[allow(clippy::cast_precision_loss, reason = "a mean")]
        each.push(format!("{:.1} KiB", (large.saturating_sub(small)) as f64 / 199.0));
    }
    row("memory (PSS), one account", &one, None);
    row("memory (PSS), each further account", &each, None);
    Ok(())
}

/// Accounts that still work after the agent was killed right behind a rotation, the password typed and not stored.
pub fn killed(suites: &[Suite]) -> Result<()> {
    let mut cells = Vec::new();
    for suite in suites {
        let mut alive = 0;
        for _ in 0..10 {
            let mut stage = Stage::new(suite, Quirks { rotation: Rotation::Always, ..Quirks::default() })?;
            stage.agent.request_within(&token_request(json!({"min_valid_period": -1})), PATIENCE)?;
            stage.agent.kill();
            let agent = suite.agent(&stage.environment, "again")?;
            alive += usize::from(agent.load(&stage.environment, ACCOUNT, true).is_ok());
        }
        cells.push(format!("{alive} of 10"));
    }
    row("accounts alive after kill -9 behind a rotation", &cells, None);
    Ok(())
}

fn token_request(fields: Value) -> Value {
    let mut request = json!({"request": "access_token", "account": ACCOUNT, "min_valid_period": 0});
    if let (Some(request), Value::Object(fields)) = (request.as_object_mut(), fields) {
        request.extend(fields);
    }
    request
}

fn row(name: &str, cells: &[String], bare: Option<String>) {
    let ours = cells.first().map_or("", String::as_str);
    let c = cells.get(1).map_or("", String::as_str);
    print(&format!("{name:<58} {ours:>24} {c:>24} {:>24}", bare.unwrap_or_default()));
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}

//! One function for each group of rows.

use std::{
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use oidc_proto::{
    secret::Password,
    vault::kdf::{self, Algorithm, Work},
};
use oidc_tests::{
    environment::{Environment, FileFormat},
    npm_provider::NpmProvider,
    provider::{Endpoint, Fault, Provider, Quirks, Rotation},
    require,
};
use serde_json::{Value, json};

use crate::{
    SERVE,
    libsodium::Libsodium,
    load, say,
    suite::{Agent, Suite, status_within},
    suites,
    table::Row,
};

/// Where rows go.
type Rows<'a> = &'a mut dyn FnMut(Row);

/// The account that is measured.
pub const ACCOUNT: &str = "demo";
/// How often a program is run, or a refresh forced.
const REPEATS: usize = 200;
/// Clients at once.
const CLIENTS: [usize; 3] = [1, 64, 256];
/// How often a key is derived.
const DERIVATIONS: usize = 15;
/// How long to wait for what may never answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// A provider, an account file in the C suite's format, and an agent that has it loaded.
pub struct Stage {
    /// It has the account loaded.
    pub agent: Agent,
    /// Where the account file is.
    pub environment: Environment,
    provider: Provider,
}

impl Stage {
    /// With a provider that behaves as most do.
    pub fn new(suite: &Suite) -> Result<Self> {
        Self::with(suite, Quirks::default())
    }

    fn with(suite: &Suite, quirks: Quirks) -> Result<Self> {
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
pub fn process(row: Rows<'_>) -> Result<()> {
    let suites = suites();
    let stages = suites.iter().map(Stage::new).collect::<Result<Vec<_>>>()?;
    let client = |(suite, stage): (&Suite, &Stage)| {
        let mut client = suite.token_client(&stage.environment);
        client.arg(ACCOUNT).env("OIDC_SOCK", &stage.agent.socket);
        client
    };
    let mut programs: Vec<Command> = suites.iter().zip(&stages).map(client).collect();
    programs.push(Command::new("/bin/true"));
    for program in &mut programs {
        program.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    }
    // One after the other: whatever else the machine does, it does to all of them.
    let mut times = vec![Vec::with_capacity(REPEATS); programs.len()];
    for _ in 0..REPEATS {
        for (program, times) in programs.iter_mut().zip(&mut times) {
            times.push(timed(|| status_within(program, PATIENCE))?);
        }
    }
    let mut cells: Vec<String> = times.into_iter().map(|times| milliseconds(median(times))).collect();
    let bare = cells.pop();
    row(Row::new("`token` process, median (bare: /bin/true)", cells, bare));
    Ok(())
}

/// The key of an account file: of the C suite's format with libsodium's derivation beside it, and of ours; and `add`, which
/// takes one derivation and little else.
pub fn derivation(row: Rows<'_>) -> Result<()> {
    let password = Password::from("a password of usual length");
    let derive = |work: Work| {
        let mut out = [0; 64];
        kdf::derive(Algorithm::Argon2id, work, &password, &[7; 16], &mut out)
    };
    let libsodium = Libsodium::find();
    let (mut one, mut four, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    // Interleaved: whatever else the machine does, it does to all of them.
    for _ in 0..DERIVATIONS {
        one.push(timed(|| Ok(derive(Work { m_kib: 64 * 1024, t: 2, p: 1 })?))?);
        four.push(timed(|| Ok(derive(Work::RECOMMENDED)?))?);
        if let Some(libsodium) = &libsodium {
            theirs.push(libsodium.derive()?);
        }
    }
    let theirs = if theirs.is_empty() { String::new() } else { milliseconds(median(theirs)) };
    row(Row::new(
        "key derivation of the C suite's format (C: libsodium's alone)",
        vec![milliseconds(median(one)), theirs],
        None,
    ));
    row(Row::new("key derivation of our format", vec![milliseconds(median(four))], None));
    let cells = suites().iter().map(added).collect::<Result<_>>()?;
    row(Row::new("`add` process, C suite's format, median", cells, None));
    Ok(())
}

/// How long `add` takes, the median.
fn added(suite: &Suite) -> Result<String> {
    // Loaded by the client alone: the C agent stops for a password where it was told of an account that it cannot write.
    let provider = Provider::with(Quirks::default());
    let environment = Environment::new();
    environment.add_account(&provider.seed_account(ACCOUNT), FileFormat::OidcAgent);
    let agent = suite.agent(&environment, "bench")?;
    let mut times = Vec::new();
    for _ in 0..DERIVATIONS {
        let mut command = suite.add_client(&environment);
        command.args(["--pw-env", ACCOUNT]).env("OIDC_SOCK", &agent.socket);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        times.push(timed(|| status_within(&mut command, PATIENCE))?);
        agent.ordered(&json!({"request": "remove", "account": ACCOUNT}))?;
    }
    Ok(milliseconds(median(times)))
}

fn timed(act: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let begin = Instant::now();
    act()?;
    Ok(begin.elapsed())
}

/// Requests for a cached token.
pub fn throughput(row: Rows<'_>) -> Result<()> {
    let stages = suites().iter().map(Stage::new).collect::<Result<Vec<_>>>()?;
    let environment = Environment::new();
    let socket = environment.path("bare.sock");
    let mut bare = Command::new(std::env::current_exe()?);
    bare.arg(SERVE).arg(&socket);
    let _bare = Agent::listening(bare, &socket)?;
    for sealed in [false, true] {
        for clients in CLIENTS {
            let kind = if sealed { "sealed" } else { "plain" };
            let measure = |socket: &Path| {
                let load = load::run(socket, ACCOUNT, clients, sealed);
                format!("{:.0}/s p99 {}", load.rate, milliseconds(load.p99))
            };
            let cells: Vec<String> = stages.iter().map(|stage| measure(&stage.agent.socket)).collect();
            row(Row::new(format!("{kind} requests, {clients} clients"), cells, Some(measure(&socket))));
        }
    }
    Ok(())
}

/// A forced refresh: at the embedded provider, and over TLS at npm's `oidc-provider`.
pub fn refresh(row: Rows<'_>) -> Result<()> {
    let mut cells = Vec::new();
    for suite in suites() {
        let stage = Stage::new(&suite)?;
        cells.push(forced(&stage.agent)?);
    }
    row(Row::new("forced refresh, http, median", cells, None));
    let Some(node) = require::node() else { return Ok(()) };
    let mut cells = Vec::new();
    for suite in suites() {
        let provider = NpmProvider::start(&node);
        let environment = Environment::new();
        environment.add_account(&provider.account(ACCOUNT), FileFormat::OidcAgent);
        let agent = suite.agent(&environment, "bench")?;
        cells.push(match agent.load(&environment, ACCOUNT, true) {
            Ok(()) => forced(&agent)?,
            // Debian's agent reaches no provider whose certificate an authority of one's own has signed.
            Err(error) => {
                say(&format!("bench: {error:#}"));
                "not reached".to_owned()
            }
        });
    }
    row(Row::new("forced refresh, https (npm oidc-provider), median", cells, None));
    Ok(())
}

fn forced(agent: &Agent) -> Result<String> {
    let mut times = Vec::new();
    for _ in 0..40 {
        let begin = Instant::now();
        let reply = agent.request(&token_request(json!({"min_valid_period": -1})))?;
        if reply.get("access_token").is_none() {
            bail!("a refresh failed: {reply}");
        }
        times.push(begin.elapsed());
    }
    Ok(milliseconds(median(times)))
}

/// From exec to the first answer.
pub fn start(row: Rows<'_>) -> Result<()> {
    let mut cells = Vec::new();
    for suite in suites() {
        let environment = Environment::new();
        let times = (0..20).map(|n| Ok(suite.agent(&environment, &format!("s{n}"))?.ready_after));
        cells.push(milliseconds(median(times.collect::<Result<_>>()?)));
    }
    row(Row::new("agent: exec to first answer, median", cells, None));
    Ok(())
}

/// Locking and unlocking 20 accounts.
pub fn lock(row: Rows<'_>) -> Result<()> {
    let (mut locked, mut unlocked) = (Vec::new(), Vec::new());
    for suite in suites() {
        let stage = Stage::new(&suite)?;
        for number in 1..20 {
            stage.add(&format!("account{number}"), true)?;
        }
        for (request, cells) in [("lock", &mut locked), ("unlock", &mut unlocked)] {
            let begin = Instant::now();
            stage.agent.ordered(&json!({"request": request, "password": "secret"}))?;
            cells.push(milliseconds(begin.elapsed()));
        }
    }
    row(Row::new("lock, 20 accounts", locked, None));
    row(Row::new("unlock, 20 accounts", unlocked, None));
    Ok(())
}

/// A cached token of one account while the provider hangs on another.
pub fn hang(row: Rows<'_>) -> Result<()> {
    let mut cells = Vec::new();
    for suite in suites() {
        let stage = Stage::new(&suite)?;
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
    row(Row::new("cached token while the provider hangs on another account", cells, None));
    Ok(())
}

/// 100 clients that want a token longer than the provider grants.
pub fn herd(row: Rows<'_>) -> Result<()> {
    let mut cells = Vec::new();
    for suite in suites() {
        let stage = Stage::with(&suite, Quirks { rotation: Rotation::Always, ..Quirks::default() })?;
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
    row(Row::new("refreshes for 100 parallel requests, rotation on", cells, None));
    Ok(())
}

/// Proportional set size.
pub fn memory(row: Rows<'_>) -> Result<()> {
    let (mut one, mut each) = (Vec::new(), Vec::new());
    for suite in suites() {
        let stage = Stage::new(&suite)?;
        let small = stage.agent.memory()?;
        for number in 1..200 {
            stage.add(&format!("account{number}"), true)?;
        }
        let large = stage.agent.memory()?;
        one.push(format!("{small} KiB"));
        #[allow(clippy::cast_precision_loss, reason = "a mean")]
        each.push(format!("{:.1} KiB", (large.saturating_sub(small)) as f64 / 199.0));
    }
    row(Row::new("memory (PSS), one account", one, None));
    row(Row::new("memory (PSS), each further account", each, None));
    Ok(())
}

/// Accounts that still work after the agent was killed right behind a rotation, the password typed and not stored.
pub fn killed(row: Rows<'_>) -> Result<()> {
    let mut cells = Vec::new();
    for suite in suites() {
        let mut alive = 0;
        for _ in 0..10 {
            let mut stage = Stage::with(&suite, Quirks { rotation: Rotation::Always, ..Quirks::default() })?;
            stage.agent.request_within(&token_request(json!({"min_valid_period": -1})), PATIENCE)?;
            stage.agent.kill();
            let agent = suite.agent(&stage.environment, "again")?;
            alive += usize::from(agent.load(&stage.environment, ACCOUNT, true).is_ok());
        }
        cells.push(format!("{alive} of 10"));
    }
    row(Row::new("accounts alive after kill -9 behind a rotation", cells, None));
    Ok(())
}

fn token_request(fields: Value) -> Value {
    let mut request = json!({"request": "access_token", "account": ACCOUNT, "min_valid_period": 0});
    if let (Some(request), Value::Object(fields)) = (request.as_object_mut(), fields) {
        request.extend(fields);
    }
    request
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}

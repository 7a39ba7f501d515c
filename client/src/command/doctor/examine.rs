//! Gathers the facts, all at once and none for longer than there is time, and has them judged.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use oidc_proto::{
    deadlines,
    home::{HiddenFile, HiddenKind, Home},
    issuers::Issuers,
    message::{AccountReport, AccountStatus, ProviderQuery},
    shortname::Shortname,
    vault::Format,
};

use super::{
    accounts,
    agent::{self, Answer, Silence},
    ask,
    check::judge,
    config, desk, directory, environment, files, network,
    processes::agents_of,
    providers::{self, Lookup},
    report::Report,
    runtime, sockets,
    surroundings::Surroundings,
    tokens, waits,
};
use crate::{
    agent::{Agent, start},
    command::r#gen::redirect,
    process::patience::{Awaited, begin},
};

/// How long what is on this computer may take.
const LOCAL: Duration = Duration::from_millis(2500);
/// How long what follows from it may take, providers excepted.
const NEXT: Duration = Duration::from_millis(2200);
/// How much longer than the agent waits for a provider.
const SLACK: Duration = Duration::from_secs(1);
/// How many providers are asked at most.
const MOST_PROVIDERS: usize = 16;

/// What is on this computer.
struct Local {
    surroundings: Surroundings,
    sockets: sockets::Facts,
    environment: environment::Facts,
    network: network::Facts,
    runtime: runtime::Facts,
    agent: agent::Facts,
    config: config::Facts,
    directory: directory::Facts,
    files: files::Facts,
    accounts: Vec<accounts::Facts>,
    tokens: tokens::Facts,
    waited: waits::Facts,
}

/// Looks at everything, or at one account and everything that it needs.
pub fn examine(agent: &Agent, name: Option<&Shortname>) -> Report {
    let mut local = Local::gather(agent, name);
    let next = Next::begin(agent, &local, name.is_some());
    let (desk, providers) = next.end(&mut local, name.is_some());
    let mut report = Report::default();
    report.add("Time", judge(waits::CHECKS, &local.waited));
    report.add("Environment", judge(environment::CHECKS, &local.environment));
    report.add("Network", judge(network::CHECKS, &local.network));
    report.add("Runtime directory", judge(runtime::CHECKS, &local.runtime));
    let mut findings = judge(sockets::CHECKS, &local.sockets);
    findings.extend(judge(agent::CHECKS, &local.agent));
    report.add("Agent", findings);
    report.add("Configuration", judge(config::CHECKS, &local.config));
    let mut findings = judge(directory::CHECKS, &local.directory);
    findings.extend(judge(files::CHECKS, &local.files));
    report.add("Account files", findings);
    report.add("Tokens on the disk", judge(tokens::CHECKS, &local.tokens));
    if let Some(desk) = desk {
        report.add("Terminal and desktop", judge(desk::CHECKS, &desk));
    }
    for account in &local.accounts {
        report.add(format!("Account {}", account.name), judge(accounts::CHECKS, account));
    }
    for provider in &providers {
        report.add(format!("Provider {}", provider.issuer), judge(providers::CHECKS, provider));
    }
    report
}

impl Local {
    fn gather(agent: &Agent, name: Option<&Shortname>) -> Self {
        let deadline = Instant::now() + LOCAL;
        let surroundings = Surroundings::of_process();
        let (for_sockets, may_start) = (surroundings.clone(), agent.may_start());
        let sockets = begin(move || sockets::Facts::gather(&for_sockets, may_start));
        let asked = agent.clone();
        let answer = begin(move || Answer::of(&asked));
        let uid = surroundings.uid;
        let running = begin(move || agents_of(uid));
        let mine = surroundings.clone();
        let environment = begin(move || environment::Facts::gather(mine, None));
        let mine = surroundings.clone();
        let network = begin(move || network::Facts::gather(mine));
        let mine = surroundings.clone();
        let runtime = begin(move || runtime::Facts::gather(&mine));
        let config = begin(config::Facts::gather);
        let mine = surroundings.clone();
        let directory = begin(move || directory::Facts::gather(&mine));
        let (mine, only) = (surroundings.clone(), name.cloned());
        let files = begin(move || in_directory(&mine, only.as_ref()));

        let mine = surroundings.clone();
        let tokens = begin(move || tokens::Facts::gather(&mine));

        let mut waited = Vec::new();
        let sockets = or_waited(sockets, deadline, "sockets", &mut waited);
        let mut environment = or_waited(environment, deadline, "the home directory", &mut waited);
        environment.answering = sockets.answering();
        let (files, mut accounts) = or_waited(files, deadline, "account files", &mut waited);
        let answer = answer.by(deadline).unwrap_or(Answer::Silence);
        // What answers nothing may not even have been connected to, so only what listens is silent.
        let answer =
            if sockets.chosen().is_none() && answer == Answer::Silence { Answer::NoAgent } else { answer };
        add_loaded(&mut accounts, &answer, name, surroundings.now);
        Self {
            agent: agent::Facts {
                pid: sockets.answering(),
                running: or_waited(running, deadline, "processes", &mut waited),
                program: start::beside(),
                answer,
            },
            network: or_waited(network, deadline, "certificates", &mut waited),
            tokens: or_waited(tokens, deadline, "tokens on the disk", &mut waited),
            runtime: or_waited(runtime, deadline, "the runtime directory", &mut waited),
            config: or_waited(config, deadline, "the configuration", &mut waited),
            directory: or_waited(directory, deadline, "the oidc-agent directory", &mut waited),
            surroundings,
            sockets,
            environment,
            files,
            accounts,
            waited,
        }
    }
}

fn or_waited<T: Default>(
    awaited: Awaited<T>,
    deadline: Instant,
    what: &'static str,
    waited: &mut waits::Facts,
) -> T {
    awaited.by(deadline).unwrap_or_else(|| {
        waited.push(what);
        T::default()
    })
}

/// What the directory holds, without a look at the agent.
fn in_directory(
    surroundings: &Surroundings,
    only: Option<&Shortname>,
) -> (files::Facts, Vec<accounts::Facts>) {
    let home = Home::find().ok();
    let files = home.as_ref().map(|home| files::Facts::gather(home, surroundings, only)).unwrap_or_default();
    let is_account =
        |content: &files::Content| !matches!(content, files::Content::Foreign | files::Content::Link);
    let listed = files.files.iter().filter(|file| is_account(&file.content));
    let issuers = Issuers::load(home.as_ref());
    let names: Vec<Shortname> = match only {
        Some(name) => vec![name.clone()],
        None => listed.filter_map(|file| file.name.parse().ok()).collect(),
    };
    let accounts =
        names.iter().map(|name| accounts::Facts::gather(name, home.as_ref(), &issuers, surroundings.now));
    let accounts = accounts.map(|facts| accounts::Facts { is_named: only.is_some(), ..facts }).collect();
    (files, accounts)
}

/// Adds what the agent tells, and the accounts that only it has.
fn add_loaded(accounts: &mut Vec<accounts::Facts>, answer: &Answer, only: Option<&Shortname>, now: u64) {
    let Some(status) = answer.status() else {
        // Without an agent it is clear that nothing is loaded.
        for account in accounts.iter_mut().filter(|_| *answer != Answer::NoAgent) {
            account.silence = answer.why_silent();
        }
        return;
    };
    for name in status.loaded_accounts.iter().filter(|name| only.is_none_or(|only| only.as_str() == *name)) {
        let known = status.accounts.iter().find(|account| account.name == *name).cloned();
        let known = known.unwrap_or_else(|| AccountStatus { name: name.clone(), ..AccountStatus::default() });
        if let Some(account) = accounts.iter_mut().find(|account| account.name == *name) {
            account.status = Some(known);
            continue;
        }
        accounts.push(accounts::Facts {
            name: name.clone(),
            now,
            is_named: only.is_some(),
            status: Some(known),
            ..accounts::Facts::default()
        });
    }
}

/// What is found out next: what a person is asked by, and what providers answer.
struct Next {
    deadline: Instant,
    provider_deadline: Instant,
    desk: Awaited<desk::Facts>,
    providers: Vec<AwaitedProvider>,
    examined: Option<Awaited<Result<AccountReport, String>>>,
}

struct AwaitedProvider {
    issuer: String,
    host: Option<(String, Awaited<Lookup>)>,
    report: Result<Awaited<providers::Report>, Silence>,
}

impl Next {
    fn begin(agent: &Agent, local: &Local, is_named: bool) -> Self {
        let surroundings = local.surroundings.clone();
        let uses_gpg =
            local.files.files.iter().any(|file| file.content == files::Content::Sealed(Format::OpenPgp));
        let ports = desk::ports_of(&redirect::USUAL.map(str::to_owned));
        let silence = local.agent.answer.why_silent();
        let named = local.accounts.first().filter(|account| is_named && account.status.is_some());
        let examined = named.map(|account| {
            let (agent, name) = (agent.clone(), account.name.clone());
            begin(move || ask::account(&agent, name))
        });
        let has_proxy = local.network.proxy_variable().is_some();
        let ask = |(issuer, account): (String, Option<String>)| {
            let host = providers::Facts::host_of(&issuer).filter(|_| !has_proxy);
            let host = host.map(|(host, port)| {
                let name = host.clone();
                (name, begin(move || providers::Facts::look_up(&host, port)))
            });
            let query = query(&issuer, local, account.as_deref());
            let agent = agent.clone();
            let report =
                silence.map_or_else(|| Ok(begin(move || ask::provider(&agent, query, account))), Err);
            AwaitedProvider { issuer, host, report }
        };
        Self {
            deadline: Instant::now() + NEXT,
            provider_deadline: Instant::now() + deadlines::PROVIDER + SLACK,
            desk: begin(move || desk::Facts::gather(surroundings, uses_gpg, &ports)),
            providers: issuers(local, is_named).into_iter().map(ask).collect(),
            examined,
        }
    }

    fn end(self, local: &mut Local, is_named: bool) -> (Option<desk::Facts>, Vec<providers::Facts>) {
        let mut desk = self.desk.by(self.deadline);
        if desk.is_none() {
            local.waited.push("the terminal and the desktop");
        }
        let end = |provider: AwaitedProvider| {
            let host = provider
                .host
                .map(|(host, lookup)| (host, lookup.by(self.deadline).unwrap_or(Lookup::TimedOut)));
            let report = match provider.report {
                Ok(report) => report.by(self.provider_deadline).unwrap_or_default(),
                Err(reason) => providers::Report::NotAsked(reason),
            };
            providers::Facts { issuer: provider.issuer, host, report }
        };
        let providers = self.providers.into_iter().map(end).collect();
        let examined = self.examined.map(|examined| {
            examined
                .by(self.provider_deadline)
                .unwrap_or_else(|| Err("it does not answer in time".to_owned()))
        });
        if let (Some(Ok(report)), Some(desk)) = (&examined, &mut desk)
            && !report.redirect_uris.is_empty()
        {
            desk.look_at_ports(&desk::ports_of(&report.redirect_uris));
        }
        if let Some(account) = local.accounts.first_mut().filter(|_| is_named) {
            account.report = examined;
        }
        (desk, providers)
    }
}

/// The providers to ask, each with a loaded account of it: those of loaded accounts, or that of the one that is named.
fn issuers(local: &Local, is_named: bool) -> Vec<(String, Option<String>)> {
    let mut issuers: BTreeMap<String, Option<String>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for account in local.accounts.iter().filter(|account| is_named || account.status.is_some()) {
        let Some(issuer) = account.provider() else { continue };
        if seen.insert(issuer.trim_end_matches('/').to_owned()) {
            let loaded = account.status.as_ref().map(|_| account.name.clone());
            issuers.insert(issuer.to_owned(), loaded);
        }
    }
    issuers.into_iter().take(MOST_PROVIDERS).collect()
}

/// How the provider of an account that is not loaded is reached: with the certificates that are kept beside its file.
fn query(issuer: &str, local: &Local, loaded: Option<&str>) -> ProviderQuery {
    let is_kept = |file: &&HiddenFile| {
        let is_own = local.accounts.first().is_some_and(|account| account.name == file.stem);
        loaded.is_none() && is_own && file.kind == HiddenKind::Certificates
    };
    let kept = local.files.hidden.iter().map(|(file, _)| file).find(is_kept);
    let cert_path = kept.and_then(|file| file.path.to_str()).map(str::to_owned);
    ProviderQuery { issuer: Some(issuer.to_owned()), config_endpoint: None, cert_path }
}

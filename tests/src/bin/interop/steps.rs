//! The steps of the run, in order. Each is a function that does what a person would do and panics where it does not work.
//! The first ones stand alone; from [`MAIN`] on there is one account that lives through everything that follows.

#![allow(clippy::unnecessary_wraps, reason = "every step has the signature of a step")]

use std::{
    collections::BTreeSet,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use oidc_tests::{
    certificates::Certificates,
    faketime,
    programs::{Finished, run},
    scene::claims,
    servers::{ImpatientClient, NotOffered, Offer},
};
use serde_json::{Value, json};

use crate::{
    person::{Client, Person, Way},
    robots,
};

/// The account that lives through the later steps.
const MAIN: &str = "main";
/// How many refreshes in a row.
const REFRESHES: usize = 10;
/// After how many of them the agent is restarted.
const RESTARTS: [usize; 2] = [3, 7];
/// The exit code of a command for which the provider does not answer.
const UNAVAILABLE: i32 = 8;
/// How long the agent may take to ask a provider again that did not answer, at most.
const PAUSE: Duration = Duration::from_secs(10);
/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// How many tokens are wanted at the same moment.
const AT_ONCE: usize = 8;
/// How many seconds two clocks on a busy machine may seem to differ by.
const CLOCK_TOLERANCE: i64 = 5;
/// How far the clock of the person's machine is off, as libfaketime reads it.
const CLOCKS: [&str; 2] = ["+120s", "-120s"];

/// One row of the table.
pub struct Step {
    /// In the table and in the list of known defects.
    pub name: &'static str,
    pub run: fn(&mut Person) -> Offer<()>,
}

pub const STEPS: &[Step] = &[
    Step { name: "wrong CA: the text names `--cp`, nothing is left", run: wrong_authority },
    Step { name: "`oidc provider probe` foresees what happens", run: probe },
    Step { name: "newcomer without a client: an account, or the way to one", run: newcomer },
    Step { name: "`gen` by code, given public client", run: |p| given(p, false, Way::Code) },
    Step { name: "`gen` by device, given public client", run: |p| given(p, false, Way::Device) },
    Step { name: "`gen` by code, given client with a secret", run: |p| given(p, true, Way::Code) },
    Step { name: "`gen` by device, given client with a secret", run: |p| given(p, true, Way::Device) },
    Step { name: "`gen` by code, registered client", run: |p| registered(p, Way::Code) },
    Step { name: "`gen` by device, registered client", run: |p| registered(p, Way::Device) },
    Step { name: "a token of a narrower scope, then a full one", run: narrower_scope },
    Step { name: "an audience", run: audience },
    Step { name: "ten refreshes, the agent restarted in between", run: refreshes },
    Step { name: "many tokens at once through two agents", run: many_at_once },
    Step { name: "server restarted, a token wanted meanwhile", run: server_restarted },
    Step { name: "keys changed", run: keys_changed },
    Step { name: "clock two minutes fast or slow", run: clocks },
    Step { name: "logins revoked by an administrator: exit 7 and the way back", run: revoked },
    Step { name: "the way back in one command", run: way_back },
    Step { name: "a copied refresh token was used by somebody else: exit 7 and the way back", run: copied },
    Step { name: "a login that died unused: exit 7 and the way back", run: died_unused },
    Step { name: "`gen --delete` leaves nothing", run: deleted },
    Step { name: "`reset` leaves nothing", run: reset },
    Step { name: "robot with a secret: restarts, a herd for one request", run: robots::by_secret },
    Step { name: "robot with a key that `gen` made: the same", run: robots::by_key },
    Step { name: "robot that exchanges another account's tokens: the same", run: robots::exchanged },
    Step { name: "robot with its platform's JWT (file, command, address): the same", run: robots::federated },
];

/// The client that an account gets where the step is about something else: one that exists already where there is one, so
/// that a defect of registration shows in its own step.
fn any_client(person: &Person) -> Client {
    let server = &person.server;
    let given = server.confidential_client().or_else(|_| server.public_client()).map(Client::Given);
    given.unwrap_or_else(|_| Client::Registered(server.registration().expect("a client of some kind")))
}

/// Makes the main account where it is not there yet.
fn with_main(person: &Person) {
    if !person.environment.account_file(MAIN).exists() {
        person.generate(MAIN, &any_client(person), Way::Code);
    }
}

fn wrong_authority(person: &mut Person) -> Offer<()> {
    let other = tempfile::tempdir().expect("a temporary directory");
    let other = Certificates::make(other.path());
    let mut command = person.command(&["gen", "stranger", "--prompt=none", "--pw-env", "--issuer"]);
    command.arg(person.server.issuer()).arg("--cp").arg(&other.authority);
    let text = run(command).failure();
    assert!(text.contains("--cp"), "the option that mends it is not named: {text}");
    assert_eq!(person.leftovers("stranger"), Vec::<PathBuf>::new());
    Ok(())
}

fn newcomer(person: &mut Person) -> Offer<()> {
    let command = person.gen_command("newcomer", &Client::Registered(None));
    if let Ok(None) = person.server.registration() {
        person.log_in(command, Way::Code);
        person.new_token("newcomer");
        person.oidc(&["gen", "--delete", "newcomer", "--pw-env", "--confirm-yes"]).success();
    } else {
        let text = run(command).failure();
        assert!(text.contains("oidc gen -m") || text.contains("--client-id"), "no way on is named: {text}");
        if person.server.registration().is_ok() {
            assert!(text.contains("--at"), "the option for an initial access token is not named: {text}");
        }
    }
    assert_eq!(person.leftovers("newcomer"), Vec::<PathBuf>::new());
    Ok(())
}

fn given(person: &mut Person, confidential: bool, way: Way) -> Offer<()> {
    if way == Way::Device {
        person.server.device_flow()?;
    }
    let client =
        if confidential { person.server.confidential_client()? } else { person.server.public_client()? };
    lives(person, "given", &Client::Given(client), way);
    Ok(())
}

fn registered(person: &mut Person, way: Way) -> Offer<()> {
    if way == Way::Device {
        person.server.device_flow()?;
    }
    let client = Client::Registered(person.server.registration()?);
    let id = lives(person, "registered", &client, way);
    if let Ok(there) = person.server.has_client(&id) {
        assert!(!there, "the client {id} is still registered");
    }
    Ok(())
}

/// An account is made, gives tokens also after a restart of the agent, and is deleted; its client's id.
fn lives(person: &mut Person, name: &str, client: &Client, way: Way) -> String {
    person.generate(name, client, way);
    let first = person.new_token(name);
    person.restart_agent(name);
    assert_ne!(person.new_token(name), first);
    let id = person.account(name)["client_id"].as_str().expect("a client id").to_owned();
    person.oidc(&["gen", "--delete", name, "--pw-env", "--confirm-yes"]).success();
    assert_eq!(person.leftovers(name), Vec::<PathBuf>::new());
    id
}

fn narrower_scope(person: &mut Person) -> Offer<()> {
    let narrower = person.server.narrower_scope()?;
    with_main(person);
    if person.server.narrows_on_refresh() {
        let text = person.oidc(&["token", "--force-new", "--scope", narrower, MAIN]).failure();
        assert!(text.contains("lost the others for good"), "refused without the reason: {text}");
        person.new_token(MAIN);
        return Err(NotOffered(
            "A narrower token would narrow the login for good; it is refused here, with the reason.",
        ));
    }
    person.token(MAIN, &["--force-new", "--strict", "--scope", narrower]);
    person.token(MAIN, &["--force-new", "--strict", "--scope", person.server.scope()]);
    Ok(())
}

fn audience(person: &mut Person) -> Offer<()> {
    let wanted = person.server.audience()?;
    with_main(person);
    let mut arguments = vec!["--force-new", "--strict", "--aud", wanted.audience];
    arguments.extend(wanted.scope.into_iter().flat_map(|scope| ["--scope", scope]));
    let answer = person.token(MAIN, &arguments);
    let token = answer["access_token"].as_str().expect("a token");
    if token.split('.').count() == 3 {
        let audience = &claims(token)["aud"];
        assert!(audience.to_string().contains(wanted.audience), "for {audience} only");
    }
    person.new_token(MAIN);
    Ok(())
}

fn refreshes(person: &mut Person) -> Offer<()> {
    with_main(person);
    let mut tokens = Vec::new();
    for round in 0..REFRESHES {
        if RESTARTS.contains(&round) {
            person.restart_agent(MAIN);
        }
        tokens.push(person.new_token(MAIN));
    }
    tokens.sort();
    tokens.dedup();
    assert_eq!(tokens.len(), REFRESHES, "a token was given twice");
    Ok(())
}

/// Where a replaced refresh token ends the login when it comes back, this shows that none is sent twice.
fn many_at_once(person: &mut Person) -> Offer<()> {
    with_main(person);
    person.many_tokens(MAIN, AT_ONCE);
    person.new_token(MAIN);
    person.restart_agent(MAIN);
    person.new_token(MAIN);
    Ok(())
}

fn server_restarted(person: &mut Person) -> Offer<()> {
    with_main(person);
    let mut command = Some(person.command(&["token", "--force-new", MAIN]));
    let mut meanwhile = None;
    person.server.restart(&mut || meanwhile = command.take().map(run))?;
    let meanwhile = meanwhile.expect("a server that was down");
    assert_eq!(meanwhile.code, Some(UNAVAILABLE), "{meanwhile:#?}");
    // The agent leaves a provider that did not answer alone for a moment.
    let end = Instant::now() + PAUSE;
    while person.oidc(&["token", "--force-new", MAIN]).code == Some(UNAVAILABLE) && Instant::now() < end {
        thread::sleep(LOOK_AGAIN);
    }
    person.new_token(MAIN);
    Ok(())
}

fn keys_changed(person: &mut Person) -> Offer<()> {
    with_main(person);
    person.server.rotate_keys()?;
    person.new_token(MAIN);
    // Its ID token is signed with a key that nobody has seen yet.
    person.log_in_again(MAIN);
    person.new_token(MAIN);
    Ok(())
}

fn clocks(person: &mut Person) -> Offer<()> {
    faketime::library().ok_or(NotOffered("libfaketime is not on this machine"))?;
    let client = any_client(person);
    for clock in CLOCKS {
        person.with_clock(clock, |person| {
            person.generate("off", &client, Way::Code);
            person.new_token("off");
            person.oidc(&["gen", "--delete", "off", "--pw-env", "--confirm-yes"]).success();
        });
    }
    Ok(())
}

fn revoked(person: &mut Person) -> Offer<()> {
    with_main(person);
    person.server.revoke_logins()?;
    is_login_needed(person, MAIN);
    Ok(())
}

fn is_login_needed(person: &Person, name: &str) {
    let finished = person.oidc(&["token", "--force-new", name]);
    // Under either name of the program.
    let way_back = format!("gen {name} --reauthenticate");
    assert_eq!(finished.code, Some(7), "{finished:#?}");
    assert!(finished.stderr.contains(&way_back), "{way_back:?} is not in {:?}", finished.stderr);
}

fn way_back(person: &mut Person) -> Offer<()> {
    with_main(person);
    person.log_in_again(MAIN);
    person.new_token(MAIN);
    person.restart_agent(MAIN);
    person.new_token(MAIN);
    Ok(())
}

fn copied(person: &mut Person) -> Offer<()> {
    person.server.reuse_ends_login()?;
    with_main(person);
    let copy = person.account(MAIN);
    person.new_token(MAIN);
    assert!(!person.refresh_token_works(&copy), "a refresh token that was replaced is taken");
    is_login_needed(person, MAIN);
    person.log_in_again(MAIN);
    person.new_token(MAIN);
    Ok(())
}

fn died_unused(person: &mut Person) -> Offer<()> {
    let ImpatientClient { client, idle } = person.server.impatient_client()?;
    person.generate("impatient", &Client::Given(client), Way::Code);
    person.new_token("impatient");
    // Asking whether it is over would keep it alive.
    thread::sleep(idle + Duration::from_secs(1));
    is_login_needed(person, "impatient");
    person.log_in_again("impatient");
    person.new_token("impatient");
    person.oidc(&["gen", "--delete", "impatient", "--pw-env", "--confirm-yes"]).success();
    Ok(())
}

/// What is foreseen is compared with what the other steps find, and with a login of who names no scope.
fn probe(person: &mut Person) -> Offer<()> {
    let foreseen = person.prediction();
    let server = &person.server;
    let flows = if server.device_flow().is_ok() { json!(["code", "device"]) } else { json!(["code"]) };
    assert_eq!(foreseen["flows"], flows, "flows");
    let client = match server.registration() {
        Ok(None) => "registration",
        Ok(Some(_)) => "registration_with_token",
        Err(_) => "given",
    };
    assert_eq!(foreseen["client"], client, "client");
    assert_eq!(foreseen["revocation"], server.revocation().is_ok(), "revocation");
    assert_eq!(foreseen["pkce"], "S256", "PKCE");
    let tells_time = server.tells_time();
    is_ahead(&foreseen, tells_time.then_some(0));
    let client = any_client(person);
    person.log_in(person.gen_command_for_any_scope("foreseen", &client), Way::Code);
    let scope = foreseen["scope"].as_str().unwrap_or_else(|| panic!("no scope: {foreseen}"));
    let account = person.account("foreseen");
    let asked = account["auth_scope"].as_str().unwrap_or_default();
    assert_eq!(words(asked), words(scope), "scopes");
    person.new_token("foreseen");
    person.oidc(&["gen", "--delete", "foreseen", "--pw-env", "--confirm-yes"]).success();
    if faketime::library().is_some() {
        person.with_clock("+120s", |person| is_ahead(&person.prediction(), tells_time.then_some(120)));
    }
    Ok(())
}

/// So many seconds, or unknown.
fn is_ahead(foreseen: &Value, expected: Option<i64>) {
    let ahead = foreseen["clock_ahead"].as_i64();
    let difference = ahead.zip(expected).map(|(ahead, expected)| (ahead - expected).abs());
    let fits = difference.map_or(ahead == expected, |difference| difference <= CLOCK_TOLERANCE);
    assert!(fits, "a clock that is {ahead:?} seconds ahead, and not {expected:?}");
}

fn words(text: &str) -> BTreeSet<&str> {
    text.split_whitespace().collect()
}

fn deleted(person: &mut Person) -> Offer<()> {
    with_main(person);
    let account = person.account(MAIN);
    let finished = person.oidc(&["gen", "--delete", MAIN, "--pw-env", "--confirm-yes"]);
    is_given_up(person, &account, &finished);
    Ok(())
}

fn reset(person: &mut Person) -> Offer<()> {
    with_main(person);
    let account = person.account(MAIN);
    let finished = person.oidc(&["reset", MAIN, "--force"]);
    is_given_up(person, &account, &finished);
    Ok(())
}

/// Nothing is left here; and nothing there, or it is said.
fn is_given_up(person: &Person, account: &Value, finished: &Finished) {
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    assert_eq!(person.leftovers(MAIN), Vec::<PathBuf>::new());
    if person.server.revocation().is_ok() {
        assert!(!person.refresh_token_works(account), "the refresh token is still good");
    } else {
        let text = format!("{}{}", finished.stdout, finished.stderr);
        let is_told = text.contains("Could not revoke") || text.contains("a refresh token, until");
        assert!(is_told, "not told that the refresh token stays: {finished:#?}");
    }
}

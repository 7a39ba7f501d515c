//! Managed token files: the agent keeps them fresh by itself, whatever happens around it.

use std::{
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    thread,
    time::{Duration, Instant},
};

use oidc_tests::{
    agent::Agent,
    environment::{Environment, FileFormat},
    managed::{PATIENCE, ask, configure, entry, file, fresh, is, reload, state, token, wait_for},
    provider::{Endpoint, Fault, Provider, Quirks, Rotation},
    require,
    scene::{ACCOUNT, Scene, claims, load_into},
};
use serde_json::{Value, json};

/// Tokens that live for seconds.
fn short(seconds: u64) -> Quirks {
    Quirks { access_token_lifetime: seconds, ..Quirks::default() }
}

#[test]
fn a_file_is_there_and_stays_fresh_while_the_provider_comes_and_goes() {
    let mut scene = Scene::loaded_with(short(12));
    configure(
        &scene.environment,
        &entry(&scene.environment, "demo", "min_lifetime = \"2s\"\nmin_backoff = \"1s\""),
    );
    assert_eq!(reload(&scene.agent)["status"], "success");
    fresh(&scene.agent, "demo");
    let path = file(&scene.environment, "demo");
    let first = token(&path);
    assert_eq!(path.metadata().expect("there").mode() & 0o7777, 0o600);
    assert!(claims(&first)["exp"].is_u64());

    wait_for(&scene.agent, "demo", |state| state["renewals"].as_u64() >= Some(2));
    assert_ne!(token(&path), first);

    scene.provider.stop();
    // While it asks there is no next time.
    let failed = wait_for(&scene.agent, "demo", |state| {
        state["failures"].as_u64() >= Some(1) && state["next_at"].is_u64()
    });
    assert_eq!(failed["problem"]["code"], "provider_unreachable", "{failed}");
    wait_for(&scene.agent, "demo", |state| {
        (state["state"] == "expired" || state["state"] == "waiting") && state["next_at"].is_u64()
    });
    let began = Instant::now();
    while path.exists() {
        assert!(began.elapsed() < PATIENCE, "an expired token stays");
        thread::sleep(Duration::from_millis(20));
    }
    scene.provider.resume().expect("the same port");
    fresh(&scene.agent, "demo");
    assert!(path.exists());
}

#[test]
fn what_an_answer_that_comes_late_is_worth_is_seen() {
    let life = 8;
    let scene = Scene::loaded_with(short(life));
    let further = "min_lifetime = \"2s\"\nmin_backoff = \"1s\"";
    configure(&scene.environment, &entry(&scene.environment, "demo", further));
    reload(&scene.agent);
    fresh(&scene.agent, "demo");
    let path = file(&scene.environment, "demo");
    let milliseconds = (life + 2) * 1000;

    // Made just before it came: whole, however long the question was on its way.
    let first = token(&path);
    scene.provider.faults().queue(Endpoint::Token, Fault::Delay { milliseconds });
    wait_for(&scene.agent, "demo", |state| {
        state["state"] == "fresh" && path.exists() && token(&path) != first
    });
    let state = state(&scene.agent, "demo");
    assert_eq!(state["expires_at"], claims(&token(&path))["exp"], "{state}");

    // Made at once, and on its way for longer than it lives: not published, and another is asked for.
    let renewals = state["renewals"].as_u64();
    scene.provider.faults().queue(Endpoint::Token, Fault::Late { milliseconds });
    let late = wait_for(&scene.agent, "demo", |state| state["problem"]["code"] == "provider_timeout");
    assert!(late["problem"]["text"].as_str().is_some_and(|text| text.contains("so late")), "{late}");
    assert_eq!(late["renewals"].as_u64(), renewals, "{late}");
    fresh(&scene.agent, "demo");
    assert!(claims(&token(&path))["exp"].as_u64() > state["expires_at"].as_u64());
}

#[test]
fn the_configuration_is_read_at_the_start_and_good_files_are_taken_over() {
    let mut scene = Scene::loaded();
    configure(&scene.environment, &entry(&scene.environment, "demo", ""));
    reload(&scene.agent);
    fresh(&scene.agent, "demo");
    let before = token(&file(&scene.environment, "demo"));
    let granted = scene.provider.log().refreshes();
    scene.restart();
    // The account is not loaded.
    let taken_over = wait_for(&scene.agent, "demo", is("unmanaged"));
    assert!(taken_over["expires_at"].is_u64(), "{taken_over}");
    scene.load(ACCOUNT);
    fresh(&scene.agent, "demo");
    assert_eq!(token(&file(&scene.environment, "demo")), before);
    // Loading asks for one.
    assert!(scene.provider.log().refreshes() <= granted + 1);
}

#[test]
fn a_wrong_configuration_changes_nothing() {
    let scene = Scene::loaded();
    configure(&scene.environment, &entry(&scene.environment, "demo", ""));
    reload(&scene.agent);
    fresh(&scene.agent, "demo");
    configure(&scene.environment, &entry(&scene.environment, "demo", "colour = \"blue\""));
    let refused = reload(&scene.agent);
    assert_eq!(refused["error_code"], "files_configuration", "{refused}");
    assert!(refused["info"].as_str().is_some_and(|info| info.contains("colour")), "{refused}");
    assert_eq!(state(&scene.agent, "demo")["state"], "fresh");
    let status = ask(&scene.agent, json!({"request": "files_status"}));
    assert!(status["info"]["refused"]["text"].is_string(), "{status}");

    configure(&scene.environment, &entry(&scene.environment, "other", ""));
    assert_eq!(reload(&scene.agent)["status"], "success");
    fresh(&scene.agent, "other");
    assert!(file(&scene.environment, "demo").exists(), "what is managed no longer stays where it is");
}

#[test]
fn a_dead_login_is_left_alone_until_the_next_one() {
    let scene = Scene::loaded_with(short(6));
    let hook = "[file.hook]\non = [\"login-needed\"]\ncommand = [\"sh\", \"-c\", \"echo $OIDC_EVENT $OIDC_ACCOUNT >> $OIDC_FILE.told\"]";
    let further = format!("min_lifetime = \"1s\"\non_expiry = \"keep\"\n{hook}");
    configure(&scene.environment, &entry(&scene.environment, "demo", &further));
    reload(&scene.agent);
    fresh(&scene.agent, "demo");
    scene.provider.revoke_logins();
    let dead = wait_for(&scene.agent, "demo", is("login-needed"));
    assert_eq!(dead["problem"]["code"], "login_needed", "{dead}");
    let asked = scene.provider.log().count(Endpoint::Token);
    let told = file(&scene.environment, "demo.told");
    let began = Instant::now();
    while fs_err::read_to_string(&told).unwrap_or_default() != "login-needed demo\n" {
        assert!(began.elapsed() < PATIENCE, "nobody was told: {}", state(&scene.agent, "demo"));
        thread::sleep(Duration::from_millis(20));
    }
    let waited = ask(&scene.agent, json!({"request": "files_wait", "name": "demo", "timeout": 60}));
    assert_eq!(waited["error_code"], "login_needed", "waiting does not help: {waited}");
    // Somebody logs in.
    let account = scene.provider.seed_account(ACCOUNT);
    let request =
        json!({"request": "add", "config": account.to_object().members(), "replace": 1, "plain_add": 1});
    assert_eq!(ask(&scene.agent, request)["status"], "success");
    assert_eq!(scene.provider.log().count(Endpoint::Token), asked, "nobody was asked meanwhile");
    fresh(&scene.agent, "demo");
}

#[test]
fn a_refused_scope_is_asked_for_once() {
    let scene = Scene::loaded_with(short(6));
    let often = "min_lifetime = \"1s\"\nmin_backoff = \"1s\"";
    let bad = format!("scope = [\"forbidden\"]\n{often}");
    let entries = [entry(&scene.environment, "bad", &bad), entry(&scene.environment, "demo", often)];
    configure(&scene.environment, &entries.concat());
    let asked = || scene.provider.log().count_where(|asked| asked.form.first("scope") == Some("forbidden"));
    reload(&scene.agent);
    let refused = wait_for(&scene.agent, "bad", is("refused"));
    assert_eq!(refused["problem"]["code"], "invalid_scope", "{refused}");
    wait_for(&scene.agent, "demo", |state| state["renewals"].as_u64() >= Some(3));
    assert_eq!(asked(), 1, "while another entry of the account is renewed again and again");
    assert!(!file(&scene.environment, "bad").exists());
    ask(&scene.agent, json!({"request": "files_renew", "name": "bad"}));
    assert!(
        scene.provider.log().wait_for(2, PATIENCE, |asked| asked.form.first("scope") == Some("forbidden"))
    );
    wait_for(&scene.agent, "bad", |state| state["state"] == "refused" && state["busy"] == false);
    assert_eq!(asked(), 2, "somebody asked for it");
}

#[test]
fn under_the_lock_files_stay_and_afterwards_all_are_renewed() {
    let scene = Scene::loaded_with(short(8));
    configure(
        &scene.environment,
        &entry(&scene.environment, "demo", "min_lifetime = \"1s\"\non_expiry = \"keep\""),
    );
    reload(&scene.agent);
    fresh(&scene.agent, "demo");
    let path = file(&scene.environment, "demo");
    ask(&scene.agent, json!({"request": "lock", "password": "sesame"}));
    let locked = state(&scene.agent, "demo");
    assert_eq!(
        (&locked["state"], &locked["problem"]["code"]),
        (&json!("unmanaged"), &json!("agent_locked")),
        "{locked}"
    );
    let before = token(&path);
    thread::sleep(Duration::from_secs(9));
    assert_eq!(token(&path), before, "kept, though it has ended");
    assert_eq!(ask(&scene.agent, json!({"request": "files_renew"}))["error_code"], "agent_locked");
    ask(&scene.agent, json!({"request": "unlock", "password": "sesame"}));
    fresh(&scene.agent, "demo");
    assert_ne!(token(&path), before);
}

#[test]
fn an_account_that_asks_opens_no_window() {
    let scene = Scene::new();
    let account = scene.provider.seed_account(ACCOUNT);
    let request =
        json!({"request": "add", "config": account.to_object().members(), "confirm": 1, "plain_add": 1});
    assert_eq!(ask(&scene.agent, request)["status"], "success");
    configure(&scene.environment, &entry(&scene.environment, "demo", ""));
    reload(&scene.agent);
    let asks = wait_for(&scene.agent, "demo", is("unmanaged"));
    assert_eq!(asks["problem"]["code"], "prompt_unavailable", "{asks}");
    assert_eq!(scene.provider.log().count(Endpoint::Token), 0);
}

#[test]
fn what_cannot_be_written_costs_no_token_and_names_what_is_wrong() {
    let scene = Scene::loaded();
    let environment = &scene.environment;
    configure(
        environment,
        &["link", "directory", "missing"]
            .map(|name| entry(environment, name, "min_backoff = \"1s\""))
            .concat(),
    );
    let elsewhere = environment.path("elsewhere");
    fs_err::write(&elsewhere, "theirs").expect("written");
    symlink(&elsewhere, file(environment, "link")).expect("a link");
    fs_err::create_dir(file(environment, "directory")).expect("a directory");
    let text = fs_err::read_to_string(environment.accounts().join("files.toml")).expect("it");
    let text = text.replace("tokens/missing", "nowhere/missing");
    fs_err::write(environment.accounts().join("files.toml"), text).expect("written");
    let before = scene.provider.log().refreshes();
    reload(&scene.agent);
    for (name, code) in [("link", "link"), ("directory", "not_a_file"), ("missing", "no_directory")] {
        let failed = wait_for(&scene.agent, name, |state| state["write_problem"]["code"] == code);
        assert_eq!(failed["problem"], Value::Null, "{failed}");
    }
    assert_eq!(fs_err::read_to_string(&elsewhere).expect("there"), "theirs");
    fs_err::remove_file(file(environment, "link")).expect("removed");
    fresh(&scene.agent, "link");
    assert!(scene.provider.log().refreshes() <= before + 1, "one token for all, and no other");
}

#[test]
fn killed_at_each_step_of_a_write_a_file_is_the_old_one_or_the_new_one() {
    let Some(program) = require::fault_points() else { return };
    // Refresh tokens that are saved would be files, too.
    let quirks = Quirks { rotation: Rotation::Never, ..Quirks::default() };
    for step in ["temporary-made", "synced", "renamed"] {
        let mut scene = Scene::loaded_with(quirks.clone());
        configure(&scene.environment, &entry(&scene.environment, "demo", ""));
        reload(&scene.agent);
        fresh(&scene.agent, "demo");
        let (path, armed) = (file(&scene.environment, "demo"), scene.environment.path("armed"));
        let before = token(&path);
        scene.agent.kill();

        let mut command = scene.environment.command_at(&program);
        command.env("OIDC_FAULT_POINT", format!("{step}@{}", armed.display()));
        let mut mortal = Agent::spawn(&scene.environment, command, "mortal");
        let account = scene.provider.seed_account(ACCOUNT);
        let request = json!({"request": "add", "config": account.to_object().members(), "plain_add": 1});
        assert_eq!(ask(&mortal, request)["status"], "success");
        fresh(&mortal, "demo");
        fs_err::write(&armed, "").expect("armed");
        // It dies before it can answer.
        let _ = mortal.request(&json!({"request": "files_renew"}));
        let began = Instant::now();
        while mortal.request(&json!({"request": "check"})).is_ok() {
            assert!(began.elapsed() < PATIENCE, "{step}: it lives on");
            thread::sleep(Duration::from_millis(10));
        }
        mortal.kill();
        let after = token(&path);
        assert!(claims(&after)["exp"].is_u64(), "{step}: half a token");
        assert_eq!(after == before, step != "renamed", "{step}");
        scene.restart();
        scene.load(ACCOUNT);
        ask(&scene.agent, json!({"request": "files_renew"}));
        wait_for(&scene.agent, "demo", |state| {
            state["state"] == "fresh" && state["renewals"].as_u64() >= Some(1)
        });
        assert_ne!(token(&path), after, "{step}: what was left is in nobody's way");
    }
}

#[test]
fn two_agents_with_one_configuration_do_not_disturb_each_other() {
    let scene = Scene::loaded_with(short(12));
    configure(&scene.environment, &entry(&scene.environment, "demo", "min_lifetime = \"2s\""));
    reload(&scene.agent);
    fresh(&scene.agent, "demo");
    let other = Agent::named(&scene.environment, "other");
    load_into(&other, &scene.environment, ACCOUNT);
    fresh(&other, "demo");
    let (path, began) = (file(&scene.environment, "demo"), Instant::now());
    while began.elapsed() < Duration::from_secs(20) {
        let now = claims(&token(&path));
        let left = now["exp"].as_i64().expect("a time") - epoch();
        assert!(left >= 2, "{left} seconds left");
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(scene.provider.reuses(), 0);
    let leftovers: Vec<_> = fs_err::read_dir(scene.environment.path("tokens"))
        .expect("it")
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    assert_eq!(leftovers, ["demo"]);
}

fn epoch() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    i64::try_from(now.as_secs()).expect("small")
}

#[test]
fn a_thousand_files_of_a_few_tokens() {
    let scene = Scene::loaded();
    let entries: String = (0..1000)
        .map(|number| {
            entry(
                &scene.environment,
                &format!("f{number:04}"),
                &format!("audience = [\"https://a{}.example\"]", number % 5),
            )
        })
        .collect();
    configure(&scene.environment, &entries);
    let before = scene.provider.log().refreshes();
    assert_eq!(reload(&scene.agent)["status"], "success");
    let began = Instant::now();
    loop {
        let reply = ask(&scene.agent, json!({"request": "files_status"}));
        if reply["info"]["counts"]["fresh"] == 1000 {
            assert_eq!(
                (reply["info"]["entries"].as_array().map(Vec::len), &reply["info"]["more"]),
                (Some(200), &json!(true))
            );
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(120), "{}", reply["info"]["counts"]);
        thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(scene.provider.log().refreshes() - before, 5);
    let last = ask(&scene.agent, json!({"request": "files_status", "after": "f0989"}));
    assert_eq!(last["info"]["entries"].as_array().map(Vec::len), Some(10), "{last}");
}

#[test]
fn hooks_are_told_and_their_failures_are_states() {
    let scene = Scene::loaded();
    let environment = &scene.environment;
    let good = "[file.hook]\non = [\"created\", \"renewed\"]\ncommand = [\"sh\", \"-c\", \"echo $OIDC_EVENT >> $OIDC_FILE.told\"]";
    let bad = "[file.hook]\non = [\"created\"]\ncommand = [\"false\"]";
    configure(environment, &[entry(environment, "good", good), entry(environment, "bad", bad)].concat());
    reload(&scene.agent);
    fresh(&scene.agent, "good");
    wait_for(&scene.agent, "good", |state| state["hook"]["outcome"] == "done");
    ask(&scene.agent, json!({"request": "files_renew", "name": "good"}));
    wait_for(&scene.agent, "good", |state| {
        state["renewals"] == 2 && state["hook"]["event"] == "renewed" && state["hook"]["outcome"] == "done"
    });
    assert_eq!(fs_err::read_to_string(file(environment, "good.told")).expect("told"), "created\nrenewed\n");
    let failed = wait_for(&scene.agent, "bad", |state| state["hook"]["outcome"] == "failed");
    assert!(failed["hook"]["retry_at"].is_u64(), "{failed}");
    assert_eq!(failed["state"], "fresh", "nothing else depends on it");
}

#[test]
fn a_service_loads_its_account_with_a_password_from_a_file_or_a_program() {
    for source in ["password_file = \"~/password\"", "password_command = [\"cat\", \"PASSWORD\"]"] {
        let provider = Provider::with(Quirks::default());
        let environment = Environment::new();
        environment.add_account(&provider.seed_account(ACCOUNT), FileFormat::Native);
        let password = environment.home().join("password");
        fs_err::write(&password, format!("{}\n", oidc_tests::environment::PASSWORD)).expect("written");
        fs_err::set_permissions(&password, PermissionsExt::from_mode(0o600)).expect("changed");
        let source = source.replace("PASSWORD", password.to_str().expect("text"));
        configure(
            &environment,
            &format!("{}[accounts.{ACCOUNT}]\n{source}\n", entry(&environment, "demo", "")),
        );
        let agent = Agent::start(&environment);
        let began = Instant::now();
        while state(&agent, "demo")["state"] != "fresh" {
            assert!(began.elapsed() < PATIENCE, "{}", ask(&agent, json!({"request": "files_status"})));
            thread::sleep(Duration::from_millis(50));
        }
    }
}

#[test]
fn an_agent_without_a_configuration_has_nothing_to_tell() {
    let scene = Scene::new();
    let status = ask(&scene.agent, json!({"request": "files_status"}));
    assert_eq!(
        (&status["info"]["entries"], &status["info"]["loaded_at"]),
        (&json!([]), &Value::Null),
        "{status}"
    );
    let unknown = ask(&scene.agent, json!({"request": "files_wait", "name": "x"}));
    assert_eq!(unknown["error_code"], "file_not_managed");
    assert_eq!(reload(&scene.agent)["status"], "success");
}

#[test]
fn a_password_that_is_not_there_yet_keeps_nobody_elses_files_from_being_fresh() {
    let scene = Scene::loaded();
    let later = scene.environment.path("password-that-comes-later");
    let absent = format!("[accounts.other]\npassword_file = \"{}\"\n", later.display());
    configure(&scene.environment, &format!("{}{absent}", entry(&scene.environment, "demo", "")));
    let reloaded = reload(&scene.agent);
    assert_eq!(reloaded["status"], "success", "{reloaded}");
    fresh(&scene.agent, "demo");
    let status = ask(&scene.agent, json!({"request": "files_status"}));
    let told = status["info"]["warnings"].to_string();
    assert!(told.contains("accounts.other") && told.contains("password_file"), "{status}");
}

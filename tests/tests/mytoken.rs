//! Accounts at a mytoken server, from `oidc gen` on, against a played one that has a login at the embedded provider.

use std::os::unix::{fs::PermissionsExt, process::CommandExt};

use oidc_proto::account::AccountConfig;
use oidc_tests::{
    agent::{Agent, PINENTRY},
    environment::{Environment, FileFormat},
    mytoken_server::{Fault, MytokenServer, Place, Polling},
    programs::{Finished, run},
    provider::{AudienceParameter, Endpoint, Provider, Quirks},
    scene::{Scene, access_token, claims, load_into},
};
use serde_json::{Value, json};

const ROTATING: &str = r#"{"capabilities":["AT","create_mytoken"],"rotation":{"on_AT":true,"on_other":true,"auto_revoke":true}}"#;

/// A mytoken server beside a provider, and an agent whose owner answers questions with `answer`.
struct Stage {
    server: MytokenServer,
    scene: Scene,
}

impl Stage {
    fn new() -> Self {
        Self::answering("OK")
    }

    /// What its owner answers when a window of the agent's opens, in the words of pinentry.
    fn answering(answer: &str) -> Self {
        let environment = Environment::new();
        let agent = agent(&environment, "agent", answer);
        let provider = Provider::with(Quirks { audience: AudienceParameter::Audience, ..Quirks::default() });
        let server = MytokenServer::beside(&provider);
        Self { server, scene: Scene { agent, environment, provider } }
    }

    fn oidc(&self, arguments: &[&str]) -> Finished {
        self.scene.oidc(arguments)
    }

    fn generate(&self, name: &str, options: &[&str]) -> Finished {
        let url = format!("--mytoken-url={}", self.server.url());
        let line = ["gen", name, &url, "--prompt=none", "--pw-env"];
        self.oidc(&[&line, options].concat())
    }

    /// An account with a mytoken, as its file has it.
    fn account(&self, profile: &Value) -> AccountConfig {
        AccountConfig {
            name: Some("mt".into()),
            issuer_url: Some(self.scene.provider.issuer()),
            mytoken_url: Some(self.server.url()),
            client_id: Some("mytoken".into()),
            client_secret: Some("mytoken".into()),
            refresh_token: Some(self.server.seed(profile).as_str().into()),
            ..AccountConfig::default()
        }
    }

    /// The same, in a file and loaded.
    fn loaded(&self, profile: &Value) {
        self.scene.environment.add_account(&self.account(profile), FileFormat::Native);
        load_into(&self.scene.agent, &self.scene.environment, "mt");
    }

    fn stored(&self) -> String {
        let account = self.scene.environment.read_account("mt");
        account.refresh_token.expect("a mytoken").expose().to_owned()
    }

    fn restart(&mut self) {
        self.scene.agent.kill();
        self.scene.agent = agent(&self.scene.environment, "again", "OK");
    }

    fn windows(&self) -> String {
        fs_err::read_to_string(self.scene.environment.path("heard")).unwrap_or_default()
    }
}

fn agent(environment: &Environment, name: &str, answer: &str) -> Agent {
    let program = environment.path("pinentry");
    let script = format!(
        "#!/bin/sh\necho OK\nwhile read -r line; do\nprintf '%s\\n' \"$line\" >> {heard}\n\
         case \"$line\" in CONFIRM) echo '{answer}';; BYE) echo OK; exit;; *) echo OK;; esac\ndone\n",
        heard = environment.path("heard").display()
    );
    fs_err::write(&program, script).expect("written");
    fs_err::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).expect("executable");
    let mut command = environment.command("oidc-agent");
    command.env(PINENTRY, program);
    Agent::spawn(environment, command, name)
}

#[test]
fn from_the_login_to_the_deletion() {
    let mut stage = Stage::new();
    let made = stage.generate("mt", &["--mytoken", ROTATING]);
    assert!(made.stderr.contains(&format!("{}/c/", stage.server.url())), "{made:?}");
    assert!(!made.stderr.contains("enter the code"), "{made:?}");
    made.success();
    let begun = &stage.server.asked(Place::Mytoken)[0];
    assert_eq!(begun.body["capabilities"], json!(["AT", "create_mytoken"]));
    assert!(begun.text("name").starts_with("mytoken for oidc-agent:mt-"), "{begun:?}");
    assert_eq!(
        stage.server.asked(Place::AccessToken).len(),
        0,
        "what it may be used for is left to the person"
    );
    let account = stage.scene.environment.read_account("mt");
    assert_eq!((account.client_id.as_deref(), account.login_scope()), (Some("mytoken"), None));

    let token = stage.oidc(&["token", "mt"]).success();
    assert_eq!(claims(token.trim())["iss"], stage.scene.provider.issuer());
    let asked = &stage.server.asked(Place::AccessToken)[0];
    assert_eq!(asked.body.as_object().expect("a form").len(), 2, "no scope, and no client: {asked:?}");
    assert_eq!(asked.authorization, "Basic bXl0b2tlbjpteXRva2Vu");
    let rotated = stage.stored();
    assert!(rotated.ends_with("-1") && stage.server.is_live(&rotated), "{rotated}");

    let other = stage.oidc(&["token", "--scope=storage.read:/", "--aud=https://se.example", "mt"]).success();
    let content = claims(other.trim());
    assert_eq!(
        (&content["scope"], &content["aud"]),
        (&json!("storage.read:/"), &json!("https://se.example"))
    );
    assert!(stage.stored().ends_with("-2"));

    let held = format!("holds a mytoken of {}", stage.server.url());
    assert!(stage.oidc(&["status"]).success().contains(&held));
    let list: Value = serde_json::from_str(&stage.oidc(&["list", "--json"]).success()).expect("JSON");
    assert_eq!(list[0]["kind"], "mytoken", "{list}");
    assert!(stage.oidc(&["inspect", "--account", "mt"]).success().contains(&stage.server.url()));

    stage.restart();
    let list: Value = serde_json::from_str(&stage.oidc(&["list", "--json"]).success()).expect("JSON");
    assert_eq!(list[0]["kind"], "mytoken", "the file tells without its password");
    stage.oidc(&["add", "--pw-env", "mt"]).success();
    stage.oidc(&["token", "mt"]).success();
    let last = stage.stored();
    stage.oidc(&["gen", "--delete", "mt", "--confirm-yes", "--pw-env"]).success();
    assert!(!stage.server.is_live(&last) && !stage.scene.environment.account_file("mt").exists());
    assert_eq!(stage.scene.provider.log().count(Endpoint::Revocation), 0);
}

#[test]
fn the_c_suites_command_line_makes_the_same() {
    let stage = Stage::new();
    let url = format!("--mytoken-url={}", stage.server.url());
    let issuer = stage.scene.provider.issuer();
    let mut command = stage.scene.command(&[
        &url,
        "--mytoken",
        "agent",
        "--iss",
        &issuer,
        "--prompt=none",
        "--pw-env",
        "mt",
    ]);
    command.arg0("oidc-gen");
    run(command).success();
    assert!(stage.server.is_live(&stage.stored()));
    let bytes = fs_err::read_to_string(stage.scene.environment.account_file("mt")).expect("a file");
    assert!(!bytes.contains("oidc-account/1"), "the C suite's format");
    let profile = stage.scene.environment.read_account("mt").mytoken_profile;
    assert_eq!(profile.map(|profile| *profile), Some(json!({"include": "agent"})), "as 5.3.3 keeps it");
}

#[test]
fn a_login_waits_for_the_person_and_says_what_came_of_it() {
    for (polling, code, words) in [
        (Polling::AgreesAtPoll(3), Some(0), ""),
        (Polling::AgreesAfterSlowDown, Some(0), ""),
        (Polling::Declines, Some(9), "access_denied: user declined consent"),
        (Polling::LetsItExpire, Some(9), "expired_token"),
    ] {
        let stage = Stage::new();
        stage.server.polling(polling);
        let finished = stage.generate("mt", &[]);
        assert_eq!(finished.code, code, "{polling:?}: {finished:?}");
        assert!(finished.stderr.contains(words), "{polling:?}: {finished:?}");
        assert_eq!(stage.scene.environment.account_file("mt").exists(), code == Some(0), "{polling:?}");
        let begun = &stage.server.asked(Place::Mytoken)[0];
        assert_eq!(begun.text("include"), "agent", "the profile that the C suite ships");
    }
}

#[test]
fn an_answer_that_was_lost_is_told() {
    let stage = Stage::new();
    stage.server.polling(Polling::AgreesAtPoll(1));
    // The beginning is answered, the poll is not.
    stage.server.fail_next(Place::Mytoken, Fault::With(json!({})));
    stage.server.fail_next(Place::Mytoken, Fault::LostAnswer);
    let finished = stage.generate("mt", &[]);
    assert!(finished.code != Some(0) && finished.stderr.contains("connection ended"), "{finished:?}");
    assert!(!stage.scene.environment.account_file("mt").exists());
}

#[test]
fn what_the_server_does_not_give_is_said_before_anything_is_made() {
    let stage = Stage::new();
    let other = stage.generate("mt", &["--issuer", "https://other.example"]);
    assert!(other.stderr.contains("gives no tokens of https://other.example"), "{other:?}");
    assert!(other.stderr.contains(&stage.scene.provider.issuer()), "{other:?}");
    let only_at = stage.generate("mt", &["--only-at"]);
    assert!(only_at.stderr.contains("gives a mytoken, and not an access token alone"), "{only_at:?}");
    let by_code = stage.generate("mt", &["--flow=code"]);
    assert!(by_code.stderr.contains("does not log in by 'code'"), "{by_code:?}");
    assert_eq!(stage.server.asked(Place::Mytoken).len(), 0);
    let no_profile = stage.generate("mt", &["--mytoken", "nonsense"]);
    assert!(
        no_profile.stderr.contains("no such profile (unknown include name: 'nonsense')"),
        "{no_profile:?}"
    );

    let url = format!("--mytoken-url={}", stage.scene.provider.issuer());
    let no_server = stage.oidc(&["gen", "mt", &url, "--prompt=none", "--pw-env"]);
    assert!(no_server.code != Some(0) && no_server.stderr.contains("mytoken-configuration"), "{no_server:?}");
}

#[test]
fn a_mytoken_that_exists_already_is_taken_over() {
    let stage = Stage::new();
    let mytoken = stage.server.seed(&serde_json::from_str(ROTATING).expect("JSON"));
    let url = format!("--mytoken-url={}", stage.server.url());
    let line = ["gen", "mt", &url, "--rt-env=MT", "--prompt=none", "--pw-env"];
    stage.scene.oidc_with(&line, &[("MT", &mytoken)]).success();
    assert!(stage.server.is_live(&stage.stored()), "trying it has replaced it");
    stage.oidc(&["token", "mt"]).success();
}

#[test]
fn a_file_of_the_c_suite_is_read_and_updated_in_place() {
    let mut stage = Stage::new();
    let mut account = stage.account(&serde_json::from_str(ROTATING).expect("JSON"));
    // What 5.3.3 writes: the scopes of the question it asks, and where it has looked.
    account.auth_scope = Some("openid profile offline_access".into());
    account.config_endpoint = Some(format!("{}/.well-known/openid-configuration", stage.server.url()));
    account.mytoken_profile = Some(Box::new(json!({"rotation": {"on_AT": true}})));
    account.other.insert("of_a_later_version", 7);
    stage.scene.environment.add_account(&account, FileFormat::OidcAgent);
    let before = fs_err::read_to_string(stage.scene.environment.account_file("mt")).expect("a file");
    stage.oidc(&["add", "--pw-env", "mt"]).success();
    stage.restart();
    stage.oidc(&["add", "--pw-env", "mt"]).success();
    let asked = stage.server.asked(Place::AccessToken);
    assert_eq!(asked[0].text("scope"), "openid profile", "as the C suite");
    let after = fs_err::read_to_string(stage.scene.environment.account_file("mt")).expect("a file");
    assert_ne!(before, after);
    assert_eq!(before.lines().last(), after.lines().last(), "the version that the C suite writes");
    let stored = stage.scene.environment.read_account("mt");
    assert!(stage.server.is_live(stored.refresh_token.as_ref().expect("a mytoken").expose()));
    // For 4.x of the C suite, which knows one list of scopes only.
    let scope = account.auth_scope.clone();
    let expected = AccountConfig { refresh_token: stored.refresh_token.clone(), scope, ..account };
    let stored = AccountConfig { other: expected.other.clone(), ..stored };
    assert_eq!(stored, expected);
}

#[test]
fn a_rotation_whose_answer_is_lost_ends_in_a_login_that_mends_it() {
    let stage = Stage::new();
    stage.loaded(&serde_json::from_str(ROTATING).expect("JSON"));
    stage.server.fail_next(Place::AccessToken, Fault::LostAnswer);
    let lost = stage.oidc(&["token", "--force-new", "mt"]);
    assert!(lost.code != Some(0) && lost.stderr.contains("connection ended"), "{lost:?}");
    // Not before the provider may be asked again.
    let dead = loop {
        let reply = stage.scene.agent.token("mt", json!({"min_valid_period": -1}));
        if reply["error_code"] != "provider_unreachable" {
            break reply;
        }
        std::thread::yield_now();
    };
    assert_eq!(dead["error_code"], "login_needed", "{dead}");
    assert!(dead["info"].as_str().unwrap_or_default().contains("--reauthenticate"), "{dead}");
    let asked = stage.server.asked(Place::AccessToken).len();
    assert_eq!(stage.scene.agent.token("mt", json!({"min_valid_period": -1}))["error_code"], "login_needed");
    assert_eq!(stage.server.asked(Place::AccessToken).len(), asked, "the server is not asked again");

    stage.oidc(&["gen", "--reauthenticate", "mt", "--pw-env", "--mytoken=agent"]).success();
    stage.oidc(&["token", "mt"]).success();
    assert!(stage.server.is_live(&stage.stored()));
    let elsewhere =
        stage.oidc(&["gen", "--reauthenticate", "mt", "--pw-env", "--mytoken-url=https://mt.example"]);
    assert!(elsewhere.stderr.contains("stays there"), "{elsewhere:?}");
}

#[test]
fn faults_on_the_way_do_not_cost_the_login() {
    let stage = Stage::new();
    stage.loaded(&json!({"capabilities": ["AT"]}));
    for (fault, code, words) in [
        (Fault::Html(200), "provider_bad_response", "a web page 'Bad gateway'"),
        (Fault::Html(403), "provider_bad_response", "Bad gateway"),
        (Fault::Error(400, "oidc_error", "invalid_scope: \u{1b}[2J"), "provider_refused", "\\u{1b}[2J"),
        (Fault::Error(403, "insufficient_capabilities", "no AT"), "provider_refused", "no AT"),
        (Fault::With(json!({"access_token": null})), "provider_bad_response", "access_token expected"),
    ] {
        stage.server.fail_next(Place::AccessToken, fault);
        // Each for something else: a refusal answers for the server for a while.
        let reply = stage
            .scene
            .agent
            .token("mt", json!({"scope": "openid", "audience": format!("https://{code}.{}", words.len())}));
        assert_eq!(reply["error_code"], code, "{reply}");
        assert!(reply["error"].as_str().unwrap_or_default().contains(words), "{reply}");
    }
    access_token(&stage.scene.agent.token("mt", json!({})));
}

#[test]
fn less_than_the_accounts_scopes_is_better_than_nothing() {
    let stage = Stage::new();
    let mut account = stage.account(&json!({"restrictions": [{"scope": "storage.read:/"}]}));
    account.auth_scope = Some("openid profile".into());
    stage.scene.environment.add_account(&account, FileFormat::Native);
    load_into(&stage.scene.agent, &stage.scene.environment, "mt");
    let token = stage.oidc(&["token", "mt"]).success();
    assert_eq!(claims(token.trim())["scope"], "storage.read:/");
    let refused = stage.oidc(&["token", "--scope=profile", "mt"]);
    assert!(
        refused.stderr.contains("usage_restricted") && refused.stderr.contains("--mytoken=PROFILE"),
        "{refused:?}"
    );
}

#[test]
fn what_no_server_can_give_is_said_to_be_that() {
    let stage = Stage::new();
    stage.loaded(&json!({"capabilities": ["AT", "create_mytoken"]}));
    let refused = stage.oidc(&["token", "--id-token", "mt"]);
    assert!(refused.stderr.contains("a mytoken server gives no ID tokens"), "{refused:?}");
    let windows = stage.windows();
    let request =
        json!({"request": "mytoken", "account": "mt", "mytoken_profile": "{\"capabilities\":[\"AT\"],"});
    let reply = stage.scene.agent.request(&request).expect("a reply");
    assert_eq!(reply["error_code"], "bad_request", "{reply}");
    assert_eq!((stage.windows(), stage.server.asked(Place::Mytoken).len()), (windows, 0));
}

#[test]
fn a_doctor_looks_at_the_server_and_not_at_the_provider() {
    let stage = Stage::new();
    stage.loaded(&json!({}));
    let provider = |scene: &Scene| {
        let report: Value =
            serde_json::from_str(&scene.oidc(&["doctor", "mt", "--json"]).stdout).expect("JSON");
        let checks = report["checks"].as_array().expect("checks").clone();
        let mut found = checks.into_iter().filter(|check| check["code"] == "provider");
        let one = found.next().expect("a check");
        assert!(found.next().is_none(), "{report}");
        (one["state"].clone(), one.to_string())
    };
    let Stage { server, scene } = stage;
    let (state, told) = provider(&scene);
    assert!(state == "ok" && told.contains(&server.url()), "{told}");
    assert!(!told.contains(&scene.provider.issuer()), "{told}");
    drop(server);
    let (state, told) = provider(&scene);
    assert_eq!(state, "problem", "{told}");
}

#[test]
fn a_further_mytoken_is_made_when_the_person_agrees() {
    let stage = Stage::new();
    stage.loaded(&serde_json::from_str(ROTATING).expect("JSON"));
    let profile = json!({"capabilities": ["AT"], "restrictions": [{"usages_AT": 1}]});
    let request =
        json!({"request": "mytoken", "account": "mt", "mytoken_profile": profile, "application_hint": "job"});
    let reply = stage.scene.agent.request(&request).expect("a reply");
    assert_eq!(reply["status"], "success", "{reply}");
    assert_eq!(reply["oidc_issuer"], stage.scene.provider.issuer());
    assert_eq!(reply["mytoken_issuer"], stage.server.url());
    assert!(
        reply["expires_at"].is_u64() && reply["expires_in"].is_null() && reply["token_update"].is_null(),
        "{reply}"
    );
    assert!(stage.server.is_live(reply["mytoken"].as_str().expect("a mytoken")));
    let own = stage.stored();
    assert!(
        own.ends_with("-2") && stage.server.is_live(&own),
        "on the disk before anything was handed out: {own}"
    );
    let asked = stage.server.asked(Place::Mytoken);
    assert_eq!(asked[0].text("name"), "mytoken requested by job");
    let windows = stage.windows();
    assert!(windows.contains("a further mytoken of the account 'mt'"), "{windows}");
    assert!(windows.contains("It may:%0A  AT%0ARestricted to one of:%0A  usages_AT=1"), "{windows}");
    assert!(!windows.contains("SETNOTOK"), "never for longer: {windows}");

    let printed = stage.oidc(&["token", "--mytoken", "mt"]).success();
    assert!(stage.server.is_live(printed.trim()), "{printed}");
    let by_name = stage.oidc(&["token", "--mytoken=agent", "mt", "--json"]).success();
    let by_name: Value = serde_json::from_str(&by_name).expect("JSON");
    assert_eq!(by_name["capabilities"], json!(["AT", "tokeninfo", "create_mytoken"]));
    let asked = stage.server.asked(Place::Mytoken);
    assert_eq!((asked[1].text("include"), asked[2].text("include")), ("web-default", "agent"));
    // Under the C suite's name.
    let mut command = stage.scene.command(&["-m", "mt"]);
    command.arg0("oidc-token");
    assert!(stage.server.is_live(run(command).success().trim()));
    // The account goes on with what has replaced its own.
    stage.oidc(&["token", "mt"]).success();
}

#[test]
fn no_further_mytoken_without_the_persons_word() {
    let stage = Stage::answering("ERR 83886179 cancelled");
    stage.loaded(&serde_json::from_str(ROTATING).expect("JSON"));
    let request = json!({"request": "mytoken", "account": "mt"});
    let reply = stage.scene.agent.request(&request).expect("a reply");
    assert_eq!(
        (&reply["error_code"], &reply["error"]),
        (&json!("operation_forbidden"), &json!("operation forbidden"))
    );
    assert_eq!(stage.server.asked(Place::Mytoken).len(), 0);
    let unprompted = json!({"request": "mytoken", "account": "mt", "prompt": "none"});
    let reply = stage.scene.agent.request(&unprompted).expect("a reply");
    assert_eq!(reply["error_code"], "prompt_unavailable", "{reply}");

    let ordinary = stage.scene.provider.seed_account("ordinary");
    stage.scene.environment.add_account(&ordinary, FileFormat::Native);
    load_into(&stage.scene.agent, &stage.scene.environment, "ordinary");
    let refused = stage.oidc(&["token", "--mytoken", "ordinary"]);
    assert!(refused.stderr.contains("Not a valid mytoken configuration"), "{refused:?}");
}

#[test]
fn a_mytoken_without_the_capability_makes_none() {
    let stage = Stage::new();
    stage.loaded(&json!({"capabilities": ["AT"]}));
    let refused = stage.oidc(&["token", "--mytoken", "mt"]);
    assert!(
        refused.stderr.contains("insufficient_capabilities") && refused.stderr.contains("create_mytoken"),
        "{refused:?}"
    );
    access_token(&stage.scene.agent.token("mt", json!({})));
    // A server that makes none but has replaced the account's own.
    let stage = Stage::new();
    stage.loaded(&serde_json::from_str(ROTATING).expect("JSON"));
    stage.server.fail_next(Place::Mytoken, Fault::With(json!({"mytoken": null})));
    let refused = stage.oidc(&["token", "--mytoken", "mt"]);
    assert!(refused.stderr.contains("mytoken expected"), "{refused:?}");
    assert!(stage.server.is_live(&stage.stored()));
}

#[test]
fn the_requests_of_the_c_suites_programs() {
    let stage = Stage::new();
    let request = json!({"request": "mytoken_supported_providers", "issuer": stage.server.url(), "config_endpoint": "(null)"});
    let reply = stage.scene.agent.request(&request).expect("a reply");
    assert_eq!(reply["info"][0]["issuer"], stage.scene.provider.issuer(), "{reply}");

    let account = stage.account(&json!({}));
    let config = AccountConfig { refresh_token: None, ..account };
    let request = json!({"request": "gen", "flow": ["mt_oidc"], "config": config.to_object().members()});
    let reply = stage.scene.agent.request(&request).expect("a reply");
    assert_eq!(reply["status"], "accepted", "{reply}");
    let device = &reply["oidc_device"];
    assert_eq!(
        (&device["user_code"], &device["verification_uri"]),
        (&json!(""), &device["verification_uri_complete"])
    );
    let poll = json!({"request": "device", "oidc_device": device});
    let config = loop {
        let reply = stage.scene.agent.request(&poll).expect("a reply");
        if reply["error"] != "authorization_pending" {
            break reply["config"].clone();
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    };
    assert!(stage.server.is_live(config["refresh_token"].as_str().expect("a mytoken")), "{config}");
    assert_eq!((&config["client_id"], &config["client_secret"]), (&json!("mytoken"), &json!("mytoken")));

    let again = json!({"request": "reauthenticate", "account": "mt"});
    let reply = stage.scene.agent.request(&again).expect("a reply");
    assert_eq!(reply["status"], "accepted", "{reply}");
    let delete = json!({"request": "delete", "config": config});
    assert_eq!(stage.scene.agent.request(&delete).expect("a reply")["status"], "success");
    assert!(!stage.server.is_live(config["refresh_token"].as_str().expect("a mytoken")));
}

#[test]
fn a_forgotten_password_loses_no_mytoken_at_the_server() {
    let stage = Stage::new();
    stage.loaded(&json!({"capabilities": ["AT"]}));
    let mytoken = stage.stored();
    stage.oidc(&["reset", "mt", "--force"]).success();
    assert!(!stage.server.is_live(&mytoken) && !stage.scene.environment.account_file("mt").exists());
}

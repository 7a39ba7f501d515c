//! `oidc orphans`: what is remembered of registrations, and what can be done about those that no account uses.

use oidc_proto::secret::{ClientSecret, RefreshToken, RegistrationAccessToken};
use oidc_tests::{
    environment::PASSWORD,
    programs::Finished,
    provider::{Endpoint, Fault, Quirks},
    scene::Scene,
};
use serde_json::Value;

struct Stage {
    scene: Scene,
}

impl Stage {
    fn new() -> Self {
        Self::with(Quirks::default())
    }

    fn with(quirks: Quirks) -> Self {
        let quirks = Quirks { device_approved_at_poll: Some(1), ..quirks };
        Self { scene: Scene::empty(quirks) }
    }

    fn oidc(&self, arguments: &[&str]) -> Finished {
        self.with_password(arguments, PASSWORD)
    }

    fn with_password(&self, arguments: &[&str], password: &str) -> Finished {
        self.scene.oidc_with(arguments, &[("OIDC_ENCRYPTION_PW", password)])
    }

    /// Makes an account by registration, and gives its client id.
    fn generate(&self, name: &str, more: &[&str]) -> String {
        let issuer = self.scene.provider.issuer();
        let options =
            ["gen", name, "--issuer", &issuer, "--flow", "device", "--prompt", "none", "--pw-env", "--json"];
        let said = self.oidc(&[&options[..], more].concat()).success();
        let made: Value = serde_json::from_str(&said).expect("one object");
        made["client_id"].as_str().expect("a client").to_owned()
    }

    fn listed(&self) -> Vec<Value> {
        serde_json::from_str(&self.oidc(&["orphans", "--json"]).success()).expect("an array")
    }

    fn states(&self) -> Vec<String> {
        let state = |one: &Value| one["state"].as_str().expect("a state").to_owned();
        self.listed().iter().map(state).collect()
    }

    fn journal(&self) -> String {
        let path = self.scene.environment.accounts().join(".registrations.config");
        String::from_utf8_lossy(&fs_err::read(path).expect("a journal")).into_owned()
    }

    /// As somebody does who knows no better.
    fn lose(&self, name: &str) {
        self.oidc(&["remove", name]).success();
        fs_err::remove_file(self.scene.environment.account_file(name)).expect("removed");
    }
}

#[test]
fn a_client_whose_account_is_lost_is_found_and_deleted() {
    let stage = Stage::new();
    let (kept, lost) = (stage.generate("kept", &[]), stage.generate("lost", &[]));
    assert_eq!(stage.states(), ["used", "used"]);
    stage.lose("lost");
    assert_eq!(stage.states(), ["used", "orphan"]);
    let told = stage.oidc(&["orphans", &stage.scene.provider.issuer()]).success();
    assert!(told.contains(&format!("  {kept}  ")) && told.contains("used by kept"), "{told}");
    assert!(
        told.contains(&lost) && told.contains("no account uses it; it was registered for lost"),
        "{told}"
    );
    assert_eq!(stage.oidc(&["orphans", "https://other.example"]).success(), "");

    // Nobody to ask, and nothing is done.
    let refused = stage.oidc(&["orphans", "--delete", "--pw-env"]).failure();
    assert!(refused.contains("--force"), "{refused}");
    assert!(stage.scene.provider.has_client(&lost));

    let said = stage.oidc(&["orphans", "--delete", "--force", "--pw-env"]).success();
    assert_eq!(said, format!("Deleted the client {lost}\n"));
    assert!(!stage.scene.provider.has_client(&lost) && stage.scene.provider.has_client(&kept));
    assert_eq!(stage.states(), ["used"]);
    assert_eq!(stage.oidc(&["orphans", "--delete", "--force"]).success(), "Nothing was deleted.\n");
}

/// INDIGO IAM's list, two clients a page.
#[test]
fn what_only_the_provider_knows_is_listed_and_left_alone() {
    let stage = Stage::with(Quirks { iam: true, ..Quirks::default() });
    let (kept, lost) = (stage.generate("kept", &[]), stage.generate("lost", &[]));
    // Its name says that a program like this one made it; that may have been on another computer.
    let other = stage.scene.provider.seed_account("elsewhere").client_id.expect("a client");
    stage.lose("lost");
    let listed = stage.listed();
    let found = |id: &str| {
        let one =
            listed.iter().find(|one| one["client_id"] == id).unwrap_or_else(|| panic!("{id}: {listed:?}"));
        (one["state"].as_str().unwrap_or_default(), one["listed_by"].as_str().unwrap_or_default())
    };
    assert_eq!(found(&kept), ("used", "both"));
    assert_eq!(found(&lost), ("orphan", "both"));
    assert_eq!(found(&other), ("elsewhere", "provider"));
    let told = stage.oidc(&["orphans"]).success();
    assert!(told.contains("no account here uses it, nor was it registered from here"), "{told}");
    assert!(!stage.oidc(&["orphans", "--local"]).success().contains(&other));

    let said = stage.oidc(&["orphans", "--delete", "--force", "--pw-env"]).success();
    assert_eq!(said, format!("Deleted the client {lost}\n"));
    assert!(stage.scene.provider.has_client(&other) && stage.scene.provider.has_client(&kept));
    stage.oidc(&["orphans", "--forget", &other]).failure();
}

#[test]
fn a_provider_that_does_not_tell_which_clients_there_are_is_no_hindrance() {
    let stage = Stage::with(Quirks { iam: true, ..Quirks::default() });
    stage.generate("demo", &[]);
    let html =
        Fault::Bytes { status: 200, content_type: "text/html".into(), body: b"<h1>Sign in</h1>".into() };
    stage.scene.provider.faults().queue(Endpoint::ClientList, html);
    let finished = stage.oidc(&["orphans"]);
    assert!(finished.stderr.contains("does not tell which clients you have"), "{finished:?}");
    assert!(finished.success().contains("used by demo"));
    // One without such a list is not even asked for a token.
    let stage = Stage::new();
    stage.generate("demo", &[]);
    let finished = stage.oidc(&["orphans"]);
    assert_eq!(finished.stderr, "");
    assert!(
        stage.scene.provider.log().requests().iter().all(|request| request.endpoint != Endpoint::ClientList)
    );
}

#[test]
fn no_secret_lies_in_the_journal_in_clear() {
    let stage = Stage::new();
    stage.generate("demo", &[]);
    let account = stage.scene.environment.read_account("demo");
    let journal = stage.journal();
    for secret in [
        account.registration_access_token.as_ref().map(RegistrationAccessToken::expose),
        account.client_secret.as_ref().map(ClientSecret::expose),
        account.refresh_token.as_ref().map(RefreshToken::expose),
        Some(PASSWORD),
    ] {
        assert!(!journal.contains(secret.expect("a secret")), "{journal}");
    }
    assert_eq!(stage.listed()[0]["can_be_deleted"], true);

    // Nor does anything stay under an old password.
    let line = ["passwd", "demo", "--pw-env", "--new-pw-env=NEW"];
    let variables = [("OIDC_ENCRYPTION_PW", PASSWORD), ("NEW", "another one")];
    stage.scene.oidc_with(&line, &variables).success();
    assert_eq!(stage.listed()[0]["can_be_deleted"], false);
    assert!(!stage.journal().contains("sealed"), "{}", stage.journal());
}

#[test]
fn what_is_deleted_by_other_commands_is_on_no_list() {
    let stage = Stage::new();
    stage.generate("first", &[]);
    stage.oidc(&["gen", "--delete", "first", "--pw-env", "--confirm-yes"]).success();
    stage.generate("second", &[]);
    stage.oidc(&["reset", "--force", "second"]).success();
    assert_eq!(stage.states(), Vec::<String>::new());
    assert_eq!(stage.scene.provider.client_count(), 0);
    assert!(stage.journal().contains("deleted_at") && !stage.journal().contains("sealed"));
}

#[test]
fn a_client_that_cannot_be_deleted_from_here_is_told_with_the_way_out() {
    let stage = Stage::new();
    let client = stage.generate("demo", &[]);
    let uri = stage.listed()[0]["registration_client_uri"].as_str().expect("an address").to_owned();
    stage.lose("demo");
    for (password, says) in [("wrong", "password"), (PASSWORD, "Http Status Code 403")] {
        stage.scene.provider.faults().set(
            Endpoint::ClientConfiguration,
            Fault::Status { status: 403, retry_after: None, body: Some("No".into()) },
        );
        let said = stage
            .with_password(&["orphans", "--delete", "--force", "--pw-env", "--pw-prompt=none"], password);
        let told = said.failure();
        let forget = format!("`oidc orphans --forget {client}`");
        for part in [says, uri.as_str(), client.as_str(), &forget] {
            assert!(told.contains(part), "{part} is not in {told}");
        }
        assert!(stage.scene.provider.has_client(&client));
        assert_eq!(stage.states(), ["orphan"]);
    }
    stage.oidc(&["orphans", "--forget", &client]).success();
    assert_eq!(stage.states(), Vec::<String>::new());
    stage.oidc(&["orphans", "--forget", &client]).failure();
    assert!(stage.scene.provider.has_client(&client), "only the list has changed");
}

/// Nothing of such a file tells which client it uses.
#[test]
fn a_file_of_the_c_suite_keeps_its_client() {
    let stage = Stage::new();
    let client = stage.generate("demo", &["--format", "oidc-agent"]);
    assert_eq!(stage.states(), ["perhaps_used"]);
    stage.oidc(&["orphans", "--delete", "--force", "--pw-env"]).success();
    assert!(stage.scene.provider.has_client(&client));
    stage.lose("demo");
    stage.oidc(&["orphans", "--delete", "--force", "--pw-env"]).success();
    assert!(!stage.scene.provider.has_client(&client));
}

/// A login that is not done keeps its client for the next try.
#[test]
fn a_login_that_is_not_done_makes_no_orphan() {
    let stage = Stage::new();
    let refusal = Fault::OAuthError { status: 400, error: "access_denied".into(), description: None };
    stage.scene.provider.faults().set(Endpoint::Token, refusal);
    let issuer = stage.scene.provider.issuer();
    let options = ["gen", "demo", "--issuer", &issuer, "--flow", "device", "--prompt", "none", "--pw-env"];
    stage.oidc(&options).failure();
    assert_eq!(stage.states(), ["used"]);
    stage.scene.provider.faults().clear_all();
    stage.oidc(&options).success();
    assert_eq!((stage.states(), stage.scene.provider.client_count()), (vec!["used".to_owned()], 1));
}

#[test]
fn a_damaged_journal_costs_no_registration_and_is_told() {
    let stage = Stage::new();
    let path = stage.scene.environment.accounts().join(".registrations.config");
    fs_err::write(&path, b"\xff\xfe no JSON\n{\"new\":\"member\"}\n").expect("written");
    stage.generate("demo", &[]);
    let said = stage.oidc(&["orphans"]);
    assert!(said.stderr.contains("2 lines of") && said.stderr.contains("left alone"), "{said:?}");
    assert!(said.success().contains("used by demo"));
    assert!(stage.journal().contains("{\"new\":\"member\"}"));

    fs_err::remove_file(&path).expect("removed");
    fs_err::create_dir(&path).expect("a directory");
    let issuer = stage.scene.provider.issuer();
    let options = ["gen", "other", "--issuer", &issuer, "--flow", "device", "--prompt", "none", "--pw-env"];
    let said = stage.oidc(&options);
    assert!(said.stderr.contains("`oidc orphans` will not know this client"), "{said:?}");
    said.success();
}

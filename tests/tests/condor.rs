//! Tokens for HTCondor's jobs: `oidc condor`, and the storer that `condor_submit` runs, against a played `condor_store_cred` and
//! HTCondor's own submit library.

use std::{
    collections::BTreeSet,
    os::unix::fs::symlink,
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use oidc_tests::{
    agent::Agent,
    condor::PlayedCondor,
    environment::{Environment, FileFormat},
    programs::{Finished, program, run},
    provider::{Provider, Quirks, Seed},
    require,
    scene::{ACCOUNT, Scene},
};
use serde_json::{Value, json};

const SCOPE: &str = "openid offline_access storage.read:/ storage.modify:/ compute.read";

struct Site {
    condor: PlayedCondor,
    scene: Scene,
}

impl Site {
    fn new() -> Self {
        let scene = Scene::new();
        let seed = Seed { scope: SCOPE.to_owned(), ..Seed::named(ACCOUNT) };
        scene.environment.add_account(&scene.provider.seed(&seed), FileFormat::Native);
        scene.load(ACCOUNT);
        Self { condor: PlayedCondor::install(&scene.environment), scene }
    }

    fn oidc(&self, arguments: &[&str]) -> Finished {
        run(self.condor.found_by(self.scene.command(arguments)))
    }

    /// The storer under the name that HTCondor's configuration has.
    fn storer(&self) -> PathBuf {
        let storer = self.scene.environment.path("condor_credential_storer_oidc");
        if !storer.exists() {
            symlink(program("oidc"), &storer).expect("a link");
        }
        storer
    }

    fn storer_command(&self, requests: &[&str]) -> Command {
        let mut command = self.scene.environment.command_at(&self.storer());
        command.args(requests).env("OIDC_SOCK", self.scene.agent.socket()).env("OIDC_NO_AUTOSTART", "1");
        self.condor.found_by(command)
    }

    fn memory(&self) -> String {
        fs_err::read_to_string(self.scene.environment.accounts().join("files.d/condor.toml"))
            .unwrap_or_default()
    }
}

/// Each once: the agent, which keeps a token fresh from then on, begins by storing it, too.
fn different(mut calls: Vec<String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    calls.retain(|call| seen.insert(call.clone()));
    calls
}

#[test]
fn a_token_is_handed_over_on_standard_input_and_remembered() {
    let site = Site::new();
    let said = site.oidc(&[
        "condor",
        "store",
        "eos",
        "--handle",
        "r",
        "--account",
        ACCOUNT,
        "--scope",
        "storage.read:/",
        "--aud",
        "https://se.example",
    ]);
    assert!(said.stdout.contains("eos_r.use"), "{said:?}");
    assert!(said.clone().success().contains("demo"));
    assert_eq!(different(site.condor.calls()), ["add-oauth -s eos -H r -i - -P"]);
    let token = site.scene.ask(json!({"scope": "storage.read:/", "audience": "https://se.example"}));
    let token = token["access_token"].as_str().expect("a token");
    assert_eq!(site.condor.stored("eos_r").as_deref(), Some(token));
    let environment = site.condor.environment();
    assert!(!environment.contains(token) && !environment.contains("OIDC_SOCK"), "{environment}");
    let memory = site.memory();
    for line in [
        "[[condor]]\nname = \"condor-eos_r\"\naccount = \"demo\"\nservice = \"eos\"\nhandle = \"r\"\n",
        "scope = \"storage.read:/\"\n",
        "audience = [\"https://se.example\"]\n",
    ] {
        assert!(memory.contains(line), "{memory}");
    }
    let object: Value =
        serde_json::from_str(&site.oidc(&["condor", "store", ACCOUNT, "--json"]).success()).expect("JSON");
    assert_eq!((&object["credential"], &object["account"]), (&"demo".into(), &ACCOUNT.into()));
    assert!(site.memory().contains("condor-eos_r") && site.memory().contains("condor-demo"));
    site.condor.calls();
    site.oidc(&["condor", "forget", "eos", "--handle", "r", "--delete"]).success();
    let mut deletions = site.condor.calls();
    deletions.retain(|call| call.starts_with("delete"));
    assert_eq!(deletions, ["delete-oauth -s eos -H r"]);
    assert!(!site.memory().contains("condor-eos_r"));
    assert_eq!(site.condor.stored("eos_r"), None);
    assert!(
        site.oidc(&["condor", "forget", "eos", "--handle", "r"]).failure().contains("nothing is remembered")
    );
}

#[test]
fn what_cannot_be_stored_is_not_remembered() {
    let site = Site::new();
    site.condor.fail();
    let refused = site.oidc(&["condor", "store", ACCOUNT]).failure();
    assert!(refused.contains("could not contact the credd"), "{refused}");
    assert_eq!(site.memory(), "");
    let mut command = site.scene.command(&["condor", "store", ACCOUNT]);
    command.env("PATH", "/nowhere");
    if !PathBuf::from("/usr/bin/condor_store_cred").exists() {
        assert!(run(command).failure().contains("where jobs are submitted"));
    }
    for arguments in [["condor", "store", "../x"], ["condor", "store", "a b"]] {
        assert_eq!(site.oidc(&arguments).code, Some(64), "{arguments:?}");
    }
}

/// A mistake elsewhere in the configuration, an unknown account, a name that is taken: nothing is handed over.
#[test]
fn what_cannot_be_remembered_is_not_stored() {
    let site = Site::new();
    let nobody = site.oidc(&["condor", "store", "cms"]);
    assert!(
        nobody.code == Some(3) && nobody.stderr.contains("'cms'") && nobody.stderr.contains("--account"),
        "{nobody:?}"
    );
    site.oidc(&["condor", "store", "x_y", "--handle", "z", "--account", ACCOUNT]).success();
    site.condor.calls();
    let taken = site.oidc(&["condor", "store", "x", "--handle", "y_z", "--account", ACCOUNT]).failure();
    assert!(taken.contains("x_y_z.use") && taken.contains("'x_y'"), "{taken}");
    let memory = site.memory();
    fs_err::write(site.scene.environment.accounts().join("files.d/zz.toml"), "[[condor").expect("written");
    for arguments in
        [&["condor", "store", "two", "--account", ACCOUNT][..], &["condor", "forget", "x_y", "--handle", "z"]]
    {
        let refused = site.oidc(arguments);
        assert!(refused.code == Some(20) && refused.stderr.contains("zz.toml"), "{refused:?}");
    }
    assert_eq!(site.memory(), memory);
    let handed_over: Vec<_> = site.condor.calls().into_iter().filter(|call| !call.contains("x_y")).collect();
    assert!(handed_over.is_empty(), "{handed_over:?}");
}

#[test]
fn two_at_once_both_remember() {
    let site = Site::new();
    thread::scope(|scope| {
        for service in ["one", "two", "three", "four"] {
            let site = &site;
            scope.spawn(move || site.oidc(&["condor", "store", service, "--account", ACCOUNT]).success());
        }
    });
    for service in ["one", "two", "three", "four"] {
        assert!(site.memory().contains(&format!("service = \"{service}\"")), "{}", site.memory());
    }
}

#[test]
fn the_storer_is_silent_and_finds_the_account_by_the_services_name() {
    let site = Site::new();
    let finished = run(site.storer_command(&[
        "demo_crab",
        "demo&handle=r&scopes=storage.read:/,compute.read&audience=https://x.example",
    ]));
    assert_eq!(
        (finished.code, finished.stdout.as_str(), finished.stderr.as_str()),
        (Some(0), "", ""),
        "{finished:?}"
    );
    let adds: Vec<String> = site.condor.calls().into_iter().filter(|call| call.starts_with("add")).collect();
    assert_eq!(different(adds), ["add-oauth -s demo_crab -i - -P", "add-oauth -s demo -H r -i - -P"]);
    let memory = site.memory();
    assert!(
        memory.contains("scope = \"compute.read storage.read:/\"")
            && memory.contains("service = \"demo_crab\""),
        "{memory}"
    );
    // Once it was said whose a service is, that is known.
    site.oidc(&["condor", "store", "other", "--account", ACCOUNT]).success();
    assert_eq!(run(site.storer_command(&["other&handle=w&scopes=storage.modify:/"])).code, Some(0));
    assert!(site.condor.stored("other_w").is_some());
}

#[test]
fn a_storer_that_fails_says_why_on_a_line_of_its_own() {
    let site = Site::new();
    let unknown = run(site.storer_command(&["nobody"]));
    assert_eq!((unknown.code, unknown.stdout.as_str()), (Some(3), ""));
    assert!(
        unknown.stderr.starts_with('\n') && unknown.stderr.contains("oidc condor store nobody --account"),
        "{unknown:?}"
    );
    let mut pelican = site.storer_command(&["demo"]);
    pelican.env("CONDOR_CREDENTIAL_STORER_MODE", "pelican");
    assert!(run(pelican).failure().contains("pelican"));
    site.condor.fail();
    let failed = run(site.storer_command(&["demo"]));
    assert!(failed.code == Some(1) && failed.stderr.starts_with('\n'), "{failed:?}");
}

/// HTCondor's own library reads a submit description and runs the storer.
#[test]
fn htcondor_itself_runs_the_storer() {
    let Some(python) = require::python_packages() else { return };
    let site = Site::new();
    let submit = |description: &str| {
        let script = format!(
            "import htcondor2\n\
             try:\n    htcondor2.Submit('''{description}''').issue_credentials()\n\
             except Exception as error: print(error)\n"
        );
        let mut command = site.condor.found_by(site.scene.environment.command_at(&python));
        command
            .args(["-c", &script])
            .env("OIDC_SOCK", site.scene.agent.socket())
            .env("OIDC_NO_AUTOSTART", "1")
            .env("CONDOR_CONFIG", "ONLY_ENV")
            .env("_CONDOR_SEC_CREDENTIAL_STORER", site.storer())
            .stdin(Stdio::null());
        run(command)
    };
    let job = "executable = /bin/true\nuse_oauth_services = demo_crab, demo\n\
               demo_oauth_permissions_r = storage.read:/, compute.read\ndemo_oauth_resource_r = https://x.example\nqueue\n";
    let submitted = submit(job);
    assert!(!submitted.stdout.contains("failed"), "{submitted:?}");
    let mut adds = site.condor.calls();
    adds.retain(|call| call.starts_with("add"));
    adds.sort_unstable();
    assert_eq!(
        different(adds),
        ["add-oauth -s demo -H r -i - -P", "add-oauth -s demo_crab -i - -P"],
        "{submitted:?}"
    );
    let token =
        site.scene.ask(json!({"scope": "compute.read storage.read:/", "audience": "https://x.example"}));
    assert_eq!(site.condor.stored("demo_r").as_deref(), token["access_token"].as_str());
    let refused = submit("executable = /bin/true\nuse_oauth_services = nobody\nqueue\n");
    assert!(
        refused.stdout.contains("failed"),
        "a failure of the storer is one of the submission: {refused:?}"
    );
}

/// The agent of a site is started without what leads to HTCondor, and stores all the same where the token was stored first.
#[test]
fn the_agent_reaches_htcondor_as_the_caller_did() {
    let site = Site::new();
    let mut command = site.condor.found_by(site.scene.command(&["condor", "store", ACCOUNT, "--json"]));
    command.env("CONDOR_CONFIG", "/mine/condor_config");
    let object: Value = serde_json::from_str(&run(command).success()).expect("JSON");
    assert_eq!(object["kept_fresh"], true, "{object}");
    site.scene.oidc(&["files", "wait", "condor-demo"]).success();
    assert!(site.condor.environment().contains("CONDOR_CONFIG=/mine/condor_config"));
    assert_eq!(site.condor.calls().len(), 2, "the command's and the agent's");
    let mut command = site.condor.found_by(site.scene.command(&["condor", "store", ACCOUNT, "--json"]));
    command.env("_CONDOR_CREDD_HOST", "there");
    let object: Value = serde_json::from_str(&run(command).success()).expect("JSON");
    assert_eq!(object["kept_fresh"], false, "{object}");
    assert!(object["warnings"].to_string().contains("_CONDOR_CREDD_HOST"), "{object}");
}

/// What is stored is stored again before it ends, by the agent alone.
#[test]
fn the_agent_stores_it_again_in_time() {
    let mut environment = Environment::new();
    let condor = PlayedCondor::install(&environment);
    environment.set("PATH", &condor.path());
    let provider = Provider::with(Quirks { access_token_lifetime: 12, ..Quirks::default() });
    environment.add_account(&provider.seed_account(ACCOUNT), FileFormat::Native);
    let agent = Agent::start(&environment);
    let scene = Scene { agent, environment, provider };
    scene.load(ACCOUNT);
    let stored = condor.found_by(scene.command(&["condor", "store", ACCOUNT, "--json"]));
    let object: Value = serde_json::from_str(&run(stored).success()).expect("JSON");
    assert_eq!(object["kept_fresh"], true, "{object}");
    let end = Instant::now() + Duration::from_secs(40);
    let first = condor.stored(ACCOUNT).expect("a token");
    let mut seen = vec![first];
    while seen.len() < 3 {
        assert!(Instant::now() < end, "{seen:?}\n{}", scene.agent.log());
        let now = condor.stored(ACCOUNT).expect("a token");
        let claims = oidc_proto::jwt::Claims::of(&now).expect("a JWT");
        let wall = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("now").as_secs();
        assert!(claims.expires_at().is_some_and(|ends| ends > wall), "what jobs find has ended");
        if seen.last() != Some(&now) {
            seen.push(now);
        }
        thread::sleep(Duration::from_millis(100));
    }
    let told = run(condor.found_by(scene.command(&["condor", "store", ACCOUNT, "--account", ACCOUNT])));
    assert_eq!(told.code, Some(0), "{told:?}");
}

//! The commands that the OSG token renewer runs, in its order and with its options, by a script of our own: what it relies on stays
//! as it is.

use oidc_tests::{
    environment::{Environment, FileFormat, PASSWORD},
    programs::{Finished, program, run},
    provider::{Provider, Quirks, Seed},
};

/// One run: an agent of its own, every account, every token, the end of the agent. Tokens are written as they are printed.
const RENEW: &str = r#"
set -e
eval $(oidc-agent) >agent.said
trap 'oidc-agent -k >>agent.said' EXIT
oidc-add --skip-check --pw-store --pw-file="$PASSWORD_FILE" site >add.said
for token in default reduced; do
    case $token in
        default) output=$(oidc-token --scope " " site) ;;
        reduced) output=$(oidc-token --aud=https://se.example --scope='storage.read:/ compute.read' --time=300 site) ;;
    esac
    [ -n "$output" ] || { echo "no output for $token" >&2; exit 1; }
    (umask 077; printf '%s\n' "$output" >"$token.token")
done
"#;

struct Service {
    environment: Environment,
    provider: Provider,
}

impl Service {
    fn new() -> Self {
        let (provider, environment) = (Provider::with(quirks()), Environment::new());
        let seed = Seed {
            scope: "openid offline_access storage.read:/ compute.read".to_owned(),
            ..Seed::named("site")
        };
        // The service user's accounts were made by the C suite.
        environment.add_account(&provider.seed(&seed), FileFormat::OidcAgent);
        fs_err::write(environment.path("site.pw"), format!("{PASSWORD}\n")).expect("written");
        let bin = environment.path("bin");
        fs_err::create_dir(&bin).expect("a directory");
        for (name, leads_to) in
            [("oidc-agent", "oidc-agent"), ("oidc-add", "oidc"), ("oidc-token", "oidc"), ("oidc-gen", "oidc")]
        {
            std::os::unix::fs::symlink(program(leads_to), bin.join(name)).expect("a link");
        }
        Self { environment, provider }
    }

    fn run(&self, script: &str) -> Finished {
        let mut command = self.environment.command_at("bash".as_ref());
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .env("PATH", format!("{}:{path}", self.environment.path("bin").display()))
            .env("PASSWORD_FILE", self.environment.path("site.pw"))
            .env("ISSUER", self.provider.issuer())
            .env_remove("OIDC_ENCRYPTION_PW")
            .current_dir(self.environment.home())
            .args(["-c", script]);
        run(command)
    }

    fn file(&self, name: &str) -> String {
        fs_err::read_to_string(self.environment.home().join(name)).expect("a file")
    }
}

fn quirks() -> Quirks {
    Quirks { device_approved_at_poll: Some(1), ..Quirks::default() }
}

#[test]
fn its_sequence_works_unchanged_and_leaves_no_agent_behind() {
    let service = Service::new();
    for _ in 0..2 {
        service.run(RENEW).success();
        for name in ["default.token", "reduced.token"] {
            let token = service.file(name);
            assert!(
                token.starts_with("eyJ") && token.ends_with('\n') && token.lines().count() == 1,
                "{token}"
            );
        }
        let said = service.file("agent.said");
        assert!(said.contains("Agent pid"), "{said}");
        let pid: String = said.chars().filter(char::is_ascii_digit).collect();
        let still_there = std::path::Path::new("/proc").join(&pid).exists();
        assert!(!pid.is_empty() && !still_there, "{said}");
    }
}

#[test]
fn a_scope_of_one_blank_is_the_providers_default_and_others_are_as_asked() {
    let service = Service::new();
    service.run(RENEW).success();
    let claims = |name: &str| {
        let token = service.file(name);
        oidc_proto::jwt::Claims::of(token.trim()).expect("a JWT")
    };
    assert_eq!(claims("reduced.token").audiences(), ["https://se.example"]);
    let scope = claims("reduced.token").scope().expect("scopes");
    assert!(scope.contains("storage.read:/") && !scope.contains("openid"), "{scope}");
    assert!(claims("default.token").scope().is_some_and(|scope| scope.contains("openid")));
}

/// The exit status decides, and what is printed on standard output is taken for a token.
#[test]
fn failures_are_failures_and_print_nothing_on_standard_output() {
    let service = Service::new();
    fs_err::write(service.environment.path("site.pw"), "wrong\n").expect("written");
    let refused = service.run(RENEW);
    assert!(refused.code.is_some_and(|code| code != 0), "{refused:?}");
    assert!(!service.environment.home().join("default.token").exists());
    let nothing = service.run(
        "eval $(oidc-agent) >/dev/null; oidc-token --scope ' ' nobody; echo $?; oidc-agent -k >/dev/null",
    );
    assert_eq!(nothing.stdout, "1\n", "{nothing:?}");
}

/// Its setup script hands the password over by a descriptor that the command inherits, and which can be read once.
#[test]
fn the_password_command_inherits_descriptors_and_runs_once() {
    let service = Service::new();
    let made = service.run(
        "set -e\n\
         eval $(oidc-agent) >/dev/null\n\
         trap 'oidc-agent -k >/dev/null' EXIT\n\
         exec 7< <(printf 'from a pipe\\n')\n\
         oidc-gen -w device --iss=\"$ISSUER\" --scope='openid offline_access' --prompt=none --confirm-default \\\n    \
             --pw-cmd='echo run >>runs; cat <&7' made\n\
         exec 7<&-\n\
         oidc-add --pw-cmd='printf \"from a pipe\\n\"' made\n\
         oidc-token made\n",
    );
    assert!(made.clone().success().contains("eyJ"), "{made:?}");
    assert_eq!(service.file("runs"), "run\n");
}

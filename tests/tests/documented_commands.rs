//! Command lines as the pages of sites and communities print them for the C suite, typed as they stand.

use std::os::unix::fs::symlink;

use oidc_proto::helpers::HelperHosts;
use oidc_tests::{
    environment::{Environment, FileFormat},
    programs::{Finished, program, run, workspace},
    provider::{Provider, Quirks, Seed},
    scene::Scene,
};

/// Surroundings in which everything is installed, and one agent for all lines.
struct Site {
    scene: Scene,
}

impl Site {
    fn new() -> Self {
        let quirks = Quirks { device_approved_at_poll: Some(1), ..Quirks::default() };
        let scene = Scene::with(quirks, FileFormat::OidcAgent);
        install(&scene.environment);
        Self { scene }
    }

    /// A line, with this test's account and provider in place of the page's.
    fn type_line(&self, line: &str) -> Finished {
        let line = line.replace("ACCOUNT", "demo").replace("ISSUER", &self.scene.provider.issuer());
        shell(&self.scene.environment, Some(self.scene.agent.socket().to_str().expect("a path")), &line)
    }
}

fn install(environment: &Environment) {
    let bin = environment.path("bin");
    fs_err::create_dir(&bin).expect("a directory");
    for (name, leads_to) in [
        ("oidc", "oidc"),
        ("oidc-agent", "oidc-agent"),
        ("oidc-add", "oidc"),
        ("oidc-gen", "oidc"),
        ("oidc-token", "oidc"),
    ] {
        symlink(program(leads_to), bin.join(name)).expect("a link");
    }
}

fn shell(environment: &Environment, socket: Option<&str>, line: &str) -> Finished {
    let mut command = environment.command_at("bash".as_ref());
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:{path}", environment.path("bin").display()));
    command.env("OIDC_NO_AUTOSTART", "1").envs(socket.map(|socket| ("OIDC_SOCK", socket)));
    command.args(["-c", line]);
    run(command)
}

#[test]
fn lines_for_an_account_work_as_printed() {
    let site = Site::new();
    for (line, shows) in [
        ("oidc-add -l", "demo"),
        ("oidc-gen -l", "demo"),
        ("oidc-gen --accounts", "demo"),
        ("oidc-add --pw-env ACCOUNT", "success"),
        ("oidc-add -a", "demo"),
        ("oidc-token ACCOUNT", "eyJ"),
        ("export BEARER_TOKEN=$(oidc-token ACCOUNT); echo $BEARER_TOKEN", "eyJ"),
        ("OIDC_TOKEN=`oidc-token ACCOUNT`; echo \"Authorization: Bearer $OIDC_TOKEN\"", "Bearer eyJ"),
        ("oidc-token -t 1200 ACCOUNT", "eyJ"),
        ("oidc-token --time=1200 ACCOUNT", "eyJ"),
        ("oidc-token -f ACCOUNT", "eyJ"),
        ("oidc-token -s openid -s storage.read:/ ACCOUNT", "eyJ"),
        ("oidc-token -s \"openid storage.read:/\" ACCOUNT", "eyJ"),
        ("oidc-token --scope=storage.read:/ --aud=https://wlcg.example/jwt/v1/any ACCOUNT", "eyJ"),
        ("oidc-token ACCOUNT --aud https://se.example", "eyJ"),
        ("oidc-token ISSUER", "eyJ"),
        ("oidc-token ACCOUNT | cut -d. -f2 | tr -- -_ +/| base64 -d 2>/dev/null; true", "\"iss\""),
        ("oidc-token -a ACCOUNT | wc -l", "3"),
        ("oidc-token -i ACCOUNT", "http"),
        ("oidc-token -e ACCOUNT", "1"),
        ("oidc-token -o ACCOUNT", "eyJ"),
        ("eval `oidc-token -c ACCOUNT`; echo $OIDC_AT $OIDC_ISS $OIDC_EXP", "eyJ"),
        ("oidc-token --env ACCOUNT", "OIDC_AT="),
        ("oidc-gen --pw-env -p ACCOUNT", "refresh_token"),
        ("oidc-gen --pw-env --print=ACCOUNT", "refresh_token"),
        ("oidc-add --pw-env -p ACCOUNT", "refresh_token"),
        ("oidc-add -r ACCOUNT", "success"),
        ("oidc-add --lifetime=3600 --pw-cmd=\"echo '$OIDC_ENCRYPTION_PW'\" ACCOUNT", "success"),
        ("oidc-add -R", "success"),
        ("oidc-agent --status", "agent"),
        (
            "oidc-gen -w device site --iss=ISSUER --scope='openid profile offline_access' --pw-env --prompt=none \
             --confirm-default",
            "Everything setup correctly!",
        ),
        ("oidc-gen --reauthenticate --flow=device --pw-env site", ""),
        ("oidc-token site", "eyJ"),
        ("oidc-gen -d site --confirm-yes --pw-env", "deleted"),
    ] {
        let finished = site.type_line(line);
        assert_eq!(finished.code, Some(0), "{line}: {finished:?}");
        assert!(finished.stdout.contains(shows), "{line}: {finished:?}");
    }
    let refused = site.type_line("oidc-add -i ACCOUNT");
    assert_eq!(refused.code, Some(64), "an option of no release: {refused:?}");
}

#[test]
fn lines_for_an_agent_work_as_printed() {
    let environment = Environment::new();
    install(&environment);
    let provider = Provider::start();
    environment.add_account(&provider.seed_account("demo"), FileFormat::OidcAgent);
    for line in [
        "eval `oidc-agent`; oidc-add --pw-env demo && oidc-token demo; oidc-agent -k",
        "eval \"$(oidc-agent --no-autoload)\" && oidc-add --pw-env demo && oidc-token demo; oidc-agent --kill",
        "eval $(oidc-agent) >/dev/null; oidc-add --pw-env demo && oidc-token demo; eval $(oidc-agent -k)",
        "oidc-agent -t 60 bash -c 'oidc-add --pw-env demo && oidc-token demo'",
        "oidc-agent bash -c 'oidc-add --pw-env demo; oidc-token demo'",
        "oidc-agent > ~/.agent-env; . ~/.agent-env; oidc-add --pw-env demo; oidc-token demo; oidc-agent -k",
    ] {
        let finished = shell(&environment, None, line);
        assert_eq!(finished.code, Some(0), "{line}: {finished:?}");
        assert!(
            finished.stdout.contains("success") && finished.stdout.contains("eyJ"),
            "{line}: {finished:?}"
        );
    }
}

/// Every line of the page on helpers is typed as it stands, but for those that another site or program has to answer.
#[test]
fn every_line_of_the_page_on_helpers_works() {
    let page = fs_err::read_to_string(workspace().join("docs/helpers.md")).expect("the page");
    let site = Site::new();
    assert_eq!(site.type_line("oidc-add --pw-env ACCOUNT").code, Some(0));
    for directory in [".config/rclone", ".aws"] {
        fs_err::create_dir_all(site.scene.environment.home().join(directory)).expect("a directory");
    }
    let blocks = page.split("```").skip(1).step_by(2).filter_map(|block| block.strip_prefix("sh\n"));
    let lines: Vec<_> = blocks.flat_map(str::lines).collect();
    assert!(lines.len() >= 10, "{lines:?}");
    let toml = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    let hosts_file = site.scene.environment.accounts().join("helpers.toml");
    for line in lines.into_iter().filter(|line| !line.starts_with("dvc ")) {
        // What names no host is about those of the example.
        if line.starts_with("oidc helper git --print-config") {
            fs_err::write(&hosts_file, toml).expect("written");
        }
        // Nobody answers at services that are examples: what is sent to them is shown instead.
        let typed = line.replace("curl -H @", "cat ").replace(" https://service.example/", "");
        let finished = site.type_line(&typed);
        assert_eq!(finished.code, Some(0), "{line}: {finished:?}");
        assert_eq!(
            finished.stdout.is_empty(),
            line.contains("> ") && !line.contains("chmod"),
            "{line}: {finished:?}"
        );
        if hosts_file.exists() {
            fs_err::remove_file(&hosts_file).expect("removed");
        }
    }
    let hosts = HelperHosts::parse(toml).expect("an example that is right");
    assert_eq!(hosts.find("x.gitlab.example").map(|host| host.account.as_str()), Some("home"));
}

/// Every line of the page on tokens is typed as it stands, but for those that only a person or another site can answer.
#[test]
fn every_line_of_the_page_on_tokens_works() {
    let page = fs_err::read_to_string(workspace().join("docs/tokens.md")).expect("the page");
    let site = Site::new();
    let scope = "openid profile offline_access storage.read:/ storage.create:/ storage.modify:/ compute.create \
                 compute.read compute.cancel compute.modify";
    let account = site.scene.provider.seed(&Seed { scope: scope.into(), ..Seed::named("page") });
    site.scene.environment.add_account(&account, FileFormat::Native);
    assert_eq!(site.type_line("oidc add --pw-env page").code, Some(0));
    let mut blocks = page.split("```");
    let mut lines = Vec::new();
    while let (Some(_), Some(block)) = (blocks.next(), blocks.next()) {
        lines.extend(block.strip_prefix("sh\n").unwrap_or_else(|| panic!("another block: {block}")).lines());
    }
    assert!(lines.len() > 20, "{lines:?}");
    let not_here =
        ["https://service.example", "oidc whoami", "--reauthenticate", "oidc passwd", "oidc reset"];
    for line in lines.into_iter().filter(|line| !not_here.iter().any(|words| line.contains(words))) {
        // What is sent to a storage that is an example is shown instead.
        let typed = line.replace("-- xrdcp ", "-- echo ").replace("NAME", "page");
        let finished = site.type_line(&typed);
        assert_eq!(finished.code, Some(0), "{line}: {finished:?}");
        let is_silent = line.contains("export ") || line.contains(" > ");
        assert!(is_silent || !finished.stdout.is_empty(), "{line}: {finished:?}");
        assert!(!finished.stderr.contains("Warning"), "{line}: {finished:?}");
    }
    assert_eq!(site.type_line("oidc passwd page --pw-env --new-pw-cmd 'echo new'").code, Some(0));
    assert_eq!(site.type_line("oidc reset page --force").code, Some(0));
}

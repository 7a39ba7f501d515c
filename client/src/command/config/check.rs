//! `oidc config check`: what in the files of the oidc-agent directory and the system's cannot be used, each with its line where
//! that is known.

use std::{
    fmt::Write,
    path::{Path, PathBuf},
};

use oidc_proto::{
    config::Config,
    custom_parameters::{self, CustomParameters},
    files::{FILES_D, FILES_TOML, Surroundings, TokenFiles},
    helpers::{self, HelperHosts, HelpersError},
    home::{Home, Presence},
    issuers::{Issuers, SYSTEM_DIRECTORY},
    shell,
    shortname::Shortname,
};
use serde_json::{Value, json};

use crate::{
    context::{Context, error::Error},
    say::exit::Exit,
};

/// Files that are looked at besides `config`; those that end so are directories.
const NAMES: [&str; 7] = [
    "issuer.config",
    "issuer.config.d",
    "pubclients.config",
    custom_parameters::FILE_NAME,
    helpers::FILE,
    FILES_TOML,
    FILES_D,
];

/// Something that was found.
struct Finding {
    path: PathBuf,
    line: Option<usize>,
    /// The section of `config`.
    section: Option<String>,
    /// The key, entry or account.
    key: Option<String>,
    what: String,
    /// Something cannot be used; else it works, and may be a mistake.
    is_problem: bool,
}

/// Looks at all of them. `Err` where something cannot be used, which is told by then.
pub fn run(config: &Config, context: &mut Context) -> Result<(), Error> {
    let home = context.home().ok();
    let mut findings = of_config(config);
    findings.extend(of_issuers(home.as_ref()));
    findings.extend(of_parameters(home.as_ref()));
    if let Some(home) = &home {
        findings.extend(of_helpers(home, context));
        findings.extend(of_files(home));
    }
    let has_problem = findings.iter().any(|finding| finding.is_problem);
    let files = files(config, home.as_ref());
    if context.output.json {
        let of = |is_problem| -> Vec<_> {
            findings.iter().filter(|finding| finding.is_problem == is_problem).map(object).collect()
        };
        let shown: Vec<_> = files.iter().map(|path| path.display().to_string()).collect();
        let whole = json!({"status": "success", "files": shown, "problems": of(true), "remarks": of(false)});
        context.output.json(&whole)?;
    } else {
        for finding in &findings {
            let kind = if finding.is_problem { "" } else { "note: " };
            context.output.line(&format!("{kind}{}", text(finding)))?;
        }
        if !has_problem {
            let shown: Vec<_> = files.iter().map(|path| path.display().to_string()).collect();
            let what = if files.is_empty() { "there is no file".to_owned() } else { shown.join(", ") };
            context.output.line(&format!("{what}: nothing is wrong"))?;
        }
    }
    if has_problem { Err(Error::Told(Exit::File)) } else { Ok(()) }
}

fn files(config: &Config, home: Option<&Home>) -> Vec<PathBuf> {
    let directories = home.map(Home::path).into_iter().chain([Path::new(SYSTEM_DIRECTORY)]);
    let others = directories.flat_map(|directory| NAMES.map(|name| directory.join(name)));
    config.paths().map(Path::to_owned).chain(others.filter(|path| path.exists())).collect()
}

fn text(finding: &Finding) -> String {
    let mut text = finding.path.display().to_string();
    if let Some(line) = finding.line {
        // Writing to a string cannot fail.
        let _ = write!(text, ":{line}");
    }
    let key = match (&finding.section, &finding.key) {
        (Some(section), Some(key)) => Some(format!("{section}.{key}")),
        (Some(section), None) => Some(format!("section {section}")),
        (None, key) => key.clone(),
    };
    match key.filter(|key| !key.is_empty()) {
        Some(key) => format!("{text}: {key}: {}", finding.what),
        None => format!("{text}: {}", finding.what),
    }
}

fn object(finding: &Finding) -> Value {
    json!({
        "file": finding.path.display().to_string(),
        "line": finding.line,
        "section": finding.section,
        "key": finding.key,
        "problem": finding.what,
    })
}

fn of_config(config: &Config) -> Vec<Finding> {
    let of = |problem: &oidc_proto::config::Problem| Finding {
        path: problem.path.clone(),
        line: None,
        section: problem.section.clone(),
        key: problem.key.clone(),
        what: problem.what.clone(),
        is_problem: true,
    };
    config.problems().iter().map(of).collect()
}

fn of_issuers(home: Option<&Home>) -> Vec<Finding> {
    let issuers = Issuers::load(home);
    issuers
        .problems()
        .iter()
        .map(|problem| wrong(&problem.path, problem.line, problem.what.clone()))
        .collect()
}

fn of_parameters(home: Option<&Home>) -> Vec<Finding> {
    let directories = home.map(Home::path).into_iter().chain([Path::new(SYSTEM_DIRECTORY)]);
    let (_, problems) = CustomParameters::read(directories);
    problems.into_iter().map(|problem| wrong(&problem.path, problem.line, problem.what)).collect()
}

fn of_helpers(home: &Home, context: &mut Context) -> Vec<Finding> {
    let path = home.path().join(helpers::FILE);
    let hosts = match HelperHosts::load(home) {
        Ok(hosts) => hosts,
        Err(error) => return vec![of_helpers_error(&path, error)],
    };
    let mut loaded = None;
    let mut findings = Vec::new();
    for host in hosts.hosts {
        let Ok(name) = host.account.parse::<Shortname>() else { continue };
        if !matches!(home.presence(&name), Presence::Gone) {
            continue;
        }
        // One without a file may be in the agent alone.
        let loaded = loaded.get_or_insert_with(|| context.loaded_accounts().unwrap_or_default());
        if !loaded.iter().any(|account| account == name.as_str()) {
            let gen_command = shell::command("oidc gen", name.as_str());
            let what = format!("there is no account {name}: `{gen_command}` makes it");
            findings.push(Finding {
                key: Some(format!("host {}", host.host)),
                ..wrong(&path, Some(host.line), what)
            });
        }
    }
    findings
}

fn of_helpers_error(path: &Path, error: HelpersError) -> Finding {
    match error {
        HelpersError::At(_, inner) => match *inner {
            HelpersError::Line(line, what) => wrong(path, Some(line), what),
            other => wrong(path, None, other.to_string()),
        },
        other => {
            let text = other.to_string();
            let what = text.strip_prefix(&path.display().to_string()).map(str::trim_start);
            wrong(path, None, what.unwrap_or(&text).to_owned())
        }
    }
}

fn of_files(home: &Home) -> Vec<Finding> {
    let of = |problem: oidc_proto::files::Problem, is_problem| Finding {
        key: Some(problem.key),
        is_problem,
        ..wrong(&problem.path, problem.line, problem.what)
    };
    match TokenFiles::read(home, &Surroundings::of_process()) {
        Err(problems) => problems.0.into_iter().map(|problem| of(problem, true)).collect(),
        Ok(files) => {
            let of_passwords = files.accounts.iter().filter_map(|account| Some(account.problem()?.1));
            let remarks = files.remarks.iter().cloned().map(|remark| of(remark, false));
            of_passwords.map(|problem| of(problem, true)).chain(remarks).collect()
        }
    }
}

fn wrong(path: &Path, line: Option<usize>, what: String) -> Finding {
    Finding { path: path.to_owned(), line, section: None, key: None, what, is_problem: true }
}

#[cfg(test)]
mod tests {
    use crate::{command::json_tests::expect_documented, say::exit::Exit, testing::Bench};

    #[test]
    fn every_file_is_looked_at_and_told_with_its_line() {
        for (name, text, expected) in [
            ("config", "{\"oidc-agent\": {\"nonsense\": 1}}", "config: oidc-agent.nonsense: it is not known"),
            ("issuer.config", "[\n{\"issuer\": }\n]", "issuer.config: not valid JSON: line 2"),
            (
                "pubclients.config",
                "# mine\nclient@https://a.example/\nnothing",
                "pubclients.config:3: it is no public client",
            ),
            (
                "custom_parameters.config",
                "[\n{\"parameter\": \"a\", \"value\": \"b\", \"request\": [\"refresh\"]}]",
                "custom_parameters.config:2: entry 1: neither",
            ),
            (
                "helpers.toml",
                "[[host]]\nhost = \"a.example\"\naccount = \"x\"\nacount = \"y\"\n",
                "helpers.toml:4: ",
            ),
            (
                "helpers.toml",
                "# mine\n[[host]]\nhost = \"a.example\"\naccount = \"gone\"\n",
                "helpers.toml:2: host a.example: there is no account gone: `oidc gen gone`",
            ),
            (
                "files.toml",
                "[[file]]\nname = \"a\"\nacount = \"b\"\n",
                "files.toml:3: file a: acount: there is no such key here; is account meant?",
            ),
        ] {
            let bench = Bench::new().with_file(name, text.as_bytes());
            fs_err::set_permissions(bench.file(name), std::os::unix::fs::PermissionsExt::from_mode(0o600))
                .expect("a mode");
            let ran = bench.run(&["oidc", "config", "check"]);
            assert_eq!(ran.result.expect_err(name).exit(), Exit::File, "{name}");
            assert!(ran.stdout.contains(expected), "{name}: {expected}\n{}", ran.stdout);
            let ran = bench.run(&["oidc", "config", "check", "--json"]);
            expect_documented("| `oidc config show`", &ran.stdout);
        }
    }

    #[test]
    fn what_works_is_no_problem() {
        let bench = Bench::new()
            .with_account("cms")
            .with_file("helpers.toml", b"[[host]]\nhost = \"a.example\"\naccount = \"cms\"\n")
            .with_file(
                "files.toml",
                b"[[file]]\nname = \"a\"\naccount = \"cms\"\npath = \"/t/x\"\nmode = \"0644\"\n",
            );
        fs_err::set_permissions(
            bench.file("helpers.toml"),
            std::os::unix::fs::PermissionsExt::from_mode(0o600),
        )
        .expect("a mode");
        let ran = bench.run(&["oidc", "config", "check"]);
        assert!(ran.result.is_ok(), "{ran:?}");
        assert!(
            ran.stdout.contains("note: ") && ran.stdout.contains("everybody on this machine"),
            "{}",
            ran.stdout
        );
        assert!(
            ran.stdout.contains("helpers.toml") && ran.stdout.ends_with("nothing is wrong\n"),
            "{}",
            ran.stdout
        );
    }
}

//! What the documents say is true: every command in them exists with the options it is given, and the README's are run as they
//! stand.

use std::{
    collections::BTreeSet,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use oidc_tests::{
    environment::{Environment, FileFormat, PASSWORD},
    programs::{program, run, workspace},
    provider::{Provider, Quirks},
    require,
    terminal::Terminal,
};

const C_NAMES: [&str; 6] =
    ["oidc-add", "oidc-agent-service", "oidc-gen", "oidc-keychain", "oidc-prompt", "oidc-token"];

fn documents() -> Vec<(PathBuf, String)> {
    let root = workspace();
    let mut paths: Vec<PathBuf> = ["README.md", "ARCHITECTURE.md", "SECURITY.md", "CHANGELOG.md"]
        .iter()
        .map(|name| root.join(name))
        .collect();
    let docs = fs_err::read_dir(root.join("docs")).expect("the documents");
    paths.extend(
        docs.flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|end| end == "md")),
    );
    paths.into_iter().map(|path| (path.clone(), fs_err::read_to_string(path).expect("a document"))).collect()
}

/// The lines of all fenced blocks of shell commands, comments taken off.
fn shell_lines(text: &str) -> Vec<String> {
    let blocks = text.split("\n```sh\n").skip(1).filter_map(|rest| rest.split("\n```").next());
    let lines = blocks
        .flat_map(str::lines)
        .map(|line| line.split("  #").next().unwrap_or_default().trim().to_owned());
    lines.filter(|line| !line.is_empty()).collect()
}

/// What stands between backticks in running text.
fn code_spans(text: &str) -> Vec<String> {
    let mut running = String::new();
    let mut fenced = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            running.push_str(line);
            running.push(' ');
        }
    }
    running.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The commands of ours in a piece of shell: from the name to the end of that command.
fn commands(shell: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for part in shell.split(['|', ';', '(', ')', '"']) {
        let words: Vec<String> =
            part.split_whitespace().map(|word| word.trim_matches(['\'', ',']).to_owned()).collect();
        let at = words.iter().position(|word| {
            matches!(word.as_str(), "oidc" | "oidc-agent") || C_NAMES.contains(&word.as_str())
        });
        if let Some(at) = at {
            found.push(words[at..].to_vec());
        }
    }
    found
}

/// Programs under all their names, as they are installed.
fn installed(environment: &Environment) -> PathBuf {
    let bin = environment.path("bin");
    fs_err::create_dir_all(&bin).expect("a directory");
    for name in ["oidc", "oidc-agent"] {
        symlink(program(name), bin.join(name)).expect("a link");
    }
    for name in C_NAMES {
        symlink("oidc", bin.join(name)).expect("a link");
    }
    bin
}

fn in_path(environment: &Environment, program: &Path) -> Command {
    let mut command = environment.command_at(program);
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:{path}", environment.path("bin").display()));
    command
}

fn help(environment: &Environment, words: &[&str]) -> Option<String> {
    let mut command = in_path(environment, Path::new(words[0]));
    command.args(&words[1..]).arg("--help");
    let finished = run(command);
    (finished.code == Some(0)).then_some(finished.stdout)
}

/// Whether a help text names an option: as a word of its own, before a blank, a comma, a bracket or a value.
fn names(help: &str, option: &str) -> bool {
    help.match_indices(option).any(|(at, _)| {
        let before = help[..at].chars().next_back().is_none_or(|c| c.is_whitespace() || "`,[(".contains(c));
        let after = help[at + option.len()..].chars().next().is_none_or(|c| !c.is_alphanumeric() && c != '-');
        before && after
    })
}

/// Whether a word stands for others: `COMMAND`.
fn is_placeholder(word: &str) -> bool {
    word.len() > 1 && word.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// What the programs say of themselves, as documents.
fn help_texts(environment: &Environment) -> Vec<(PathBuf, String)> {
    let overview = help(environment, &["oidc"]).expect("a help text");
    let commands = overview.lines().skip_while(|line| !line.starts_with("Commands:")).skip(1);
    // What is further in is the end of a long description.
    let commands = commands
        .take_while(|line| line.starts_with("  "))
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next());
    let ours = commands.map(|name| vec!["oidc", name]);
    let others = C_NAMES.iter().chain(["oidc-agent", "oidc"].iter()).map(|name| vec![*name]);
    let texts = ours.chain(others).map(|words| {
        let text = help(environment, &words).unwrap_or_else(|| panic!("no help for {words:?}"));
        (PathBuf::from(format!("{} --help", words.join(" "))), text)
    });
    texts.collect()
}

#[test]
fn every_command_in_a_document_or_help_text_exists_with_its_options() {
    let environment = Environment::new();
    installed(&environment);
    let mut wrong = Vec::new();
    let mut checked = 0;
    for (path, text) in documents().into_iter().chain(help_texts(&environment)) {
        let pieces: Vec<String> = shell_lines(&text).into_iter().chain(code_spans(&text)).collect();
        for command in pieces.iter().flat_map(|piece| commands(piece)) {
            let words: Vec<&str> = command.iter().map(String::as_str).collect();
            let mut called = vec![words[0]];
            if words[0] == "oidc" {
                match words.get(1) {
                    // The program itself, or a placeholder.
                    None | Some(&"COMMAND") => continue,
                    Some(&"help") => {
                        let mut topic = in_path(&environment, Path::new("oidc"));
                        topic.args(&words[1..]);
                        let has_placeholder = words[2..].iter().any(|word| is_placeholder(word));
                        if !has_placeholder && run(topic).code != Some(0) {
                            wrong.push(format!("{}: {}", path.display(), command.join(" ")));
                        }
                        continue;
                    }
                    Some(word) if word.starts_with('-') => {}
                    Some(word) => called.push(word),
                }
                let is_group = help(&environment, &called).is_some_and(|text| text.contains("\nCommands:\n"));
                match words.get(2).filter(|word| is_group && !word.starts_with('-')) {
                    // Any of its commands, of which no options are known.
                    Some(word) if is_placeholder(word) => continue,
                    Some(word) => called.push(word),
                    None => {}
                }
            }
            checked += 1;
            let Some(text) = help(&environment, &called) else {
                wrong.push(format!("{}: {} is no command", path.display(), called.join(" ")));
                continue;
            };
            let options = words[called.len()..].iter().take_while(|word| **word != "--");
            for option in options.filter(|word| word.starts_with('-') && word.len() > 1) {
                let option = option.split('=').next().unwrap_or_default().trim_end_matches(']');
                if !names(&text, option) {
                    wrong.push(format!("{}: {} knows no {option}", path.display(), called.join(" ")));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(checked > 50, "only {checked} commands were found");
}

#[test]
fn every_target_file_and_section_that_a_document_refers_to_exists() {
    let makefile = fs_err::read_to_string(workspace().join("Makefile")).expect("the Makefile");
    let mut wrong = Vec::new();
    for (path, text) in documents() {
        let pieces = shell_lines(&text).into_iter().chain(code_spans(&text));
        for piece in pieces {
            let words: Vec<&str> = piece.split_whitespace().collect();
            let make =
                words.iter().position(|word| *word == "make").filter(|at| *at == 0 || words[0] == "sudo");
            if let Some(target) = make.and_then(|at| words.get(at + 1))
                && !makefile.contains(&format!("\n{target}:"))
            {
                wrong.push(format!("{}: make {target}", path.display()));
            }
        }
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (file, section) = link.split_once('#').unwrap_or((link, ""));
            if link.starts_with("https:") {
                continue;
            }
            let target =
                if file.is_empty() { path.clone() } else { path.parent().expect("a folder").join(file) };
            let Ok(there) = fs_err::read_to_string(&target) else {
                wrong.push(format!("{}: {link}", path.display()));
                continue;
            };
            let anchors: BTreeSet<String> =
                there.lines().filter(|line| line.starts_with('#')).map(anchor).collect();
            if !section.is_empty() && !anchors.contains(section) {
                wrong.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// How a heading is linked to.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn every_file_that_the_architecture_names_exists() {
    let root = workspace();
    let text = fs_err::read_to_string(root.join("ARCHITECTURE.md")).expect("a document");
    let missing: Vec<String> = code_spans(&text)
        .into_iter()
        .filter(|span| {
            ["proto/", "agent/", "client/", "tests/", "contrib/"].iter().any(|top| span.starts_with(top))
        })
        .filter(|span| !root.join(span).exists())
        .collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

/// The functions of a Rust file that are tests.
fn tests_in(source: &str) -> BTreeSet<&str> {
    let mut is_test = false;
    let mut found = BTreeSet::new();
    for line in source.lines().map(str::trim_start) {
        let name = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
        if let Some(name) = name.and_then(|rest| rest.split(['(', '<']).next()) {
            if std::mem::take(&mut is_test) {
                found.insert(name);
            }
        } else if ["#[test]", "#[tokio::test"].iter().any(|attribute| line.starts_with(attribute)) {
            is_test = true;
        }
    }
    found
}

#[test]
fn every_claim_about_security_has_a_test() {
    let root = workspace();
    let text = fs_err::read_to_string(root.join("SECURITY.md")).expect("a document");
    let named = |text: &str| -> Vec<String> {
        code_spans(text).into_iter().filter(|span| span.contains(".rs")).collect()
    };
    let exists = |test: &str| {
        let (file, name) = test.split_once("::").unwrap_or((test, ""));
        fs_err::read_to_string(root.join(file)).is_ok_and(|source| tests_in(&source).contains(name))
    };
    let missing: Vec<String> = named(&text).into_iter().filter(|test| !exists(test)).collect();
    assert!(missing.is_empty(), "{missing:#?}");

    // In tables whose head has such a column, each row has one.
    let mut with_tests = false;
    let mut rows = 0;
    for line in text.lines() {
        if !line.starts_with('|') {
            with_tests = false;
        } else if line.starts_with("| Claim ") {
            with_tests = line.trim_end().ends_with("| Test |");
            assert!(with_tests, "{line}");
        } else if with_tests && !line.starts_with("| ---") {
            rows += 1;
            let last = line.trim_end_matches(['|', ' ']).rsplit(" | ").next().unwrap_or_default();
            assert!(!named(last).is_empty(), "a claim without a test: {line}");
        }
    }
    assert!(rows > 40, "only {rows} claims were found");
}

/// The block of commands in the README that holds `text`.
fn readme_block(text: &str) -> String {
    let readme = fs_err::read_to_string(workspace().join("README.md")).expect("the README");
    let mut blocks = readme.split("\n```sh\n").skip(1).filter_map(|rest| rest.split("\n```").next());
    blocks.find(|block| block.contains(text)).unwrap_or_else(|| panic!("no block with {text}")).to_owned()
}

/// A provider that approves every login by itself, and surroundings in which everything is installed.
struct Reader {
    environment: Environment,
    provider: Provider,
}

impl Reader {
    fn new() -> Self {
        let provider = Provider::with(Quirks { device_approved_at_poll: Some(1), ..Quirks::default() });
        let environment = Environment::new();
        installed(&environment);
        Self { environment, provider }
    }

    /// A shell that runs what the README says, with a name and a provider put in.
    fn shell(&self, text: &str) -> Command {
        let text =
            text.replace("NAME", "acc").replace("https://your.provider.example/", &self.provider.issuer());
        let mut shell = in_path(&self.environment, Path::new("sh"));
        shell.args(["-e", "-c", &text]);
        shell
    }

    /// As a reader who has no display follows "You are new", with the password in a variable.
    fn account(&self) {
        // With a scope that the lines for scripts ask for.
        let block = readme_block("--pw-env").replace("offline_access", "offline_access storage.read:/");
        run(self.shell(&block)).success();
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // The agent that was started on demand.
        let _ = run(self.shell("oidc agent stop"));
    }
}

#[test]
fn a_newcomer_gets_tokens_in_a_script_with_the_readmes_lines() {
    let reader = Reader::new();
    reader.account();
    assert_eq!(run(reader.shell("oidc token NAME")).success().matches('.').count(), 2);

    let curl = reader.environment.path("bin/curl");
    fs_err::write(&curl, "#!/bin/sh\nprintf '%s\\n' \"$@\"\n").expect("a program");
    fs_err::set_permissions(&curl, PermissionsExt::from_mode(0o755)).expect("a mode");
    let script = readme_block("curl -H") + "\nprintf '%s\\n' \"$OIDC_AT\" \"$OIDC_ISS\" \"$OIDC_EXP\"\n";
    let said = run(reader.shell(&script)).success();
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], "-H");
    assert!(lines[1].starts_with("Authorization: Bearer ey"), "{said}");
    let json: serde_json::Value = serde_json::from_str(lines[3]).expect("JSON");
    assert!(json["access_token"].is_string(), "{json}");
    assert!(
        lines[4].starts_with("ey") && lines[5].starts_with("http") && lines[6].parse::<u64>().is_ok(),
        "{said}"
    );
    assert!(run(reader.shell("oidc help exit-codes")).success().contains("64"));
}

#[test]
fn the_lines_for_people_of_the_c_suite_work_as_they_stand() {
    let reader = Reader::new();
    let account = reader.provider.seed_account("acc");
    reader.environment.add_account(&account, FileFormat::OidcAgent);
    let mut terminal = Terminal::start(reader.shell(&readme_block("oidc-add NAME")));
    terminal.expect("Agent pid");
    terminal.expect("password");
    terminal.type_line(PASSWORD);
    terminal.expect("success");
    terminal.expect(".");
    terminal.expect("killed");
    let (code, seen) = terminal.finish();
    assert_eq!(code, 0, "{seen}");
}

#[test]
fn a_forgotten_password_is_overcome_with_the_readmes_lines() {
    let reader = Reader::new();
    reader.account();
    let block = readme_block("oidc reset NAME");
    let line = |command: &str| block.lines().find(|line| line.starts_with(command)).expect("a line");
    let mut passwd = Terminal::start(reader.shell(line("oidc passwd NAME")));
    for _ in 0..3 {
        passwd.expect("Enter decryption password");
        passwd.type_line("forgotten");
    }
    passwd.expect("[y/N]");
    passwd.type_line("y");
    passwd.expect("new encryption password");
    passwd.type_line("another");
    passwd.expect("Confirm");
    passwd.type_line("another");
    let (code, seen) = passwd.finish();
    assert_eq!(code, 0, "{seen}");

    let mut reset = Terminal::start(reader.shell(line("oidc reset NAME")));
    reset.expect("[y/N]");
    reset.type_line("y");
    let (code, seen) = reset.finish();
    assert_eq!(code, 0, "{seen}");
    assert!(!reader.environment.account_file("acc").exists());
    assert_eq!(reader.provider.client_count(), 0, "{seen}");
}

#[test]
fn the_demo_shows_a_token_and_leaves_nothing_behind() {
    if require::python().is_none() {
        return;
    }
    let environment = Environment::new();
    let mut demo = environment.command_at(&workspace().join("scripts/demo.sh"));
    // The toolchain and the programs that are built already.
    for variable in ["CARGO_HOME", "RUSTUP_HOME", "CARGO_TARGET_DIR"] {
        if let Some(value) = std::env::var_os(variable) {
            demo.env(variable, value);
        }
    }
    if let Some(home) = std::env::var_os("HOME") {
        demo.env(
            "CARGO_HOME",
            std::env::var_os("CARGO_HOME").unwrap_or_else(|| Path::new(&home).join(".cargo").into()),
        );
        demo.env(
            "RUSTUP_HOME",
            std::env::var_os("RUSTUP_HOME").unwrap_or_else(|| Path::new(&home).join(".rustup").into()),
        );
    }
    let said = run(demo).success();
    assert!(said.contains("  issuer       http"), "{said}");
    assert!(said.contains("verified: the issuer signed it") && said.trim_end().ends_with("Done."), "{said}");
    assert_eq!(fs_err::read_dir(environment.tmp()).expect("a directory").count(), 0);
}

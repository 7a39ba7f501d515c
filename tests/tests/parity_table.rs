//! `docs/side-by-side.md` against the real programs of 4.2.6, and against ours: it can neither forget anything nor claim it.
//!
//! Nothing is done with an option here: it is named on a command line that asks for the usage.

use std::{collections::BTreeSet, path::Path, process::Command};

use oidc_proto::message::Request;
use oidc_tests::{
    environment::Environment,
    programs::{Finished, program, run, workspace},
    require,
};
use serde_json::json;

/// The tools whose options the table has, a section each.
const TOOLS: [&str; 4] = ["oidc-agent", "oidc-add", "oidc-token", "oidc-gen"];

/// A row: the names in its first column, and the other columns.
struct Row {
    names: Vec<String>,
    in_4: bool,
    in_5: bool,
    ours: String,
    how: String,
}

fn page() -> String {
    fs_err::read_to_string(workspace().join("docs/side-by-side.md")).expect("the page")
}

/// The rows below a heading, up to the next one.
fn rows(page: &str, heading: &str) -> Vec<Row> {
    let mut lines = page.lines().skip_while(|line| *line != heading).skip(1).peekable();
    assert!(lines.peek().is_some(), "no heading {heading}");
    let section = lines.take_while(|line| !line.starts_with('#'));
    let rows: Vec<_> = section.filter(|line| line.starts_with("| `")).map(row).collect();
    assert!(!rows.is_empty(), "{heading} has no rows");
    rows
}

fn row(line: &str) -> Row {
    let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
    let [names, in_4, in_5, ours, how] = cells[..] else { panic!("five columns: {line}") };
    let release = |cell: &str| match cell {
        "yes" => true,
        "-" => false,
        _ => panic!("yes or -: {line}"),
    };
    let row = Row {
        names: names.split('`').skip(1).step_by(2).map(str::to_owned).collect(),
        in_4: release(in_4),
        in_5: release(in_5),
        ours: ours.to_owned(),
        how: how.to_owned(),
    };
    assert!(["same", "better", "not"].contains(&ours), "same, better or not: {line}");
    assert!(row.ours == "same" || !row.how.is_empty(), "how, or why not: {line}");
    assert!(row.in_4 || row.in_5, "of neither release: {line}");
    row
}

fn names(rows: &[Row], wanted: impl Fn(&Row) -> bool) -> BTreeSet<String> {
    rows.iter().filter(|row| wanted(row)).flat_map(|row| row.names.clone()).collect()
}

/// The options in a text that lists them: a word that begins with a dash, at the beginning of a line or behind a comma.
fn listed(help: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in help.lines().filter(|line| line.trim_start().starts_with('-')) {
        for part in line.trim_start().split(", ") {
            let name: String = part
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '?'))
                .collect();
            if !part.starts_with('-') {
                break;
            }
            found.insert(name);
            // What follows two blanks is the description.
            if part.contains("  ") {
                break;
            }
        }
    }
    found
}

#[test]
fn it_has_every_option_of_the_real_programs_of_4_and_no_other() {
    let Some(c_suite) = require::c_suite() else { return };
    let environment = Environment::new();
    let page = page();
    for tool in TOOLS {
        let mut help = c_suite.command(&environment, tool);
        help.arg("--help");
        let real = listed(&run(help).success());
        assert!(real.len() > 10, "{tool}: {real:?}");
        let told = names(&rows(&page, &format!("### `{tool}`")), |row| row.in_4);
        let missing: Vec<_> = real.difference(&told).collect();
        assert!(missing.is_empty(), "{tool} 4.2.6 has options that the table lacks: {missing:?}");
        let invented: Vec<_> = told.difference(&real).filter(|name| !is_unlisted(name)).collect();
        assert!(invented.is_empty(), "{tool} 4.2.6 has no such options: {invented:?}");
    }
}

/// The real programs take it, and do not list it.
fn is_unlisted(name: &str) -> bool {
    ["-h"].contains(&name)
}

#[test]
fn its_words_for_the_scripts_of_4_are_in_their_help() {
    let Some(c_suite) = require::c_suite() else { return };
    let page = page();
    for (tool, heading) in
        [("oidc-agent-service", "### `oidc-agent-service`"), ("oidc-keychain", "### `oidc-keychain`")]
    {
        let script = fs_err::read_to_string(c_suite.program(tool)).expect("a script");
        for name in names(&rows(&page, heading), |row| row.in_4) {
            assert!(script.contains(&name), "{tool} 4.2.6 knows no {name}");
        }
    }
}

/// What the program says of an option, on a command line that asks for its usage.
fn tried(environment: &Environment, tool: &str, option: &str) -> Finished {
    let mut command = ours(environment, tool);
    // A value where none is allowed is another complaint than an option that is not known.
    let given = if option.starts_with("--") { format!("{option}=1") } else { format!("{option}1") };
    command.args([given.as_str(), "--usage"]);
    run(command)
}

fn ours(environment: &Environment, tool: &str) -> Command {
    use std::os::unix::process::CommandExt;
    if tool == "oidc-agent" {
        return environment.command(tool);
    }
    let mut command = environment.command_at(Path::new(&program("oidc")));
    command.arg0(tool);
    command
}

#[test]
fn our_programs_take_every_option_in_it() {
    let environment = Environment::new();
    let page = page();
    for tool in TOOLS.into_iter().chain(["oidc-tokensh"]) {
        for option in names(&rows(&page, &format!("### `{tool}`")), |_| true) {
            let tried = tried(&environment, tool, &option);
            // Of a short option the program complains by its letter alone.
            let complaints =
                [format!("unrecognized option '{option}'"), format!("invalid option -- '{}'", &option[1..])];
            let is_unknown = complaints.iter().any(|complaint| tried.stderr.contains(complaint));
            assert!(!is_unknown, "{tool} {option}: {tried:?}");
        }
        let nonsense = tried(&environment, tool, "--no-such-option");
        assert!(nonsense.stderr.contains("unrecognized option"), "{tool}: {nonsense:?}");
    }
}

#[test]
fn our_programs_take_its_words_and_types() {
    let environment = Environment::new();
    let page = page();
    for (tool, heading, others) in [
        ("oidc-agent-service", "### `oidc-agent-service`", ["-h", "--help"]),
        ("oidc-prompt", "### `oidc-prompt`", ["", ""]),
    ] {
        for word in names(&rows(&page, heading), |_| true) {
            if others.contains(&word.as_str()) {
                continue;
            }
            let mut command = ours(&environment, tool);
            command.args([word.as_str(), "--no-such-option"]);
            let tried = run(command);
            assert!(tried.stderr.contains("--no-such-option"), "{tool} {word}: {tried:?}");
            let mut command = ours(&environment, tool);
            command.args([word.as_str(), "--usage"]);
            run(command).success();
        }
    }
}

#[test]
fn it_has_every_key_of_the_configuration_with_what_becomes_of_it() {
    let environment = Environment::new();
    let mut show = ours(&environment, "oidc");
    show.args(["config", "show", "--json"]);
    let shown: serde_json::Value = serde_json::from_str(&run(show).success()).expect("JSON");
    let page = page();
    let rows = rows(&page, "## `config`");
    let mut known = BTreeSet::new();
    for setting in shown["settings"].as_array().expect("settings") {
        let text = |key: &str| setting[key].as_str().expect("a text").to_owned();
        let name = format!("{}.{}", text("section"), text("key"));
        let row = rows.iter().find(|row| row.names.contains(&name));
        if name == "oidc-agent.warn_before" {
            assert!(row.is_none(), "{name} is ours");
            continue;
        }
        let row = row.unwrap_or_else(|| panic!("no row for {name}"));
        let has_effect = setting["without_effect"].is_null();
        assert_eq!(row.ours != "not", has_effect, "{name}: {}", row.ours);
        known.insert(name);
    }
    assert_eq!(names(&rows, |_| true), known);
    assert!(rows.iter().all(|row| row.in_5 && !row.in_4));
}

#[test]
fn it_has_every_request_and_we_know_them_all() {
    let page = page();
    let rows = rows(&page, "## Requests");
    for name in names(&rows, |_| true) {
        let request = json!({"request": name}).to_string();
        if let Err(failure) = Request::parse(request.as_bytes()) {
            assert!(!format!("{failure:?}").contains("Unknown request type"), "{name}: {failure:?}");
        }
    }
    let recorded = workspace().join("proto/tests/ipc");
    let told = names(&rows, |_| true);
    assert!(recorded.exists() && told.len() > 20, "{told:?}");
}

#[test]
fn it_has_every_variable_that_our_help_shares_with_the_c_suite() {
    let environment = Environment::new();
    let mut help = ours(&environment, "oidc");
    help.args(["help", "environment"]);
    let help = run(help).success();
    let page = page();
    let told = names(&rows(&page, "## Environment"), |_| true);
    for name in
        ["OIDC_SOCK", "OIDC_REMOTE_SOCK", "OIDC_CONFIG_DIR", "OIDC_ENCRYPTION_PW", "OIDC_REFRESH_TOKEN"]
    {
        assert!(help.contains(name) && told.contains(name), "{name}");
    }
    let Some(c_suite) = require::c_suite() else { return };
    for tool in TOOLS {
        let program = fs_err::read(c_suite.program(tool)).expect("a program");
        for name in words_of_environment(&program) {
            assert!(told.contains(&name), "{tool} 4.2.6 has the word {name}, which may be a variable");
        }
    }
}

/// Texts in a program that look like variables of the C suite.
fn words_of_environment(program: &[u8]) -> BTreeSet<String> {
    let texts = program.split(|byte| *byte == 0).filter_map(|text| std::str::from_utf8(text).ok());
    let is_name = |text: &&str| {
        (text.starts_with("OIDC_") || text.starts_with("OIDCD_"))
            && text.bytes().all(|byte| byte == b'_' || byte.is_ascii_uppercase())
    };
    // The default names of what `oidc-token -c` prints are none that it reads.
    texts
        .filter(is_name)
        .filter(|name| !["OIDC_AT", "OIDC_ISS", "OIDC_EXP"].contains(name))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_program_in_it_is_installed() {
    let page = page();
    let script = fs_err::read_to_string(workspace().join("scripts/install.sh")).expect("the script");
    for name in names(&rows(&page, "## Programs"), |row| row.ours != "not") {
        assert!(script.contains(&name), "{name} is not installed");
    }
}

//! What some tests need and not every machine has. A test asks here, and does nothing more when it gets `None`:
//! the reason is printed, and where `CI=true` a missing tool is an error, so that nothing is skipped silently there.

use std::{io::Write, path::PathBuf, process::Command};

use crate::{
    browser::BrowserPrograms,
    c_suite::CSuite,
    programs::{directory, workspace},
};

/// The C suite, release 4.2.6.
pub fn c_suite() -> Option<CSuite> {
    CSuite::find().or_else(|| not_run("the C suite 4.2.6 (Debian package oidc-agent-cli)"))
}

/// Node.js with the packages of `tests/node` installed.
pub fn node() -> Option<PathBuf> {
    let installed = workspace().join("tests/node/node_modules/oidc-provider").exists();
    let node = on_path("node").filter(|_| installed && on_path("openssl").is_some());
    node.or_else(|| not_run("node, openssl and `npm ci` in tests/node"))
}

/// Our agent with named steps at which it can be ended.
pub fn fault_points() -> Option<PathBuf> {
    let name = "oidc-agent-with-fault-points";
    let built = directory().join(name);
    let how = "cargo build -p oidc-agent --features fault-points --bin oidc-agent-with-fault-points";
    built.exists().then_some(built).or_else(|| not_run(&format!("{name}: {how}")))
}

/// `jq`, which scripts of the C suite call.
pub fn jq() -> Option<PathBuf> {
    tool("jq").or_else(|| not_run("jq"))
}

/// `strace`, and the right to use it.
pub fn strace() -> Option<PathBuf> {
    let works = |program: &PathBuf| {
        let traced = Command::new(program).args(["-o", "/dev/null", "true"]).output();
        traced.is_ok_and(|output| output.status.success())
    };
    tool("strace").filter(works).or_else(|| not_run("strace"))
}

/// GNU Privacy Guard.
pub fn gpg() -> Option<PathBuf> {
    tool("gpg").or_else(|| not_run("gpg"))
}

/// GNOME Keyring, a bus to reach it by, and the program that does so.
pub fn keyring() -> Option<()> {
    let needed = ["dbus-daemon", "gnome-keyring-daemon", "secret-tool"];
    let are_there = needed.iter().all(|name| on_path(name).is_some());
    are_there.then_some(()).or_else(|| not_run("gnome-keyring, libsecret-tools and dbus"))
}

/// Headless Chromium and its driver.
pub fn browser() -> Option<BrowserPrograms> {
    let browser =
        on_path("chromium").or_else(|| on_path("chromium-browser")).or_else(|| on_path("google-chrome"));
    let programs = on_path("chromedriver").zip(browser);
    programs
        .map(|(driver, browser)| BrowserPrograms { driver, browser })
        .or_else(|| not_run("chromium and chromedriver"))
}

/// A pinentry that asks on a terminal.
pub fn pinentry_curses() -> Option<PathBuf> {
    on_path("pinentry-curses").or_else(|| not_run("pinentry-curses"))
}

/// Git; `OIDC_TESTS_GIT` names another one than that of the path.
pub fn git() -> Option<PathBuf> {
    let named = std::env::var_os("OIDC_TESTS_GIT").map(PathBuf::from);
    named.or_else(|| tool("git")).or_else(|| not_run("git"))
}

/// The Z shell. Nothing but its own syntax is tried with it, so that it may be missing everywhere.
pub fn zsh() -> Option<PathBuf> {
    on_path("zsh").or_else(|| noted("zsh"))
}

/// Rclone.
pub fn rclone() -> Option<PathBuf> {
    tool("rclone").or_else(|| not_run("rclone"))
}

/// Kubernetes' client.
pub fn kubectl() -> Option<PathBuf> {
    // No distribution has it, so that it may be missing everywhere; the documented exchange is tried in any case.
    tool("kubectl").or_else(|| noted("kubectl"))
}

/// Python 3, which calls C libraries without a compiler.
pub fn python() -> Option<PathBuf> {
    tool("python3").or_else(|| not_run("python3"))
}

/// Python 3 with the packages of `scripts/fetch-test-tools.sh`: botocore, scitokens, htcondor.
pub fn python_packages() -> Option<PathBuf> {
    let python = workspace().join(".tools/python/bin/python3");
    let works = || {
        let imported = Command::new(&python).args(["-c", "import botocore, scitokens, htcondor2"]).output();
        imported.is_ok_and(|output| output.status.success())
    };
    let is_there = python.exists() && works();
    is_there.then_some(python).or_else(|| not_run("the Python packages botocore, scitokens and htcondor"))
}

/// Where xrootd 5.5 and scitokens-cpp are, with the directory of their libraries.
pub fn xrootd() -> Option<(PathBuf, PathBuf)> {
    let tools = workspace().join(".tools/debian/usr");
    let libraries = tools.join(format!("lib/{}-linux-gnu", std::env::consts::ARCH));
    let is_there =
        ["xrootd", "xrdfs", "scitokens-verify"].iter().all(|name| tools.join("bin").join(name).exists());
    let has_plugins = libraries.join("libXrdAccSciTokens-5.so").exists() && on_path("openssl").is_some();
    (is_there && has_plugins)
        .then(|| (tools.join("bin"), libraries))
        .or_else(|| not_run("xrootd 5.5 and scitokens-cpp (Debian packages), and openssl"))
}

/// Whether this runs as root: some tests need a second user or a small file system.
pub fn root() -> Option<()> {
    rustix::process::geteuid().is_root().then_some(()).or_else(|| not_run("root"))
}

/// A program on the path or among the fetched tools.
fn tool(name: &str) -> Option<PathBuf> {
    let fetched = workspace().join(".tools/debian/usr/bin").join(name);
    on_path(name).or_else(|| fetched.exists().then_some(fetched))
}

pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(name)).find(|program| program.is_file())
}

/// Notes that the running test does nothing because `what` is missing.
///
/// # Panics
/// With `CI=true`.
pub fn not_run<T>(what: &str) -> Option<T> {
    let none = noted(what);
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "CI has to run this test: it needs {what}");
    none
}

fn noted<T>(what: &str) -> Option<T> {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let line = format!("NOT RUN: {test} needs {what}; scripts/fetch-test-tools.sh fetches it\n");
    print!("{line}");
    // Test runners hide what a passing test prints, so `scripts/test.sh` collects these lines.
    if let Some(path) = std::env::var_os("OIDC_TESTS_NOT_RUN") {
        let file = fs_err::OpenOptions::new().append(true).create(true).open(PathBuf::from(path));
        file.and_then(|mut file| file.write_all(line.as_bytes())).expect("a file for what was not run");
    }
    None
}

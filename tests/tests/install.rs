//! What `make install` puts where, tried as the programs that look there see it: systemd, man, bash. The programs are
//! those under test; `make build` only optimises them.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use oidc_tests::{
    environment::Environment,
    programs::{program, run, workspace},
};

/// Without man pages and completions: programs call them.
const OTHER_NAMES: [&str; 4] = [
    "git-credential-oidc",
    "oidc-credential-helper",
    "cargo-credential-oidc",
    "condor_credential_storer_oidc",
];
const NAMES: [&str; 8] = [
    "oidc",
    "oidc-add",
    "oidc-agent-service",
    "oidc-gen",
    "oidc-keychain",
    "oidc-prompt",
    "oidc-token",
    "oidc-tokensh",
];

/// What `make build` leaves, of the programs under test.
fn stage(environment: &Environment) -> PathBuf {
    let stage = environment.path("stage");
    fs_err::create_dir_all(stage.join("bin")).expect("a directory");
    for name in ["oidc", "oidc-agent"] {
        fs_err::copy(program(name), stage.join("bin").join(name)).expect("a copy");
    }
    for what in ["man", "bash", "zsh", "fish"] {
        let mut generate = environment.command("oidc");
        generate.args(["generate", what]).arg(stage.join(what));
        run(generate).success();
    }
    let mut page = environment.command("oidc-agent");
    page.arg("--man-page");
    fs_err::write(stage.join("man/oidc-agent.1"), run(page).success()).expect("a page");
    stage
}

fn script(environment: &Environment, destination: &Path, arguments: &[&str]) {
    let mut install = environment.command_at(&workspace().join("scripts/install.sh"));
    // As root without a toolchain has it.
    install.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("DESTDIR", destination).args(arguments);
    run(install).success();
}

fn installed(environment: &Environment) -> PathBuf {
    let (stage, destination) = (stage(environment), environment.path("root"));
    let stage = stage.to_str().expect("UTF-8");
    script(environment, &destination, &[stage, "/usr/local", "/usr/local/lib/systemd/user"]);
    destination
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs_err::read_dir(directory).expect("a directory").flatten() {
        if entry.file_type().expect("a type").is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found
}

/// Whether a program of the system is there to judge what was installed.
fn judge(name: &str) -> bool {
    let there = Command::new("sh").args(["-c", &format!("command -v {name}")]).output();
    there.is_ok_and(|output| output.status.success())
}

#[test]
fn every_place_gets_its_files_and_uninstall_takes_them_away() {
    let environment = Environment::new();
    let root = installed(&environment);
    let share = root.join("usr/local/share");
    for name in NAMES {
        assert!(root.join("usr/local/bin").join(name).exists(), "{name}");
        assert!(share.join("bash-completion/completions").join(name).exists(), "{name}");
        assert!(share.join(format!("zsh/site-functions/_{name}")).exists(), "{name}");
        assert!(share.join(format!("fish/vendor_completions.d/{name}.fish")).exists(), "{name}");
        assert!(share.join(format!("man/man1/{name}.1")).exists(), "{name}");
    }
    for name in OTHER_NAMES {
        assert!(root.join("usr/local/bin").join(name).exists(), "{name}");
    }
    assert!(share.join("man/man1/oidc-agent.1").exists());
    assert!(share.join("oidc-agent/issuer.config.d/wlcg.json").exists());

    let other = root.join("usr/local/bin/somebody-elses");
    fs_err::write(&other, "").expect("a file");
    script(&environment, &root, &["--uninstall", "/usr/local"]);
    assert_eq!(files(&root), [other]);
}

#[test]
fn systemd_accepts_the_units_and_starts_the_installed_agent() {
    let environment = Environment::new();
    let root = installed(&environment);
    let units = root.join("usr/local/lib/systemd/user");
    let service = fs_err::read_to_string(units.join("oidc-agent.service")).expect("a unit");
    assert!(service.contains("ExecStart=/usr/local/bin/oidc-agent --console --service\n"), "{service}");
    assert!(!service.contains('@'), "{service}");
    if !judge("systemd-analyze") {
        return;
    }
    // The program must exist where the unit says, so a copy is checked that names this installation.
    let here = root.join("usr/local/bin");
    let text = service.replace("/usr/local/bin", here.to_str().expect("UTF-8"));
    fs_err::write(units.join("oidc-agent.service"), text).expect("a unit");
    let mut verify = environment.command_at(Path::new("systemd-analyze"));
    verify.args(["--user", "--man=no", "verify"]).arg(units.join("oidc-agent.service"));
    verify.arg(units.join("oidc-agent.socket"));
    let verified = run(verify);
    let ours = |line: &&str| line.contains("oidc-agent");
    let complaints: Vec<&str> = verified.stderr.lines().filter(ours).collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
}

/// What a browser hands over is an argument, whatever is in it.
#[test]
fn a_login_that_a_browser_sends_back_reaches_oidc_gen_as_it_is() {
    let environment = Environment::new();
    let root = installed(&environment);
    let file = root.join("usr/local/share/applications/oidc-gen.desktop");
    let entry = fs_err::read_to_string(&file).expect("an entry");
    assert!(entry.contains("MimeType=x-scheme-handler/edu.kit.data.oidc-agent;\n"), "{entry}");
    if judge("desktop-file-validate") {
        let mut validate = environment.command_at(Path::new("desktop-file-validate"));
        validate.arg(&file);
        assert_eq!(run(validate).success(), "");
    }
    // Desktop Entry Specification: a value's backslashes are doubled; what is left is quoted as in a shell.
    let exec =
        entry.lines().find_map(|line| line.strip_prefix("Exec=")).expect("a line").replace("\\\\", "\\");
    let bin = environment.path("bin");
    fs_err::create_dir(&bin).expect("a directory");
    let gen_in_its_place = bin.join("oidc-gen");
    fs_err::write(&gen_in_its_place, "#!/bin/sh\nprintf '%s|' \"$@\"\n").expect("written");
    fs_err::set_permissions(&gen_in_its_place, PermissionsExt::from_mode(0o755)).expect("executable");
    let marker = environment.path("marker");
    let address = format!(
        "edu.kit.data.oidc-agent:/redirect?code=a%20b&state=\"$(touch {0})`touch {0}`' x",
        marker.display()
    );
    let line = exec.replace("/usr/local/bin", bin.to_str().expect("UTF-8")).replace("%u", "\"$ADDRESS\"");
    let mut shell = environment.command_at(Path::new("sh"));
    shell.args(["-c", &line]).env("ADDRESS", &address).env("SHELL", "/bin/true");
    assert_eq!(run(shell).success(), format!("--codeExchange={address}|"));
    assert!(!marker.exists());
}

#[test]
fn an_x_session_finds_the_agent() {
    let environment = Environment::new();
    let root = installed(&environment);
    let script = root.join("usr/local/share/oidc-agent/Xsession.d/91oidc-agent");
    let text = fs_err::read_to_string(&script).expect("a script");
    let here = root.join("usr/local/bin");
    fs_err::write(&script, text.replace("/usr/local/bin", here.to_str().expect("UTF-8"))).expect("written");
    let session = |variables: &str| {
        let line = format!(
            "{variables} . {}; echo \"sock=$OIDC_SOCK\"; test -z \"$OIDC_SOCK\" || {}/oidc-agent-service stop >/dev/null",
            script.display(),
            here.display()
        );
        let mut shell = environment.command_at(Path::new("sh"));
        shell.args(["-e", "-c", &line]);
        run(shell).success()
    };
    let found = session("");
    assert!(found.starts_with("sock=/") && found.ends_with("oidc-agent.sock\n"), "{found}");
    assert_eq!(session("export START_AGENT_WITH_XSESSION=False;"), "sock=\n");
}

#[test]
fn systemd_accepts_the_unit_for_service_users() {
    let environment = Environment::new();
    let root = installed(&environment);
    let path = root.join("usr/local/share/oidc-agent/systemd/oidc-agent@.service");
    let unit = fs_err::read_to_string(&path).expect("a unit");
    assert!(unit.contains("ExecStart=/usr/local/bin/oidc-agent --console"), "{unit}");
    if !judge("systemd-analyze") {
        return;
    }
    let here = root.join("usr/local/bin");
    fs_err::write(&path, unit.replace("/usr/local/bin", here.to_str().expect("UTF-8"))).expect("a unit");
    let instance = path.with_file_name("oidc-agent@daemon.service");
    fs_err::copy(&path, &instance).expect("a copy");
    let mut verify = environment.command_at(Path::new("systemd-analyze"));
    verify.args(["--man=no", "verify"]).arg(&instance);
    let verified = run(verify);
    let complaints: Vec<&str> = verified.stderr.lines().filter(|line| line.contains("oidc-agent")).collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
}

#[test]
fn units_go_where_systemd_looks() {
    let environment = Environment::new();
    let home = environment.home();
    let own = format!("{}/.local", home.display());
    let own_units = format!("{own}/share/systemd/user\n");
    for (prefix, expected) in [
        ("/usr", "/usr/lib/systemd/user\n"),
        ("/usr/local", "/usr/local/lib/systemd/user\n"),
        (own.as_str(), own_units.as_str()),
    ] {
        let mut directory = environment.command_at(&workspace().join("scripts/unit-directory.sh"));
        directory.arg(prefix);
        assert_eq!(run(directory).success(), expected);
    }
    let mut elsewhere = environment.command_at(&workspace().join("scripts/unit-directory.sh"));
    elsewhere.arg("/opt/oidc");
    let expected = if rustix::process::geteuid().is_root() {
        "/etc/systemd/user\n".to_owned()
    } else {
        format!("{}/.config/systemd/user\n", home.display())
    };
    assert_eq!(run(elsewhere).success(), expected);
}

#[test]
fn every_page_is_found_by_its_name_and_tells_what_pages_tell() {
    let environment = Environment::new();
    let pages = stage(&environment).join("man");
    for page in files(&pages) {
        let name = page.file_stem().and_then(|name| name.to_str()).expect("a name").to_owned();
        let text = fs_err::read_to_string(&page).expect("a page");
        for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS", "ENVIRONMENT", "FILES", "SEE ALSO"]
        {
            let heading = [format!(".SH {section}\n"), format!(".SH \"{section}\"\n")];
            assert!(heading.iter().any(|heading| text.contains(heading)), "{name}: {section}");
        }
        // What a page refers to is installed with it.
        let see_also = text.rsplit("SEE ALSO").next().unwrap_or_default().replace("\\-", "-");
        let others = see_also.split("\\fB").skip(1).filter_map(|rest| rest.split("\\fR").next());
        for other in others {
            assert!(pages.join(format!("{other}.1")).exists(), "{name} refers to {other}");
        }
        if judge("lexgrog") {
            let mut whatis = environment.command_at(Path::new("lexgrog"));
            whatis.arg(&page);
            let said = run(whatis).success();
            assert!(said.contains(&format!("\"{name} - ")), "{said}");
        }
    }
}

/// Presses TAB at the end of a command line, as bash does it.
fn complete(environment: &Environment, scripts: &Path, line: &[&str]) -> Vec<String> {
    let name = line[0];
    let text = format!(
        "source '{}'\nCOMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); COMP_TYPE=9\n\
         _clap_complete_{} \"$1\" \"${{COMP_WORDS[COMP_CWORD]}}\"\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"",
        scripts.join(name).display(),
        name.replace('-', "_"),
    );
    let mut shell = environment.command_at(Path::new("bash"));
    let bin = scripts.parent().expect("the stage").join("bin");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").expect("a path"));
    shell.env("PATH", path).args(["-c", &text, "bash"]).args(line);
    run(shell).success().lines().map(str::to_owned).filter(|line| !line.is_empty()).collect()
}

#[test]
fn tab_offers_accounts_and_commands_and_after_a_dash_options() {
    let environment = Environment::new();
    let stage = stage(&environment);
    std::os::unix::fs::symlink("oidc", stage.join("bin/oidc-token")).expect("a link");
    for name in ["wlcg", "egi-prod"] {
        fs_err::write(environment.account_file(name), "not read").expect("a file");
    }
    let scripts = stage.join("bash");
    let offered = |line: &[&str]| complete(&environment, &scripts, line);
    assert_eq!(offered(&["oidc", "tok"]), ["token"]);
    assert_eq!(offered(&["oidc", "token", ""]), ["egi-prod", "wlcg"]);
    assert_eq!(offered(&["oidc-token", "w"]), ["wlcg"]);
    assert_eq!(offered(&["oidc", "reset", "e"]), ["egi-prod"]);
    assert_eq!(offered(&["oidc", "token", "--sc"]), ["--scope"]);
    assert!(offered(&["oidc-token", "-"]).len() > 5);
}

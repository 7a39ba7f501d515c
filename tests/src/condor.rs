//! HTCondor's `condor_store_cred`, played: it writes down how it was called, and keeps what was stored as the credd would.

use std::{os::unix::fs::PermissionsExt, path::PathBuf, process::Command};

use crate::environment::Environment;

/// The script: `$ROOT` is a directory of the test's.
const SCRIPT: &str = r#"
if [ -e "$ROOT/fails" ]; then cat >/dev/null; echo 'Error: could not contact the credd' >&2; exit 1; fi
service= handle= action=$1 with_p=
shift
line="$action"
while [ $# -gt 0 ]; do
    line="$line $1"
    case $1 in
        -s) service=$2; line="$line $2"; shift ;;
        -H) handle=$2; line="$line $2"; shift ;;
        -i) line="$line $2"; shift ;;
        -u) line="$line $2"; shift ;;
        -P) with_p=1 ;;
    esac
    shift
done
name=$service${handle:+_$handle}
echo "$line" >>"$ROOT/calls"
env >"$ROOT/environment"
case $action in
    add-oauth) cat >"$ROOT/store/$name.${with_p:+use}.new" && mv "$ROOT/store/$name.${with_p:+use}.new" "$ROOT/store/$name.use" ;;
    query-oauth) [ -e "$ROOT/store/$name.use" ] ;;
    delete-oauth) rm "$ROOT/store/$name.use" ;;
esac
"#;

/// The program, and what it was told.
#[derive(Debug)]
pub struct PlayedCondor {
    root: PathBuf,
}

impl PlayedCondor {
    /// Installs it for commands of this environment that get [`PlayedCondor::path`].
    ///
    /// # Panics
    /// When that fails.
    pub fn install(environment: &Environment) -> Self {
        let root = environment.path("condor");
        fs_err::create_dir_all(root.join("store")).expect("a directory");
        fs_err::create_dir_all(root.join("bin")).expect("a directory");
        let program = root.join("bin/condor_store_cred");
        fs_err::write(&program, format!("#!/bin/sh\nROOT='{}'\n{SCRIPT}", root.display())).expect("written");
        fs_err::set_permissions(&program, PermissionsExt::from_mode(0o755)).expect("set");
        Self { root }
    }

    /// A `PATH` that leads to it.
    pub fn path(&self) -> String {
        format!("{}:/usr/bin:/bin", self.root.join("bin").display())
    }

    /// The same command, which finds it.
    pub fn found_by(&self, mut command: Command) -> Command {
        command.env("PATH", self.path());
        command
    }

    /// Its calls so far, a line each; they are forgotten.
    pub fn calls(&self) -> Vec<String> {
        let path = self.root.join("calls");
        let calls = fs_err::read_to_string(&path).unwrap_or_default();
        let _ = fs_err::remove_file(path);
        calls.lines().map(str::to_owned).collect()
    }

    /// What it has of a service: the bytes of its `.use`.
    pub fn stored(&self, credential: &str) -> Option<String> {
        fs_err::read_to_string(self.root.join("store").join(format!("{credential}.use"))).ok()
    }

    /// The environment of its last call.
    ///
    /// # Panics
    /// When there was none.
    pub fn environment(&self) -> String {
        fs_err::read_to_string(self.root.join("environment")).expect("a call")
    }

    /// From now on it fails.
    ///
    /// # Panics
    /// When the file system does.
    pub fn fail(&self) {
        fs_err::write(self.root.join("fails"), "").expect("written");
    }
}

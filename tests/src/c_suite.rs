//! The C suite `oidc-agent` 4.2.6: the system's, or the one that was unpacked into `.tools`.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    environment::Environment,
    programs::{Finished, run, workspace},
};

/// The release that interoperability is tested with.
pub const VERSION: &str = "4.2.6";
/// Where Debian keeps libraries, below `/usr`; unpacked packages keep to it.
const LIBRARIES: [&str; 3] = ["usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu", "usr/lib"];

/// An installation of the C suite.
#[derive(Debug, Clone)]
pub struct CSuite {
    /// `/`, or where the packages were unpacked.
    root: PathBuf,
}

impl CSuite {
    /// The system's if it has the right version, else the fetched one.
    pub fn find() -> Option<Self> {
        let roots = [PathBuf::from("/"), workspace().join(".tools/debian")];
        roots.into_iter().map(|root| Self { root }).find(Self::is_right)
    }

    fn is_right(&self) -> bool {
        // It needs more libraries than the other clients.
        let mut command = Command::new(self.program("oidc-gen"));
        command.env("LD_LIBRARY_PATH", self.libraries());
        let version = command.arg("--version").output().map(|output| output.stdout).unwrap_or_default();
        String::from_utf8_lossy(&version).trim() == format!("oidc-gen {VERSION}")
    }

    /// The path of one of its programs.
    pub fn program(&self, name: &str) -> PathBuf {
        self.root.join("usr/bin").join(name)
    }

    /// The client library `liboidc-agent.so.4`.
    pub fn library(&self) -> Option<PathBuf> {
        let paths = LIBRARIES.iter().map(|directory| self.root.join(directory).join("liboidc-agent.so.4"));
        paths.into_iter().find(|path| path.exists())
    }

    /// `LD_LIBRARY_PATH` for its programs.
    pub fn libraries(&self) -> String {
        let paths: Vec<_> =
            LIBRARIES.iter().map(|directory| self.root.join(directory).display().to_string()).collect();
        paths.join(":")
    }

    /// One of its programs as a command in `environment`.
    pub fn command(&self, environment: &Environment, name: &str) -> Command {
        let mut command = environment.command_at(&self.program(name));
        command.env("LD_LIBRARY_PATH", self.libraries());
        command
    }

    /// Asks for a token through the client library, as C programs do: what its `getAccessToken` returned.
    ///
    /// Python calls it, so that neither a compiler nor headers are needed.
    pub fn library_token(
        &self,
        environment: &Environment,
        python: &Path,
        socket: &Path,
        account: &str,
    ) -> Finished {
        /// `char* getAccessToken(account, time_t min_valid_period, scope, hint, audience)`
        const CALL: &str = "
import ctypes, sys
library = ctypes.CDLL(sys.argv[1])
library.getAccessToken.restype = ctypes.c_char_p
library.getAccessToken.argtypes = [ctypes.c_char_p, ctypes.c_long] + 3 * [ctypes.c_char_p]
library.oidcagent_serror.restype = ctypes.c_char_p
token = library.getAccessToken(sys.argv[2].encode(), 60, None, b'interop test', None)
sys.exit(library.oidcagent_serror().decode()) if token is None else print(token.decode())
";
        let library = self.library().unwrap_or_else(|| "liboidc-agent.so.4".into());
        let mut command = environment.command_at(python);
        command.env("LD_LIBRARY_PATH", self.libraries()).env("OIDC_SOCK", socket);
        command.args(["-c", CALL]).arg(library).arg(account);
        run(command)
    }
}

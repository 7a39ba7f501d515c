//! How this agent was told to behave: the `config` file's values overridden by the command line.
//!
//! The requests `status` and `status_json` show these, and `oidc-agent-service restart` of the C suite starts the
//! next agent with what [`Options::command_line`] says.

use std::{path::PathBuf, time::Duration};

use oidc_proto::json::Object;
use serde_json::Value;

use crate::handed_on::{self, Unreadable, optional_path, path_to_value};

/// Seven days: time enough to come to it.
const WARN_BEFORE: Duration = Duration::from_secs(7 * 24 * 3600);

/// The agent's settings, complete. [`Options::default`] is what the C suite's release 4 has built in, as far as we have
/// it: everything a person expects is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How long a loaded account stays, unless its request says otherwise; `None` is for ever.
    pub lifetime: Option<Duration>,
    /// Ask the person at every token request.
    pub confirm: bool,
    /// A token request may load an account that is not loaded.
    pub autoload: bool,
    /// A request that finds that its account needs a new login has the person offered one; `None`: nobody says, and none
    /// is offered.
    pub auto_reauthenticate: Option<bool>,
    /// A loopback web server may be started for a code login.
    pub webserver: bool,
    /// A redirect with the custom scheme `edu.kit.data.oidc-agent:` may be used.
    pub custom_scheme: bool,
    /// ID tokens are handed out without asking.
    pub always_allow_id_token: bool,
    /// How long before the end of a login or of a client's registration whoever asks for a token at a terminal is told; `None`
    /// is never.
    pub warn_before: Option<Duration>,
    /// The group that may use the socket beside its owner.
    pub group: Option<String>,
    /// CA bundle for providers whose account names none; `None` is the system's roots.
    pub cert_path: Option<PathBuf>,
    /// Log at level debug.
    pub debug: bool,
    /// Stay in the foreground.
    pub console: bool,
    /// The log goes to standard error although the agent is a daemon.
    pub log_stderr: bool,
    /// Filter system calls, although programs that the agent starts can gain no privileges then.
    pub seccomp: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            lifetime: None,
            confirm: false,
            autoload: true,
            auto_reauthenticate: None,
            webserver: true,
            custom_scheme: true,
            always_allow_id_token: false,
            warn_before: Some(WARN_BEFORE),
            group: None,
            cert_path: None,
            debug: false,
            console: false,
            log_stderr: false,
            seccomp: false,
        }
    }
}

impl Options {
    /// The options that start an agent like this one, separated by blanks: `command_line_options` of the C suite's
    /// `status_json`. Where the socket is and what was printed at the start are left out, as there.
    pub fn command_line(&self) -> String {
        let lifetime = self.lifetime.map(|lifetime| format!("--lifetime={}", lifetime.as_secs()));
        let group = self.group.as_ref().map(|group| format!("--with-group={group}"));
        let switches = [
            (self.confirm, "--confirm"),
            (!self.autoload, "--no-autoload"),
            (self.auto_reauthenticate == Some(false), "--no-autoreauthenticate"),
            (!self.custom_scheme, "--no-scheme"),
            (!self.webserver, "--no-webserver"),
            (self.always_allow_id_token, "--always-allow-idtoken"),
            (self.console, "--console"),
            (self.debug, "--debug"),
            (self.log_stderr, "--log-stderr"),
            (self.seccomp, "--seccomp"),
        ];
        let switches = switches.into_iter().filter(|(on, _)| *on).map(|(_, option)| option.to_owned());
        lifetime.into_iter().chain(group).chain(switches).collect::<Vec<_>>().join(" ")
    }

    /// For the process that takes over from this one: what counts is how this agent was told to behave, whatever the
    /// configuration says by then.
    pub fn hand_on(&self) -> Object {
        let seconds = |length: Option<Duration>| length.map(|length| length.as_secs());
        let mut object = Object::default();
        object.insert("lifetime", seconds(self.lifetime));
        object.insert("warn_before", seconds(self.warn_before));
        object.insert("group", self.group.clone());
        object.insert("cert_path", self.cert_path.as_ref().map_or(Value::Null, |path| path_to_value(path)));
        object.insert("auto_reauthenticate", self.auto_reauthenticate);
        for (name, value) in [
            ("confirm", self.confirm),
            ("autoload", self.autoload),
            ("webserver", self.webserver),
            ("custom_scheme", self.custom_scheme),
            ("always_allow_id_token", self.always_allow_id_token),
            ("debug", self.debug),
            ("console", self.console),
            ("log_stderr", self.log_stderr),
            ("seccomp", self.seccomp),
        ] {
            object.insert(name, value);
        }
        object
    }

    /// What [`Options::hand_on`] gave, laid over these: of what an earlier version does not know they say how it is.
    pub fn handed_on(self, object: &Object) -> Result<Self, Unreadable> {
        let seconds = |name, own| match object.members().get(name) {
            None => Ok(own),
            Some(Value::Null) => Ok(None),
            Some(_) => handed_on::number(object, name).map(|seconds| Some(Duration::from_secs(seconds))),
        };
        let switch = |name, own| if object.contains(name) { handed_on::flag(object, name) } else { Ok(own) };
        let group =
            if object.contains("group") { handed_on::optional_text(object, "group")? } else { self.group };
        let cert_path =
            if object.contains("cert_path") { optional_path(object, "cert_path")? } else { self.cert_path };
        let auto_reauthenticate = match object.members().get("auto_reauthenticate") {
            None => self.auto_reauthenticate,
            Some(Value::Null) => None,
            Some(_) => Some(handed_on::flag(object, "auto_reauthenticate")?),
        };
        Ok(Self {
            lifetime: seconds("lifetime", self.lifetime)?,
            confirm: switch("confirm", self.confirm)?,
            autoload: switch("autoload", self.autoload)?,
            auto_reauthenticate,
            webserver: switch("webserver", self.webserver)?,
            custom_scheme: switch("custom_scheme", self.custom_scheme)?,
            always_allow_id_token: switch("always_allow_id_token", self.always_allow_id_token)?,
            warn_before: seconds("warn_before", self.warn_before)?,
            group,
            cert_path,
            debug: switch("debug", self.debug)?,
            console: switch("console", self.console)?,
            log_stderr: switch("log_stderr", self.log_stderr)?,
            seccomp: switch("seccomp", self.seccomp)?,
        })
    }

    /// Whether the person is offered a new login where an account needs one.
    pub fn offers_logins(&self) -> bool {
        self.auto_reauthenticate == Some(true)
    }

    /// The rows that the C suite's `status` shows, in its order and with its names.
    pub fn rows(&self) -> Vec<(&'static str, String)> {
        let lifetime = match self.lifetime {
            Some(lifetime) => format!("{} seconds", lifetime.as_secs()),
            None => "Forever".to_owned(),
        };
        vec![
            ("Lifetime", lifetime),
            ("Confirm", self.confirm.to_string()),
            ("Autoload", self.autoload.to_string()),
            ("Auto Re-authenticate", self.offers_logins().to_string()),
            ("Use custom URI scheme", self.custom_scheme.to_string()),
            ("Webserver", self.webserver.to_string()),
            ("Allow ID-Token", self.always_allow_id_token.to_string()),
            ("Group", self.group.clone().unwrap_or_else(|| "false".to_owned())),
            ("Daemon", (!self.console).to_string()),
            ("Log Debug", self.debug.to_string()),
            ("Log to stderr", self.log_stderr.to_string()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_default_agent_needs_no_options() {
        assert_eq!(Options::default().command_line(), "");
    }

    #[test]
    fn what_counts_goes_on_and_what_is_not_known_is_as_it_would_be() {
        let told = Options {
            lifetime: Some(Duration::from_secs(60)),
            confirm: true,
            autoload: false,
            auto_reauthenticate: Some(true),
            webserver: false,
            custom_scheme: false,
            always_allow_id_token: true,
            warn_before: None,
            group: Some("staff".into()),
            cert_path: Some("/etc/ca".into()),
            debug: true,
            console: true,
            log_stderr: true,
            seccomp: true,
        };
        for (from, onto) in [(&told, Options::default()), (&Options::default(), told.clone())] {
            assert_eq!(onto.handed_on(&from.hand_on()).as_ref(), Ok(from));
        }
        let mut earlier = Options::default().hand_on();
        drop(earlier.remove("seccomp"));
        let seccomp = Options { seccomp: true, ..Options::default() };
        assert_eq!(seccomp.clone().handed_on(&earlier), Ok(seccomp));
    }

    #[test]
    fn options_are_repeated_once_each() {
        let options = Options {
            lifetime: Some(Duration::from_secs(60)),
            group: Some("staff".into()),
            autoload: false,
            always_allow_id_token: true,
            ..Options::default()
        };
        assert_eq!(
            options.command_line(),
            "--lifetime=60 --with-group=staff --no-autoload --always-allow-idtoken"
        );
    }

    #[test]
    fn rows_are_named_as_in_the_c_suite() {
        let rows = Options::default().rows();
        assert_eq!(rows[0], ("Lifetime", "Forever".into()));
        assert!(rows.contains(&("Auto Re-authenticate", "false".into())), "unless a file says so");
        assert!(rows.contains(&("Daemon", "true".into())));
        assert!(rows.contains(&("Group", "false".into())));
    }
}

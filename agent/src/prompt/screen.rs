//! Where a person can be asked: a display or a terminal, told by an environment.

use std::{
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::{Path, PathBuf},
};

use rustix::process::geteuid;

use crate::caller::Process;

/// Variables that tell a window where to open, or how a terminal is spoken to.
const DISPLAY_VARIABLES: [&str; 4] = ["DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "XDG_RUNTIME_DIR"];
const DISPLAYS: [&str; 2] = ["DISPLAY", "WAYLAND_DISPLAY"];

/// A display, a terminal, both, or neither.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Screen {
    /// Variables for the prompt program.
    pub variables: Vec<(String, String)>,
    /// `DISPLAY`.
    pub display: Option<String>,
    /// A terminal of this user's.
    pub terminal: Option<PathBuf>,
    /// `TERM`: what kind of terminal it is.
    pub terminal_type: Option<String>,
    /// The locale of the characters: `LC_ALL`, else `LC_CTYPE`, else `LANG`.
    pub character_locale: Option<String>,
    /// The locale of the texts: `LC_ALL`, else `LC_MESSAGES`, else `LANG`.
    pub message_locale: Option<String>,
}

impl Screen {
    /// The agent's own: its display, and the terminal that `GPG_TTY` names.
    pub fn of_agent() -> Self {
        let variable = |name: &str| std::env::var(name).ok();
        Self::new(variable, variable("GPG_TTY").map(PathBuf::from))
    }

    /// A process's: its display, and the terminal that controls it.
    pub fn of_process(process: &Process) -> Self {
        let terminal = process.variable("GPG_TTY").map(PathBuf::from).filter(|path| is_own_terminal(path));
        Self::new(|name| process.variable(name).map(str::to_owned), terminal.or(process.terminal.clone()))
    }

    fn new(variable: impl Fn(&str) -> Option<String>, terminal: Option<PathBuf>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let locale = |name: &str| ["LC_ALL", name, "LANG"].into_iter().find_map(set);
        let has_display = DISPLAYS.iter().any(|name| set(name).is_some());
        let pair = |name: &&str| set(name).map(|value| ((*name).to_owned(), value));
        let variables: Vec<_> = DISPLAY_VARIABLES.iter().filter_map(pair).collect();
        Self {
            variables: if has_display { variables } else { Vec::new() },
            display: set("DISPLAY"),
            terminal: terminal.filter(|path| is_own_terminal(path)),
            terminal_type: set("TERM"),
            character_locale: locale("LC_CTYPE"),
            message_locale: locale("LC_MESSAGES"),
        }
    }

    /// Whether a window can be opened there.
    pub fn has_display(&self) -> bool {
        !self.variables.is_empty()
    }

    /// Whether nobody can be asked there.
    pub fn is_none(&self) -> bool {
        self.variables.is_empty() && self.terminal.is_none()
    }
}

/// Whether it is a device that belongs to this user: a number that was reused may be somebody else's terminal.
fn is_own_terminal(path: &Path) -> bool {
    path.starts_with("/dev")
        && path.metadata().is_ok_and(|metadata| {
            metadata.file_type().is_char_device() && metadata.uid() == geteuid().as_raw()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn screen(variables: &[(&str, &str)]) -> Screen {
        let variable =
            |name: &str| variables.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned());
        Screen::new(variable, None)
    }

    #[test]
    fn a_display_brings_what_it_needs() {
        let found = screen(&[("DISPLAY", ":0"), ("XAUTHORITY", "/x"), ("TERM", "xterm"), ("OTHER", "y")]);
        let variables = [("DISPLAY".to_owned(), ":0".to_owned()), ("XAUTHORITY".to_owned(), "/x".to_owned())];
        assert_eq!(found.variables, variables);
        assert_eq!(found.display.as_deref(), Some(":0"));
        assert!(!screen(&[("WAYLAND_DISPLAY", "wayland-0")]).is_none());
    }

    #[test]
    fn a_locale_is_that_of_the_most_special_variable() {
        let found = screen(&[("LANG", "de_DE.UTF-8"), ("LC_CTYPE", "en_GB.UTF-8"), ("LC_ALL", "")]);
        assert_eq!(found.character_locale.as_deref(), Some("en_GB.UTF-8"));
        assert_eq!(found.message_locale.as_deref(), Some("de_DE.UTF-8"));
        assert_eq!(screen(&[("LANG", "x"), ("LC_ALL", "C")]).message_locale.as_deref(), Some("C"));
    }

    #[test]
    fn neither_is_nowhere() {
        for variables in [&[("DISPLAY", ""), ("XAUTHORITY", "/x")][..], &[("TERM", "xterm")]] {
            assert!(screen(variables).is_none(), "{variables:?}");
        }
    }

    #[test]
    fn a_terminal_is_an_own_device() {
        for path in ["/etc/passwd", "/no/such", "/dev", "/tmp"] {
            assert!(!is_own_terminal(Path::new(path)), "{path}");
        }
    }
}

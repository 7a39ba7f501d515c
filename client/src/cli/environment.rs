//! The environment variables that the commands read, for `oidc help environment`.

use std::fmt::Write;

/// Name and meaning of each.
pub const VARIABLES: &[(&str, &str)] = &[
    ("OIDC_SOCK", "the agent's socket, instead of the places where agents are looked for"),
    (
        "OIDC_REMOTE_SOCK",
        "a second agent, host[:port], for --remote and where the first does not have the account",
    ),
    ("OIDC_NO_AUTOSTART", "set, and neither empty nor 0: no agent is started on demand"),
    (
        "OIDC_CONFIG_DIR",
        "the directory of the account files, instead of ~/.config/oidc-agent or ~/.oidc-agent",
    ),
    ("OIDC_ENCRYPTION_PW", "the password of account files, for --pw-env"),
    ("OIDC_REFRESH_TOKEN", "a refresh token, for --rt-env of `oidc gen`"),
    ("OIDC_PINENTRY", "the program that asks in a window, instead of pinentry"),
    ("DISPLAY, WAYLAND_DISPLAY", "whether there is a browser or a window to ask in"),
    ("XDG_RUNTIME_DIR, TMPDIR", "where the agent's socket is looked for"),
    ("NO_COLOR, OIDC_AGENT_NOCOLOR, TERM=dumb", "messages without colour; OIDC_AGENT_NOCOLOR=0 keeps it"),
];

/// The variables as a text for people.
pub fn table() -> String {
    let mut text = String::from("Environment variables of the `oidc` commands:\n");
    for (name, meaning) in VARIABLES {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n  {name}\n        {meaning}");
    }
    text
}

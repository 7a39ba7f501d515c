//! The environment variables that the commands heed, for `oidc help environment` and the man pages.

use oidc_proto::{
    config::OIDC_USER_CONFIG,
    environment::{PASSWORD_VARIABLE, REFRESH_TOKEN_VARIABLE},
};

/// How wide the text is: it is read on any terminal.
const WIDTH: usize = 78;
const INDENT: &str = "        ";

/// Variables that every command heeds, with what they are for.
pub const VARIABLES: &[(&str, &str)] = &[
    (
        "OIDC_SOCK",
        "The agent's socket. Nobody there is an error, and no agent is started. Unset: the agent is looked for at its default places, and started if there is none.",
    ),
    (
        "OIDC_SOCK_UID",
        "The number of the user whose agent may answer at OIDC_SOCK, wherever that is. Unset: only one's own or root's, in a directory that nobody else may write.",
    ),
    (
        "XDG_RUNTIME_DIR, TMPDIR",
        "The default places are below them, /run/user/UID and /tmp. If both name directories, no others are looked at.",
    ),
    (
        "OIDC_REMOTE_SOCK",
        "host[:port] of an agent on another machine, port 42424 unless given; asked second by the token command, and by `oidc add --remote`. None is started there. Who answers there is not known: see docs/remote.md.",
    ),
    ("OIDC_NO_AUTOSTART", "Set: no agent is started, as with --no-autostart."),
    (
        "OIDC_SEALED",
        "Set: what is said to the agent is encrypted, as with --sealed. Unset: only on the way to another machine or user. A socket that leads over a network without ssh needs it.",
    ),
    (
        "OIDC_CONFIG_DIR",
        "The oidc-agent directory. Unset: ~/.config/oidc-agent or ~/.oidc-agent, whichever exists.",
    ),
    (
        OIDC_USER_CONFIG,
        "The person's configuration, in place of `config` in the oidc-agent directory; /dev/null for none.",
    ),
    (
        PASSWORD_VARIABLE,
        "The password of an account file, for --pw-env. Kept from every program that is started, as is any variable that such an option names.",
    ),
    (REFRESH_TOKEN_VARIABLE, "A refresh token, for --rt-env; kept from other programs in the same way."),
    (
        "OIDC_PINENTRY",
        "The program that asks for passwords in a window, for --pw-prompt=gui and in the agent. Unset: pinentry; set to nothing, the agent asks nobody.",
    ),
    ("DISPLAY, WAYLAND_DISPLAY", "Set: a browser can be opened, and a window to ask in."),
    (
        "NO_COLOR, OIDC_AGENT_NOCOLOR, TERM=dumb",
        "Set: no colours. OIDC_AGENT_NOCOLOR=0 keeps them in spite of the others.",
    ),
];

/// The variables as a text for people.
pub fn table() -> String {
    let mut text = String::from("Environment variables of the `oidc` commands:\n");
    for (name, meaning) in VARIABLES {
        text.push_str("\n  ");
        text.push_str(name);
        let mut at = WIDTH;
        for word in meaning.split(' ') {
            if at + 1 + word.len() > WIDTH {
                text.push('\n');
                text.push_str(INDENT);
                at = INDENT.len();
            } else {
                text.push(' ');
                at += 1;
            }
            text.push_str(word);
            at += word.len();
        }
    }
    text
}

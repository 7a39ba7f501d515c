//! Every key that is known, in the order in which they are shown.

use super::key::{Guard, Key};

/// How long accounts stay loaded where a file says how long, but not so that it can be read.
const UNREADABLE_LIFETIME: u64 = 3600;

const AGENT: &str = "oidc-agent";
const GEN: &str = "oidc-gen";
const ADD: &str = "oidc-add";
const TOKEN: &str = "oidc-token";

const NO_LOG: &str = "the clients write no log";
const NO_STATISTICS: &str = "nothing is collected about anybody, and nothing is sent anywhere";

macro_rules! table {
    ($($(#[$doc:meta])* $name:ident = $key:expr;)*) => {
        $($(#[$doc])* pub const $name: Key = $key;)*
        /// All of them.
        pub static KEYS: &[Key] = &[$($name),*];
    };
}

table! {
    /// CA bundle for providers whose account names none.
    CERT_PATH = Key::text(AGENT, "cert_path");
    /// The socket, as `--socket-path`.
    BIND_ADDRESS = Key::text(AGENT, "bind_address");
    /// `--confirm`.
    CONFIRM = Key::switch(AGENT, "confirm", false).guarded(Guard::On);
    /// Off: `--no-autoload`.
    AUTOLOAD = Key::switch(AGENT, "autoload", true);
    /// Off: `--no-autoreauthenticate`.
    AUTO_REAUTHENTICATE = Key::switch(AGENT, "auto-reauthenticate", false);
    /// Whether a token of an unknown issuer offers to make an account.
    AUTO_GEN = Key::switch(AGENT, "auto-gen", false);
    /// Which scopes that account asks for: all that the provider supports, or those that were asked for.
    AUTO_GEN_SCOPE_MODE = Key::word(AGENT, "auto-gen-scope-mode", &["max", "exact"]);
    /// Off: `--no-scheme`.
    CUSTOM_URI_SCHEME = Key::switch(AGENT, "custom-uri-scheme", true);
    /// Off: `--no-webserver`.
    WEBSERVER = Key::switch(AGENT, "webserver", true);
    /// `--lifetime`.
    LIFETIME = Key::seconds(AGENT, "lifetime", 0).guarded(Guard::AtMost(UNREADABLE_LIFETIME));
    /// `--with-group`.
    GROUP = Key::text(AGENT, "group").guarded(Guard::Nobody);
    /// `--always-allow-idtoken`.
    ALWAYS_ALLOW_ID_TOKEN = Key::switch(AGENT, "always_allow_id_token", false).guarded(Guard::Off);
    /// `--debug`.
    AGENT_DEBUG_LOGGING = Key::switch(AGENT, "debug_logging", false);
    /// Seconds before its end at which somebody is told of a login's or client's end; 0 is never.
    WARN_BEFORE = Key::seconds(AGENT, "warn_before", 7 * 24 * 3600).ours();
    /// Statistics.
    STATS_COLLECT_LOCAL = Key::switch(AGENT, "stats_collect_local", false).without_effect(NO_STATISTICS);
    /// Statistics.
    STATS_COLLECT_SHARE = Key::switch(AGENT, "stats_collect_share", false).without_effect(NO_STATISTICS);
    /// Statistics.
    STATS_COLLECT_LOCATION = Key::switch(AGENT, "stats_collect_location", false).without_effect(NO_STATISTICS);

    /// `--cnid`.
    CNID = Key::text(GEN, "cnid");
    /// Off: `--no-url-call`.
    AUTO_OPEN_URL = Key::switch(GEN, "auto-open-url", true);
    /// `--gpg`.
    DEFAULT_GPG_KEY = Key::text(GEN, "default_gpg_key");
    /// `--prompt`.
    GEN_PROMPT = Key::word(GEN, "prompt", &["cli", "gui", "none"]);
    /// `--pw-prompt`.
    GEN_PW_PROMPT = Key::word(GEN, "pw-prompt", &["", "cli", "gui", "none"]);
    /// `--confirm-yes`, `--confirm-no`, `--confirm-default`.
    ANSWER_CONFIRM_PROMPTS = Key::word(GEN, "answer-confirm-prompts", &["", "yes", "no", "default"]);
    /// The mytoken server that is meant where none is named.
    DEFAULT_MYTOKEN_SERVER = Key::text(GEN, "default_mytoken_server");
    /// The profile of a mytoken account where none is named.
    GEN_DEFAULT_MYTOKEN_PROFILE = Key::text(GEN, "default_mytoken_profile");
    /// Whether `auto-gen` makes a mytoken account where both kinds can be.
    PREFER_MYTOKEN_OVER_OIDC = Key::switch(GEN, "prefer_mytoken_over_oidc", false);
    /// `--debug`.
    GEN_DEBUG_LOGGING = Key::switch(GEN, "debug_logging", false).without_effect(NO_LOG);

    /// `--pw-store`.
    STORE_PW = Key::switch(ADD, "store-pw", false).guarded(Guard::Off);
    /// `--pw-prompt`.
    ADD_PW_PROMPT = Key::word(ADD, "pw-prompt", &["cli", "gui", "none"]);
    /// `--skip-check`.
    SKIP_CHECK = Key::switch(ADD, "skip-check", false);
    /// `--debug`.
    ADD_DEBUG_LOGGING = Key::switch(ADD, "debug_logging", false).without_effect(NO_LOG);
    /// Not read by the C suite either.
    ADD_PROMPT = Key::word(ADD, "prompt", &["", "cli", "gui", "none"])
        .without_effect("only a password is asked for, and `pw-prompt` says how");

    /// `--time`.
    DEFAULT_MIN_LIFETIME = Key::seconds(TOKEN, "default-min-lifetime", 0);
    /// The profile of `oidc-token --mytoken` without one.
    TOKEN_DEFAULT_MYTOKEN_PROFILE = Key::text(TOKEN, "default_mytoken_profile");
    /// `--debug`.
    TOKEN_DEBUG_LOGGING = Key::switch(TOKEN, "debug_logging", false).without_effect(NO_LOG);
}

/// The sections that have keys.
pub fn sections() -> impl Iterator<Item = &'static str> {
    [AGENT, GEN, ADD, TOKEN].into_iter()
}

/// The key of this name in a section.
pub fn find(section: &str, name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.section == section && key.is_called(name))
}

//! The section `oidc-agent` of the configuration: defaults for the command line.

use std::{path::PathBuf, time::Duration};

use oidc_proto::config::{
    AGENT_DEBUG_LOGGING, ALWAYS_ALLOW_ID_TOKEN, AUTO_REAUTHENTICATE, AUTOLOAD, BIND_ADDRESS, CERT_PATH,
    CONFIRM, CUSTOM_URI_SCHEME, Config, GROUP, Key, LIFETIME, WARN_BEFORE, WEBSERVER,
};

use super::options::Options;

/// The section's name.
pub const SECTION: &str = "oidc-agent";

/// Everything that the command line may leave unsaid.
pub fn options(config: &Config) -> Options {
    let seconds = |key: &Key| Some(config.seconds(key)).filter(|n| *n > 0).map(Duration::from_secs);
    Options {
        confirm: config.switch(&CONFIRM),
        autoload: config.switch(&AUTOLOAD),
        auto_reauthenticate: config.switch(&AUTO_REAUTHENTICATE).then_some(true),
        webserver: config.switch(&WEBSERVER),
        custom_scheme: config.switch(&CUSTOM_URI_SCHEME),
        always_allow_id_token: config.switch(&ALWAYS_ALLOW_ID_TOKEN),
        debug: config.switch(&AGENT_DEBUG_LOGGING),
        lifetime: seconds(&LIFETIME),
        warn_before: seconds(&WARN_BEFORE),
        group: config.text(&GROUP),
        cert_path: config.text(&CERT_PATH).map(PathBuf::from),
        ..Options::default()
    }
}

/// `bind_address`: the socket's place, as `--socket-path`.
pub fn socket_path(config: &Config) -> Option<PathBuf> {
    config.text(&BIND_ADDRESS).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        let root = tempfile::tempdir().expect("temporary directory");
        let path = root.path().join("config");
        fs_err::write(&path, text).expect("written");
        Config::read([path], None)
    }

    #[test]
    fn without_a_file_everything_is_as_built_in() {
        assert_eq!(options(&Config::default()), Options::default());
        assert_eq!(socket_path(&Config::default()), None);
    }

    #[test]
    fn a_key_in_a_file_sets_a_default() {
        let config = config(
            r#"{"oidc-agent": {"autoload": false, "confirm": "true", "lifetime": "60", "webserver": 0,
            "bind_address": "/x/sock", "group": "staff", "cert_path": null, "warn_before": 0}}"#,
        );
        let expected = Options {
            autoload: false,
            confirm: true,
            webserver: false,
            lifetime: Some(Duration::from_secs(60)),
            group: Some("staff".into()),
            warn_before: None,
            ..Options::default()
        };
        assert_eq!(options(&config), expected);
        assert_eq!(socket_path(&config), Some("/x/sock".into()));
    }

    #[test]
    fn a_file_that_is_no_json_asks_no_less() {
        let config = config(r#"{"oidc-agent": {"confirm": true, "lifetime": 60,}"#);
        let options = options(&config);
        assert!(options.confirm);
        assert_eq!(options.lifetime, Some(Duration::from_secs(60)));
    }
}

//! The options with what the configuration says where the command line says nothing.

use oidc_proto::config::{
    ANSWER_CONFIRM_PROMPTS, AUTO_OPEN_URL, CNID, Config, DEFAULT_GPG_KEY, DEFAULT_MYTOKEN_SERVER,
    GEN_DEFAULT_MYTOKEN_PROFILE, GEN_PROMPT, GEN_PW_PROMPT,
};

use super::arguments::GenArgs;
use crate::cli::options::PromptArg;

/// The section's name.
pub const SECTION: &str = "oidc-gen";

/// Lays the command line over the configuration.
pub fn configured(args: &GenArgs, config: &Config) -> GenArgs {
    let mut args = args.clone();
    // A login with what is stored registers no client, and leaves its file as it is.
    if !args.instead.reauthenticate {
        args.client.cnid = args.client.cnid.take().or_else(|| config.text(&CNID));
        if !is_protection_given(&args) {
            args.store.gpg = config.text(&DEFAULT_GPG_KEY);
        }
    }
    args.client.default_mytoken_server = config.text(&DEFAULT_MYTOKEN_SERVER);
    args.client.default_mytoken_profile = config.text(&GEN_DEFAULT_MYTOKEN_PROFILE);
    args.login.no_url_call |= !config.switch(&AUTO_OPEN_URL);
    let word = |text: Option<String>| text.as_deref().and_then(PromptArg::named);
    args.answers.prompt = args.answers.prompt.or_else(|| word(config.text(&GEN_PROMPT)));
    args.password.pw_prompt = args.password.pw_prompt.or_else(|| word(config.text(&GEN_PW_PROMPT)));
    let answers = &mut args.answers;
    if !(answers.confirm_default || answers.confirm_yes || answers.confirm_no) {
        match config.text(&ANSWER_CONFIRM_PROMPTS).as_deref() {
            Some("yes") => answers.confirm_yes = true,
            Some("no") => answers.confirm_no = true,
            Some("default") => answers.confirm_default = true,
            _ => {}
        }
    }
    args
}

/// Whether the command line says how the file is to be protected.
fn is_protection_given(args: &GenArgs) -> bool {
    let (store, password) = (&args.store, &args.password);
    let has_source = password.pw_env.is_some() || password.pw_cmd.is_some() || password.pw_file.is_some();
    store.gpg.is_some() || store.format.is_some() || has_source
}

#[cfg(test)]
mod tests {
    use oidc_proto::account::AccountConfig;

    use super::*;
    use crate::command::r#gen::{mytoken, testing::arguments};

    fn config(text: &str) -> Config {
        let root = tempfile::tempdir().expect("a directory");
        let path = root.path().join("config");
        fs_err::write(&path, text).expect("written");
        Config::read([path], None)
    }

    const ALL: &str = r#"{"oidc-gen": {"cnid": "desk", "auto-open-url": false, "default_gpg_key": "KEY",
        "prompt": "none", "pw-prompt": "gui", "answer-confirm-prompts": "no"}}"#;

    #[test]
    fn each_key_stands_for_its_option() {
        let args = configured(&arguments(["oidc", "gen", "acc"]), &config(ALL));
        assert_eq!(args.client.cnid.as_deref(), Some("desk"));
        assert_eq!(args.store.gpg.as_deref(), Some("KEY"));
        assert!(args.login.no_url_call && args.answers.confirm_no);
        assert_eq!(args.answers.prompt, Some(PromptArg::None));
        assert_eq!(args.password.pw_prompt, Some(PromptArg::Gui));
        let none = configured(&arguments(["oidc", "gen", "acc"]), &Config::default());
        assert_eq!((none.answers.prompt, none.password.pw_prompt), (Some(PromptArg::Cli), None));
    }

    #[test]
    fn mytoken_server_and_profile_are_those_of_the_configuration_where_none_is_named() {
        let config = config(
            r#"{"oidc-gen": {"default_mytoken_server": "https://mt.example/", "default_mytoken_profile": "mine"}}"#,
        );
        for (option, server) in [
            ("--mytoken-url", "https://mt.example/"),
            ("--mytoken=x", "https://mt.example/"),
            ("--mytoken-url=https://other.example/", "https://other.example/"),
        ] {
            let args = configured(&arguments(["oidc", "gen", "acc", option]), &config);
            assert_eq!(args.client.default_mytoken_profile.as_deref(), Some("mine"));
            let mut account = AccountConfig::default();
            mytoken::apply(&args.client, &mut account).expect("applied");
            assert_eq!(account.mytoken_url.as_deref(), Some(server), "{option}");
        }
    }

    #[test]
    fn the_command_line_wins() {
        let line = [
            "oidc",
            "gen",
            "acc",
            "--cnid=x",
            "--pw-env",
            "--prompt=cli",
            "--pw-prompt=none",
            "--confirm-yes",
        ];
        let args = configured(&arguments(line), &config(ALL));
        assert_eq!((args.client.cnid.as_deref(), args.store.gpg), (Some("x"), None));
        assert!(args.answers.confirm_yes && !args.answers.confirm_no);
        assert_eq!(
            (args.answers.prompt, args.password.pw_prompt),
            (Some(PromptArg::Cli), Some(PromptArg::None))
        );
    }

    #[test]
    fn a_login_with_what_is_stored_keeps_client_and_file() {
        let args = configured(&arguments(["oidc", "gen", "--reauthenticate", "acc"]), &config(ALL));
        assert_eq!((args.client.cnid, args.store.gpg), (None, None));
    }
}

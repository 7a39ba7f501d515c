//! Files laid over each other, and what becomes of those that cannot be used.

use super::*;

fn config(files: &[&str]) -> Config {
    let root = tempfile::tempdir().expect("a directory");
    let paths = files.iter().enumerate().map(|(at, text)| {
        let path = root.path().join(format!("config{at}"));
        fs_err::write(&path, text).expect("written");
        path
    });
    Config::read(paths.collect::<Vec<_>>(), None)
}

fn problems(config: &Config) -> Vec<String> {
    config
        .problems()
        .iter()
        .map(|problem| problem.to_string().split_once(": ").expect("a path").1.to_owned())
        .collect()
}

#[test]
fn without_a_file_everything_is_as_built_in() {
    let none = Config::read([PathBuf::from("/nonexistent/config"), "/dev/null".into()], None);
    assert!(none.problems().is_empty());
    assert!(KEYS.iter().all(|key| none.setting(key).source.is_none()));
    assert!(none.switch(&AUTOLOAD) && !none.switch(&CONFIRM) && none.text(&GROUP).is_none());
    assert_eq!(none.text(&GEN_PROMPT).as_deref(), Some("cli"));
    let named = Config::read([PathBuf::from("/nonexistent/config")], Some(Path::new("/nonexistent/config")));
    assert!(named.problems()[0].to_string().contains("OIDC_USER_CONFIG"));
}

#[test]
fn values_may_be_written_as_the_c_suite_lets_them() {
    let config = config(&[r#"# a comment
        {"oidc-agent": {"autoload": false, "confirm": "true", "lifetime": "60", "webserver": 0,
         "bind_address": "/x/sock", "group": "staff", "cert-path": "/x.pem"}, // one more
         "oidc-token": {"default_min_lifetime": 30}, "oidc-gen": {"cnid": 5, "answer-confirm-prompts": null}}"#]);
    assert_eq!(problems(&config), [""; 0]);
    assert!(!config.switch(&AUTOLOAD) && config.switch(&CONFIRM) && !config.switch(&WEBSERVER));
    assert_eq!((config.seconds(&LIFETIME), config.seconds(&DEFAULT_MIN_LIFETIME)), (60, 30));
    assert_eq!(config.text(&CERT_PATH).as_deref(), Some("/x.pem"));
    assert_eq!(config.text(&CNID).as_deref(), Some("5"));
    assert_eq!(config.text(&ANSWER_CONFIRM_PROMPTS), None);
}

#[test]
fn the_persons_file_wins_and_null_removes_a_key_or_a_section() {
    let system =
        r#"{"oidc-agent": {"autoload": false, "lifetime": 9, "group": "a"}, "oidc-gen": {"cnid": "x"}}"#;
    let user = r#"{"oidc-agent": {"autoload": null, "lifetime": 10}, "oidc-gen": null}"#;
    let config = config(&[system, user]);
    assert!(config.switch(&AUTOLOAD));
    assert_eq!(config.seconds(&LIFETIME), 10);
    assert_eq!((config.text(&GROUP).as_deref(), config.text(&CNID)), (Some("a"), None));
    let source = config.setting(&GROUP).source.expect("a file");
    assert!(source.ends_with("config0"), "{source:?}");
}

#[test]
fn what_is_not_known_is_named() {
    let config = config(&[r#"{"oidc-agent": {"autolaod": false, "cnid": "x"}, "oidc-agnet": {}}"#]);
    let problems = problems(&config);
    assert!(problems[0].starts_with("oidc-agent.autolaod: it is not known"), "{problems:?}");
    assert!(problems[1].contains("section oidc-gen has a key"), "{problems:?}");
    assert!(problems[2].starts_with("section oidc-agnet: it is not known"), "{problems:?}");
    assert_eq!(config.problems_of("oidc-token").count(), 0);
    assert_eq!(config.problems_of("oidc-agent").count(), 2);
}

#[test]
fn a_value_that_cannot_be_read_is_left_out_unless_it_guards_something() {
    let system = r#"{"oidc-agent": {"autoload": false, "group": "staff", "always_allow_id_token": true}}"#;
    let user = r#"{"oidc-agent": {"autoload": "perhaps", "confirm": "yes", "lifetime": "x", "group": ["a"],
        "always_allow_id_token": 7}, "oidc-gen": {"prompt": "voice"}}"#;
    let config = config(&[system, user]);
    assert!(!config.switch(&AUTOLOAD), "as the other file says");
    assert!(config.switch(&CONFIRM) && config.setting(&CONFIRM).is_guess);
    assert_eq!((config.seconds(&LIFETIME), config.text(&GROUP)), (3600, None));
    assert!(!config.switch(&ALWAYS_ALLOW_ID_TOKEN));
    assert_eq!(config.text(&GEN_PROMPT).as_deref(), Some("cli"));
    assert_eq!(config.problems().len(), 6, "{:?}", problems(&config));
}

#[test]
fn a_file_that_is_no_json_never_makes_anybody_less_careful() {
    let system = r#"{"oidc-agent": {"autoload": false, "group": "staff", "lifetime": 60}}"#;
    for (user, confirm, lifetime, group) in [
        (r#"{"oidc-agent": {"confirm": true,}}"#, true, 60, Some("staff")),
        (r#"{"oidc-agent": {"confirm": false,}}"#, false, 60, Some("staff")),
        (r#"{"oidc-agent": {"lifetime": 5 "autoload": true"#, false, 5, Some("staff")),
        (r#"{"oidc-agent": {"lifetime": 500,}"#, false, 60, Some("staff")),
        (r#"{"oidc-agent": {"group": "other",}}"#, false, 60, None),
        (r#"{"oidc-agent": {"group": "staff",}}"#, false, 60, Some("staff")),
        (
            r#"// "confirm": true
            [}"#,
            false,
            60,
            Some("staff"),
        ),
        (r#"{"oidc-agent": ["confirm"]}"#, true, 60, Some("staff")),
        (r#"/* {"confirm": true}"#, true, 60, Some("staff")),
    ] {
        let config = config(&[system, user]);
        assert!(!config.problems().is_empty(), "{user}");
        assert!(!config.switch(&AUTOLOAD), "the system's file counts still: {user}");
        let found = (config.switch(&CONFIRM), config.seconds(&LIFETIME), config.text(&GROUP));
        assert_eq!(found, (confirm, lifetime, group.map(str::to_owned)), "{user}");
    }
}

#[test]
fn of_a_file_that_cannot_be_read_the_worst_is_assumed() {
    let root = tempfile::tempdir().expect("a directory");
    let config = Config::read([root.path().to_owned()], None);
    assert_eq!(config.problems().len(), 1);
    assert!(config.switch(&CONFIRM) && config.switch(&AUTOLOAD));
    assert_eq!(config.seconds(&LIFETIME), 3600);
}

#[test]
fn names_are_unambiguous() {
    for key in KEYS {
        assert_eq!(find(key.section, key.name), Some(key), "{key}");
        assert_eq!(find(key.section, &key.name.replace('-', "_")), Some(key), "{key}");
    }
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(bytes: Vec<u8>, text in r#"[{}":,#/*\n a-z_\\-]{0,60}"#) {
        is_readable(&bytes);
        is_readable(text.as_bytes());
        for key in KEYS {
            salvage::mentions(text.as_bytes(), key);
            salvage::mentions(&bytes, key);
        }
    }
}

#[test]
fn what_guards_counts_however_its_section_is_written_and_behind_a_link_to_nowhere() {
    for text in [
        r#"{"oidc_agent": {"confirm": true}}"#,
        r#"[{"oidc-agent": {"confirm": true}}]"#,
        "{'oidc-agent': {'confirm': True}}",
    ] {
        let config = config(&[text]);
        assert!(config.switch(&CONFIRM) && !config.problems().is_empty(), "{text}");
    }
    assert!(!config(&[r#"{"another": {"confirm": true}}"#]).switch(&CONFIRM));
    let root = tempfile::tempdir().expect("a directory");
    let path = root.path().join("config");
    std::os::unix::fs::symlink("/nonexistent/config", &path).expect("a link");
    let nowhere = Config::read([path], None);
    assert!(nowhere.switch(&CONFIRM));
    assert!(nowhere.problems()[0].to_string().contains("leads nowhere"));
}

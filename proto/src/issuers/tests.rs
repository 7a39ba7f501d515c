use super::*;

fn load(user: &[(&str, &str)], system: &[(&str, &str)]) -> Issuers {
    let (home, etc) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for (directory, files) in [(&home, user), (&etc, system)] {
        for (age, (name, text)) in files.iter().enumerate() {
            let path = directory.path().join(name);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(&path, text).unwrap();
            let modified = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000 + age as u64);
            std::fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
        }
    }
    Issuers::load_from(Some(&Home::at(home.path())), etc.path())
}

#[test]
fn higher_sources_win_key_by_key() {
    let issuers = load(
        &[
            ("issuer.config", r#"[{"issuer":"https://a/","contact":"user","accounts":["x"]}]"#),
            (
                "issuer.config.d/zz-older",
                r#"{"issuer":"https://a/","contact":"older","register":"older","oauth":true}"#,
            ),
            (
                "issuer.config.d/aa-newer",
                r#"[{"issuer":"https://a/","register":"newer","cert_path":"/newer"}]"#,
            ),
            ("issuer.config.d/.hidden", r#"{"issuer":"https://hidden/"}"#),
        ],
        &[
            (
                "issuer.config",
                r#"[{"issuer":"https://a/","cert_path":"/etc","legacy_aud_mode":true,"accounts":["y"]}]"#,
            ),
            ("issuer.config.d/b", r#"{"issuer_url":"https://b/","pw-store":true,"future":1}"#),
        ],
    );
    assert_eq!(issuers.problems(), []);
    let a = issuers.get("https://a/").unwrap();
    assert_eq!((a.contact.as_deref(), a.register.as_deref()), (Some("user"), Some("older")));
    assert_eq!(a.cert_path, Some("/newer".into()));
    assert!(a.oauth && a.legacy_aud_mode && !a.pw_store);
    assert_eq!(a.accounts, ["x".parse().unwrap()]);
    let b = issuers.get("https://b").unwrap();
    assert!(b.pw_store && b.other.contains("future"));
    assert_eq!(issuers.iter().count(), 2);
    assert_eq!(issuers.get("https://c/"), None);
}

#[test]
fn a_trailing_slash_is_bridged_when_asked() {
    let issuers = load(
        &[("issuer.config", "https://a.example acc")],
        &[("issuer.config", r#"[{"issuer":"https://a.example/","legacy_aud_mode":true,"contact":"x"}]"#)],
    );
    assert_eq!(issuers.iter().count(), 2);
    let a = issuers.get("https://a.example").unwrap();
    assert_eq!(a.issuer, "https://a.example");
    assert!(a.legacy_aud_mode);
    assert_eq!(issuers.default_account("https://a.example/"), Some("acc".parse().unwrap()));
}

#[test]
fn both_spellings_of_documentation_and_code() {
    let issuers = load(
        &[],
        &[(
            "issuer.config.d/x",
            r#"{"issuer":"https://x/","manual_register":"r","configuration_endpoint":"c",
                "pubclient":{"client_id":"p","client_secret":"","flows":["device"]},
                "user_client":{"client_id":"u","client_secret":"s","flow":"code","redirect_uris":["http://localhost:4242"]},
                "quirks":{"audience":"resource"}}"#,
        )],
    );
    let x = issuers.get("https://x/").unwrap();
    assert_eq!((x.register.as_deref(), x.config_endpoint.as_deref()), (Some("r"), Some("c")));
    let (public, user) = (x.pubclient.unwrap(), x.user_client.unwrap());
    assert_eq!((public.client_secret, public.flow), (None, vec!["device".into()]));
    assert_eq!((user.flow, user.redirect_uris), (vec!["code".into()], vec!["http://localhost:4242".into()]));
    assert_eq!(x.quirks.unwrap().text("audience").as_deref(), Some("resource"));
}

#[test]
fn text_files_of_4_x() {
    let issuers = load(
        &[
            (
                "issuer.config",
                "https://a.example/ first\nhttps://b.example/\n# note\nhttps://a.example/ second",
            ),
            ("pubclients.config", "mine:secret@https://a.example/@openid profile\n"),
        ],
        &[
            (
                "issuer.config",
                "https://a.example/ https://a.example/register help@a.example\nhttps://b.example/  b@b",
            ),
            ("pubclients.config", "# public\n theirs@https://a.example/\nother@https://b.example/@openid"),
        ],
    );
    assert_eq!(issuers.problems(), []);
    let a = issuers.get("https://a.example/").unwrap();
    assert_eq!(a.default_account, Some("first".parse().unwrap()));
    assert_eq!(a.accounts.len(), 2);
    assert_eq!(
        (a.register.as_deref(), a.contact.as_deref()),
        (Some("https://a.example/register"), Some("help@a.example"))
    );
    let b = issuers.get("https://b.example/").unwrap();
    assert_eq!((b.register.as_deref(), b.contact.as_deref()), (None, Some("b@b")));
    let theirs = KnownClient { client_id: "theirs".into(), ..KnownClient::default() };
    assert_eq!(
        a.pubclient,
        Some(theirs),
        "the system's comes first, and does not take the secret of another client"
    );
    assert_eq!(b.pubclient.unwrap().scope.as_deref(), Some("openid"));
}

#[test]
fn broken_files_are_reported_and_the_rest_counts() {
    let issuers = load(
        &[
            ("issuer.config", "[{\n\"issuer\": oops}]"),
            ("issuer.config.d/a", "?"),
            ("issuer.config.d/b", r#"{"issuer":"https://b/"}"#),
        ],
        &[],
    );
    let problems: Vec<String> = issuers.problems().iter().map(|problem| problem.what.clone()).collect();
    assert_eq!(problems, ["not valid JSON: line 2", "neither JSON nor a list of issuers"]);
    assert!(issuers.get("https://b/").is_some());
}

#[test]
fn nothing_there_is_fine() {
    let issuers =
        Issuers::load_from(Some(&Home::at("/nonexistent/oidc-agent")), Path::new("/nonexistent/etc"));
    assert_eq!((issuers.iter().count(), issuers.problems()), (0, &[][..]));
}

#[test]
fn what_is_nested_too_deeply_is_no_issuer() {
    let deep = format!("[{}{}, {{\"issuer\":\"https://a/\"}}]", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(load(&[("issuer.config", &deep)], &[]).iter().count(), 1);
}

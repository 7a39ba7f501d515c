//! One spelling of an account's issuer, and issuers as people paste them.

use std::os::unix::process::CommandExt;

use oidc_tests::{
    environment::PASSWORD,
    programs::{Finished, run},
    provider::Quirks,
};
use serde_json::{Value, json};

use crate::stage::{Stage, text};

fn oidc(stage: &Stage, arguments: &[&str]) -> Finished {
    let mut command = stage.agent.command(&stage.environment, "oidc");
    command.arg0(arguments[0]).args(&arguments[1..]).env("OIDC_ENCRYPTION_PW", PASSWORD);
    run(command)
}

/// `oidc gen` with nothing left to ask: an account from a refresh token of the provider's.
fn generate(stage: &Stage, program: &[&str], issuer: &str) -> Finished {
    let account = stage.provider.seed_account("seed");
    let secret = account.client_secret.as_ref().map_or("", |secret| secret.expose());
    let id = account.client_id.as_deref().unwrap_or_default();
    let token = account.refresh_token.as_ref().map_or("", |token| token.expose());
    let options = [
        "demo",
        "--issuer",
        issuer,
        "--client-id",
        id,
        "--client-secret",
        secret,
        "--rt",
        token,
        "--flow",
        "refresh",
        "--scope",
        "openid profile offline_access",
        "--pw-env",
        "--prompt",
        "none",
        "--confirm-default",
    ];
    oidc(stage, &[program, &options].concat())
}

/// What is said of the issuer, everywhere.
fn spellings(stage: &Stage) -> Vec<String> {
    let reply = |request: Value| text(&stage.request(&request)["issuer"]);
    let token = |seconds: i64| {
        reply(json!({"request": "access_token", "account": "demo", "min_valid_period": seconds}))
    };
    let variable = oidc(stage, &["oidc", "token", "-i", "demo"]).success();
    let id_token = reply(json!({"request": "id_token", "account": "demo"}));
    vec![token(0), token(-1), token(0), variable.trim().to_owned(), id_token]
}

#[test]
fn an_account_has_one_issuer_whatever_its_provider_calls_itself() {
    for announced_slash in [true, false] {
        for typed_slash in [true, false] {
            let stage = Stage::with_options(Quirks::default(), &["--always-allow-idtoken"]);
            let issuer = stage.provider.issuer();
            let bare = issuer.trim_end_matches('/').to_owned();
            if !announced_slash {
                stage.provider.change(|quirks| quirks.announced_issuer = Some(bare.clone()));
            }
            let typed = if typed_slash { issuer } else { bare };
            generate(&stage, &["oidc", "gen"], &typed).success();
            assert_eq!(spellings(&stage), vec![typed.clone(); 5], "after gen");
            oidc(&stage, &["oidc", "remove", "demo"]).success();
            oidc(&stage, &["oidc", "add", "--pw-env", "demo"]).success();
            assert_eq!(spellings(&stage), vec![typed.clone(); 5], "after add");
        }
    }
}

#[test]
fn under_the_names_of_the_c_suite_it_ends_in_a_slash_from_the_beginning() {
    let stage = Stage::with_options(Quirks::default(), &["--always-allow-idtoken"]);
    let issuer = stage.provider.issuer();
    stage.provider.change(|quirks| quirks.announced_issuer = Some(issuer.trim_end_matches('/').to_owned()));
    generate(&stage, &["oidc-gen"], issuer.trim_end_matches('/')).success();
    assert_eq!(spellings(&stage), vec![issuer; 5]);
}

#[test]
fn an_issuer_may_be_pasted_as_it_is_found() {
    let stage = Stage::new();
    let issuer = stage.provider.issuer();
    let bare = issuer.trim_end_matches('/');
    for pasted in [
        format!("{bare}/.well-known/openid-configuration"),
        format!(" {bare} "),
        format!("{bare}//"),
        bare.trim_start_matches("http://").to_owned(),
        bare.replace("http", "HTTP"),
    ] {
        generate(&stage, &["oidc", "gen"], &pasted).success();
        let token = oidc(&stage, &["oidc", "token", &pasted]);
        // Without a scheme it may be a short name as well.
        if pasted.contains("://") {
            assert_eq!(token.success().split('.').count(), 3, "{pasted}");
        }
        oidc(&stage, &["oidc", "reset", "--force", "demo"]).success();
    }
    let refused = generate(&stage, &["oidc", "gen"], "http://op.example/x");
    assert!(refused.stderr.contains("Is https://op.example/x meant?"), "{refused:?}");
}

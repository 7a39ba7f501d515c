//! What the command finds in its environment: where the files are, and nothing else unless somebody asked for it.

use std::{env, process::Command};

use oidc_proto::{
    files::entry::{Entry, Sink},
    message::aws,
};

use super::{
    arguments::ExecArgs,
    wanted::{Item, Obtained},
};
use crate::context::Context;

const FILE: &str = "BEARER_TOKEN_FILE";
/// Readers take the token in this one before they look for a file (WLCG Bearer Token Discovery).
const TOKEN: &str = "BEARER_TOKEN";
/// What AWS SDKs take before a role.
const AWS_KEYS: [&str; 3] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];

/// Sets them. `main` is the token of the account that the command line names first.
pub fn set(
    args: &ExecArgs,
    items: &[Item],
    main: Option<&Obtained>,
    program: &mut Command,
    context: &mut Context,
) {
    for item in items {
        let Sink::File(file) = &item.entry.sink else { continue };
        if let Some(name) = &item.name {
            program.env(format!("{FILE}_{}", name.to_ascii_uppercase()), &file.path);
        } else {
            program.env(FILE, &file.path);
            unset(&[TOKEN], "holds another token, which programs would take first", program, context);
        }
    }
    let Some(main) = main else { return };
    for name in &args.env {
        context.output.warning(&format!(
            "the token in {name} cannot be renewed: programs that run for longer should read the file that {FILE} names"
        ));
        program.env(name, main.token.expose());
    }
    if let Some(item) = items.first() {
        set_role(args, &item.entry, program, context);
    }
}

fn set_role(args: &ExecArgs, entry: &Entry, program: &mut Command, context: &mut Context) {
    let (Some(role), Sink::File(file)) = (&args.aws.role, &entry.sink) else { return };
    unset(&AWS_KEYS, "is a key of its own, which programs would take first", program, context);
    let session = args.aws.session.clone().unwrap_or_else(|| aws::session_of(entry.token.account.as_str()));
    program
        .env("AWS_ROLE_ARN", role)
        .env("AWS_WEB_IDENTITY_TOKEN_FILE", &file.path)
        .env("AWS_ROLE_SESSION_NAME", session);
    // Python's and the command line read the second, all others the first.
    for name in args.aws.region.as_ref().map_or(&[][..], |_| &["AWS_REGION", "AWS_DEFAULT_REGION"]) {
        program.env(name, args.aws.region.as_deref().unwrap_or_default());
    }
    for name in
        args.aws.endpoint.as_ref().map_or(&[][..], |_| &["AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL_S3"])
    {
        program.env(name, args.aws.endpoint.as_deref().unwrap_or_default());
    }
}

fn unset(names: &[&str], why: &str, program: &mut Command, context: &mut Context) {
    for name in names.iter().filter(|name| env::var_os(name).is_some()) {
        program.env_remove(name);
        context.output.remark(&format!("{name} is not passed on: it {why}"));
    }
}

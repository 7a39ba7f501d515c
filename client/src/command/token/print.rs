//! The ways to print a token: the C suite's, byte by byte, and JSON.

use oidc_proto::{json::Object, message::IdTokenReply, shell};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::{arguments::FormatArgs, obtain::Access};
use crate::{context::error::Error, say::output::Output};

/// Prints an access token.
pub fn token(args: &FormatArgs, access: &Access, output: &mut Output) -> Result<(), Error> {
    if output.json {
        let mut object = object(access)?;
        // What is warned of is added at the end.
        object.insert("warnings".to_owned(), json!([]));
        return Ok(output.json(&Value::Object(object))?);
    }
    let reply = &access.reply;
    let token = printable(reply.access_token.expose())?;
    let expires_at = reply.expires_at.unwrap_or(0).to_string();
    let text = plain(args, token, printable(&reply.issuer)?, &expires_at);
    Ok(output.result(&text)?)
}

/// An access token as a JSON object.
pub fn object(access: &Access) -> Result<Map<String, Value>, Error> {
    let reply = &access.reply;
    let mut object = Map::from_iter([
        ("access_token".to_owned(), printable(reply.access_token.expose())?.into()),
        ("token_type".to_owned(), "Bearer".into()),
        ("issuer".to_owned(), reply.issuer.as_str().into()),
        ("expires_at".to_owned(), reply.expires_at.into()),
        ("scope".to_owned(), reply.scope.as_deref().into()),
    ]);
    access.grant.add_to(&mut object);
    Ok(object)
}

/// Prints several access tokens, a line each.
pub fn lines(tokens: &[Access], output: &mut Output) -> Result<(), Error> {
    let length = tokens.iter().map(|access| access.reply.access_token.expose().len() + 1).sum();
    // Never grows, so it leaves no copies behind.
    let mut text = Zeroizing::new(String::with_capacity(length));
    for access in tokens {
        text.push_str(printable(access.reply.access_token.expose())?);
        text.push('\n');
    }
    Ok(output.result(&text)?)
}

fn plain(args: &FormatArgs, token: &str, issuer: &str, expires_at: &str) -> Zeroizing<String> {
    if args.all {
        return Zeroizing::new(format!("{token}\n{issuer}\n{expires_at}\n"));
    }
    let wanted = [
        (args.token.as_ref(), "OIDC_AT", token),
        (args.issuer.as_ref(), "OIDC_ISS", issuer),
        (args.expires_at.as_ref(), "OIDC_EXP", expires_at),
    ];
    let chosen: Vec<_> = wanted.iter().filter(|(name, ..)| args.env || name.is_some()).collect();
    match chosen.as_slice() {
        [] if args.auth_header => Zeroizing::new(format!("Authorization: Bearer {token}")),
        [] if args.bearer => Zeroizing::new(format!("Bearer {token}\n")),
        [] => Zeroizing::new(format!("{token}\n")),
        [(Some(None), _, value)] => Zeroizing::new(format!("{value}\n")),
        several => {
            let mut text = Zeroizing::new(String::with_capacity(3 * (token.len() + 64)));
            for (name, default, value) in several {
                let name = name.and_then(|name| name.as_deref()).unwrap_or(default);
                for part in [name, "=", &shell::quoted(value), "; export ", name, ";\n"] {
                    text.push_str(part);
                }
            }
            text
        }
    }
}

/// Prints an ID token.
pub fn id_token(reply: &IdTokenReply, output: &mut Output) -> Result<(), Error> {
    let token = printable(reply.id_token.expose())?;
    if output.json {
        return Ok(output.json(&json!({"id_token": token, "issuer": reply.issuer}))?);
    }
    let line = Zeroizing::new(format!("{token}\n"));
    Ok(output.result(&line)?)
}

/// Prints a mytoken, or the transfer code that stands for it.
pub fn mytoken(answer: &Object, output: &mut Output) -> Result<(), Error> {
    if output.json {
        return Ok(output.json(&Value::Object(answer.members().clone()))?);
    }
    let token = answer.text("mytoken").or_else(|| answer.text("transfer_code"));
    let token = token.ok_or(Error::UnexpectedReply("mytoken"))?;
    let line = Zeroizing::new(format!("{}\n", printable(&token)?));
    Ok(output.result(&line)?)
}

/// A value without control characters: a line feed in a token would become a second HTTP header, or a second line in
/// a file of tokens.
fn printable(value: &str) -> Result<&str, Error> {
    if value.chars().any(char::is_control) { Err(Error::UnexpectedReply("access_token")) } else { Ok(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::option_option, clippy::unnecessary_wraps, reason = "the type of the options")]
    fn named(name: &str) -> Option<Option<String>> {
        Some(Some(name.to_owned()))
    }

    fn printed(args: &FormatArgs) -> String {
        plain(args, "tok", "https://op/", "17").to_string()
    }

    #[test]
    fn prints_what_the_c_suite_prints() {
        let none = FormatArgs::default;
        for (args, expected) in [
            (none(), "tok\n"),
            (FormatArgs { bearer: true, ..none() }, "Bearer tok\n"),
            (FormatArgs { auth_header: true, ..none() }, "Authorization: Bearer tok"),
            (FormatArgs { all: true, env: true, token: named("A"), ..none() }, "tok\nhttps://op/\n17\n"),
            (FormatArgs { token: Some(None), bearer: true, ..none() }, "tok\n"),
            (FormatArgs { issuer: Some(None), ..none() }, "https://op/\n"),
            (FormatArgs { expires_at: Some(None), ..none() }, "17\n"),
            (FormatArgs { token: named("A"), ..none() }, "A=tok; export A;\n"),
            (
                FormatArgs { token: Some(None), expires_at: named("E"), ..none() },
                "OIDC_AT=tok; export OIDC_AT;\nE=17; export E;\n",
            ),
            (
                FormatArgs { env: true, issuer: named("I"), ..none() },
                "OIDC_AT=tok; export OIDC_AT;\nI=https://op/; export I;\nOIDC_EXP=17; export OIDC_EXP;\n",
            ),
        ] {
            assert_eq!(printed(&args), expected, "{args:?}");
        }
    }

    #[test]
    fn a_shell_cannot_be_told_to_do_anything() {
        let args = FormatArgs { token: named("A"), ..FormatArgs::default() };
        assert_eq!(plain(&args, "x;reboot", "", "").as_str(), "A='x;reboot'; export A;\n");
        assert!(printable("a\nb").is_err());
    }
}

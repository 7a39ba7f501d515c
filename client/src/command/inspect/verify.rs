//! The issuer's keys: from a file, or from the agent, which fetches and keeps them. The token stays here.

use std::{io::Read, path::Path};

use oidc_proto::{
    account::same_issuer,
    error_code::ErrorCode,
    home::Home,
    message::{IssuerKeysRequest, Reply, Request},
    shell,
    token::{KeySet, Problem, Signed},
    vault,
};
use zeroize::Zeroizing;

use super::{arguments::InspectArgs, source::OTHER_AGENT};
use crate::{
    agent::absolute_path,
    context::{Context, error::Error},
    say::exit::Exit,
};

/// Largest key set that is read from a file, in bytes.
const MAX_KEY_SET_LEN: u64 = 1 << 20;

/// Where keys come from.
pub struct Keys<'a> {
    args: &'a InspectArgs,
    /// Of the account whose token it is.
    account_issuer: Option<&'a str>,
    from_file: Option<KeySet>,
}

/// Why there are no keys.
pub struct NoKeys {
    /// What is wrong, for the list.
    pub problem: Problem,
    /// How the command ends.
    pub exit: Exit,
}

impl<'a> Keys<'a> {
    /// Reads the file of keys, where one is given.
    pub fn new(args: &'a InspectArgs, account_issuer: Option<&'a str>) -> Result<Self, Error> {
        let from_file = args.jwks.as_deref().map(read).transpose()?;
        Ok(Self { args, account_issuer, from_file })
    }

    /// The issuer that a token has to be from, where one is expected.
    pub fn expected_issuer(&self) -> Option<&'a str> {
        self.args.issuer.as_deref().or(self.account_issuer)
    }

    /// Judges with the keys that may have signed that token.
    pub fn with<T>(
        &self,
        token: &Signed,
        context: &mut Context,
        judge: impl FnOnce(&KeySet) -> T,
    ) -> Result<T, NoKeys> {
        if let Some(keys) = &self.from_file {
            return Ok(judge(keys));
        }
        let issuer = self.expected_issuer().or_else(|| token.issuer());
        let issuer = issuer.ok_or_else(|| {
            no_keys(
                Exit::TokenRefused,
                "keys_unavailable",
                "without an issuer nobody can be asked for keys".to_owned(),
            )
        })?;
        self.of_issuer(issuer, token.key_id(), context).map(|keys| judge(&keys))
    }

    fn of_issuer(&self, issuer: &str, kid: Option<&str>, context: &mut Context) -> Result<KeySet, NoKeys> {
        let named = self.expected_issuer().is_some()
            || context.home().is_ok_and(|home| is_named_by_an_account(&home, issuer));
        let cert_path = self.args.cert_path.as_deref();
        let request = Request::IssuerKeys(IssuerKeysRequest {
            issuer: issuer.to_owned(),
            kid: kid.map(str::to_owned),
            named,
            cert_path: cert_path.map(|path| absolute_path(path).unwrap_or_else(|| path.to_owned())),
        });
        let error = match context.call_or_start(&request) {
            Ok(Reply::Success { info: Some(info) }) => {
                let document = Zeroizing::new(info.to_string());
                match KeySet::parse(document.as_bytes()) {
                    Some(keys) => return Ok(keys),
                    None => Error::UnexpectedReply(request.name()),
                }
            }
            Ok(_) => Error::UnexpectedReply(request.name()),
            Err(error) => error,
        };
        Err(explained(issuer, &error))
    }
}

/// Whether the readable part of an account's file names the issuer.
fn is_named_by_an_account(home: &Home, issuer: &str) -> bool {
    let names = home.list().unwrap_or_default();
    names.iter().any(|name| {
        let bytes = home.read(name).ok();
        let header = bytes.as_deref().and_then(|bytes| vault::header(bytes));
        header.and_then(|header| header.issuer).is_some_and(|own| same_issuer(&own, issuer))
    })
}

fn explained(issuer: &str, error: &Error) -> NoKeys {
    if error.failure_code() == Some(ErrorCode::UnknownIssuer) {
        let text = format!(
            "nobody here knows the issuer '{issuer}', so it is not asked for its keys: to allow it, add \
             `--issuer {}`, if you know it for the right one",
            shell::quoted(issuer)
        );
        return no_keys(Exit::TokenRefused, "unknown_issuer", text);
    }
    if error.is_unknown_request() {
        let text = format!(
            "this agent cannot fetch the issuer's keys: {OTHER_AGENT}; `--jwks FILE` takes them from a file"
        );
        return no_keys(Exit::Failure, "keys_unavailable", text);
    }
    no_keys(error.exit(), "keys_unavailable", format!("the issuer's keys cannot be had: {error}"))
}

fn no_keys(exit: Exit, code: &'static str, text: String) -> NoKeys {
    NoKeys { problem: Problem::error(code, text), exit }
}

fn read(path: &Path) -> Result<KeySet, Error> {
    let wrong = |text: String| Error::Other(Exit::File, text);
    let metadata = fs_err::metadata(path).map_err(|error| wrong(error.to_string()))?;
    if metadata.len() > MAX_KEY_SET_LEN {
        return Err(wrong(format!("{} is too large for a set of keys", path.display())));
    }
    let file = fs_err::File::open(path).map_err(|error| wrong(error.to_string()))?;
    let mut document = Vec::new();
    // What is no file has no length.
    file.take(MAX_KEY_SET_LEN).read_to_end(&mut document).map_err(|error| wrong(error.to_string()))?;
    KeySet::parse(&document).ok_or_else(|| wrong(format!("{} holds no set of keys (JWKS)", path.display())))
}

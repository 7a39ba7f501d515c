//! Which tokens are wanted, in which files, and the first of each.

use std::{
    env,
    path::{Path, PathBuf},
    time::Duration,
};

use oidc_proto::{
    files::entry::{
        Entry, FileSink, Format, OnExpiry, Require, Sink, Span, Timing, TokenKind, WantedToken, Write,
    },
    home::Home,
    message::{AwsCredentialsRequest, Target, Validity},
    private_file,
    secret::SecretText,
};

use super::{
    arguments::{ExecArgs, Manner},
    lease,
};
use crate::{
    cli::usage::UsageError,
    command::token::{
        destination::{
            self,
            arguments::{DestinationArgs, Wanted as Place},
            explain, rules,
        },
        obtain::{Offer, Token, TokenQuery, Wanted, obtain},
    },
    context::{Context, error::Error},
    say::exit::Exit,
};

/// What asks, as a person is shown it.
const APPLICATION: &str = "oidc exec";
/// The first and the longest pause after a failure.
const PAUSES: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(300)];
/// How much of a token's life is left when it is renewed, in percent.
const RENEW_BEFORE: u8 = 33;

/// A token that is wanted.
#[derive(Debug)]
pub struct Item {
    /// The name that it was given, if it is not the one of [`ExecArgs::account`].
    pub name: Option<String>,
    /// Which token, in which file, renewed when.
    pub entry: Entry,
}

/// A token that was obtained.
pub struct Obtained {
    /// The token.
    pub token: SecretText,
    /// When it expires, in seconds since the epoch, where that is known.
    pub expires_at: Option<u64>,
}

/// What was said about one token.
struct Said<'a> {
    name: Option<&'a str>,
    account: &'a str,
    scope: String,
    audience: Option<&'a str>,
    id_token: bool,
    place: Option<&'a Place>,
}

/// The tokens that the options name, the main one first.
pub fn items(args: &ExecArgs, context: &mut Context) -> Result<Vec<Item>, Error> {
    let only = match (args.manner, &args.account) {
        (Manner::Tokensh, None) => Some(only_account("--oidc NAME", context)?),
        (Manner::Httokensh, None) => Some(only_account("-i NAME", context)?),
        _ => None,
    };
    let account = args.account.as_ref().or(only.as_ref());
    refuse_what_does_not_fit(args, account.is_some())?;
    let mut said = Vec::new();
    if let Some(account) = account {
        said.push(Said {
            name: None,
            account,
            scope: args.purpose.scope.join(" "),
            audience: args.purpose.aud.as_deref(),
            id_token: args.id_token,
            place: args.destinations.wanted.first(),
        });
    }
    said.extend(args.named.iter().map(|named| Said {
        name: Some(&named.name),
        account: &named.account,
        scope: named.scope.join(" "),
        audience: named.audience.as_deref(),
        id_token: named.id_token,
        place: named.place.as_ref(),
    }));
    if args.destinations.explain && said.iter().all(|said| said.place.is_none()) {
        return Err(UsageError::new("`--explain` belongs to `--for URL`").into());
    }
    let directory = directory()?;
    said.iter().map(|said| item(said, args, &directory, context)).collect()
}

/// The account if there is only one. The C suite's words.
fn only_account(option: &str, context: &mut Context) -> Result<String, Error> {
    let accounts = context.home()?.list()?;
    if let [only] = &accounts[..] {
        return Ok(only.to_string());
    }
    let text = format!("Please specify the oidc-agent shortname that you wish to use: {option}");
    Err(Error::Other(Exit::UnknownAccount, text))
}

fn refuse_what_does_not_fit(args: &ExecArgs, has_account: bool) -> Result<(), Error> {
    let wrong = |text: &str| Err(UsageError::new(text).into());
    if !has_account && args.named.is_empty() {
        return wrong("an account is missing: oidc exec ACCOUNT -- COMMAND");
    }
    let of_account = args.aws.role.is_some()
        || args.outfile.is_some()
        || args.id_token
        || !args.purpose.is_empty()
        || !args.env.is_empty()
        || !args.destinations.wanted.is_empty();
    if !has_account && of_account {
        return wrong("those options are for the token of ACCOUNT, which is missing; `--token` has its own");
    }
    if args.outfile.as_ref().is_some_and(|path| path.file_name().is_none()) {
        return wrong("`--outfile` names no file");
    }
    if let Some(role) = args.aws.role.as_deref() {
        let asked =
            AwsCredentialsRequest { region: args.aws.region.clone(), ..AwsCredentialsRequest::new("", role) };
        if let Err(field) = asked.check() {
            return wrong(&format!("--aws-{field}"));
        }
    }
    if args.destinations.lacks_place {
        return wrong("what is to be done needs a place: --for URL");
    }
    if args.destinations.wanted.len() > 1 {
        return wrong("one file holds one token: for another service `--token NAME=ACCOUNT,for=URL`");
    }
    if args.id_token && (args.purpose.aud.is_some() || !args.destinations.wanted.is_empty()) {
        return wrong("an ID token is for the client itself: neither `--for` nor `--aud`");
    }
    let names: Vec<_> = args.named.iter().map(|named| named.name.to_ascii_uppercase()).collect();
    if names.iter().enumerate().any(|(at, name)| names[..at].contains(name)) {
        return wrong("two tokens have the same name");
    }
    Ok(())
}

/// The directory for the files.
pub fn directory() -> Result<PathBuf, Error> {
    lease::made_directory(|name| env::var_os(name)).ok_or_else(|| {
        let place = lease::directory(|name| env::var_os(name));
        let text = format!(
            "no private directory for the token: {} is not yours alone; set XDG_RUNTIME_DIR to a directory that is (mode 700)",
            place.display()
        );
        Error::Other(Exit::File, text)
    })
}

fn item(said: &Said<'_>, args: &ExecArgs, directory: &Path, context: &mut Context) -> Result<Item, Error> {
    let account = context.account(said.account)?;
    let (mut scopes, mut audience) = (vec![said.scope.clone()], said.audience.map(str::to_owned));
    if let Some(place) = said.place {
        let target = Target::Account(account.to_string());
        let issuer = rules::issuer_of(&target, context);
        let known = issuer.as_deref().map(|issuer| rules::of(issuer, context)).unwrap_or_default();
        let places = DestinationArgs { wanted: vec![place.clone()], ..DestinationArgs::default() };
        let derived = destination::derive(&places, &known)?;
        if args.destinations.explain {
            context.output.line(&explain::text(&derived))?;
        } else if args.verbose {
            context.output.note(&explain::text(&derived));
        }
        for derived in derived {
            scopes.extend(derived.scopes);
            audience = audience.or(Some(derived.audience));
        }
    }
    let mut scopes: Vec<_> = scopes.iter().flat_map(|scope| scope.split_whitespace()).collect();
    scopes.sort_unstable();
    scopes.dedup();
    let path = match (said.name, &args.outfile) {
        (None, Some(path)) => std::path::absolute(path).unwrap_or_else(|_| path.clone()),
        (name, _) => directory.join(file_name(name)),
    };
    let entry = Entry {
        name: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        token: WantedToken {
            account,
            scope: Some(scopes.join(" ")).filter(|scope| !scope.is_empty()),
            audience: audience.filter(|audience| !audience.trim().is_empty()),
            kind: if said.id_token { TokenKind::Id } else { TokenKind::Access },
            services: Vec::new(),
        },
        sink: Sink::File(FileSink {
            path,
            format: Format::Raw,
            // AWS SDKs take a newline for a part of the token.
            newline: !(said.name.is_none() && args.aws.role.is_some()),
            mode: 0o600,
            group: None,
            create_dirs: false,
            write: Write::Rename,
            host: None,
            readers: Vec::new(),
        }),
        timing: Timing {
            min_lifetime: Duration::from_secs(args.min_lifetime),
            renew_before: Span::Percent(RENEW_BEFORE),
            jitter: 0,
            min_backoff: PAUSES[0],
            max_backoff: PAUSES[1],
        },
        require: Require::Warn,
        on_expiry: OnExpiry::Remove,
        hook: None,
    };
    Ok(Item { name: said.name.map(str::to_owned), entry })
}

/// `bt_u1000.sh-4711`, as htgettoken's tools name it; further ones with their name.
fn file_name(name: Option<&str>) -> String {
    let pid = std::process::id();
    let prefix = lease::prefix();
    name.map_or_else(|| format!("{prefix}{pid}"), |name| format!("{prefix}{pid}-{name}"))
}

/// Asks for an entry's token, which the command is still to be started with: loads the account if that is what is missing, and
/// tells what the token lacks.
pub fn ask_first(entry: &Entry, context: &mut Context) -> Result<Obtained, Error> {
    // So that it is renewed long before less than that is left.
    ask(entry, entry.timing.min_lifetime.saturating_mul(2).as_secs(), true, context)
}

/// Asks for an entry's token that is good for more than so many seconds.
pub fn ask_again(entry: &Entry, at_least: u64, context: &mut Context) -> Result<Obtained, Error> {
    ask(entry, at_least, false, context)
}

fn ask(entry: &Entry, at_least: u64, autoload: bool, context: &mut Context) -> Result<Obtained, Error> {
    let wanted = match entry.token.kind {
        TokenKind::Id => Wanted::IdToken { validity: Validity::AtLeast(at_least) },
        TokenKind::Access => Wanted::AccessToken {
            scope: entry.token.scope.clone(),
            audience: entry.token.audience.clone(),
            validity: Validity::AtLeast(at_least),
        },
    };
    let query = TokenQuery {
        target: Target::Account(entry.token.account.to_string()),
        wanted,
        application_hint: APPLICATION.to_owned(),
        autoload,
        offer: if autoload { Offer::Here } else { Offer::Nobody },
        remote: true,
    };
    match obtain(&query, context)? {
        Token::Access(access) => {
            if autoload {
                for warning in access.grant.shortfall(&access.reply) {
                    context.output.warning(&warning);
                }
            }
            let token = SecretText::new(access.reply.access_token.expose().to_owned());
            Ok(Obtained { token, expires_at: access.reply.expires_at })
        }
        Token::Id(reply) => {
            let token = SecretText::new(reply.id_token.expose().to_owned());
            let expires_at =
                oidc_proto::jwt::Claims::of(token.expose()).and_then(|claims| claims.expires_at());
            Ok(Obtained { token, expires_at })
        }
        Token::Mytoken(_) => Err(Error::UnexpectedReply("access_token")),
    }
}

/// Writes a token into an entry's file, which must not be in the oidc-agent directory.
pub fn publish(entry: &Entry, obtained: &Obtained, home: Option<&Home>) -> Result<(), Error> {
    let Sink::File(file) = &entry.sink else { return Ok(()) };
    let mut bytes = zeroize::Zeroizing::new(Vec::with_capacity(obtained.token.expose().len() + 1));
    bytes.extend_from_slice(obtained.token.expose().as_bytes());
    if file.newline {
        bytes.push(b'\n');
    }
    let target = home.map_or_else(|| file.target(), |home| file.target().outside(home.path()));
    private_file::write(&target, &bytes)
        .map(drop)
        .map_err(|error| Error::Other(Exit::File, error.to_string()))
}

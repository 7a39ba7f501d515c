//! Where the token comes from: an argument, a file, standard input, an account, or the places where programs look.

use std::{
    fmt::Write,
    io::{self, Read},
    path::Path,
};

use oidc_proto::{
    account::same_issuer,
    message::{AccountStatus, Target, Validity},
    token::{
        self, Found, FoundToken, Instead, MAX_TEXT_LEN,
        discovery::{Discovery, Holds, Place},
    },
};
use zeroize::Zeroizing;

use super::arguments::InspectArgs;
use crate::{
    command::token::obtain::{self, Offer, TokenQuery, Wanted, obtain},
    context::{Context, agent_state, error::Error},
    say::exit::Exit,
};

/// The longest name of a file that is said aloud where there is no such file, in bytes: secrets are longer.
const MAX_NAME: usize = 20;

/// The tokens and what is known of where they come from.
#[derive(Debug, Default)]
pub struct Source {
    /// What was found.
    pub found: Found,
    /// The places, where they were looked at.
    pub discovery: Option<Discovery>,
    /// Of an account's token: its issuer, and when it expires as the agent knows.
    pub account: Option<OfAccount>,
    /// What is not as it should be with the place.
    pub warnings: Vec<String>,
}

/// What the agent says of a token that it gave.
#[derive(Debug)]
pub struct OfAccount {
    /// As the account spells it.
    pub issuer: String,
    /// In seconds since the epoch.
    pub expires_at: Option<u64>,
    /// What else of the account ends when; absent where the agent does not tell.
    pub status: Option<AccountStatus>,
}

impl Source {
    /// Looks where the arguments say.
    pub fn look(args: &InspectArgs, context: &mut Context) -> Result<Self, Error> {
        match (args.what(), &args.account) {
            (Some(what), _) => Self::of_text(&read(what)?, &named(what)),
            (None, Some(account)) => Self::of_account(args, account, context),
            (None, None) => Self::discover(Discovery::look()),
        }
    }

    fn of_text(text: &[u8], place: &str) -> Result<Self, Error> {
        let found = token::find(text)
            .map_err(|instead| no_token(&format!("{place} holds no token: it is {instead}")))?;
        Ok(Self { found, ..Self::default() })
    }

    fn of_account(args: &InspectArgs, account: &str, context: &mut Context) -> Result<Self, Error> {
        let text = |texts: &[String]| Some(texts.join(" ").trim().to_owned()).filter(|text| !text.is_empty());
        let wanted = if args.id_token {
            Wanted::IdToken { validity: Validity::AtLeast(0) }
        } else {
            Wanted::AccessToken {
                scope: text(&args.scope),
                audience: text(&args.aud),
                validity: Validity::AtLeast(0),
            }
        };
        let target = obtain::target(account)?;
        let query = TokenQuery {
            target: target.clone(),
            wanted,
            application_hint: "oidc inspect".to_owned(),
            autoload: true,
            offer: Offer::Here,
            remote: true,
        };
        let (token, found_as, of_account) = match obtain(&query, context)? {
            obtain::Token::Access(access) => {
                let of_account = OfAccount {
                    issuer: access.reply.issuer,
                    expires_at: access.reply.expires_at,
                    status: None,
                };
                (access.reply.access_token.expose().to_owned(), "access_token", of_account)
            }
            obtain::Token::Id(reply) => {
                let of_account = OfAccount { issuer: reply.issuer, expires_at: None, status: None };
                (reply.id_token.expose().to_owned(), "id_token", of_account)
            }
            obtain::Token::Mytoken(_) => return Err(Error::UnexpectedReply("access_token")),
        };
        let token = Zeroizing::new(token);
        let token = token::Token::parse(&token)
            .map_err(|why| no_token(&format!("what the provider gave is no token: {why}")))?;
        let found = FoundToken { token, found_as: Some(found_as), also_as: Vec::new() };
        Ok(Self {
            found: Found { tokens: vec![found], ..Found::default() },
            account: Some(OfAccount { status: status(&target, context), ..of_account }),
            ..Self::default()
        })
    }

    fn discover(discovery: Discovery) -> Result<Self, Error> {
        let Some(used) = discovery.used() else { return Err(no_token(&nowhere(&discovery))) };
        let place = used.place.to_string();
        let mut source = match (&used.holds, used.place.path()) {
            (Holds::Token(token), _) => Self::of_text(token.as_bytes(), &place)?,
            (Holds::NoToken, Some(path)) => {
                let mut source = Self::of_text(&read_file(path)?, &place)?;
                source.warnings.push(no_bare_token(&place));
                source
            }
            (Holds::NoToken, None) => {
                let value = std::env::var_os(&place).unwrap_or_default();
                let mut source = Self::of_text(value.as_encoded_bytes(), "BEARER_TOKEN")?;
                source.warnings.push(no_bare_token(&place));
                source
            }
            (holds, _) => return Err(no_token(&format!("{place} {}", in_words(holds)))),
        };
        source.discovery = Some(discovery);
        Ok(source)
    }
}

/// What a place holds, to go on after its name.
pub fn in_words(holds: &Holds) -> String {
    match holds {
        Holds::Token(_) => "holds a token".to_owned(),
        Holds::Nothing => "is not there".to_owned(),
        Holds::Empty => "is empty".to_owned(),
        Holds::NoToken => "holds something that is no bare token".to_owned(),
        Holds::Unreadable(why) => format!("cannot be read: {why}"),
        Holds::NoFile => "is no file".to_owned(),
        Holds::TooLarge => "is too large for a token".to_owned(),
    }
}

fn nowhere(discovery: &Discovery) -> String {
    let mut text = "there is no token where programs look for one".to_owned();
    for candidate in &discovery.candidates {
        let hidden = matches!(candidate.place, Place::Tmp(_))
            && !matches!(candidate.holds, Holds::Nothing | Holds::Empty);
        // Writing to a string cannot fail.
        let _ = write!(text, "\n  {} {}", candidate.place, in_words(&candidate.holds));
        if hidden {
            text.push_str(", but is not looked at where XDG_RUNTIME_DIR is set (XRootD and HTCondor do)");
        }
    }
    text
}

/// What the agent knows of the account beside the token.
fn status(target: &Target, context: &mut Context) -> Option<AccountStatus> {
    let accounts = agent_state::ask(context).ok()?.accounts;
    accounts.into_iter().find(|account| match target {
        Target::Account(name) => account.name == *name,
        Target::Issuer(issuer) => same_issuer(&account.issuer, issuer),
    })
}

/// What an agent is that does not know a request of ours.
pub const OTHER_AGENT: &str = "it is of another program or older than this one";

fn no_bare_token(place: &str) -> String {
    format!("{place} is no bare token: programs that look there refuse it, and do not look any further")
}

fn no_token(text: &str) -> Error {
    Error::Other(Exit::NoToken, text.to_owned())
}

/// What an argument is called in messages: never what may be a token.
fn named(what: &str) -> String {
    match what {
        "-" => "standard input".to_owned(),
        path if Path::new(path).exists() => path.to_owned(),
        _ => "the argument".to_owned(),
    }
}

/// The text that an argument means.
fn read(what: &str) -> Result<Zeroizing<Vec<u8>>, Error> {
    if what == "-" {
        return read_all(io::stdin().lock()).map_err(|error| unreadable("standard input", &error));
    }
    let path = Path::new(what);
    // A token is no path that exists: it is longer than a file's name may be.
    if path.exists() {
        return read_file(path);
    }
    // Only what cannot be a token, or a part of one, is said aloud.
    let is_a_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let is_text = matches!(token::find(what.as_bytes()), Err(Instead::Text));
    if looks_like_a_path(what) || is_text && what.len() <= MAX_NAME && what.chars().all(is_a_name) {
        return Err(no_token(&format!("'{what}' is neither a token nor a file that is there")));
    }
    if is_text {
        return Err(no_token("the argument is neither a token nor a file that is there"));
    }
    Ok(Zeroizing::new(what.as_bytes().to_vec()))
}

/// Whether it is meant as a file's name: it begins or ends like one.
fn looks_like_a_path(what: &str) -> bool {
    let is_suffix =
        |end: &str| matches!(end.len(), 2..=5) && end.bytes().all(|byte| byte.is_ascii_lowercase());
    what.len() < 4096
        && !what.contains("eyJ")
        && !what.contains(char::is_whitespace)
        && (what.starts_with(['/', '.', '~']) || what.rsplit_once('.').is_some_and(|(_, end)| is_suffix(end)))
}

fn read_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
    let name = path.display().to_string();
    let file = fs_err::File::open(path).map_err(|error| Error::Other(Exit::File, error.to_string()))?;
    read_all(file).map_err(|error| unreadable(&name, &error))
}

/// One byte more than is searched, so that too much is told.
fn read_all(from: impl Read) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut text = Zeroizing::new(Vec::with_capacity(8192));
    from.take(MAX_TEXT_LEN as u64 + 1).read_to_end(&mut text)?;
    Ok(text)
}

fn unreadable(name: &str, error: &io::Error) -> Error {
    Error::Other(Exit::File, format!("cannot read {name}: {error}"))
}

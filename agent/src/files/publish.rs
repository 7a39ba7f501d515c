//! A token in the file where its readers look: the gate before it, the form, and what is there already.

use std::{io::Read, path::Path, time::Duration};

use oidc_proto::{
    files::entry::{FileSink, Format, Require, WantedToken, Write},
    jwt::Claims,
    private_file::{self, Target, WriteError},
    scope::not_granted,
    secret::SecretText,
};
use rustix::fs::{Mode, OFlags};
use serde_json::{Value, json};
use url::Url;
use zeroize::Zeroizing;

use super::{due::Life, issued::Issued};
use crate::clock::Moment;

/// The largest token that is published, and the largest file that is looked at, in bytes.
const LARGEST: u64 = 64 * 1024;

/// What became of a token.
#[derive(Debug)]
pub enum Published {
    /// It is there.
    Written(private_file::Written),
    /// What is there is as good.
    AsGood(Life),
}

/// Why it is not there.
#[derive(Debug, thiserror::Error)]
pub enum Unpublished {
    /// It must not be published.
    #[error(transparent)]
    Gate(#[from] Gate),
    /// It could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Why a token must not be published.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Gate {
    /// RFC 6750 section 2.1.
    #[error(
        "the provider sent something that is no bearer token (RFC 6750 section 2.1); what is there stays"
    )]
    NoToken,
    /// By its own words.
    #[error(
        "the provider sent a token that has expired already by this computer's clock; what is there stays"
    )]
    Expired,
    /// Scopes.
    #[error(
        "the provider did not grant the scope {0}, so the token is not published; `require` says what must be granted"
    )]
    Scope(String),
    /// Audiences.
    #[error(
        "the token is not for the audience {0}, so it is not published; `require` says what must be granted"
    )]
    Audience(String),
}

impl Gate {
    /// For programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoToken => "not_a_token",
            Self::Expired => "token_expired",
            Self::Scope(_) => "scope_missing",
            Self::Audience(_) => "audience_missing",
        }
    }

    /// Whether the next token may be better.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::NoToken | Self::Expired)
    }
}

/// Publishes a token in a file. Blocks.
pub fn publish(
    wanted: &WantedToken,
    require: Require,
    sink: &FileSink,
    issued: &Issued,
    now: Moment,
) -> Result<Published, Unpublished> {
    admit(require, issued, now)?;
    // One that another agent put there, which shares the file.
    if let Some(there) = found(wanted, require, sink, now)
        && let Some(new) = issued.life()
        && there.left(now) + Duration::from_secs(5) >= new.left(now)
    {
        return Ok(Published::AsGood(there));
    }
    let target = Target {
        path: &sink.path,
        mode: sink.mode,
        group: sink.group,
        create_directories: sink.create_dirs,
        in_place: sink.write == Write::InPlace,
    };
    Ok(Published::Written(private_file::write(&target, &rendered(sink, issued, now))?))
}

/// The life of the token that is in a file, if it may stay there. Blocks.
pub fn found(wanted: &WantedToken, require: Require, sink: &FileSink, now: Moment) -> Option<Life> {
    let token = token_in(sink, &read(&sink.path)?)?;
    let claims = Claims::of(token.expose())?;
    let (ends, begins) = (claims.expires_at()?, claims.time("iat"));
    let left = Duration::from_secs(ends.checked_sub(now.wall).filter(|left| *left > 0)?);
    let scope = wanted.scope.as_deref().zip(claims.scope());
    let lacks_scope = scope.is_some_and(|(asked, granted)| !not_granted(asked, &granted).is_empty());
    let audiences = claims.audiences();
    let mut wanted = wanted.audience.as_deref().unwrap_or_default().split_ascii_whitespace();
    let lacks_audience = wanted.any(|one| !audiences.contains(&one));
    if (require == Require::AudScope && lacks_scope) || (require != Require::Warn && lacks_audience) {
        return None;
    }
    let length =
        begins.and_then(|begins| ends.checked_sub(begins)).map_or(left, Duration::from_secs).max(left);
    Some(Life { end: Life::beginning(now, left).end, length })
}

/// Whether a file still holds a token that has ended, or none that can be read. Blocks.
pub fn is_over(sink: &FileSink, now: Moment) -> bool {
    let token = read(&sink.path).and_then(|bytes| token_in(sink, &bytes));
    let ends = token.and_then(|token| Claims::of(token.expose())?.expires_at());
    ends.is_none_or(|ends| ends <= now.wall)
}

fn admit(require: Require, issued: &Issued, now: Moment) -> Result<(), Gate> {
    let token = issued.token.access_token.expose();
    let is_b64token = |token: &str| {
        let body = token.trim_end_matches('=');
        !body.is_empty() && body.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte))
    };
    if !is_b64token(token) || token.len() as u64 > LARGEST {
        return Err(Gate::NoToken);
    }
    let claims = Claims::of(token);
    if claims.as_ref().and_then(Claims::expires_at).is_some_and(|ends| ends <= now.wall) {
        return Err(Gate::Expired);
    }
    if require == Require::AudScope
        && let (Some(asked), Some(granted)) = (&issued.scope, &issued.token.scope)
    {
        let missing = not_granted(asked, granted);
        if !missing.is_empty() {
            return Err(Gate::Scope(missing.join(" ")));
        }
    }
    if let (true, Some(claims)) = (require != Require::Warn, claims) {
        let audiences = claims.audiences();
        let lacks = |names: &&Vec<String>| !names.iter().any(|name| audiences.contains(&name.as_str()));
        if let Some(missing) = issued.audiences.iter().find(lacks) {
            return Err(Gate::Audience(missing.join(" or ")));
        }
    }
    Ok(())
}

fn rendered(sink: &FileSink, issued: &Issued, now: Moment) -> Zeroizing<Vec<u8>> {
    let token = issued.token.access_token.expose();
    let host = || Url::parse(&issued.token.issuer).ok().and_then(|url| url.host_str().map(str::to_owned));
    let mut text = Zeroizing::new(match sink.format {
        Format::Raw => token.to_owned(),
        Format::Json => json!({
            "access_token": token,
            "token_type": "bearer",
            "expires_in": issued.token.remaining(now),
            "expires_at": issued.expires_at(now),
            "scope": issued.token.scope.as_deref().or(issued.scope.as_deref()).unwrap_or_default(),
        })
        .to_string(),
        Format::Oauth2 => format!("oauth2:{token}:{}", host().unwrap_or_default()),
        Format::Header => format!("Authorization: Bearer {token}"),
        Format::Netrc => format!(
            "machine {} login oauth2 password {token}",
            sink.host.clone().or_else(host).unwrap_or_default()
        ),
    });
    if sink.newline {
        text.push('\n');
    }
    Zeroizing::new(std::mem::take(&mut *text).into_bytes())
}

fn token_in(sink: &FileSink, bytes: &[u8]) -> Option<SecretText> {
    let text = std::str::from_utf8(bytes).ok()?.trim();
    let token = match sink.format {
        Format::Raw => text.to_owned(),
        Format::Json => match serde_json::from_str::<Value>(text).ok()?.get_mut("access_token")?.take() {
            Value::String(token) => token,
            _ => return None,
        },
        Format::Oauth2 => text.strip_prefix("oauth2:")?.split(':').next()?.to_owned(),
        Format::Header => text.strip_prefix("Authorization: Bearer ")?.to_owned(),
        Format::Netrc => text.rsplit_once(" password ")?.1.to_owned(),
    };
    Some(SecretText::new(token))
}

fn read(path: &Path) -> Option<Zeroizing<Vec<u8>>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty()).ok()?;
    let file = std::fs::File::from(file);
    let metadata = file.metadata().ok().filter(|metadata| metadata.is_file() && metadata.len() <= LARGEST)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(metadata.len()).ok()? + 1));
    file.take(LARGEST).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

//! What a file with a token looks like: written, and read back.

use std::fmt::Write;

use zeroize::Zeroizing;

use super::entry::{FileSink, Format, TokenKind};
use crate::{
    destination::address::Address, json::Object, jwt::Claims, secret::AccessToken, token::is_b64token,
};

/// A token that was just given out. Times are in seconds since the epoch.
#[derive(Clone, Copy)]
pub struct Issued<'a> {
    /// The token itself; secret.
    pub token: &'a str,
    /// Which kind it is.
    pub kind: TokenKind,
    /// Who gave it.
    pub issuer: &'a str,
    /// When it ends, as far as anybody said.
    pub expires_at: Option<u64>,
    /// The scopes that the provider says it granted.
    pub scope: Option<&'a str>,
    /// When this is.
    pub now: u64,
}

/// A token as a file holds it. Times are in seconds since the epoch, and nobody has checked them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The token itself, of either kind.
    pub token: AccessToken,
    /// When it ends, if that can be told.
    pub expires_at: Option<u64>,
    /// When it was made, if that can be told.
    pub issued_at: Option<u64>,
}

/// The bytes of a file that holds the token.
pub fn render(sink: &FileSink, issued: &Issued<'_>) -> Zeroizing<Vec<u8>> {
    // Nothing but the scope and the host is beside the token, so that the buffer does not move and leave a copy behind.
    let besides = issued.scope.map_or(0, |scope| 2 * scope.len()) + issued.issuer.len();
    let host = sink.host.as_deref().unwrap_or_default();
    let mut text = Zeroizing::new(String::with_capacity(issued.token.len() + besides + host.len() + 512));
    match sink.format {
        Format::Raw => text.push_str(issued.token),
        Format::Json => json(&mut text, issued),
        Format::Oauth2 => text.extend(["oauth2:", issued.token, ":", &host_of(issued.issuer)]),
        Format::Header => text.extend(["Authorization: Bearer ", issued.token]),
        Format::Netrc => text.extend(["machine ", host, " login oauth2 password ", issued.token]),
    }
    if sink.newline {
        text.push('\n');
    }
    Zeroizing::new(std::mem::take(&mut *text).into_bytes())
}

/// Writing to a string cannot fail.
fn json(text: &mut String, issued: &Issued<'_>) {
    let name = match issued.kind {
        TokenKind::Access => "access_token",
        TokenKind::Id => "id_token",
    };
    text.extend(["{\"", name, "\":\"", issued.token, "\",\"token_type\":\"bearer\""]);
    if let Some(expires_at) = issued.expires_at {
        let left = expires_at.saturating_sub(issued.now);
        let _ = write!(text, ",\"expires_in\":{left},\"expires_at\":{expires_at}");
    }
    if let Some(scope) = issued.scope {
        let _ = write!(text, ",\"scope\":{}", serde_json::Value::from(scope));
    }
    text.push('}');
}

fn host_of(issuer: &str) -> String {
    issuer.parse::<Address>().map(|address| address.host).unwrap_or_default()
}

/// The token that a file holds, where it looks as the sink says. Whatever else stands there is none.
pub fn read(sink: &FileSink, bytes: &[u8]) -> Option<Held> {
    let text = std::str::from_utf8(bytes).ok()?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let mut expires_at = None;
    let token = match sink.format {
        Format::Raw => Zeroizing::new(text.to_owned()),
        Format::Json => {
            let object = Object::parse(text.as_bytes()).ok()?;
            expires_at = object.integer("expires_at").and_then(|at| at.try_into().ok());
            Zeroizing::new(object.string("access_token").or_else(|| object.string("id_token"))?)
        }
        Format::Oauth2 => Zeroizing::new(text.strip_prefix("oauth2:")?.rsplit_once(':')?.0.to_owned()),
        Format::Header => Zeroizing::new(text.strip_prefix("Authorization: Bearer ")?.to_owned()),
        Format::Netrc => {
            let words: Vec<_> = text.split_ascii_whitespace().collect();
            let ["machine", host, "login", "oauth2", "password", token] = words.as_slice() else {
                return None;
            };
            (sink.host.as_deref() == Some(*host)).then(|| Zeroizing::new((*token).to_owned()))?
        }
    };
    if !is_b64token(&token) {
        return None;
    }
    let claims = Claims::of(&token);
    let claimed = claims.as_ref().and_then(Claims::expires_at);
    Some(Held {
        expires_at: claimed.or(expires_at),
        issued_at: claims.as_ref().and_then(|claims| claims.time("iat")),
        token: AccessToken::from(token.as_str()),
    })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
    use proptest::prelude::*;

    use super::*;
    use crate::files::entry::Write;

    const FORMATS: [Format; 5] = [Format::Raw, Format::Json, Format::Oauth2, Format::Header, Format::Netrc];

    fn sink(format: Format, newline: bool) -> FileSink {
        FileSink {
            path: PathBuf::from("/t"),
            format,
            newline,
            mode: 0o600,
            group: None,
            create_dirs: false,
            write: Write::Rename,
            host: Some("h.example".into()),
            readers: Vec::new(),
        }
    }

    fn issued(token: &str) -> Issued<'_> {
        Issued {
            token,
            kind: TokenKind::Access,
            issuer: "https://op.example:8443/realm",
            expires_at: Some(1000),
            scope: Some("a \"b\""),
            now: 400,
        }
    }

    #[test]
    fn files_look_as_their_readers_want_them() {
        for (format, text) in [
            (Format::Raw, "TOKEN"),
            (
                Format::Json,
                r#"{"access_token":"TOKEN","token_type":"bearer","expires_in":600,"expires_at":1000,"scope":"a \"b\""}"#,
            ),
            (Format::Oauth2, "oauth2:TOKEN:op.example"),
            (Format::Header, "Authorization: Bearer TOKEN"),
            (Format::Netrc, "machine h.example login oauth2 password TOKEN"),
        ] {
            let bytes = render(&sink(format, false), &issued("TOKEN"));
            assert_eq!(String::from_utf8_lossy(&bytes), text);
            let bytes = render(&sink(format, true), &issued("TOKEN"));
            assert_eq!(String::from_utf8_lossy(&bytes), format!("{text}\n"));
        }
        let id = Issued { kind: TokenKind::Id, expires_at: None, scope: None, ..issued("TOKEN") };
        let bytes = render(&sink(Format::Json, false), &id);
        assert_eq!(String::from_utf8_lossy(&bytes), r#"{"id_token":"TOKEN","token_type":"bearer"}"#);
    }

    #[test]
    fn the_times_of_a_token_come_from_itself_or_from_what_is_beside_it() {
        let jwt = format!("e30.{}.c2ln", BASE64_URL_SAFE_NO_PAD.encode(r#"{"exp":900,"iat":300}"#));
        for format in FORMATS {
            let held =
                read(&sink(format, true), &render(&sink(format, true), &issued(&jwt))).expect("a token");
            assert_eq!((held.expires_at, held.issued_at), (Some(900), Some(300)), "{format:?}");
        }
        let opaque = render(&sink(Format::Json, true), &issued("opaque"));
        assert_eq!(read(&sink(Format::Json, true), &opaque).expect("a token").expires_at, Some(1000));
        let raw = read(&sink(Format::Raw, true), b"opaque\n").expect("a token");
        assert_eq!((raw.expires_at, raw.issued_at), (None, None));
    }

    #[test]
    fn what_is_no_such_file_holds_none() {
        for (format, text) in [
            (Format::Raw, ""),
            (Format::Raw, "two words"),
            (Format::Raw, "<html>"),
            (Format::Raw, "t\n\n"),
            (Format::Json, "t"),
            (Format::Json, "{}"),
            (Format::Json, r#"{"access_token":"a b"}"#),
            (Format::Oauth2, "oauth2:t"),
            (Format::Header, "Bearer t"),
            (Format::Netrc, "machine other.example login oauth2 password t"),
            (Format::Netrc, "machine h.example login me password t"),
        ] {
            assert_eq!(read(&sink(format, true), text.as_bytes()), None, "{format:?} {text}");
        }
        assert_eq!(read(&sink(Format::Raw, true), b"\xff"), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(token in "[A-Za-z0-9._~+/-]{1,80}={0,2}", index in 0..5_usize, newline: bool) {
            let sink = sink(FORMATS[index], newline);
            let held = read(&sink, &render(&sink, &issued(&token)));
            prop_assert_eq!(held.map(|held| held.token), Some(AccessToken::from(token.as_str())));
        }

        #[test]
        fn any_bytes_hold_a_token_or_none(bytes: Vec<u8>, index in 0..5_usize) {
            if let Some(held) = read(&sink(FORMATS[index], true), &bytes) {
                prop_assert!(is_b64token(held.token.expose()));
            }
        }
    }
}

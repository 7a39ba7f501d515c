//! `--token NAME=ACCOUNT[,KEY=VALUE]...`: a further token with a name of its own.

use oidc_proto::destination::{Operation, Wish};

use crate::command::token::destination::arguments::Wanted;

/// A further token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// What it is called: letters, digits and `_`.
    pub name: String,
    /// Of which account, as it was typed.
    pub account: String,
    /// Scopes, separated by blanks.
    pub scope: Vec<String>,
    /// Audiences, separated by blanks.
    pub audience: Option<String>,
    /// An ID token.
    pub id_token: bool,
    /// The service that it is for.
    pub place: Option<Wanted>,
}

impl Named {
    /// Reads it. A comma begins the next key; so none of the values can hold one.
    pub fn read(text: &str) -> Result<Self, String> {
        let (name, rest) = text.split_once('=').ok_or("NAME=ACCOUNT is what it begins with")?;
        if name.is_empty() || !name.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric()) {
            return Err(format!("'{name}' is no name for it: letters, digits and _ only"));
        }
        let mut parts = rest.split(',');
        let account = parts.next().filter(|account| !account.is_empty()).ok_or("the account is missing")?;
        let mut named = Self {
            name: name.to_owned(),
            account: account.to_owned(),
            scope: Vec::new(),
            audience: None,
            id_token: false,
            place: None,
        };
        let (mut url, mut wishes) = (None, Vec::new());
        for part in parts {
            let (key, value) =
                part.split_once('=').map_or((part, None), |(key, value)| (key, Some(value.to_owned())));
            match (key, value) {
                ("for", Some(value)) if url.is_none() => url = Some(value),
                ("for", Some(_)) => return Err("one token is for one service: only one 'for'".to_owned()),
                ("scope", Some(value)) => named.scope.push(value),
                ("aud" | "audience", Some(value)) => named.audience = Some(value),
                ("id-token", None) => named.id_token = true,
                ("for" | "scope" | "aud" | "audience", None) => return Err(format!("'{key}' needs a value")),
                (key, path) => wishes.push(wish(key, path.as_deref())?),
            }
        }
        named.place = match url {
            Some(url) => Some(Wanted { url, wishes }),
            None if wishes.is_empty() => None,
            None => return Err("what is to be done needs a place: for=URL".to_owned()),
        };
        if named.id_token && (named.place.is_some() || named.audience.is_some()) {
            return Err("an ID token is for the client itself: no 'for' and no 'aud'".to_owned());
        }
        Ok(named)
    }
}

fn wish(key: &str, path: Option<&str>) -> Result<Wish, String> {
    let operation = match key {
        "read" => Operation::Read,
        "create" => Operation::Create,
        "modify" => Operation::Modify,
        "stage" => Operation::Stage,
        "poll" => Operation::Poll,
        "exec" => Operation::Exec,
        _ => {
            return Err(format!(
                "'{key}' is none of for, scope, aud, id-token, read, create, modify, stage, poll, exec"
            ));
        }
    };
    let path = path.map(|path| path.parse().map_err(|error| format!("{key}: {error}"))).transpose()?;
    Ok(Wish { operation, path })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_a_token_has_can_be_said() {
        let named = Named::read("src=cms,for=davs://a.example/x,read,create=/y,scope=openid,scope=a b,aud=z")
            .expect("understood");
        assert_eq!((named.name.as_str(), named.account.as_str()), ("src", "cms"));
        assert_eq!(
            (named.scope, named.audience.as_deref()),
            (vec!["openid".into(), "a b".into()], Some("z"))
        );
        let place = named.place.expect("a place");
        assert_eq!((place.url.as_str(), place.wishes.len()), ("davs://a.example/x", 2));
        let plain = Named::read("x=https://op.example/realm").expect("understood");
        assert_eq!((plain.account.as_str(), plain.place), ("https://op.example/realm", None));
        assert!(Named::read("x=a,id-token").expect("understood").id_token);
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (text, expected) in [
            ("cms", "NAME=ACCOUNT"),
            ("a b=cms", "letters"),
            ("=cms", "letters"),
            ("a=", "account"),
            ("a=,read", "account"),
            ("a=cms,read", "needs a place"),
            ("a=cms,for", "needs a value"),
            ("a=cms,for=x,for=y", "only one"),
            ("a=cms,write", "'write' is none of"),
            ("a=cms,for=x,read=..", "read:"),
            ("a=cms,id-token,aud=x", "ID token"),
        ] {
            let error = Named::read(text).expect_err(text);
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}

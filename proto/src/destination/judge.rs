//! Whether a token that is there would be taken at a destination: what is to be said beyond its time, its profile and its
//! audience, which [`crate::token::judge`] judges with the audiences of [`Derived::audiences`].

use super::{Derived, reader::Reader};
use crate::{
    scope,
    token::{Class, Kind, Problem, Token},
};

/// The bits of a mode by which group and others may do something.
const OTHERS: u32 = 0o077;

/// Where the token stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Place {
    /// Not told, or in no place that programs look at.
    #[default]
    Unknown,
    /// In the variable `BEARER_TOKEN`.
    Variable,
    /// In a file with these mode bits.
    File {
        /// As of `stat`.
        mode: u32,
    },
}

/// What stands in the way. Warnings are what some programs mind and others do not.
pub fn judge(derived: &Derived, token: &Token, kind: &Kind, place: Place) -> Vec<Problem> {
    let mut problems = Vec::new();
    problems.extend(kind_of(kind));
    problems.extend(scopes(derived, token));
    for reader in Reader::of(&derived.address) {
        problems.extend(read(&reader, token, place));
    }
    problems
}

/// Services of WLCG read access tokens that are JWTs.
fn kind_of(kind: &Kind) -> Option<Problem> {
    let text = match kind.class {
        Class::Opaque | Class::Jwe => {
            "it says nothing to a service: services that follow the WLCG profile read signed tokens (JWT) alone"
        }
        Class::Id => "it is an ID token: services take access tokens",
        Class::IamRefresh | Class::KeycloakRefresh => {
            "it is a refresh token, which is for the provider alone: no service may ever see it"
        }
        Class::Condor => "it is an IDTOKEN of an HTCondor pool, which the daemons of that pool alone take",
        Class::Mytoken => "it is a mytoken, which is for a mytoken server alone",
        _ => return None,
    };
    Some(Problem::error("destination_kind", text))
}

/// Each operation needs a scope, at its path or above (WLCG profile section 2.2.1).
fn scopes(derived: &Derived, token: &Token) -> Vec<Problem> {
    let Some(jwt) = token.signed() else { return Vec::new() };
    let granted = jwt.scopes();
    let list = granted.join(" ");
    let missing: Vec<_> = derived.scopes.iter().filter(|scope| !scope::allows(&list, scope)).collect();
    let has_any = granted.iter().any(|scope| scope.starts_with("storage.") || scope.starts_with("compute."));
    let by_groups = !has_any && !jwt.groups().is_empty();
    let problem = |scope: &&String| {
        if by_groups {
            let text = format!(
                "it has no scope {scope}: a service that goes by groups may take it for those in it (WLCG profile 2.2.3)"
            );
            return Problem::warning("destination_scope", text);
        }
        let text = format!("it would need the scope {scope}, at that path or above (WLCG profile 2.2.1)");
        Problem::error("destination_scope", text)
    };
    missing.iter().map(problem).collect()
}

/// What a program minds.
fn read(reader: &Reader, token: &Token, place: Place) -> Vec<Problem> {
    let Reader { name, source, .. } = reader;
    let weigh = |code, text| {
        if reader.is_one_of_several { Problem::warning(code, text) } else { Problem::error(code, text) }
    };
    let mut problems = Vec::new();
    if let Some(limit) = reader.size_below.filter(|limit| token.size() >= *limit) {
        let text = format!(
            "{name} refuses it: it has {} bytes, and less than {limit} are taken ({source})",
            token.size()
        );
        problems.push(weigh("destination_size", text));
    }
    match place {
        Place::File { mode } if reader.private_file && mode & OTHERS != 0 => {
            let text = format!(
                "{name} refuses its file: the mode is {:04o}, and nobody but the owner may have any right; `chmod 600` mends it \
                 ({source})",
                mode & 0o7777
            );
            problems.push(weigh("destination_file_mode", text));
        }
        Place::File { .. } if reader.only_variable => {
            let text = format!("{name} does not find it in a file: {source}");
            problems.push(weigh("destination_place", text));
        }
        _ => {}
    }
    if let Some(remark) = &reader.remark {
        problems.push(Problem::warning("destination_reader", format!("{name}: {remark} ({source})")));
    }
    problems
}

#[cfg(test)]
mod tests {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

    use super::{
        super::{Operation, derive},
        *,
    };
    use crate::token;

    const NOW: u64 = 1_800_000_000;

    /// A token with further claims, as long as `padding` makes it.
    fn token(claims: &str, padding: usize) -> Token {
        let claims = format!(
            r#"{{"wlcg.ver":"1.0","iss":"https://i","sub":"me","jti":"1","iat":{NOW},"exp":{},"pad":"{}"{claims}}}"#,
            NOW + 600,
            "x".repeat(padding)
        );
        let [header, claims] =
            [r#"{"alg":"ES256","kid":"k"}"#, &claims].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part));
        Token::parse(&format!("{header}.{claims}.c2ln")).expect("a token")
    }

    /// All that is wrong with it there, by code; errors are marked.
    fn verdict(url: &str, operation: Operation, token: &Token, place: Place) -> Vec<String> {
        let derived = derive(url, &[operation.into()], &[]).expect("derived");
        let kind = Kind::of(token, None);
        let audiences = derived.audiences();
        let expected = token::Expected { now: NOW, issuer: None, audiences: &audiences };
        let mut problems = token::judge(token, &kind, expected);
        problems.extend(judge(&derived, token, &kind, place));
        problems.iter().map(|one| format!("{}{}", if one.refuses() { "!" } else { "" }, one.code)).collect()
    }

    #[test]
    fn a_token_is_taken_or_each_reason_is_told() {
        use Operation::{Create, Exec, Modify, Read};
        let private = Place::File { mode: 0o100_600 };
        let shared = Place::File { mode: 0o100_644 };
        for (url, operation, claims, padding, place, expected) in [
            (
                "davs://se.example/x",
                Read,
                r#","aud":"https://se.example","scope":"storage.read:/""#,
                0,
                Place::Variable,
                &[][..],
            ),
            (
                "davs://se.example/x",
                Read,
                r#","aud":"https://wlcg.cern.ch/jwt/v1/any","scope":"storage.read:/x""#,
                0,
                Place::Unknown,
                &[],
            ),
            (
                "davs://se.example/x",
                Create,
                r#","aud":"https://se.example","scope":"storage.modify:/""#,
                0,
                private,
                &["destination_place"],
            ),
            (
                "davs://se.example/foo",
                Read,
                r#","aud":"https://se.example","scope":"storage.read:/fo""#,
                0,
                Place::Unknown,
                &["!destination_scope"],
            ),
            (
                "davs://se.example/x",
                Modify,
                r#","aud":"https://other","scope":"storage.read:/""#,
                0,
                Place::Unknown,
                &["!audience", "!destination_scope"],
            ),
            (
                "davs://se.example/x",
                Read,
                r#","aud":"https://se.example","wlcg.groups":["/cms"]"#,
                0,
                Place::Unknown,
                &["destination_scope"],
            ),
            (
                "root://se.example//x",
                Read,
                r#","aud":"root://se.example","scope":"storage.read:/""#,
                0,
                private,
                &["destination_place"],
            ),
            (
                "root://se.example//x",
                Read,
                r#","aud":"root://se.example","scope":"storage.read:/""#,
                4096,
                shared,
                &["!destination_size", "!destination_file_mode", "destination_place"],
            ),
            (
                "condor://ce.example",
                Exec,
                r#","aud":"condor://ce.example:9619","scope":"compute.create compute.read compute.cancel compute.modify""#,
                5000,
                shared,
                &[],
            ),
            (
                "condor://ce.example",
                Exec,
                r#","aud":"ce.example:9619","scope":"compute.create compute.read compute.cancel compute.modify""#,
                16_384,
                private,
                &["!destination_size"],
            ),
            (
                "https://fts3.example:8446",
                Read,
                r#","aud":"https://fts3.example:8446","scope":"storage.read:/""#,
                0,
                Place::Unknown,
                &["destination_reader"],
            ),
        ] {
            assert_eq!(
                verdict(url, operation, &token(claims, padding), place),
                expected,
                "{url} {claims} {place:?}"
            );
        }
    }

    #[test]
    fn tokens_of_other_kinds_are_for_others() {
        let opaque = Token::parse("opaque-opaque-opaque").expect("a token");
        assert_eq!(
            verdict("davs://se.example/x", Operation::Read, &opaque, Place::Unknown),
            ["!destination_kind"]
        );
    }

    #[test]
    fn every_reader_says_how_that_is_known() {
        for url in ["root://a", "https://fts.example", "https://x-rucio.example", "condor://a"] {
            let readers = Reader::of(&url.parse().expect("an address"));
            assert!(!readers.is_empty(), "{url}");
            assert!(readers.iter().all(|reader| !reader.name.is_empty() && !reader.source.is_empty()));
        }
    }
}

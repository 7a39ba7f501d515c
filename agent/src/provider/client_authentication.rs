//! How a client proves who it is (RFC 6749 section 2.3, OpenID Connect Core section 9).
//!
//! What the provider data say counts first, then what the client was registered with, then what the metadata list. All of
//! that is often missing or wrong, and a refusal for the client's authentication spends nothing, so every other way that
//! the client's data allow is tried after it. The way that worked is remembered, and comes first from then on.

use std::{
    collections::VecDeque,
    num::NonZeroUsize,
    sync::{Mutex, PoisonError},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use lru::LruCache;
use oidc_proto::{
    account::{AccountConfig, TOKEN_ENDPOINT_AUTH_SIGNING_ALG},
    client_key::ClientKeyError,
    secret::{ClientSecret, SecretText},
};
use zeroize::Zeroizing;

use super::{
    auth_method::{AuthMethod, TOKEN_ENDPOINT_AUTH_METHOD},
    client_assertion::{CLIENT_ASSERTION_TYPE, Signer},
    form::{Form, percent_encode},
    metadata::{ProviderMetadata, lists},
    quirks::{AssertionAudience, Quirks},
};

/// A client of the provider, borrowed from its account.
#[derive(Clone, Copy, Debug)]
pub struct Client<'a> {
    /// RFC 6749 section 2.2.
    pub id: &'a str,
    /// Absent for public clients.
    pub secret: Option<&'a ClientSecret>,
    /// What a client without a secret may have instead.
    pub key: Option<PrivateKey<'a>>,
    /// `token_endpoint_auth_method` of the registration (RFC 7591 section 2), if it is known.
    pub registered_method: Option<AuthMethod>,
    /// The account's short name: a site may add parameters to its requests.
    pub account: Option<&'a str>,
}

/// The key of a client, borrowed from its account.
#[derive(Clone, Copy, Debug)]
pub struct PrivateKey<'a> {
    /// As [`oidc_proto::client_key::ClientKey`] reads it.
    pub text: &'a SecretText,
    /// `token_endpoint_auth_signing_alg` of the registration, if it is known.
    pub algorithm: Option<&'a str>,
}

/// One way to send the client's identity along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Basic,
    /// The credentials as they are, where RFC 6749 section 2.3.1 asks for them to be form-encoded: many servers, and
    /// the C suite, know nothing of that.
    BasicAsIs,
    /// The C suite's way for clients without a secret: a header with an empty password, and the id in the body.
    EmptyBasicAndId,
    Post,
    /// Signed for that audience, with or without the name of the key: a provider that was given a certificate calls the key
    /// something else.
    Assertion {
        audience: AssertionAudience,
        names_key: bool,
    },
    Id,
}

impl Way {
    /// Its registered name (RFC 7591 section 2).
    pub(crate) fn method(self) -> AuthMethod {
        match self {
            Self::Basic | Self::BasicAsIs | Self::EmptyBasicAndId => AuthMethod::ClientSecretBasic,
            Self::Post => AuthMethod::ClientSecretPost,
            Self::Assertion { .. } => AuthMethod::PrivateKeyJwt,
            Self::Id => AuthMethod::None,
        }
    }
}

impl<'a> Client<'a> {
    /// The client of an account. An account without a client id sends none.
    pub fn of(account: &'a AccountConfig) -> Self {
        Self {
            id: account.client_id.as_deref().unwrap_or_default(),
            secret: account.client_secret.as_ref(),
            key: account.client_key.as_ref().map(|text| PrivateKey {
                text,
                algorithm: account
                    .other
                    .members()
                    .get(TOKEN_ENDPOINT_AUTH_SIGNING_ALG)
                    .and_then(serde_json::Value::as_str),
            }),
            registered_method: account
                .other
                .text(TOKEN_ENDPOINT_AUTH_METHOD)
                .and_then(|name| AuthMethod::parse(&name)),
            account: account.name.as_deref(),
        }
    }

    /// Whether it has something to prove who it is with.
    pub(crate) fn is_confidential(&self) -> bool {
        self.secret.is_some() || self.key.is_some()
    }

    /// Each way that is worth a try, the likeliest first: that is `known`, the one that worked before.
    pub(crate) fn ways(
        &self,
        metadata: &ProviderMetadata,
        quirks: &Quirks,
        known: Option<Way>,
    ) -> VecDeque<Way> {
        if self.id.is_empty() {
            return VecDeque::from([Way::Id]);
        }
        let mut ways = self.allowed_ways(metadata, quirks);
        let is_ambiguous = encoded_if_ambiguous(self.id, true).is_some()
            || self.secret.is_some_and(|secret| encoded_if_ambiguous(secret.expose(), false).is_some());
        if let Some(basic) = ways.iter().position(|way| *way == Way::Basic).filter(|_| is_ambiguous) {
            ways.insert(basic + 1, Way::BasicAsIs);
        }
        if let Some(known) = known.and_then(|known| ways.iter().position(|way| *way == known)) {
            ways[..=known].rotate_right(1);
        }
        ways.into()
    }

    /// Every way that the client's data allow.
    fn allowed_ways(&self, metadata: &ProviderMetadata, quirks: &Quirks) -> Vec<Way> {
        let listed = |method| lists(&metadata.token_endpoint_auth_methods_supported, method);
        let mut ways: Vec<Way> = Vec::new();
        let mut add = |way| {
            if !ways.contains(&way) {
                ways.push(way);
            }
        };
        let decided = quirks.client_authentication.iter().copied().chain(self.registered_method);
        let assertions = self.assertions(quirks);
        if !self.is_confidential() {
            for method in decided {
                add(match method {
                    AuthMethod::None => Way::Id,
                    AuthMethod::PrivateKeyJwt => continue,
                    // The person who registered it so has no secret: the header with the id alone comes closest.
                    AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost => Way::EmptyBasicAndId,
                });
            }
            // Providers that list no `none` are known to take the C suite's way from public clients.
            let rest = [Way::EmptyBasicAndId, Way::Id];
            if listed("none") {
                rest.into_iter().rev().for_each(add);
            } else {
                rest.into_iter().for_each(add);
            }
            return ways;
        }
        for method in decided {
            match method {
                AuthMethod::PrivateKeyJwt => assertions.iter().copied().for_each(&mut add),
                AuthMethod::None => add(Way::Id),
                _ if self.secret.is_none() => {}
                AuthMethod::ClientSecretBasic => add(Way::Basic),
                AuthMethod::ClientSecretPost => add(Way::Post),
            }
        }
        assertions.into_iter().for_each(&mut add);
        if self.secret.is_none() {
            return ways;
        }
        // RFC 8414 section 2: what is not listed at all means `client_secret_basic`.
        let only_in_body = listed("client_secret_post") && !listed("client_secret_basic");
        let rest = if only_in_body { [Way::Post, Way::Basic] } else { [Way::Basic, Way::Post] };
        rest.into_iter().for_each(&mut add);
        // A public client whose registration came with a secret all the same.
        add(Way::Id);
        ways
    }

    /// Every way to sign; none without a key.
    fn assertions(&self, quirks: &Quirks) -> Vec<Way> {
        let other = match quirks.assertion_audience {
            AssertionAudience::Issuer => AssertionAudience::TokenEndpoint,
            AssertionAudience::TokenEndpoint => AssertionAudience::Issuer,
        };
        let audiences = [quirks.assertion_audience, other];
        let signed = |names_key| audiences.map(|audience| Way::Assertion { audience, names_key });
        if self.key.is_some() { [signed(true), signed(false)].concat() } else { Vec::new() }
    }

    /// The request with the client's identity in it. `signer` is what signs for a client with a key.
    pub(crate) fn authenticate<'f>(
        &self,
        way: Way,
        form: Form<'f>,
        signer: Option<&Signer<'_>>,
    ) -> Result<Authenticated<'f>, ClientKeyError>
    where
        'a: 'f,
    {
        let mut assertion = None;
        let secret = self.secret.map(ClientSecret::expose).unwrap_or_default();
        let with_id = |form: Form<'f>| {
            if self.id.is_empty() || form.has("client_id") { form } else { form.with("client_id", self.id) }
        };
        let encoded = |text: &str, is_id| {
            encoded_if_ambiguous(text, is_id).unwrap_or_else(|| Zeroizing::new(text.to_owned()))
        };
        let (form, authorization) = match way {
            Way::Basic => (form, Some(basic(&encoded(self.id, true), &encoded(secret, false)))),
            Way::BasicAsIs => (form, Some(basic(self.id, secret))),
            Way::EmptyBasicAndId => (with_id(form), Some(basic(&encoded(self.id, true), ""))),
            Way::Post => (with_id(form).with_secret("client_secret", secret), None),
            Way::Assertion { audience, names_key } => {
                let signer = signer.ok_or(ClientKeyError::NoKey)?;
                assertion = Some(signer.sign(self.id, audience, names_key)?);
                (with_id(form).with("client_assertion_type", CLIENT_ASSERTION_TYPE), None)
            }
            Way::Id => (with_id(form), None),
        };
        Ok(Authenticated { way, form, assertion, authorization })
    }
}

/// The way that worked, by client.
pub(crate) struct WorkingWays(Mutex<LruCache<Box<str>, Way>>);

/// Most clients of one provider whose way is remembered.
const MOST_CLIENTS: NonZeroUsize = NonZeroUsize::new(64).expect("not zero");

impl Default for WorkingWays {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(MOST_CLIENTS)))
    }
}

impl WorkingWays {
    pub(crate) fn of(&self, client_id: &str) -> Option<Way> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(client_id).copied()
    }

    pub(crate) fn remember(&self, client_id: &str, way: Way) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).put(client_id.into(), way);
    }
}

/// A request with the client's identity in it.
pub(crate) struct Authenticated<'a> {
    pub(crate) way: Way,
    form: Form<'a>,
    assertion: Option<Zeroizing<String>>,
    pub(crate) authorization: Option<Zeroizing<String>>,
}

impl<'a> Authenticated<'a> {
    /// All that is in the body.
    pub(crate) fn form(&self) -> Form<'_> {
        match &self.assertion {
            Some(assertion) => self.form.clone().with_secret("client_assertion", assertion),
            None => self.form.clone(),
        }
    }

    /// The same with `client_id` in the body beside the header; `None`: it is there already.
    pub(crate) fn with_id(&self, client_id: &'a str) -> Option<Self> {
        (self.authorization.is_some() && !self.form.has("client_id")).then(|| Self {
            way: self.way,
            form: self.form.clone().with("client_id", client_id),
            assertion: None,
            authorization: self.authorization.clone(),
        })
    }
}

/// The `Authorization` header of RFC 7617 section 2.
fn basic(id: &str, secret: &str) -> Zeroizing<String> {
    let credentials = Zeroizing::new([id, ":", secret].concat());
    // Written in place: appending to a text goes by way of a buffer on the stack, which nobody overwrites.
    let mut header = Zeroizing::new(vec![0; "Basic ".len() + credentials.len().div_ceil(3) * 4]);
    let (scheme, encoded) = header.split_at_mut("Basic ".len());
    scheme.copy_from_slice(b"Basic ");
    let written = STANDARD.encode_slice(credentials.as_bytes(), encoded);
    debug_assert_eq!(written, Ok(encoded.len()));
    Zeroizing::new(String::from_utf8(std::mem::take(&mut header)).unwrap_or_default())
}

/// The text form-encoded, if a server that decodes it and one that does not would read it differently: what is encoded
/// beyond need fails at those that do not.
fn encoded_if_ambiguous(text: &str, is_id: bool) -> Option<Zeroizing<String>> {
    let is_ambiguous = |c: char| {
        matches!(c, '%' | '+') || (is_id && c == ':') || !(' ' < c && c.is_ascii()) || c == '\u{7f}'
    };
    if !text.contains(is_ambiguous) {
        return None;
    }
    let mut encoded = Vec::with_capacity(3 * text.len());
    percent_encode(text, &mut encoded);
    // Percent-encoding leaves ASCII only.
    Some(Zeroizing::new(String::from_utf8(encoded).unwrap_or_default()))
}

/// `Bearer` credentials (RFC 6750 section 2.1).
pub(crate) fn bearer(token: &str) -> Zeroizing<String> {
    Zeroizing::new(["Bearer ", token].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(methods: &str) -> ProviderMetadata {
        let json = format!(r#"{{"token_endpoint_auth_methods_supported":{methods}}}"#);
        ProviderMetadata::parse(json.as_bytes()).expect("metadata")
    }

    /// Header (decoded) and body of each way.
    fn ways(client: Client<'_>, methods: &str, quirks: &Quirks) -> Vec<(Option<String>, String)> {
        let ways = client.ways(&metadata(methods), quirks, None).into_iter();
        let ways = ways.map(|way| client.authenticate(way, Form::default(), None).expect("nothing to sign"));
        let show = |way: Authenticated<'_>| {
            let header = way.authorization.as_ref().map(|header| {
                let encoded = header.strip_prefix("Basic ").expect("basic").to_owned();
                String::from_utf8(STANDARD.decode(encoded).expect("base64")).expect("text")
            });
            (header, String::from_utf8(way.form().encode().to_vec()).expect("text"))
        };
        ways.map(show).collect()
    }

    fn way(header: Option<&str>, body: &str) -> (Option<String>, String) {
        (header.map(str::to_owned), body.to_owned())
    }

    #[test]
    fn a_secret_goes_into_the_header_unless_only_the_body_is_listed() {
        let secret = ClientSecret::from("s");
        let client =
            Client { id: "c", secret: Some(&secret), key: None, registered_method: None, account: None };
        let header = way(Some("c:s"), "");
        let body = way(None, "client_id=c&client_secret=s");
        let default = Quirks::default();
        let id = way(None, "client_id=c");
        assert_eq!(ways(client, "[]", &default), [header.clone(), body.clone(), id.clone()]);
        assert_eq!(
            ways(client, r#"["client_secret_post"]"#, &default),
            [body.clone(), header.clone(), id.clone()]
        );
        assert_eq!(ways(client, r#"["client_secret_post","client_secret_basic"]"#, &default)[0], header);
        let registered = Client { registered_method: Some(AuthMethod::ClientSecretPost), ..client };
        assert_eq!(ways(registered, r#"["client_secret_basic"]"#, &default)[0], body);
        let public = Client { registered_method: Some(AuthMethod::None), ..client };
        assert_eq!(ways(public, "[]", &default), [id.clone(), header.clone(), body.clone()]);
        let order = vec![AuthMethod::None, AuthMethod::ClientSecretBasic];
        let quirks = Quirks { client_authentication: order, ..default };
        assert_eq!(ways(registered, "[]", &quirks), [id, header, body]);
    }

    #[test]
    fn without_a_secret_the_c_suites_way_unless_none_is_listed() {
        let client = Client { id: "c", secret: None, key: None, registered_method: None, account: None };
        let both = way(Some("c:"), "client_id=c");
        let id = way(None, "client_id=c");
        assert_eq!(ways(client, "[]", &Quirks::default()), [both.clone(), id.clone()]);
        assert_eq!(ways(client, r#"["none"]"#, &Quirks::default()), [id.clone(), both]);
        let registered = Client { registered_method: Some(AuthMethod::None), ..client };
        assert_eq!(ways(registered, "[]", &Quirks::default())[0], id);
        let with_header = Client { registered_method: Some(AuthMethod::ClientSecretBasic), ..client };
        assert_eq!(ways(with_header, r#"["none"]"#, &Quirks::default())[1], id);
        assert_eq!(ways(Client { id: "", ..client }, "[]", &Quirks::default()), [way(None, "")]);
    }

    #[test]
    fn ambiguous_credentials_are_encoded_and_then_sent_as_they_are() {
        for (id, secret, expected) in [
            ("cilogon:/client_id/1", "s", vec!["cilogon%3A%2Fclient_id%2F1:s", "cilogon:/client_id/1:s"]),
            ("c", "a%2Fb", vec!["c:a%252Fb", "c:a%2Fb"]),
            ("c", "a+b", vec!["c:a%2Bb", "c:a+b"]),
            ("c", "a b", vec!["c:a%20b", "c:a b"]),
            ("c", "grün", vec!["c:gr%C3%BCn", "c:grün"]),
            ("c", "a/b:c=&~!", vec!["c:a/b:c=&~!"]),
        ] {
            let secret = ClientSecret::from(secret);
            let client =
                Client { id, secret: Some(&secret), key: None, registered_method: None, account: None };
            let ways = ways(client, "[]", &Quirks::default());
            let headers: Vec<_> = ways.iter().filter_map(|(header, _)| header.as_deref()).collect();
            assert_eq!(headers, expected);
        }
    }

    #[test]
    fn what_worked_comes_first() {
        let secret = ClientSecret::from("a+b");
        let client =
            Client { id: "c", secret: Some(&secret), key: None, registered_method: None, account: None };
        let order = |known| -> Vec<Way> { client.ways(&metadata("[]"), &Quirks::default(), known).into() };
        assert_eq!(order(None), [Way::Basic, Way::BasicAsIs, Way::Post, Way::Id]);
        assert_eq!(order(Some(Way::Post)), [Way::Post, Way::Basic, Way::BasicAsIs, Way::Id]);
        assert_eq!(order(Some(Way::BasicAsIs)), [Way::BasicAsIs, Way::Basic, Way::Post, Way::Id]);
        assert_eq!(order(Some(Way::EmptyBasicAndId)), order(None));
    }

    #[test]
    fn a_client_with_a_key_signs_and_what_was_registered_comes_first() {
        use AssertionAudience::{Issuer, TokenEndpoint};
        let (secret, text) = (ClientSecret::from("s"), SecretText::from("a key"));
        let key = Some(PrivateKey { text: &text, algorithm: None });
        let client = Client { id: "c", secret: None, key, registered_method: None, account: None };
        let ways = |client: Client<'_>, quirks: &Quirks| -> Vec<Way> {
            client.ways(&metadata("[]"), quirks, None).into()
        };
        let signed = |audience, names_key| Way::Assertion { audience, names_key };
        let all = [
            signed(Issuer, true),
            signed(TokenEndpoint, true),
            signed(Issuer, false),
            signed(TokenEndpoint, false),
        ];
        assert_eq!(ways(client, &Quirks::default()), all);
        let quirks = Quirks { assertion_audience: TokenEndpoint, ..Quirks::default() };
        assert_eq!(ways(client, &quirks)[0], signed(TokenEndpoint, true));
        let public = Client { registered_method: Some(AuthMethod::None), ..client };
        assert_eq!(ways(public, &Quirks::default())[..2], [Way::Id, all[0]]);
        let both = Client { secret: Some(&secret), ..client };
        let expected = [&all[..], &[Way::Basic, Way::Post, Way::Id]].concat();
        assert_eq!(ways(both, &Quirks::default()), expected);
        let by_secret = Client { registered_method: Some(AuthMethod::ClientSecretPost), ..both };
        assert_eq!(ways(by_secret, &Quirks::default())[0], Way::Post);
        let without = Client { key: None, registered_method: Some(AuthMethod::PrivateKeyJwt), ..both };
        assert_eq!(ways(without, &Quirks::default())[0], Way::Basic);
        assert!(matches!(client.authenticate(all[0], Form::default(), None), Err(ClientKeyError::NoKey)));
    }
}

//! Proof Key for Code Exchange (RFC 7636).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use oidc_proto::secret::{CodeVerifier, random};
use ring::digest::{SHA256, digest};
use zeroize::Zeroizing;

use super::metadata::{ProviderMetadata, lists};

/// A verifier, and how its challenge is made.
#[derive(Debug)]
pub(crate) struct Pkce {
    pub(crate) verifier: CodeVerifier,
    method: CodeChallengeMethod,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CodeChallengeMethod {
    S256,
    Plain,
}

impl Pkce {
    /// A new verifier. `S256` also where the metadata list nothing: providers that do not know PKCE must ignore it
    /// (RFC 6749 section 3.1), many know it without saying so. `plain` only where that is all they list.
    pub(crate) fn new(metadata: &ProviderMetadata) -> Self {
        let methods = &metadata.code_challenge_methods_supported;
        let only_plain = lists(methods, "plain") && !lists(methods, "S256");
        let method = if only_plain { CodeChallengeMethod::Plain } else { CodeChallengeMethod::S256 };
        Self { verifier: CodeVerifier::new(random_text()), method }
    }

    /// `code_challenge_method`.
    pub(crate) fn method(&self) -> &'static str {
        match self.method {
            CodeChallengeMethod::S256 => "S256",
            CodeChallengeMethod::Plain => "plain",
        }
    }

    /// `code_challenge`.
    pub(crate) fn challenge(&self) -> String {
        match self.method {
            CodeChallengeMethod::S256 => s256(&self.verifier),
            CodeChallengeMethod::Plain => self.verifier.expose().to_owned(),
        }
    }
}

/// RFC 7636 section 4.2.
fn s256(verifier: &CodeVerifier) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.expose().as_bytes()))
}

/// 256 random bits as 43 characters that need no encoding.
pub(crate) fn random_text() -> String {
    let mut bytes = Zeroizing::new([0; 32]);
    random(bytes.as_mut());
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_as_in_rfc_7636_appendix_b() {
        let verifier = CodeVerifier::from("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert_eq!(s256(&verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn plain_only_where_nothing_better_is_listed() {
        for (listed, method) in
            [("[]", "S256"), (r#"["plain"]"#, "plain"), (r#"["plain","S256"]"#, "S256"), (r#"["x"]"#, "S256")]
        {
            let json = format!(r#"{{"code_challenge_methods_supported":{listed}}}"#);
            let pkce = Pkce::new(&ProviderMetadata::parse(json.as_bytes()).expect("metadata"));
            assert_eq!(pkce.method(), method);
            assert!((43..=128).contains(&pkce.verifier.expose().len()));
        }
    }
}

//! `application/x-www-form-urlencoded` bodies that hold secrets.

use zeroize::Zeroizing;

/// Parameters of a request, in order; values are borrowed from where they live.
#[derive(Clone, Default)]
pub(crate) struct Form<'a> {
    parameters: Vec<Parameter<'a>>,
}

#[derive(Clone)]
struct Parameter<'a> {
    name: &'a str,
    value: &'a str,
    secret: bool,
}

impl<'a> Form<'a> {
    /// A token request (RFC 6749 section 4).
    pub(crate) fn grant(grant_type: &'static str) -> Self {
        Self::default().with("grant_type", grant_type)
    }

    /// Adds a parameter.
    pub(crate) fn with(mut self, name: &'static str, value: &'a str) -> Self {
        self.parameters.push(Parameter { name, value, secret: false });
        self
    }

    /// Adds a parameter if there is something to say.
    pub(crate) fn with_some(self, name: &'static str, value: Option<&'a str>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Adds the scopes asked for, separated by blanks; a text without words asks for the provider's default.
    pub(crate) fn with_scope(self, scope: Option<&'a str>) -> Self {
        self.with_some("scope", scope.map(str::trim).filter(|scope| !scope.is_empty()))
    }

    /// Adds a parameter that must not come back in an error text.
    pub(crate) fn with_secret(mut self, name: &'static str, value: &'a str) -> Self {
        self.parameters.push(Parameter { name, value, secret: true });
        self
    }

    /// Adds what a site wants to be added; it replaces what has the same name. Its values may be secret.
    pub(crate) fn with_custom(mut self, custom: &'a [(String, Zeroizing<String>)]) -> Self {
        self.parameters.retain(|parameter| !custom.iter().any(|(name, _)| name == parameter.name));
        for (name, value) in custom {
            self.parameters.push(Parameter { name, value, secret: true });
        }
        self
    }

    /// The grant of a token request.
    pub(crate) fn grant_type(&self) -> Option<&'a str> {
        self.parameters
            .iter()
            .find(|parameter| parameter.name == "grant_type")
            .map(|parameter| parameter.value)
    }

    /// Whether there is such a parameter.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.parameters.iter().any(|parameter| parameter.name == name)
    }

    /// The values that must not come back in an error text.
    pub(crate) fn secrets(&self) -> Vec<&'a str> {
        self.parameters.iter().filter(|parameter| parameter.secret).map(|parameter| parameter.value).collect()
    }

    /// The body. Written into a buffer of the final size, so that no copy is left behind.
    pub(crate) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let size = |parameter: &Parameter<'_>| parameter.name.len() + 3 * parameter.value.len() + 2;
        let mut body = Zeroizing::new(Vec::with_capacity(self.parameters.iter().map(size).sum()));
        for parameter in &self.parameters {
            if !body.is_empty() {
                body.push(b'&');
            }
            body.extend_from_slice(parameter.name.as_bytes());
            body.push(b'=');
            percent_encode(parameter.value, &mut body);
        }
        body
    }
}

/// Writes `text` with everything but the unreserved characters of RFC 3986 percent-encoded. A blank becomes `%20`,
/// which every server decodes; some take `+` for a plus.
pub(crate) fn percent_encode(text: &str, into: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in text.as_bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            into.push(byte);
        } else {
            into.extend_from_slice(&[b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 0xf)]]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_everything_but_unreserved() {
        let form = Form::grant("refresh_token")
            .with_secret("refresh_token", "a+b/c=&%")
            .with_some("scope", Some("openid profile"))
            .with_some("audience", None);
        let body = form.encode();
        assert_eq!(
            std::str::from_utf8(&body),
            Ok("grant_type=refresh_token&refresh_token=a%2Bb%2Fc%3D%26%25&scope=openid%20profile")
        );
        assert_eq!(form.secrets(), ["a+b/c=&%"]);
    }

    #[test]
    fn what_a_site_adds_replaces_what_has_its_name() {
        let custom = [("scope".to_owned(), Zeroizing::new("x y".to_owned()))];
        let form = Form::grant("refresh_token").with("scope", "a").with_custom(&custom);
        assert_eq!(std::str::from_utf8(&form.encode()), Ok("grant_type=refresh_token&scope=x%20y"));
        assert_eq!((form.grant_type(), form.secrets()), (Some("refresh_token"), vec!["x y"]));
    }

    #[test]
    fn the_buffer_never_grows() {
        let value = "%".repeat(1000);
        let body = Form::default().with("a", &value).encode();
        assert!(body.len() <= body.capacity() && body.capacity() < 2 * body.len());
    }
}

//! Asking for an audience: `resource` (RFC 8707) or the older `audience`.

use url::Url;

use super::{form::Form, quirks::AudienceParameter};

/// Adds what asks for `audience`, a list separated by blanks.
pub(crate) fn with_audience<'a>(
    form: Form<'a>,
    audience: Option<&'a str>,
    parameter: AudienceParameter,
) -> Form<'a> {
    parameters(audience, parameter).into_iter().fold(form, |form, (name, value)| form.with(name, value))
}

/// The parameters, for a form or for a URL.
pub(crate) fn parameters(audience: Option<&str>, parameter: AudienceParameter) -> Vec<(&'static str, &str)> {
    let Some(audience) = audience.map(str::trim).filter(|audience| !audience.is_empty()) else {
        return Vec::new();
    };
    let as_resources = match parameter {
        AudienceParameter::Audience => false,
        AudienceParameter::Resource => true,
        AudienceParameter::ByValue => audience.split_whitespace().all(is_resource),
    };
    if as_resources {
        audience.split_whitespace().map(|one| ("resource", one)).collect()
    } else {
        vec![("audience", audience)]
    }
}

/// RFC 8707 section 2: an absolute URI without a fragment.
fn is_resource(audience: &str) -> bool {
    audience.contains("://") && Url::parse(audience).is_ok_and(|url| url.fragment().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_quirk_and_the_values() {
        use AudienceParameter::{Audience, ByValue, Resource};
        let (uris, names) = ("https://a https://b", "cms-go https://b");
        assert_eq!(parameters(Some(uris), ByValue), [("resource", "https://a"), ("resource", "https://b")]);
        assert_eq!(parameters(Some(names), ByValue), [("audience", names)]);
        assert_eq!(parameters(Some("host:9619"), ByValue), [("audience", "host:9619")]);
        assert_eq!(parameters(Some(names), Resource), [("resource", "cms-go"), ("resource", "https://b")]);
        assert_eq!(parameters(Some(uris), Audience), [("audience", uris)]);
        assert!(parameters(Some(" "), Audience).is_empty() && parameters(None, Resource).is_empty());
    }
}

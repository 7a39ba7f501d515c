//! Whom a token is for: `audience`, or `resource` of RFC 8707.

use super::{params::Params, quirks::AudienceParameter, reply::Reply, state::State};

/// The audiences that `form` asks for; `None` when it asks for none in the parameter this provider heeds.
pub(super) fn requested(state: &State, form: &Params) -> Result<Option<Vec<String>>, Reply> {
    let audience = || form.first("audience").map(|list| list.split_whitespace().map(Into::into).collect());
    match state.quirks.audience {
        AudienceParameter::Ignored => Ok(None),
        AudienceParameter::AudienceOnly if form.first("resource").is_some() => {
            Err(Reply::error(400, "invalid_target", "resource indicator is missing, or unknown"))
        }
        AudienceParameter::Audience | AudienceParameter::AudienceOnly => Ok(audience()),
        AudienceParameter::Resource => resources(form),
        AudienceParameter::Either => Ok(resources(form)?.or_else(audience)),
    }
}

/// RFC 8707 section 2: each an absolute URI without a fragment.
fn resources(form: &Params) -> Result<Option<Vec<String>>, Reply> {
    let resources: Vec<String> = form.all("resource").map(Into::into).collect();
    let bad = |resource: &String| !url::Url::parse(resource).is_ok_and(|url| url.fragment().is_none());
    if resources.iter().any(bad) {
        return Err(Reply::error(400, "invalid_target", "a resource is an absolute URI without a fragment"));
    }
    Ok((!resources.is_empty()).then_some(resources))
}

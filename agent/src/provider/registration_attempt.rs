//! One request for a client, and what may still be left out of it.
//!
//! [`RETREATS`] lists what can be left out, the least wanted first, and by which words a refusal means it. A refusal that
//! names nothing of what is there costs the least wanted part; each step leaves out one part, so there is an end.

use oidc_proto::scope::contains;
use serde_json::{Map, Value, json};

use super::{
    metadata::{ProviderMetadata, lists},
    quirks::Part,
    scope,
};

/// RFC 8628 section 3.4.
const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
const CODE_GRANT: &str = "authorization_code";
const REFRESH_GRANT: &str = "refresh_token";
const PASSWORD_GRANT: &str = "password";
/// Grants whose names a refusal may list beside ours.
const OTHER_GRANTS: [&str; 5] = ["implicit", "client_credentials", "token-exchange", "jwt-bearer", "ciba"];
const BY_NAME: &str = "http://localhost";
const BY_ADDRESS: &str = "http://127.0.0.1";

/// A part, and the words of a refusal, in lower case, that mean it.
struct Retreat {
    part: Part,
    words: &'static [&'static str],
}

/// The least wanted first.
const RETREATS: &[Retreat] = &[
    Retreat {
        part: Part::PrivateScheme,
        words: &["redirect", "scheme", "application_type", "application type"],
    },
    Retreat { part: Part::Password, words: &["grant", "password"] },
    Retreat { part: Part::UnlistedScopes, words: &["scope"] },
    Retreat { part: Part::LoopbackByName, words: &["redirect", "localhost", "loopback"] },
    Retreat { part: Part::LoopbackByAddress, words: &["redirect", "127.0.0.1", "loopback"] },
    Retreat { part: Part::Native, words: &["redirect", "application_type", "application type", "native"] },
    Retreat { part: Part::ApplicationType, words: &["application_type", "application type"] },
    Retreat { part: Part::OfflineAccess, words: &["offline_access"] },
    Retreat { part: Part::DeviceGrant, words: &["grant", "device"] },
    Retreat { part: Part::ResponseTypes, words: &["response_type", "response type"] },
    // Where some scope is meant and none is named: one that only logins know costs less than one that makes them last.
    Retreat { part: Part::Openid, words: &["scope"] },
    Retreat { part: Part::OfflineAccess, words: &["scope"] },
    Retreat { part: Part::Scope, words: &["scope"] },
    Retreat { part: Part::RefreshGrant, words: &["grant", "refresh"] },
];

/// Words after which a refusal lists what would be right.
const ALLOWED_FOLLOWS: [&str; 12] = [
    "one of",
    "must be",
    "must only",
    "only",
    "allowed:",
    "allowed are",
    "allowed values",
    "supported:",
    "supported are",
    "supported values",
    "permitted:",
    "expected",
];

/// Words that turn them into the contrary.
const NEGATIONS: [&str; 5] = ["not ", "un", "dis", "in", "no "];

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    application_type: Option<&'static str>,
    client_name: String,
    scope: Option<String>,
    grant_types: Vec<String>,
    redirect_uris: Vec<String>,
    has_response_types: bool,
    left_out: Vec<Part>,
}

/// What a refusal says of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said<'a> {
    /// Nothing that is understood.
    Nothing,
    /// Its words.
    Words(&'a str),
}

impl Attempt {
    /// Everything that is wanted.
    pub(crate) fn new(
        client_name: &str,
        scope: &str,
        grant_types: &[&str],
        redirect_uris: &[String],
    ) -> Self {
        Self {
            application_type: Some("native"),
            client_name: client_name.to_owned(),
            scope: Some(scope.to_owned()).filter(|scope| !scope.is_empty()),
            grant_types: grant_types.iter().map(|grant| (*grant).to_owned()).collect(),
            redirect_uris: redirect_uris.to_vec(),
            has_response_types: true,
            left_out: Vec::new(),
        }
    }

    /// Most steps back that there can be.
    pub(crate) const STEPS: usize = RETREATS.len();

    /// The scopes that are asked for.
    pub(crate) fn scope(&self) -> &str {
        self.scope.as_deref().unwrap_or_default()
    }

    /// The grants that are asked for.
    pub(crate) fn grant_types(&self) -> &[String] {
        &self.grant_types
    }

    /// The redirect URIs that are asked for.
    pub(crate) fn redirect_uris(&self) -> &[String] {
        &self.redirect_uris
    }

    /// What was left out, in that order.
    pub(crate) fn left_out(&self) -> &[Part] {
        &self.left_out
    }

    /// RFC 7591 section 2.
    pub(crate) fn to_json(&self) -> Value {
        let mut members = Map::new();
        let mut put = |key: &str, value: Value| members.insert(key.to_owned(), value);
        if let Some(application_type) = self.application_type {
            put("application_type", application_type.into());
        }
        put("client_name", self.client_name.as_str().into());
        if self.has_response_types {
            let uses_code = self.grant_types.iter().any(|grant| grant == CODE_GRANT);
            put("response_types", if uses_code { json!(["code"]) } else { json!([]) });
        }
        put("grant_types", json!(self.grant_types));
        if let Some(scope) = &self.scope {
            put("scope", scope.as_str().into());
        }
        put("redirect_uris", json!(self.redirect_uris));
        Value::Object(members)
    }

    /// Leaves out what a refusal means, or else the least wanted part; `false`: nothing can be left out. `said`: the words
    /// of the refusal; `is_vague`: it may be about anything, so that it is worth a try to go without what it does not name.
    pub(crate) fn give_in(&mut self, said: &str, is_vague: bool, metadata: &ProviderMetadata) -> bool {
        let said = said.to_lowercase();
        let is_named = |retreat: &&Retreat| retreat.words.iter().any(|word| said.contains(word));
        let named = RETREATS.iter().filter(is_named);
        if named.clone().any(|retreat| self.leave_out(retreat.part, Said::Words(&said), metadata)) {
            return true;
        }
        is_vague
            && named.count() == 0
            && RETREATS.iter().any(|retreat| self.leave_out(retreat.part, Said::Nothing, metadata))
    }

    /// Leaves out one part from the first; nothing happens where it is not there.
    pub(crate) fn leave_out_from_the_first(&mut self, part: Part, metadata: &ProviderMetadata) {
        self.leave_out(part, Said::Nothing, metadata);
    }

    /// Leaves one part out. `false`: it is not there, or cannot be done without.
    fn leave_out(&mut self, part: Part, said: Said<'_>, metadata: &ProviderMetadata) -> bool {
        // The device grant goes by another name first, and then altogether.
        let goes_by_another_name =
            part == Part::DeviceGrant && self.grant_types.iter().any(|grant| grant.contains("device"));
        if self.left_out.contains(&part) && !goes_by_another_name {
            return false;
        }
        let (before, was) = (self.to_json(), self.clone());
        let was_offline = contains(self.scope(), scope::OFFLINE_ACCESS);
        match part {
            Part::PrivateScheme => self.redirect_uris.retain(|uri| is_web(uri)),
            Part::Native => self.application_type = self.application_type.map(|_| "web"),
            Part::ApplicationType => self.application_type = None,
            Part::Password => self.drop_grant(PASSWORD_GRANT, said),
            Part::DeviceGrant => self.drop_or_rename_device_grant(said, metadata),
            Part::RefreshGrant => self.drop_grant(REFRESH_GRANT, said),
            Part::LoopbackByName => self.rename_hosts(BY_NAME, BY_ADDRESS),
            Part::LoopbackByAddress => self.rename_hosts(BY_ADDRESS, BY_NAME),
            Part::UnlistedScopes => {
                let listed = &metadata.scopes_supported;
                let allowed = said.allowed();
                self.keep_scopes(|scope| {
                    let is_ours = matches!(scope, scope::OPENID | scope::OFFLINE_ACCESS);
                    if allowed.is_empty() {
                        is_ours || listed.is_empty() || lists(listed, scope)
                    } else {
                        scope == scope::OPENID || allowed.contains(&scope)
                    }
                });
            }
            // Not as long as the other one is the likelier reason.
            Part::Openid if was_offline && lacks_offline_access(metadata) => {}
            Part::Openid => self.keep_scopes(|scope| scope != scope::OPENID),
            Part::OfflineAccess => self.keep_scopes(|scope| scope != scope::OFFLINE_ACCESS),
            Part::Scope => self.scope = None,
            Part::ResponseTypes => self.has_response_types = false,
        }
        if self.to_json() == before || self.grant_types.is_empty() {
            *self = was;
            return false;
        }
        // One form of address is taken for the other once: there and back would be no end.
        if matches!(part, Part::LoopbackByName | Part::LoopbackByAddress) {
            self.left_out.extend(
                [Part::LoopbackByName, Part::LoopbackByAddress].into_iter().filter(|own| *own != part),
            );
        }
        if !self.left_out.contains(&part) {
            self.left_out.push(part);
        }
        // It was the list that was refused, and none of what is in it: logins ask for what is wanted. Where nothing says
        // that the provider knows it, they do better without.
        if part == Part::Scope {
            self.left_out.retain(|part| match part {
                Part::UnlistedScopes | Part::Openid => false,
                Part::OfflineAccess => lacks_offline_access(metadata),
                _ => true,
            });
        }
        // A list of what is allowed may leave it out among others.
        if part == Part::UnlistedScopes && was_offline && !contains(self.scope(), scope::OFFLINE_ACCESS) {
            self.left_out.push(Part::OfflineAccess);
        }
        true
    }

    /// Leaves a grant out, unless the refusal lists it among those that are allowed.
    fn drop_grant(&mut self, grant: &str, said: Said<'_>) {
        let allowed = said.allowed();
        let allows = |grant: &str| allowed.iter().any(|word| is_grant(word, grant));
        let known =
            || [CODE_GRANT, REFRESH_GRANT, PASSWORD_GRANT, DEVICE_GRANT].into_iter().chain(OTHER_GRANTS);
        if known().any(allows) {
            if !allows(grant) {
                self.grant_types.retain(|own| own != grant);
            }
            return;
        }
        // Not this one, where the refusal names another.
        let words = said.words();
        let names = |grant: &str| words.split(is_between_words).any(|word| is_grant(word, grant));
        if names(grant) || !known().any(names) {
            self.grant_types.retain(|own| own != grant);
        }
    }

    /// The name by which the provider lists the grant, if that is another one; else without it.
    fn drop_or_rename_device_grant(&mut self, said: Said<'_>, metadata: &ProviderMetadata) {
        let listed = metadata.grant_types_supported.iter().map(|grant| &**grant);
        let other = said.allowed().into_iter().chain(listed).find(|name| {
            name.contains("device")
                && *name != DEVICE_GRANT
                && !self.grant_types.iter().any(|own| own == name)
        });
        match (self.grant_types.iter_mut().find(|own| *own == DEVICE_GRANT), other) {
            (Some(own), Some(other)) => other.clone_into(own),
            (Some(_), None) => self.drop_grant(DEVICE_GRANT, said),
            (None, _) => self.grant_types.retain(|own| !own.contains("device")),
        }
    }

    fn rename_hosts(&mut self, from: &str, to: &str) {
        for uri in &mut self.redirect_uris {
            if let Some(rest) =
                uri.strip_prefix(from).filter(|rest| rest.is_empty() || rest.starts_with([':', '/']))
            {
                *uri = [to, rest].concat();
            }
        }
    }

    fn keep_scopes(&mut self, keeps: impl Fn(&str) -> bool) {
        let left = self.scope().split_whitespace().filter(|scope| keeps(scope)).collect::<Vec<_>>().join(" ");
        self.scope = Some(left).filter(|left| !left.is_empty());
    }
}

impl<'a> Said<'a> {
    fn words(self) -> &'a str {
        match self {
            Self::Nothing => "",
            Self::Words(words) => words,
        }
    }

    /// The words that it lists as right; none where it lists nothing, or what is wrong.
    fn allowed(self) -> Vec<&'a str> {
        let words = self.words();
        let begins = ALLOWED_FOLLOWS.iter().filter_map(|phrase| {
            let at = words
                .match_indices(phrase)
                .map(|(at, _)| at)
                .find(|at| !NEGATIONS.iter().any(|negation| words[..*at].ends_with(negation)))?;
            Some(at + phrase.len())
        });
        let Some(begin) = begins.min() else { return Vec::new() };
        words[begin..].split(is_between_words).filter(|word| !word.is_empty()).collect()
    }
}

/// Whether the provider lists its scopes, and not that one.
fn lacks_offline_access(metadata: &ProviderMetadata) -> bool {
    let listed = &metadata.scopes_supported;
    !listed.is_empty() && !lists(listed, scope::OFFLINE_ACCESS)
}

/// What separates the words of a refusal. Scopes and grants have colons, dots and slashes in them.
fn is_between_words(c: char) -> bool {
    c.is_whitespace() || matches!(c, ',' | ';' | '[' | ']' | '(' | ')' | '"' | '\'' | '`' | '<' | '>' | '|')
}

/// Whether a word is the name of that grant, with or without its namespace.
fn is_grant(word: &str, grant: &str) -> bool {
    let bare =
        |name: &str| name.trim_end_matches(['.', ':']).rsplit(':').next().unwrap_or_default().to_owned();
    bare(word) == bare(grant)
}

fn is_web(uri: &str) -> bool {
    uri.starts_with("http://") || uri.starts_with("https://")
}

/// What a person is told of a part that was left out.
pub fn tell(part: Part) -> &'static str {
    match part {
        Part::PrivateScheme => "redirect URIs of a private-use scheme",
        Part::Native => "being a native application (it is registered as a web application)",
        Part::ApplicationType => "the type of the application",
        Part::Password => "the password grant",
        Part::LoopbackByAddress => "redirect URIs with 127.0.0.1 (they have localhost instead)",
        Part::LoopbackByName => "redirect URIs with localhost (they have 127.0.0.1 instead)",
        Part::DeviceGrant => "the device grant under its usual name",
        Part::UnlistedScopes => "scopes that the provider does not list",
        Part::Openid => "the scope openid (logins ask for it all the same)",
        Part::OfflineAccess => "the scope offline_access",
        Part::Scope => "the list of scopes",
        Part::ResponseTypes => "response types",
        Part::RefreshGrant => "the refresh grant",
    }
}

/// Whether a list of scopes has all that `asked` has.
pub(crate) fn missing_scopes(asked: &str, given: &str) -> Vec<String> {
    asked.split_whitespace().filter(|scope| !contains(given, scope)).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt() -> Attempt {
        let redirect_uris =
            ["http://localhost:4242".to_owned(), "edu.kit.data.oidc-agent:/redirect".to_owned()];
        Attempt::new(
            "oidc-agent:x",
            "openid offline_access storage.read:/ odd",
            &[REFRESH_GRANT, CODE_GRANT, DEVICE_GRANT],
            &redirect_uris,
        )
    }

    fn metadata(json: &str) -> ProviderMetadata {
        ProviderMetadata::parse(json.as_bytes()).expect("metadata")
    }

    fn usual() -> ProviderMetadata {
        metadata(
            r#"{"scopes_supported":["openid","storage.read:/"],
            "grant_types_supported":["authorization_code","refresh_token"]}"#,
        )
    }

    #[test]
    fn begins_as_a_native_application() {
        assert_eq!(
            attempt().to_json(),
            json!({
                "application_type": "native",
                "client_name": "oidc-agent:x",
                "response_types": ["code"],
                "grant_types": [REFRESH_GRANT, CODE_GRANT, DEVICE_GRANT],
                "scope": "openid offline_access storage.read:/ odd",
                "redirect_uris": ["http://localhost:4242", "edu.kit.data.oidc-agent:/redirect"],
            })
        );
    }

    /// What a refusal said over and over costs, in that order.
    #[test]
    fn gives_in_to_what_is_said_one_part_at_a_time() {
        use Part::*;
        for (said, is_vague, parts) in [
            ("invalid_redirect_uri", true, vec![PrivateScheme, LoopbackByName, Native]),
            ("invalid_redirect_uri: no custom schemes", true, vec![PrivateScheme, LoopbackByName, Native]),
            ("redirect_uris must be http://127.0.0.1", true, vec![PrivateScheme, LoopbackByName, Native]),
            ("invalid_client_metadata: application_type", true, vec![PrivateScheme, Native, ApplicationType]),
            ("scope offline_access is not known", true, vec![OfflineAccess, Scope]),
            ("unknown field scope", true, vec![OfflineAccess, Scope]),
            (
                "Policy 'Allowed Client Scopes' rejected request to client-registration service. \
                 Details: Not permitted to use specified clientScope",
                false,
                vec![OfflineAccess, Scope],
            ),
            ("unsupported grant_type device_code", true, vec![DeviceGrant]),
            ("Grant type not allowed: urn:ietf:params:oauth:grant-type:device_code", true, vec![DeviceGrant]),
            ("grant_types must be one of authorization_code, refresh_token", true, vec![DeviceGrant]),
            ("grant_types: only authorization_code, implicit", true, vec![DeviceGrant, RefreshGrant]),
            ("response_types not supported", true, vec![ResponseTypes]),
            ("you are nobody", false, vec![]),
            (
                "Bad Request",
                true,
                vec![
                    PrivateScheme,
                    LoopbackByName,
                    Native,
                    ApplicationType,
                    OfflineAccess,
                    DeviceGrant,
                    ResponseTypes,
                    Scope,
                    RefreshGrant,
                ],
            ),
        ] {
            let (mut attempt, metadata) = (attempt(), usual());
            let mut steps = 0;
            while attempt.give_in(said, is_vague, &metadata) {
                steps += 1;
                assert!(steps <= Attempt::STEPS, "{said}");
            }
            let told: Vec<_> =
                attempt.left_out().iter().copied().filter(|part| *part != LoopbackByAddress).collect();
            assert_eq!(told, parts, "{said}");
            assert!(attempt.grant_types().iter().any(|grant| grant == CODE_GRANT), "{said}");
        }
    }

    #[test]
    fn scopes_are_given_up_one_by_one_before_the_list_of_them() {
        let listed = metadata(r#"{"scopes_supported":["openid","offline_access","storage.read:/"]}"#);
        let unlisted = metadata(r#"{"scopes_supported":["openid","storage.read:/"]}"#);
        for (said, metadata, left) in [
            (
                "insufficient: clientscope",
                &listed,
                vec![
                    Some("openid offline_access storage.read:/"),
                    Some("offline_access storage.read:/"),
                    Some("storage.read:/"),
                    None,
                ],
            ),
            (
                "Invalid claim: 'scope'",
                &unlisted,
                vec![
                    Some("openid offline_access storage.read:/"),
                    Some("openid storage.read:/"),
                    Some("storage.read:/"),
                    None,
                ],
            ),
            (
                "unknown scope: offline_access.",
                &listed,
                vec![
                    Some("openid offline_access storage.read:/"),
                    Some("openid storage.read:/"),
                    Some("storage.read:/"),
                    None,
                ],
            ),
        ] {
            let mut attempt = attempt();
            for scope in left {
                assert!(attempt.give_in(said, false, metadata), "{said}: {scope:?}");
                assert_eq!(attempt.scope.as_deref(), scope, "{said}");
            }
            // What the list held was not what was refused, unless the provider does not know it.
            let offline_is_gone = attempt.left_out().contains(&Part::OfflineAccess);
            assert_eq!(offline_is_gone, lacks_offline_access(metadata), "{said}");
            assert!(attempt.left_out().ends_with(&[Part::Scope]), "{said}");
        }
    }

    #[test]
    fn what_is_listed_as_allowed_stays() {
        let mut scopes = attempt();
        assert!(scopes.give_in("scope must only contain openid, odd", true, &usual()));
        assert_eq!(scopes.scope(), "openid odd");
        let mut grants = attempt();
        assert!(grants.give_in(
            "unsupported grant device_code, supported: authorization_code refresh_token",
            true,
            &usual()
        ));
        assert_eq!(grants.grant_types(), [REFRESH_GRANT, CODE_GRANT]);
    }

    #[test]
    fn the_device_grant_may_have_another_name() {
        for (said, metadata) in [
            ("unknown grant", metadata(r#"{"grant_types_supported":["authorization_code","device_code"]}"#)),
            ("grant must be one of authorization_code, device_code", ProviderMetadata::default()),
        ] {
            let mut attempt = attempt();
            assert!(attempt.give_in(said, true, &metadata), "{said}");
            assert_eq!(attempt.grant_types(), [REFRESH_GRANT, CODE_GRANT, "device_code"], "{said}");
        }
    }

    #[test]
    fn addresses_are_exchanged_once() {
        let (mut attempt, metadata) = (attempt(), ProviderMetadata::default());
        attempt.leave_out_from_the_first(Part::PrivateScheme, &metadata);
        assert!(attempt.give_in("localhost is refused", true, &metadata));
        assert_eq!(attempt.redirect_uris(), ["http://127.0.0.1:4242"]);
        assert!(!attempt.give_in("127.0.0.1 is refused", true, &metadata));
        let by_address = ["http://127.0.0.1:1/x".to_owned(), "http://127.0.0.100:1".to_owned()];
        let mut attempt = Attempt::new("n", "openid", &[CODE_GRANT], &by_address);
        assert!(attempt.give_in("loopback by name, please", true, &metadata));
        assert_eq!(attempt.redirect_uris(), ["http://localhost:1/x", "http://127.0.0.100:1"]);
    }
}

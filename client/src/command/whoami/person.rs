//! What claims and SCIM say of a person, in one form: each thing once, whatever the provider calls it.

use jiff::Timestamp;
use oidc_proto::{distinguished_name::DistinguishedName, message::PersonReport};
use serde_json::{Map, Value, json};

/// The extension of INDIGO IAM (RFC 7643 section 3.3).
const INDIGO: &str = "urn:indigo-dc:scim:schemas:IndigoUser";
/// Claims with groups: INDIGO IAM's, the WLCG profile's, Keycloak's and EGI's.
const GROUPS: [&str; 3] = ["wlcg.groups", "groups", "group_membership"];
/// Claims with roles: CERN's, and what many use.
const ROLES: [&str; 3] = ["cern_roles", "roles", "role"];
/// Claims with entitlements (AARC-G002 and G027, RFC 9068 section 2.2.3.1).
const ENTITLEMENTS: [&str; 4] =
    ["entitlements", "entitlement", "eduperson_entitlement", "eduPersonEntitlement"];

/// A person, as far as the provider tells.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Person {
    pub issuer: String,
    pub subject: Option<String>,
    pub name: Option<String>,
    pub username: Option<String>,
    pub email: Option<String>,
    pub groups: Vec<String>,
    pub roles: Vec<String>,
    pub entitlements: Vec<String>,
    pub certificates: Vec<Certificate>,
    pub linked: Vec<Linked>,
    /// When the usage policy was signed, in seconds since the epoch.
    pub aup_signed_at: Option<i64>,
    /// When the membership ends, in seconds since the epoch.
    pub ends_at: Option<i64>,
    /// The account there is in use; `None` where the provider does not say.
    pub active: Option<bool>,
}

/// The certificate of a person.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Certificate {
    /// As it came: RFC 2253 or 4514.
    pub subject: String,
    /// `/DC=…/CN=…`, as grid tools compare it; `None` where the subject cannot be read.
    pub subject_with_slashes: Option<String>,
    pub issuer: Option<String>,
    /// In seconds since the epoch, where it is known.
    pub expires_at: Option<i64>,
    pub primary: bool,
}

/// Somebody that this person is elsewhere.
#[derive(Debug, PartialEq, Eq)]
pub struct Linked {
    /// `oidc` or `saml`.
    pub kind: &'static str,
    pub issuer: String,
    pub subject: String,
}

impl Person {
    /// Reads a report. What is of another form than expected is passed over.
    pub fn of(report: &PersonReport) -> Self {
        let nothing = Map::new();
        let claims = report.userinfo.as_ref().unwrap_or(&nothing);
        let scim = report.scim.as_ref().unwrap_or(&nothing);
        let indigo = scim.get(INDIGO).and_then(Value::as_object).unwrap_or(&nothing);
        let full = || Some(format!("{} {}", text(claims, "given_name")?, text(claims, "family_name")?));
        let formatted = || text(scim.get("name")?.as_object()?, "formatted");
        let mail = || primary(list(scim, "emails")).and_then(|mail| text(mail, "value"));
        Self {
            issuer: report.issuer.clone(),
            subject: report.subject.clone(),
            name: text(claims, "name").or_else(full).or_else(formatted).or_else(|| text(scim, "displayName")),
            username: text(claims, "preferred_username").or_else(|| text(scim, "userName")),
            email: text(claims, "email").or_else(mail),
            groups: groups(claims, scim),
            roles: roles(claims),
            entitlements: all(claims, &ENTITLEMENTS),
            certificates: certificates(indigo),
            linked: linked(indigo),
            aup_signed_at: time(indigo, "aupSignatureTime"),
            ends_at: time(indigo, "endTime"),
            active: scim.get("active").and_then(Value::as_bool),
        }
    }

    /// For programs.
    pub fn to_json(&self) -> Value {
        let certificate = |one: &Certificate| {
            json!({
                "subject": one.subject,
                "subject_with_slashes": one.subject_with_slashes,
                "issuer": one.issuer,
                "expires_at": one.expires_at,
                "primary": one.primary,
            })
        };
        let linked = |one: &Linked| json!({"kind": one.kind, "issuer": one.issuer, "subject": one.subject});
        json!({
            "issuer": self.issuer,
            "subject": self.subject,
            "name": self.name,
            "username": self.username,
            "email": self.email,
            "groups": self.groups,
            "roles": self.roles,
            "entitlements": self.entitlements,
            "certificates": self.certificates.iter().map(certificate).collect::<Vec<_>>(),
            "linked": self.linked.iter().map(linked).collect::<Vec<_>>(),
            "aup_signed_at": self.aup_signed_at,
            "ends_at": self.ends_at,
            "active": self.active,
        })
    }
}

/// A text that is not empty.
fn text(object: &Map<String, Value>, key: &str) -> Option<String> {
    object.get(key)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

fn list<'a>(object: &'a Map<String, Value>, key: &str) -> impl Iterator<Item = &'a Map<String, Value>> {
    object.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object)
}

/// The primary one, or else the first.
fn primary<'a>(items: impl Iterator<Item = &'a Map<String, Value>>) -> Option<&'a Map<String, Value>> {
    let items: Vec<_> = items.collect();
    let is_primary = |item: &&&Map<String, Value>| item.get("primary") == Some(&Value::Bool(true));
    items.iter().find(is_primary).or(items.first()).copied()
}

/// A claim that is a text, an array of texts, or of objects with a name.
fn texts(value: Option<&Value>) -> Vec<String> {
    let one = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Object(object) => text(object, "name").or_else(|| text(object, "display")),
        _ => None,
    };
    match value {
        Some(Value::Array(items)) => items.iter().filter_map(one).collect(),
        Some(other) => one(other).into_iter().collect(),
        None => Vec::new(),
    }
}

fn all(claims: &Map<String, Value>, names: &[&str]) -> Vec<String> {
    once(names.iter().flat_map(|name| texts(claims.get(*name))))
}

fn once(items: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    items.into_iter().filter(|item| !item.is_empty() && seen.insert(item.clone())).collect()
}

/// With or without a slash at its beginning it is the same group.
fn groups(claims: &Map<String, Value>, scim: &Map<String, Value>) -> Vec<String> {
    let of_scim = list(scim, "groups").filter_map(|group| text(group, "display"));
    let names = all(claims, &GROUPS).into_iter().chain(of_scim);
    once(names.map(|name| name.strip_prefix('/').map(str::to_owned).unwrap_or(name)))
}

/// Those of Keycloak's clients with the client's name before them.
fn roles(claims: &Map<String, Value>) -> Vec<String> {
    let object = |key: &str| claims.get(key).and_then(Value::as_object);
    let of_realm = texts(object("realm_access").and_then(|access| access.get("roles")));
    let of_clients = object("resource_access").into_iter().flatten().flat_map(|(client, access)| {
        texts(access.get("roles")).into_iter().map(move |role| format!("{client}:{role}"))
    });
    once(all(claims, &ROLES).into_iter().chain(of_realm).chain(of_clients))
}

fn certificates(indigo: &Map<String, Value>) -> Vec<Certificate> {
    let listed = list(indigo, "certificates").chain(list(indigo, "x509Certificates"));
    let mut certificates: Vec<Certificate> = Vec::new();
    for item in listed {
        let Some(subject) = text(item, "subjectDn") else { continue };
        let certificate = Certificate {
            subject_with_slashes: DistinguishedName::parse(&subject).map(|name| name.with_slashes()),
            subject,
            issuer: text(item, "issuerDn"),
            expires_at: ["expirationDate", "notAfter", "endTime"].iter().find_map(|key| time(item, key)),
            primary: item.get("primary") == Some(&Value::Bool(true)),
        };
        if !certificates.contains(&certificate) {
            certificates.push(certificate);
        }
    }
    certificates
}

fn linked(indigo: &Map<String, Value>) -> Vec<Linked> {
    let linked = |kind, item: &Map<String, Value>, issuer: &str, subject: &str| {
        Some(Linked { kind, issuer: text(item, issuer)?, subject: text(item, subject)? })
    };
    let oidc = list(indigo, "oidcIds").filter_map(|item| linked("oidc", item, "issuer", "subject"));
    let saml = list(indigo, "samlIds").filter_map(|item| linked("saml", item, "idpId", "userId"));
    oidc.chain(saml).collect()
}

/// A time: RFC 3339, or milliseconds since the epoch as Java writes them.
fn time(object: &Map<String, Value>, key: &str) -> Option<i64> {
    match object.get(key)? {
        Value::String(text) => text.parse::<Timestamp>().ok().map(Timestamp::as_second),
        Value::Number(number) => {
            number.as_i64().map(|time| if time > 100_000_000_000 { time / 1000 } else { time })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn person(userinfo: &Value, scim: &Value) -> Person {
        let report = PersonReport {
            userinfo: userinfo.as_object().cloned(),
            scim: scim.as_object().cloned(),
            ..PersonReport::default()
        };
        Person::of(&report)
    }

    #[test]
    fn groups_and_roles_are_found_under_every_name_once() {
        let person = person(
            &json!({
                "groups": [{"id": "7", "name": "cms"}, "cms/pilot"], "wlcg.groups": ["/cms", "/cms/uscms"],
                "roles": "admin", "cern_roles": ["admin", "user"], "realm_access": {"roles": ["user", "realm"]},
                "resource_access": {"app": {"roles": ["reader"]}, "odd": 7}, "eduperson_entitlement": ["urn:a", "urn:a"],
                "entitlements": ["urn:b"],
            }),
            &json!({"groups": [{"display": "cms"}, {"display": "late"}, "odd", {}]}),
        );
        assert_eq!(person.groups, ["cms", "cms/uscms", "cms/pilot", "late"]);
        assert_eq!(person.roles, ["admin", "user", "realm", "app:reader"]);
        assert_eq!(person.entitlements, ["urn:b", "urn:a"]);
    }

    #[test]
    fn what_indigo_iam_adds_is_read() {
        let person = person(
            &json!({"sub": "s", "given_name": "Ada", "family_name": "Lovelace"}),
            &json!({
                "userName": "ada", "active": true,
                "emails": [{"value": "b@x"}, {"value": "a@x", "primary": true}],
                INDIGO: {
                    "certificates": [
                        {"primary": true, "subjectDn": "CN=A\\, B,DC=ch", "issuerDn": "CN=CA", "expirationDate": 1_893_456_000_000_i64},
                        {"subjectDn": "no name"}, {"issuerDn": "CN=CA"}, 7,
                    ],
                    "oidcIds": [{"issuer": "https://idp", "subject": "1"}, {"issuer": "https://idp"}],
                    "samlIds": [{"idpId": "https://saml", "userId": "u", "attributeId": "a"}],
                    "aupSignatureTime": "2026-01-02T03:04:05.000Z", "endTime": null,
                },
            }),
        );
        let name = (person.name.as_deref(), person.username.as_deref(), person.email.as_deref());
        assert_eq!(name, (Some("Ada Lovelace"), Some("ada"), Some("a@x")));
        let [known, odd] = person.certificates.as_slice() else { panic!("{:?}", person.certificates) };
        assert_eq!(known.subject_with_slashes.as_deref(), Some("/DC=ch/CN=A, B"));
        assert_eq!((known.expires_at, known.primary), (Some(1_893_456_000), true));
        assert_eq!((odd.subject.as_str(), odd.subject_with_slashes.as_deref()), ("no name", None));
        assert_eq!(person.linked.len(), 2);
        assert_eq!((person.aup_signed_at, person.ends_at), (Some(1_767_323_045), None));
    }

    #[test]
    fn odd_answers_tell_nothing() {
        assert_eq!(
            person(&json!({"groups": 7, "name": []}), &json!({"name": 7, INDIGO: []})),
            Person::default()
        );
    }
}

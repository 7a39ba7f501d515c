//! What a JWT says, in the shapes in which issuers write it.

use serde_json::Value;

use super::{compact::Signed, date::Date};

/// A claim that is a list, as it was written.
#[derive(Clone, Debug, PartialEq)]
pub enum Claim<'a> {
    /// It is not there.
    Absent,
    /// One text.
    Text(&'a str),
    /// An array of texts.
    Array(Vec<&'a str>),
    /// Neither.
    Other,
}

impl<'a> Claim<'a> {
    fn of(value: Option<&'a Value>) -> Self {
        match value {
            None => Self::Absent,
            Some(Value::String(text)) => Self::Text(text),
            Some(Value::Array(items)) => {
                items.iter().map(Value::as_str).collect::<Option<_>>().map_or(Self::Other, Self::Array)
            }
            Some(_) => Self::Other,
        }
    }

    /// The texts in it.
    pub fn texts(self) -> Vec<&'a str> {
        match self {
            Self::Text(text) => vec![text],
            Self::Array(texts) => texts,
            Self::Absent | Self::Other => Vec::new(),
        }
    }
}

/// The claims that hold scopes; the first that is there counts.
const SCOPES: [&str; 2] = ["scope", "scp"];
/// The claims that hold groups, the most specific first: the WLCG profile's, then those of INDIGO IAM and Keycloak, and
/// of the AARC guidelines.
const GROUPS: [&str; 5] =
    ["wlcg.groups", "groups", "eduperson_entitlement", "entitlements", "eduperson_scoped_affiliation"];

impl Signed {
    /// `iss`.
    pub fn issuer(&self) -> Option<&str> {
        self.claims.text("iss")
    }

    /// `sub`.
    pub fn subject(&self) -> Option<&str> {
        self.claims.text("sub")
    }

    /// `aud` as it was written: one text, or an array.
    pub fn audience(&self) -> Claim<'_> {
        Claim::of(self.claims.get("aud"))
    }

    /// The audiences.
    pub fn audiences(&self) -> Vec<&str> {
        self.audience().texts()
    }

    /// `scope` (RFC 9068 section 2.2.3), or `scp` as Microsoft and others have it, as it was written.
    pub fn scope(&self) -> Claim<'_> {
        Claim::of(self.first(&SCOPES).and_then(|name| self.claims.get(name)))
    }

    /// The scopes, each by itself.
    pub fn scopes(&self) -> Vec<&str> {
        self.scope().texts().into_iter().flat_map(str::split_whitespace).collect()
    }

    /// The groups, from the first claim that has any.
    pub fn groups(&self) -> Vec<&str> {
        self.named_groups().map(|(_, groups)| groups).unwrap_or_default()
    }

    /// Whether what this claim says is among what [`Signed::issuer`] and the like give: what a list of all others leaves out.
    /// One that is not in the shape that it should have is not.
    pub fn is_shown_by_itself(&self, name: &str) -> bool {
        match name {
            "iss" => self.issuer().is_some(),
            "sub" => self.subject().is_some(),
            "aud" => !self.audiences().is_empty(),
            "scope" | "scp" => self.first(&SCOPES) == Some(name) && !matches!(self.scope(), Claim::Other),
            "exp" | "nbf" | "iat" => matches!(self.claims.date(name), Date::At(_)),
            _ => self.named_groups().is_some_and(|(group, _)| group == name),
        }
    }

    /// The first of these claims that is there.
    fn first(&self, names: &[&'static str]) -> Option<&'static str> {
        names.iter().copied().find(|name| self.claims.get(name).is_some_and(|value| !value.is_null()))
    }

    fn named_groups(&self) -> Option<(&'static str, Vec<&str>)> {
        let groups = GROUPS.into_iter().map(|name| (name, Claim::of(self.claims.get(name)).texts()));
        groups.into_iter().find(|(_, groups)| !groups.is_empty())
    }

    /// `alg` of the header.
    pub fn algorithm(&self) -> Option<&str> {
        self.header.text("alg").filter(|name| !name.is_empty())
    }

    /// `kid` of the header.
    pub fn key_id(&self) -> Option<&str> {
        self.header.text("kid").filter(|name| !name.is_empty())
    }

    /// `typ` of the header as RFC 7515 section 4.1.9 compares it: in lower case, without `application/`.
    pub fn media_type(&self) -> Option<String> {
        let name = self.header.text("typ")?.to_ascii_lowercase();
        Some(name.strip_prefix("application/").map_or(name.clone(), str::to_owned))
    }
}

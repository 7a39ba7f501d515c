//! What a JWT says, in the shapes in which issuers write it.

use serde_json::Value;

use super::compact::Signed;

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
        Claim::of(["scope", "scp"].iter().find_map(|name| self.claims.get(name).filter(|v| !v.is_null())))
    }

    /// The scopes, each by itself.
    pub fn scopes(&self) -> Vec<&str> {
        self.scope().texts().into_iter().flat_map(str::split_whitespace).collect()
    }

    /// The groups, from the first claim that has any.
    pub fn groups(&self) -> Vec<&str> {
        let groups = GROUPS.iter().map(|name| Claim::of(self.claims.get(name)).texts());
        groups.into_iter().find(|groups| !groups.is_empty()).unwrap_or_default()
    }

    /// Whether it is a claim that has a line of its own, beside those for times: what a list of all others leaves out.
    pub fn is_shown_by_itself(name: &str) -> bool {
        matches!(name, "iss" | "sub" | "aud" | "scope" | "scp" | "exp" | "nbf" | "iat")
            || GROUPS.contains(&name)
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

//! Whether a token is what was asked for, as far as that can be told.

use oidc_proto::{
    destination::ANY_AUDIENCE,
    jwt::Claims,
    message::TokenReply,
    scope::{granted_besides, not_granted},
};
use serde_json::{Map, Value, json};

use crate::process::clock;

/// What was asked for, what was granted and what is missing, as far as the reply and the token themselves tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grant {
    /// What was asked for; `None`: what goes without saying.
    pub asked: Asked,
    /// The scopes of the token: as the agent tells them, else as the token itself does.
    scope: Option<String>,
    /// Whom it is for, if it is a JWT that says so (RFC 9068).
    audience: Option<Vec<String>>,
    missing_scope: Vec<String>,
    missing_audience: Vec<String>,
}

/// What a token is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// Separated by blanks.
    pub scope: Option<String>,
    /// Separated by blanks.
    pub audience: Option<String>,
}

impl Grant {
    /// Compares. Nothing is known to be missing in an opaque token of which nobody tells anything.
    pub fn of(asked: Asked, reply: &TokenReply) -> Self {
        let claims = Claims::of(reply.access_token.expose());
        // A reduction that the reply is silent about is in the token.
        let scope = reply.scope.clone().or_else(|| claims.as_ref()?.scope());
        let audience =
            claims.map(|claims| claims.audiences().into_iter().map(str::to_owned).collect::<Vec<_>>());
        let audience = audience.filter(|audience| !audience.is_empty());
        let owned = |words: Vec<&str>| words.into_iter().map(str::to_owned).collect();
        let missing_scope = match (&asked.scope, &scope) {
            (Some(asked), Some(granted)) => owned(not_granted(asked, granted)),
            _ => Vec::new(),
        };
        let missing_audience = match (&asked.audience, &audience) {
            (Some(asked), Some(granted)) => {
                let is_missing = |word: &&str| !granted.iter().any(|granted| granted == word);
                owned(asked.split_whitespace().filter(is_missing).collect())
            }
            _ => Vec::new(),
        };
        Self { asked, scope, audience, missing_scope, missing_audience }
    }

    /// What the token lacks, a text each, with what the agent warns of.
    pub fn shortfall(&self, reply: &TokenReply) -> Vec<String> {
        let mut texts = reply.warnings.clone();
        for (what, missing) in [("scope", &self.missing_scope), ("audience", &self.missing_audience)] {
            // What the agent has said is not said again.
            let is_told = |word: &String| {
                reply.warnings.iter().any(|text| text.split_whitespace().any(|told| told == word.as_str()))
            };
            if !missing.iter().all(is_told) {
                texts.push(format!("{what} not granted: {}", missing.join(" ")));
            }
        }
        texts
    }

    /// What is said of a token that is for everybody, or for more than was asked for. Another audience is left alone: what the
    /// provider adds there says who it is for itself.
    pub fn surplus(&self) -> Option<String> {
        let (asked, granted) = (self.asked.scope.as_deref()?, self.scope.as_deref()?);
        let besides = granted_besides(asked, granted);
        (!besides.is_empty())
            .then(|| format!("the provider granted more than was asked for: {}", besides.join(" ")))
    }

    /// What is said of a token that is for every service though it was asked for one.
    pub fn is_for_all(&self) -> Option<&'static str> {
        let is_for_all = self.audience.iter().flatten().any(|audience| audience == ANY_AUDIENCE);
        (is_for_all && !self.missing_audience.is_empty()).then_some(
            "the token has the audience of every service (https://wlcg.cern.ch/jwt/v1/any) instead: services take it, and \
             whoever gets hold of it can use it at all of them",
        )
    }

    /// Adds `asked`, `granted` and `missing` to an object.
    pub fn add_to(&self, object: &mut Map<String, Value>) {
        let words = |text: &Option<String>| -> Value {
            text.as_deref().map(|text| text.split_whitespace().collect::<Vec<_>>()).into()
        };
        let asked = json!({"scope": words(&self.asked.scope), "audience": words(&self.asked.audience)});
        let granted = json!({"scope": words(&self.scope), "audience": self.audience});
        let missing = json!({"scope": self.missing_scope, "audience": self.missing_audience});
        for (name, value) in [("asked", asked), ("granted", granted), ("missing", missing)] {
            object.insert(name.to_owned(), value);
        }
    }
}

/// What is said of a token that ends before `seconds` have passed.
pub fn lifetime_shortfall(seconds: u64, reply: &TokenReply) -> Option<String> {
    let left = reply.expires_at?.saturating_sub(clock::now());
    (left < seconds).then(|| format!("the token is valid for {left} seconds only, {seconds} were asked for"))
}

#[cfg(test)]
mod tests {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
    use oidc_proto::secret::AccessToken;

    use super::*;

    fn grant(scope: Option<&str>, audience: Option<&str>, reply: &TokenReply) -> Grant {
        Grant::of(Asked { scope: scope.map(str::to_owned), audience: audience.map(str::to_owned) }, reply)
    }

    fn shortfall(scope: Option<&str>, audience: Option<&str>, reply: &TokenReply) -> Vec<String> {
        grant(scope, audience, reply).shortfall(reply)
    }

    fn surplus(scope: Option<&str>, reply: &TokenReply) -> Option<String> {
        grant(scope, None, reply).surplus()
    }

    fn reply(token: &str) -> TokenReply {
        TokenReply {
            access_token: AccessToken::from(token),
            issuer: "https://op".into(),
            expires_at: Some(0),
            scope: None,
            warnings: Vec::new(),
            refresh_token: None,
        }
    }

    fn jwt(claims: &str) -> TokenReply {
        reply(&format!("e30.{}.sig", BASE64_URL_SAFE_NO_PAD.encode(claims)))
    }

    #[test]
    fn a_jwt_tells_what_it_grants() {
        let token = jwt(r#"{"scope":"openid profile","aud":["https://a","b"]}"#);
        assert_eq!(shortfall(Some("openid"), Some("b"), &token), Vec::<String>::new());
        assert_eq!(
            shortfall(Some("openid storage.read:/"), Some("https://a c"), &token),
            ["scope not granted: storage.read:/", "audience not granted: c"]
        );
    }

    #[test]
    fn scopes_come_back_in_many_shapes() {
        for granted in ["openid profile", "openid,profile", "profile, openid"] {
            let token = TokenReply { scope: Some(granted.into()), ..reply("opaque") };
            assert!(shortfall(Some("openid profile offline_access"), None, &token).is_empty(), "{granted}");
            assert_eq!(shortfall(Some("email"), None, &token), ["scope not granted: email"]);
        }
        for claims in [
            r#"{"scope":"openid profile"}"#,
            r#"{"scope":["openid","profile"]}"#,
            r#"{"scp":["openid","profile"]}"#,
            r#"{"scp":"openid profile"}"#,
        ] {
            assert!(shortfall(Some("openid profile"), None, &jwt(claims)).is_empty(), "{claims}");
            assert_eq!(shortfall(Some("email"), None, &jwt(claims)), ["scope not granted: email"]);
        }
    }

    #[test]
    fn a_scope_with_a_path_is_granted_by_one_above_it() {
        let token = jwt(r#"{"scope":"storage.modify:/store storage.read:/store/user","aud":["https://a"]}"#);
        let asked = "storage.create:/store/x storage.read:/store/username storage.stage:/store";
        let grant = grant(Some(asked), Some("https://a https://b"), &token);
        let mut object = Map::new();
        grant.add_to(&mut object);
        assert_eq!(
            Value::Object(object),
            json!({
                "asked": {"scope": asked.split(' ').collect::<Vec<_>>(), "audience": ["https://a", "https://b"]},
                "granted": {"scope": ["storage.modify:/store", "storage.read:/store/user"], "audience": ["https://a"]},
                "missing": {"scope": ["storage.read:/store/username", "storage.stage:/store"], "audience": ["https://b"]},
            })
        );
    }

    #[test]
    fn a_token_for_everybody_is_pointed_out() {
        let token = jwt(r#"{"aud":"https://wlcg.cern.ch/jwt/v1/any"}"#);
        assert_eq!(shortfall(None, Some("https://a"), &token), ["audience not granted: https://a"]);
        assert!(grant(None, Some("https://a"), &token).is_for_all().is_some());
        assert!(grant(None, None, &token).is_for_all().is_none());
    }

    #[test]
    fn nothing_is_said_of_what_is_not_known() {
        assert!(shortfall(Some("x"), Some("y"), &reply("opaque")).is_empty());
        assert!(shortfall(Some("x"), Some("y"), &jwt("{}")).is_empty());
        assert!(shortfall(None, None, &jwt(r#"{"scope":"x"}"#)).is_empty());
    }

    #[test]
    fn the_agent_knows_best() {
        let token = TokenReply { scope: Some("a".into()), ..reply("opaque") };
        assert_eq!(shortfall(Some("a b"), None, &token), ["scope not granted: b"]);
        let told = "the provider did not grant the scope b".to_owned();
        let token = TokenReply { warnings: vec!["w".into(), told.clone()], ..token };
        assert_eq!(shortfall(None, None, &token), ["w", told.as_str()]);
        assert_eq!(shortfall(Some("a b"), None, &token), ["w", told.as_str()]);
        assert_eq!(shortfall(Some("b c"), None, &token), ["w", told.as_str(), "scope not granted: b c"]);
    }

    #[test]
    fn more_than_was_asked_for_is_no_shortfall() {
        let token = jwt(r#"{"scope":"openid a b c"}"#);
        assert_eq!(
            surplus(Some("a"), &token).as_deref(),
            Some("the provider granted more than was asked for: b c")
        );
        assert!(shortfall(Some("a"), None, &token).is_empty());
        assert_eq!((surplus(Some("a b c"), &token), surplus(None, &token)), (None, None));
        assert_eq!(surplus(Some("a"), &reply("opaque")), None);
    }

    #[test]
    fn a_token_about_to_expire_is_too_short() {
        assert!(lifetime_shortfall(60, &reply("x")).is_some());
        assert_eq!(lifetime_shortfall(0, &reply("x")), None);
        assert_eq!(lifetime_shortfall(60, &TokenReply { expires_at: None, ..reply("x") }), None);
    }
}

//! `aws_credentials` (ours): temporary credentials of AWS, Ceph or MinIO for a token of an account.
//!
//! The agent shows a token to a security token service (`AssumeRoleWithWebIdentity` of the AWS STS API, version 2011-06-15)
//! and hands on what it gives. The token itself stays in the agent.

use std::fmt;

use super::{
    Failure,
    field::{put, put_flag, required, seconds},
    token::{may_prompt, put_no_prompt},
};
use crate::{json::Object, secret::SecretText};

/// Seconds that credentials last: below an hour an SDK would ask for others more often than it uses them (it begins a quarter
/// of an hour before the end), and no role allows more than twelve.
const DURATIONS: std::ops::RangeInclusive<u64> = 3600..=12 * 3600;
/// Longest ARN of a role (AWS STS, `RoleArn`).
const MAX_ROLE: usize = 2048;
/// Longest name of a session (AWS STS, `RoleSessionName`).
const MAX_SESSION: usize = 64;
/// Longest name of a region; AWS's are below 20.
const MAX_REGION: usize = 32;

/// The member of a reply.
pub(super) const MEMBER: &str = "aws_credentials";

/// `aws_credentials`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsCredentialsRequest {
    /// Short name of the account whose token is shown.
    pub account: String,
    /// Scopes of that token, separated by blanks; `None` for those of the account.
    pub scope: Option<String>,
    /// Audiences of that token, separated by blanks.
    pub audience: Option<String>,
    /// Whether an ID token is shown, and no access token.
    pub id_token: bool,
    /// `RoleArn`.
    pub role: String,
    /// `RoleSessionName`: 2 to 64 of `[A-Za-z0-9_=,.@-]`; `None` for one that names agent and account.
    pub session: Option<String>,
    /// The service: `https` to anywhere, or `http` to this machine. `None` for AWS itself.
    pub endpoint: Option<String>,
    /// The AWS region whose service is asked where there is no `endpoint`; `None` for the global one.
    pub region: Option<String>,
    /// `DurationSeconds`; `None` for an hour. At least an hour, at most twelve.
    pub duration: Option<u64>,
    /// CA bundle for the service instead of the system's.
    pub cert_path: Option<String>,
    /// Name of the program that wants them, shown in prompts.
    pub application_hint: Option<String>,
    /// Whether the agent may ask the person through its prompt program.
    pub prompt: bool,
}

/// What AWS calls temporary security credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct AwsCredentials {
    /// `AccessKeyId`: names the key, and is no secret.
    pub access_key_id: String,
    /// `SecretAccessKey`.
    pub secret_access_key: SecretText,
    /// `SessionToken`.
    pub session_token: SecretText,
    /// When they end, in seconds since the epoch.
    pub expires_at: u64,
}

/// A field of the request with a value that no service would take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{field} is not {expected}")]
pub struct WrongField {
    /// As on the wire.
    pub field: &'static str,
    /// Which values there are.
    pub expected: &'static str,
}

impl From<WrongField> for Failure {
    fn from(wrong: WrongField) -> Self {
        Self::wrong_field(wrong.field, wrong.expected)
    }
}

/// Whether a text is an ARN as those of roles are: `arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE`, where Ceph and MinIO leave some
/// parts empty.
pub fn is_role(text: &str) -> bool {
    let parts: Vec<_> = text.splitn(6, ':').collect();
    text.len() <= MAX_ROLE
        && text.bytes().all(|byte| byte.is_ascii_graphic())
        && matches!(parts[..], ["arn", partition, _, _, _, resource] if !partition.is_empty() && !resource.is_empty())
}

/// What the service's log calls whoever uses an account's credentials, where nobody has said otherwise.
pub fn session_of(account: &str) -> String {
    let of_account = account.chars().map(|c| if is_of_session(c) { c } else { '-' });
    "oidc-".chars().chain(of_account).take(MAX_SESSION).collect()
}

/// Whether a session's name may have this character.
fn is_of_session(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_=,.@-".contains(c)
}

impl AwsCredentialsRequest {
    /// A request for an hour with the account's own token.
    pub fn new(account: impl Into<String>, role: impl Into<String>) -> Self {
        Self {
            account: account.into(),
            scope: None,
            audience: None,
            id_token: false,
            role: role.into(),
            session: None,
            endpoint: None,
            region: None,
            duration: None,
            cert_path: None,
            application_hint: None,
            prompt: true,
        }
    }

    /// How long the credentials last, in seconds.
    pub fn seconds(&self) -> u64 {
        self.duration.unwrap_or(*DURATIONS.start())
    }

    /// What no service would take, told before anybody is asked. The address of the service is left to whoever talks to it.
    pub fn check(&self) -> Result<(), WrongField> {
        let wrong = |field, expected| Err(WrongField { field, expected });
        if !is_role(&self.role) {
            return wrong("role", "the ARN of a role, such as arn:aws:iam::123456789012:role/NAME");
        }
        if !DURATIONS.contains(&self.seconds()) {
            let expected = "between 1 and 12 hours; an SDK asks for other credentials a quarter of an hour before the end";
            return wrong("duration", expected);
        }
        let is_label = |text: &String| {
            (1..=MAX_REGION).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        };
        if self.region.as_ref().is_some_and(|region| !is_label(region)) {
            return wrong("region", "a region of AWS, such as eu-central-1");
        }
        let is_session =
            |text: &String| (2..=MAX_SESSION).contains(&text.len()) && text.chars().all(is_of_session);
        if self.session.as_ref().is_some_and(|session| !is_session(session)) {
            return wrong("session", "2 to 64 letters, digits and '_=,.@-'");
        }
        Ok(())
    }

    pub(super) fn read(object: &Object) -> Result<Self, Failure> {
        Ok(Self {
            account: required(object, "account")?,
            scope: object.string("scope"),
            audience: object.string("audience"),
            id_token: object.flag("id_token"),
            role: required(object, "role")?,
            session: object.string("session"),
            endpoint: object.string("endpoint"),
            region: object.string("region"),
            duration: seconds(object, "duration"),
            cert_path: object.string("cert_path"),
            application_hint: object.string("application_hint"),
            prompt: may_prompt(object),
        })
    }

    pub(super) fn write(&self, object: &mut Object) {
        object.insert("account", self.account.as_str());
        put(object, "scope", self.scope.as_deref());
        put(object, "audience", self.audience.as_deref());
        put_flag(object, "id_token", self.id_token);
        object.insert("role", self.role.as_str());
        put(object, "session", self.session.as_deref());
        put(object, "endpoint", self.endpoint.as_deref());
        put(object, "region", self.region.as_deref());
        if let Some(duration) = self.duration {
            object.insert("duration", duration);
        }
        put(object, "cert_path", self.cert_path.as_deref());
        put(object, "application_hint", self.application_hint.as_deref());
        put_no_prompt(object, self.prompt);
    }
}

impl AwsCredentials {
    pub(super) fn from_object(object: &Object) -> Option<Self> {
        Some(Self {
            access_key_id: object.string("access_key_id")?,
            secret_access_key: SecretText::new(object.string("secret_access_key")?),
            session_token: SecretText::new(object.string("session_token")?),
            expires_at: seconds(object, "expires_at")?,
        })
    }

    pub(super) fn to_object(&self) -> Object {
        let mut object = Object::default();
        object.insert("access_key_id", self.access_key_id.as_str());
        object.insert("secret_access_key", self.secret_access_key.expose());
        object.insert("session_token", self.session_token.expose());
        object.insert("expires_at", self.expires_at);
        object
    }
}

/// The name of the key and its end.
impl fmt::Debug for AwsCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsCredentials")
            .field("access_key_id", &self.access_key_id)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Reply, Request},
        *,
    };

    #[test]
    fn request_and_reply_survive_the_wire() {
        let request = AwsCredentialsRequest {
            scope: Some("openid".to_owned()),
            audience: Some("sts.example".to_owned()),
            id_token: true,
            session: Some("me".to_owned()),
            endpoint: Some("https://s3.example".to_owned()),
            region: Some("eu-west-1".to_owned()),
            duration: Some(7200),
            cert_path: Some("/ca.pem".to_owned()),
            application_hint: Some("aws".to_owned()),
            prompt: false,
            ..AwsCredentialsRequest::new("demo", "arn:aws:iam::1:role/r")
        };
        let sent = Request::AwsCredentials(Box::new(request));
        assert_eq!(Request::parse(sent.to_json().as_bytes()).expect("a request"), sent);
        let reply = Reply::AwsCredentials(AwsCredentials {
            access_key_id: "ASIA".to_owned(),
            secret_access_key: "canary-secret".into(),
            session_token: "canary-token".into(),
            expires_at: 1_800_000_000,
        });
        assert_eq!(Reply::parse(reply.to_json().as_bytes()), Ok(reply.clone()));
        assert!(!format!("{reply:?}").contains("canary"));
    }

    #[test]
    fn a_role_is_needed() {
        let refused = Request::parse(br#"{"request":"aws_credentials","account":"a"}"#).expect_err("no role");
        assert!(refused.error.contains("'role'"), "{refused}");
    }
}

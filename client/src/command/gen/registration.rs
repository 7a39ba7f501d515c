//! Dynamic registration (RFC 7591): asking for a client, and telling what came back different from what was asked.

use oidc_proto::{
    account::AccountConfig,
    error_code::ErrorCode,
    json::Object,
    message::{Failure, Flow, RegisterRequest, Registration, Reply, Request},
    scope,
    secret::SecretText,
};
use serde_json::Value;

use super::session::Session;
use crate::context::error::Error;

/// RFC 8628 section 3.4.
const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// How a registration ended.
pub enum Registered {
    /// There is one.
    Client {
        /// As the provider described it.
        client: Object,
        /// What it had to be registered without, as the person is told at the end.
        left_out: Vec<String>,
    },
    /// The provider registers none.
    Refused(Box<Failure>),
}

/// Asks the provider for a client. `token`: an initial access token (RFC 7591 section 3).
pub fn register(
    session: &mut Session,
    account: &AccountConfig,
    flows: &[Flow],
    token: Option<&SecretText>,
) -> Result<Registered, Error> {
    session.progress("Registering Client ...")?;
    let request = Request::Register(Box::new(RegisterRequest {
        config: session.for_agent(account),
        flows: flows.to_vec(),
        authorization: token.cloned(),
        no_scheme: session.args.login.no_scheme,
    }));
    match session.context.agent.call(&request)? {
        Reply::Registered(registration) if registration.client.text("client_id").is_some() => {
            session.remarks.extend(left_out(&registration));
            Ok(Registered::Client { client: registration.client, left_out: registration.left_out })
        }
        // Registered, though not as wanted: the client must not be lost.
        Reply::Failure(mut failure) => match failure.client.take() {
            Some(client) if client.text("client_id").is_some() => {
                session.context.output.warning(&failure.error);
                Ok(Registered::Client { client: *client, left_out: Vec::new() })
            }
            _ if is_refusal(failure.code) => Ok(Registered::Refused(Box::new(failure))),
            _ => Err(failure.into()),
        },
        _ => Err(Error::UnexpectedReply("register")),
    }
}

/// Whether another client would help: not where the provider cannot be reached, nor where the agent itself says no.
fn is_refusal(code: ErrorCode) -> bool {
    !matches!(
        code,
        ErrorCode::AccountAlreadyLoaded
            | ErrorCode::AgentLocked
            | ErrorCode::BadRequest
            | ErrorCode::NotPermitted
            | ErrorCode::ProviderBadResponse
            | ErrorCode::ProviderMismatch
            | ErrorCode::ProviderTimeout
            | ErrorCode::ProviderTls
            | ErrorCode::ProviderUnreachable
            | ErrorCode::TooManyRequests
    )
}

/// What the client had to be registered without, in one sentence.
fn left_out(registration: &Registration) -> Option<String> {
    let (last, others) = registration.left_out.split_last()?;
    let parts = if others.is_empty() { last.clone() } else { format!("{} and {last}", others.join(", ")) };
    Some(match &registration.left_out_because {
        Some(said) => {
            format!("Left out of the registration: {parts}, because the provider refused it ({said}).")
        }
        None => {
            format!("Left out of the registration: {parts}, because this provider is known to refuse it.")
        }
    })
}

/// The account with its client: what the provider says of the client wins, and only scopes that it registered are asked for.
///
/// An answer describes a client and nothing else of the account: members by which an account says where its tokens come from
/// or which files and addresses are used are passed over, or a provider could have a program run (`subject_token`).
pub fn merge(mut account: AccountConfig, client: &Object) -> AccountConfig {
    if let Some(registered) = scope::of(client, "scope") {
        account.auth_scope = account.login_scope().map(|wanted| granted_scopes(wanted, &registered));
    }
    let registered = AccountConfig::from_object(client.clone());
    set(&mut account.client_id, registered.client_id);
    set(&mut account.client_secret, registered.client_secret);
    set(&mut account.client_name, registered.client_name);
    set(&mut account.registration_access_token, registered.registration_access_token);
    set(&mut account.registration_client_uri, registered.registration_client_uri);
    if !registered.redirect_uris.is_empty() {
        account.redirect_uris = registered.redirect_uris;
    }
    for (key, value) in registered.other.members() {
        // One that this version does not read stays among the others, and a later one would.
        if key != "subject_token" && !is_empty(value) {
            account.other.insert(key.clone(), value.clone());
        }
    }
    account
}

/// Takes what was registered, if anything was.
fn set<T>(own: &mut Option<T>, registered: Option<T>) {
    if registered.is_some() {
        *own = registered;
    }
}

/// Those of the wanted scopes that were registered. `openid` is not always listed, but always there.
fn granted_scopes(wanted: &str, registered: &str) -> String {
    let kept =
        wanted.split_whitespace().filter(|scope| *scope == "openid" || scope::contains(registered, scope));
    kept.collect::<Vec<_>>().join(" ")
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

/// What was asked for and not registered.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Scopes.
    pub scopes: Vec<String>,
    /// Grant types.
    pub grants: Vec<String>,
}

impl Difference {
    /// Compares. What the provider does not mention is taken for registered (RFC 7591 section 3.2.1 wants it to).
    pub fn between(wanted_scope: Option<&str>, flows: &[Flow], client: &Object) -> Self {
        let missing_scopes = scope::of(client, "scope").map(|registered| {
            let wanted = wanted_scope.unwrap_or_default().split_whitespace();
            wanted
                .filter(|scope| *scope != "openid" && !scope::contains(&registered, scope))
                .map(str::to_owned)
                .collect()
        });
        let registered = client.strings("grant_types");
        let missing_grants = wanted_grants(flows)
            .filter(|grant| !registered.is_empty() && !registered.iter().any(|other| other == grant))
            .map(str::to_owned)
            .collect();
        Self { scopes: missing_scopes.unwrap_or_default(), grants: missing_grants }
    }

    /// The same without the scopes that `told` names already.
    pub fn besides(mut self, told: &[String]) -> Self {
        let is_word = |c: char| c.is_whitespace() || matches!(c, ',' | '(' | ')');
        self.scopes.retain(|scope| !told.iter().any(|text| text.split(is_word).any(|word| word == scope)));
        self
    }

    /// Tells the person.
    pub fn show(&self, session: &mut Session) {
        let output = &mut session.context.output;
        if !self.scopes.is_empty() {
            output.warning(&format!(
                "The registered client does not have all the requested scopes. The following are missing: {}",
                self.scopes.join(" ")
            ));
        }
        if !self.grants.is_empty() {
            let grants = self.grants.join(" ");
            output.warning(&format!(
                "The registered client may not use all the requested grants. Missing: {grants}"
            ));
        }
    }

    /// The flows that the client may use; all of them where none would be left.
    pub fn usable(&self, flows: &[Flow]) -> Vec<Flow> {
        let is_usable =
            |flow: &Flow| !grant(*flow).is_some_and(|grant| self.grants.iter().any(|other| other == grant));
        let usable: Vec<_> = flows.iter().copied().filter(is_usable).collect();
        if usable.is_empty() { flows.to_vec() } else { usable }
    }
}

fn wanted_grants(flows: &[Flow]) -> impl Iterator<Item = &'static str> {
    std::iter::once("refresh_token").chain(flows.iter().filter_map(|flow| grant(*flow)))
}

/// The grant type of a flow (RFC 7591 section 2).
fn grant(flow: Flow) -> Option<&'static str> {
    match flow {
        Flow::Code => Some("authorization_code"),
        Flow::Device => Some(DEVICE_GRANT),
        Flow::Password => Some("password"),
        Flow::Refresh | Flow::MytokenOidc => None,
        Flow::ClientCredentials | Flow::TokenExchange | Flow::JwtBearer => flow.robot_grant(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(text: &str) -> Object {
        Object::parse(text.as_bytes()).expect("an object")
    }

    #[test]
    fn what_is_missing_is_named() {
        let answer = client(r#"{"scope":"openid a","grant_types":["authorization_code"]}"#);
        let difference = Difference::between(Some("openid a b"), &[Flow::Code, Flow::Device], &answer);
        assert_eq!(difference.scopes, ["b"]);
        assert_eq!(difference.grants, ["refresh_token", DEVICE_GRANT]);
        assert_eq!(difference.usable(&[Flow::Device, Flow::Code]), [Flow::Code]);
        assert_eq!(difference.usable(&[Flow::Device]), [Flow::Device]);
    }

    #[test]
    fn what_was_left_out_is_not_missing_as_well() {
        let answer = client(r#"{"scope":"openid"}"#);
        let difference = || Difference::between(Some("openid offline_access a b offline"), &[], &answer);
        let told = ["the scope offline_access".to_owned(), "scopes that it does not list (a, b)".to_owned()];
        assert_eq!(difference().besides(&told).scopes, ["offline"]);
        assert_eq!(difference().besides(&[]).scopes.len(), 4);
    }

    #[test]
    fn registered_scopes_are_seen_however_they_are_written() {
        for scope in [r#""openid,a""#, r#"["openid","a"]"#] {
            let answer = client(&format!(r#"{{"scope":{scope}}}"#));
            assert_eq!(Difference::between(Some("openid a b"), &[], &answer).scopes, ["b"], "{scope}");
            let account =
                AccountConfig { auth_scope: Some("openid a b".to_owned()), ..AccountConfig::default() };
            assert_eq!(merge(account, &answer).auth_scope.as_deref(), Some("openid a"), "{scope}");
        }
    }

    #[test]
    fn silence_is_no_difference() {
        let difference = Difference::between(Some("openid a"), &[Flow::Device], &client("{}"));
        assert_eq!(difference, Difference::default());
    }

    #[test]
    fn registration_data_is_kept_and_dropped_scopes_are_not_asked_for() {
        let account = AccountConfig {
            name: Some("acc".to_owned()),
            issuer_url: Some("https://op".to_owned()),
            auth_scope: Some("openid a b".to_owned()),
            ..AccountConfig::default()
        };
        let merged = merge(
            account,
            &client(
                r#"{"client_id":"c","client_secret":"s","registration_access_token":"r","client_id_issued_at":7,
                    "registration_client_uri":"https://op/c","scope":"a","name":"x","contacts":[]}"#,
            ),
        );
        assert_eq!(merged.name.as_deref(), Some("acc"));
        assert_eq!(merged.auth_scope.as_deref(), Some("openid a"));
        assert_eq!(merged.client_id.as_deref(), Some("c"));
        assert_eq!(merged.registration_client_uri.as_deref(), Some("https://op/c"));
        assert!(merged.registration_access_token.is_some() && merged.other.contains("client_id_issued_at"));
        assert!(!merged.other.contains("contacts"));
    }

    #[test]
    fn an_answer_says_nothing_but_what_the_client_is() {
        let account = AccountConfig { issuer_url: Some("https://op".to_owned()), ..AccountConfig::default() };
        for member in [
            r#""subject_token":{"command":["/bin/sh","-c","id"]},"grant_type":"urn:ietf:params:oauth:grant-type:token-exchange""#,
            r#""subject_token":{"of a later":"version"}"#,
            r#""cert_path":"/ca","config_endpoint":"file:///x","mytoken_url":"https://m","oauth":1"#,
            r#""refresh_token":"r","username":"u","password":"p","audience":"a","refresh_scope":"s","issuer":"https://x""#,
            r#""device_authorization_endpoint":"https://d","daeSetByUser":1,"requested_token_type":"t","resource":"r""#,
        ] {
            let merged = merge(account.clone(), &client(&format!(r#"{{"client_id":"c",{member}}}"#)));
            let expected = AccountConfig { client_id: Some("c".to_owned()), ..account.clone() };
            assert_eq!(merged, expected, "{member}");
        }
    }
}

//! `userinfo` and `clients`: what the provider says of the person of an account, asked with an access token of it.

use std::sync::Arc;

use oidc_proto::{
    account::{AccountConfig, grant_type, same_issuer},
    deadlines,
    error_code::ErrorCode,
    jwt::Claims,
    message::{ClientList, Failure, PersonProblem, PersonReport, PersonRequest, Target, TokenRequest},
    scope,
};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{consent::Asking, loaded::Accounts, token_cache::CachedToken};
use crate::{
    caller::Caller,
    provider::{Provider, ProviderError},
};

/// Who is asked for what, and with what.
struct Query {
    config: AccountConfig,
    provider: Arc<Provider>,
    token: Arc<CachedToken>,
    deadline: Instant,
}

/// A source of a report, and the scope that opens it.
#[derive(Clone, Copy)]
struct Source {
    name: &'static str,
    scope: &'static str,
}

const USERINFO: Source = Source { name: "userinfo", scope: "openid" };
const SCIM: Source = Source { name: "scim", scope: "scim:read" };

impl Accounts {
    /// What the provider says of the person. That one of its sources does not answer is told in the report.
    pub async fn userinfo(
        &self,
        request: PersonRequest,
        caller: Caller<'_>,
    ) -> Result<PersonReport, Failure> {
        let config = self.config_of_person(&request, caller).await?;
        let query = self.query(request, config, caller).await?;
        let (token, deadline) = (&query.token.access_token, query.deadline);
        let client_id = query.config.client_id.as_deref().unwrap_or_default();
        let (userinfo, scim) = tokio::join!(
            query.provider.userinfo(token, client_id, deadline),
            query.provider.scim_me(token, deadline),
        );
        let mut report = PersonReport {
            issuer: query.config.issuer_url.clone().unwrap_or_default(),
            subject: query.subject(),
            login_scope: query.config.login_scope().map(str::to_owned),
            ..PersonReport::default()
        };
        report.userinfo = query.taken(USERINFO, userinfo.map(Some), "sub", &mut report);
        report.scim = query.taken(SCIM, scim, "id", &mut report);
        Ok(report)
    }

    /// The clients that the provider says the person has.
    pub async fn clients(&self, request: PersonRequest, caller: Caller<'_>) -> Result<ClientList, Failure> {
        let config = self.config_of_person(&request, caller).await?;
        let name = request.account.clone();
        let issuer = config.issuer_url.clone().unwrap_or_default();
        let failure = |error: ProviderError| Failure {
            // The C suite's help is about refresh tokens.
            info: None,
            ..error.to_failure(&name, &issuer)
        };
        let provider = self.deps().providers.provider(&config).map_err(failure)?;
        // Before a token is got for nothing.
        if !provider.lists_clients(Instant::now() + deadlines::TOKEN).await.map_err(failure)? {
            let error = format!("{} does not tell which clients a person has", provider.name());
            return Err(Failure::new(ErrorCode::NotSupportedByProvider, error));
        }
        let query = self.query(request, config, caller).await?;
        let asked = query.provider.clients(&query.token.access_token, query.deadline).await;
        let (clients, is_cut) = asked.map_err(failure)?;
        Ok(ClientList { issuer, clients, is_cut })
    }

    /// The account, loaded if need be; it has to be a person's.
    async fn config_of_person(
        &self,
        request: &PersonRequest,
        caller: Caller<'_>,
    ) -> Result<AccountConfig, Failure> {
        let asking = Asking::new(caller, request.application_hint.as_deref(), request.prompt);
        let account = self.account_for(&Target::Account(request.account.clone()), &asking).await?;
        let config = account.with_open(|open| open.config.clone())?;
        if config.grant_type.as_deref() == Some(grant_type::CLIENT_CREDENTIALS) {
            let error = format!(
                "nobody logs in with the account '{}': its tokens are the client's own",
                account.name
            );
            let help =
                "It has a client id and no person, so there are no groups, roles or certificates to tell of.";
            return Err(Failure::new(ErrorCode::NoPerson, error).with_info(help));
        }
        Ok(config)
    }

    async fn query(
        &self,
        request: PersonRequest,
        config: AccountConfig,
        caller: Caller<'_>,
    ) -> Result<Query, Failure> {
        let wanted = TokenRequest {
            application_hint: request.application_hint,
            prompt: request.prompt,
            ..TokenRequest::new(Target::Account(request.account.clone()))
        };
        let token = self.access_token(wanted, caller).await?;
        let issuer = config.issuer_url.as_deref().unwrap_or_default();
        let provider = self.deps().providers.provider(&config);
        let provider = provider.map_err(|error| error.to_failure(&request.account, issuer))?;
        Ok(Query { config, provider, token, deadline: Instant::now() + deadlines::TOKEN })
    }
}

impl Query {
    /// Whom the access token is about, where it is a JWT of this issuer.
    fn subject(&self) -> Option<String> {
        let claims = Claims::of(self.token.access_token.expose())?;
        let is_own = same_issuer(claims.text("iss")?, self.config.issuer_url.as_deref()?);
        claims.text("sub").filter(|_| is_own).map(str::to_owned)
    }

    /// Takes an answer into the report unless it is about somebody else (OpenID Connect Core section 5.3.2).
    fn taken(
        &self,
        source: Source,
        answer: Result<Option<Map<String, Value>>, ProviderError>,
        subject: &str,
        report: &mut PersonReport,
    ) -> Option<Map<String, Value>> {
        let answer = match answer {
            Ok(answer) => answer?,
            Err(error) => {
                report.problems.push(self.problem(source, &error));
                return None;
            }
        };
        let found = answer.get(subject).and_then(Value::as_str).unwrap_or_default();
        match &report.subject {
            Some(known) if known != found => {
                let error = format!(
                    "{}: {} is about somebody else, so it is not used",
                    self.provider.name(),
                    source.name
                );
                report.problems.push(PersonProblem {
                    source: source.name.to_owned(),
                    error_code: ErrorCode::ProviderMismatch.as_str().to_owned(),
                    error,
                    needed_scope: None,
                });
                None
            }
            known => {
                if known.is_none() && !found.is_empty() {
                    report.subject = Some(found.to_owned());
                }
                Some(answer)
            }
        }
    }

    fn problem(&self, source: Source, error: &ProviderError) -> PersonProblem {
        let needed = error.is_forbidden() && !self.has_scope(source.scope);
        PersonProblem {
            source: source.name.to_owned(),
            error_code: error.code().as_str().to_owned(),
            error: error.to_string(),
            needed_scope: needed.then(|| source.scope.to_owned()),
        }
    }

    /// Whether the token is known to have a scope.
    fn has_scope(&self, wanted: &str) -> bool {
        let own = || Claims::of(self.token.access_token.expose())?.scope();
        let granted = self.token.scope.as_deref().map(str::to_owned).or_else(own);
        granted.is_some_and(|granted| scope::contains(&granted, wanted))
    }
}

//! `gen`: the flows in the order asked for, up to the first that works or that waits for the person.

use oidc_proto::{
    error_code::ErrorCode,
    message::{Failure, Flow, GenRequest, Reply},
};

use super::{Login, code::ComingBack, mytoken, provider_deadline, purpose::Purpose};

impl Login {
    /// Logs in, or begins to.
    ///
    /// A flow that fails makes room for the next one; where it is the only one its own failure is the answer, else a
    /// summary.
    pub async fn generate(&self, request: GenRequest) -> Result<Reply, Failure> {
        self.generate_for(&request, &Purpose::Account).await
    }

    /// The same, for whoever goes on with what it brings.
    pub(super) async fn generate_for(
        &self,
        request: &GenRequest,
        purpose: &Purpose,
    ) -> Result<Reply, Failure> {
        let flows = without_repetition(&request.flows);
        let mut failures = Vec::new();
        for flow in &flows {
            match self.run(*flow, request, purpose).await {
                Ok(reply) => return Ok(reply),
                Err(failure) if flows.len() == 1 || is_of_any_flow(failure.code) => return Err(failure),
                Err(failure) => failures.push((*flow, failure)),
            }
        }
        Err(no_flow_was_successful(&failures))
    }

    async fn run(&self, flow: Flow, request: &GenRequest, purpose: &Purpose) -> Result<Reply, Failure> {
        let (config, purpose) = (request.config.clone(), purpose.clone());
        mytoken::require_flow_of(&config, flow)?;
        match flow {
            Flow::Refresh => self.log_in_by_refresh_token(config, request.only_at).await,
            Flow::Password => self.log_in_by_password(config, request.only_at).await,
            Flow::Code if config.redirect_uris.is_empty() => Err(no_redirect_uris()),
            Flow::Code => {
                let login_request =
                    self.login_request(config, request.only_at, purpose, provider_deadline()).await?;
                let options = &self.0.accounts.deps().options;
                let coming_back = ComingBack {
                    webserver: options.webserver && !request.no_webserver,
                    custom_scheme: options.custom_scheme && !request.no_scheme,
                };
                self.begin_code_login(login_request, coming_back).await
            }
            Flow::Device => {
                let login_request =
                    self.login_request(config, request.only_at, purpose, provider_deadline()).await?;
                self.begin_device_login(login_request).await
            }
            Flow::ClientCredentials | Flow::TokenExchange | Flow::JwtBearer => {
                self.make_robot(config, flow, request.only_at).await
            }
            Flow::MytokenOidc => self.begin_mytoken_login(config, request.only_at, purpose).await,
        }
    }
}

/// Whether another flow would fail for the same reason.
fn is_of_any_flow(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::AgentLocked | ErrorCode::SubjectTokenUnavailable)
}

/// `oidc-gen --flow=refresh` of the C suite names that flow twice.
fn without_repetition(flows: &[Flow]) -> Vec<Flow> {
    let mut once = Vec::with_capacity(flows.len());
    for flow in flows {
        if !once.contains(flow) {
            once.push(*flow);
        }
    }
    once
}

fn no_redirect_uris() -> Failure {
    Failure::new(ErrorCode::BadRequest, "Only 'code' flow specified, but no redirect uris")
}

/// The C suite's text, and what became of each flow. The code is that of the last one, which was the best hope.
fn no_flow_was_successful(failures: &[(Flow, Failure)]) -> Failure {
    let code = failures.last().map_or(ErrorCode::BadRequest, |(_, failure)| failure.code);
    let causes: Vec<_> =
        failures.iter().map(|(flow, failure)| format!("{}: {failure}", flow.as_str())).collect();
    Failure::new(code, "No flow was successful.").with_info(causes.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_flows_are_tried_once() {
        let flows = [Flow::Refresh, Flow::Refresh, Flow::Code, Flow::Refresh];
        assert_eq!(without_repetition(&flows), [Flow::Refresh, Flow::Code]);
    }

    #[test]
    fn a_summary_names_each_flow() {
        let failures = [
            (Flow::Refresh, Failure::no_refresh_token()),
            (Flow::Device, Failure::new(ErrorCode::NotSupportedByProvider, "no device flow")),
        ];
        let failure = no_flow_was_successful(&failures);
        assert_eq!(failure.error, "No flow was successful.");
        assert_eq!(failure.code, ErrorCode::NotSupportedByProvider);
        let causes = "refresh: No or malformed refresh token\ndevice: no device flow\n";
        assert_eq!(failure.info.as_deref(), Some(causes));
    }
}

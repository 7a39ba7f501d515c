//! `reauthenticate`: a new login for an account that exists.

use oidc_proto::{
    message::{Failure, Flow, GenRequest, Reply},
    shell,
    shortname::Shortname,
};

use super::Login;

/// The C agent's order: no question first, a code that works from anywhere next, a browser on this machine last.
const FLOWS: [Flow; 3] = [Flow::Password, Flow::Device, Flow::Code];

impl Login {
    /// Begins a login for a loaded account; answered as `gen`. Its other data stay as they are.
    ///
    /// The C agent answers an unknown account with two objects in one reply; this is one.
    pub async fn reauthenticate(&self, account: &str) -> Result<Reply, Failure> {
        let name: Shortname = account.parse().map_err(|_| Failure::account_not_found())?;
        let config = match self.0.accounts.held_config(&name) {
            Ok(config) => config,
            Err(failure) if self.0.accounts.names().contains(&name) => return Err(failure),
            Err(_) => return Err(self.not_loaded(&name)),
        };
        // Nobody logs in for a robot: it proves that it still gets tokens.
        let only = config.mytoken_url.as_ref().map(|_| Flow::MytokenOidc).or_else(|| Flow::of_robot(&config));
        let flows = only.map_or_else(|| FLOWS.into(), |flow| vec![flow]);
        self.generate(GenRequest { config, flows, no_scheme: true, ..GenRequest::default() }).await
    }

    fn not_loaded(&self, name: &Shortname) -> Failure {
        if !self.0.accounts.deps().home.file(name).is_file() {
            return Failure::account_not_found();
        }
        Failure::account_not_loaded().with_info(format!(
            "Load the account first: run `{}`, then try again.",
            shell::command("oidc add", name.as_str())
        ))
    }
}

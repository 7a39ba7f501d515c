//! A whole login that the agent has the person make: in a browser on their display, or by a code for another device.

use std::{borrow::Cow, os::unix::process::CommandExt, process::Stdio, sync::Arc, time::Duration};

use oidc_proto::{
    account::AccountConfig,
    deadlines,
    environment::without_secrets,
    error_code::ErrorCode,
    message::{DeviceAuthorization, DeviceRequest, Failure, Flow, GenRequest, Reply},
};
use tokio::time::sleep;

use super::{Login, code_login::CodeLogin, phase::Phase, purpose::Purpose};
use crate::{
    accounts::account::Account,
    prompt::{Buttons, Pinentry, PromptError, Question, bounded},
};

/// Enter closes the window and leaves the login as it is.
const BUTTONS: Buttons = Buttons { ok: "Hide", not_ok: None, cancel: "Give up" };
/// The longest texts of others that are shown, in bytes. A longer address is left out: half of one is worth nothing.
const MAX_NAME: usize = 50;
const MAX_ISSUER: usize = 80;
const MAX_CODE: usize = 60;
const MAX_ADDRESS: usize = 600;
/// The shortest and the longest pause between two polls, whatever the provider says.
const MIN_INTERVAL: Duration = Duration::from_millis(500);
const MAX_INTERVAL: Duration = Duration::from_secs(60);

/// Ends a login by browser when it is dropped, and its web server with it; a page on its way is still delivered.
struct UnderWay<'a> {
    login: &'a Login,
    code_login: &'a Arc<CodeLogin>,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.login.under_way().codes.remove(self.code_login);
    }
}

impl Login {
    /// Has the person log in anew for an account, which goes on with that. Dropped, it gives the login up.
    pub(super) async fn renew(&self, account: Arc<Account>, person: &Pinentry) -> Result<(), Failure> {
        let config = account.with_open(|open| open.whole_config())?;
        let flows = flows(&config, person.has_display());
        let request = GenRequest { config, flows, no_scheme: true, ..GenRequest::default() };
        match self.generate_for(&request, &Purpose::Renewal(Arc::clone(&account))).await? {
            Reply::AcceptedCode { uri, state } => {
                let code_login = self.find_code_login(&state).ok_or_else(Failure::wrong_state)?;
                open_in_browser(&uri, person);
                let shown = in_browser(&account, &uri);
                let done = self.await_code_login(&code_login);
                Box::pin(self.with_window(person, shown, done)).await
            }
            Reply::AcceptedDevice(device) => {
                let address = device.verification_uri_complete.as_deref().unwrap_or(&device.verification_uri);
                if person.has_display() {
                    open_in_browser(address, person);
                }
                let shown = on_another_device(&account, &device);
                Box::pin(self.with_window(person, shown, self.await_device_login(&device))).await
            }
            _ => Ok(()),
        }
    }

    /// Shows a window for as long as a login takes. Its "Give up" is an end of both.
    async fn with_window(
        &self,
        person: &Pinentry,
        text: String,
        done: impl Future<Output = Result<(), Failure>>,
    ) -> Result<(), Failure> {
        let question = Question {
            title: Cow::Borrowed("Log in"),
            description: Cow::Owned(text),
            label: Cow::Borrowed(""),
            error: None,
        };
        let window = async {
            if person.has_display() {
                person.decide(question, &BUTTONS, deadlines::LOGIN).await
            } else {
                // A terminal shows one question at a time, whatever it is about.
                self.0.accounts.deps().prompts.decide(person, question, &BUTTONS, deadlines::LOGIN).await
            }
        };
        tokio::pin!(window, done);
        tokio::select! {
            biased;
            done = &mut done => done,
            pressed = &mut window => match pressed {
                Err(PromptError::Cancelled) => Err(given_up()),
                // Hidden, or not to be shown: the login goes on all the same.
                _ => done.await,
            },
        }
    }

    async fn await_code_login(&self, code_login: &Arc<CodeLogin>) -> Result<(), Failure> {
        let _under_way = UnderWay { login: self, code_login };
        code_login
            .phase
            .until(|phase| match phase {
                // The browser's try failed for good.
                Phase::Open(_) => code_login.noted().map(Err),
                Phase::Locked => None,
                Phase::Refused(failure) => Some(Err(failure)),
                Phase::Unloaded(_) | Phase::Loaded | Phase::Token(_) | Phase::Fetched => Some(Ok(())),
            })
            .await?;
        self.fetch(code_login).await.map(drop)
    }

    async fn await_device_login(&self, device: &DeviceAuthorization) -> Result<(), Failure> {
        let interval = Duration::from_secs(device.interval).clamp(MIN_INTERVAL, MAX_INTERVAL);
        loop {
            sleep(interval).await;
            let request = DeviceRequest { device: device.clone(), only_at: false };
            match self.device(request).await {
                Ok(_) => return Ok(()),
                Err(failure) if goes_on(failure.code) => {}
                Err(failure) => return Err(failure),
            }
        }
    }
}

/// The ways to log in, the best first. A browser has to be on this machine, where the agent's web server is.
fn flows(config: &AccountConfig, has_display: bool) -> Vec<Flow> {
    if config.mytoken_url.is_some() {
        return vec![Flow::MytokenOidc];
    }
    let by_browser = has_display && !config.redirect_uris.is_empty();
    by_browser.then_some(Flow::Code).into_iter().chain([Flow::Device]).collect()
}

/// Whether the next poll may bring more.
fn goes_on(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::AuthorizationPending
            | ErrorCode::SlowDown
            | ErrorCode::AgentLocked
            | ErrorCode::ProviderUnreachable
            | ErrorCode::ProviderTimeout
    )
}

/// Opens an address in the person's browser, on the display that they are asked on. What cannot be opened can be read in the
/// window.
fn open_in_browser(address: &str, person: &Pinentry) {
    // The address may be the provider's.
    if !url::Url::parse(address).is_ok_and(|url| matches!(url.scheme(), "http" | "https")) {
        return;
    }
    for mut opener in open::commands(address) {
        without_secrets(&mut opener).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        opener.envs(person.display().iter().map(|(name, value)| (name, value)));
        opener.process_group(0);
        // Reaped by the runtime when it ends.
        if tokio::process::Command::from(opener).spawn().is_ok() {
            return;
        }
    }
    tracing::info!("no program opens a browser here");
}

fn in_browser(account: &Account, uri: &str) -> String {
    format!(
        "Log in for the account '{}' at {} in your browser.\n{}\nThis window closes when that is done.",
        bounded(account.name.as_str(), MAX_NAME),
        bounded(&account.issuer, MAX_ISSUER),
        address(uri)
            .map(|uri| format!("If none has opened, open this address:\n{uri}\n"))
            .unwrap_or_default(),
    )
}

fn on_another_device(account: &Account, device: &DeviceAuthorization) -> String {
    let code = Some(&device.user_code).filter(|code| !code.is_empty());
    let code = code.map(|code| format!("Code: {}\n", bounded(code, MAX_CODE))).unwrap_or_default();
    format!(
        "Log in for the account '{}' at {}: open this address on any device.\n{}\n{code}\n\
         This window closes when that is done.",
        bounded(account.name.as_str(), MAX_NAME),
        bounded(&account.issuer, MAX_ISSUER),
        address(&device.verification_uri)
            .unwrap_or_else(|| "(the address is too long to be shown)".to_owned()),
    )
}

/// An address that can be shown as a whole.
fn address(uri: &str) -> Option<String> {
    let shown = bounded(uri, MAX_ADDRESS);
    (shown == uri).then_some(shown)
}

fn given_up() -> Failure {
    Failure::new(ErrorCode::PromptCancelled, "it was given up in the agent's window")
}

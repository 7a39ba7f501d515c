//! The device authorization grant (RFC 8628): its beginning, and one poll after the other.

use std::sync::Arc;

use oidc_proto::message::{DeviceAuthorization, DeviceRequest, Failure, Reply};

use super::{
    Login, answer_of,
    device_login::{DeviceAttempt, DeviceLogin},
    provider_deadline,
    setting::{Setting, no_refresh_token},
    table::Entry,
    told,
};
use crate::provider::{self, DevicePoll};

impl Login {
    /// Asks the provider for a code that the person types elsewhere.
    pub(super) async fn begin_device_login(&self, setting: Setting) -> Result<Reply, Failure> {
        let config = &setting.config;
        let own_endpoint = config
            .device_authorization_endpoint
            .as_deref()
            .filter(|_| config.device_authorization_endpoint_set_by_user);
        let authorization = setting.provider.authorize_device(
            setting.client()?,
            &setting.scope,
            own_endpoint,
            provider_deadline(),
        );
        let authorization = authorization.await.map_err(told(config))?;
        let reply = Reply::AcceptedDevice(on_the_wire(&authorization));
        let now = self.clock().boot();
        let login = Arc::new(DeviceLogin::new(setting, authorization, now));
        self.under_way().unlocked()?.devices.insert(Arc::clone(&login), now)?;
        self.sweep_at(login.expires_at());
        Ok(reply)
    }

    /// `device`: one poll, forwarded to the provider unless it comes too early for that.
    pub async fn device(&self, request: DeviceRequest) -> Result<Reply, Failure> {
        let clock = self.clock();
        let login = self.under_way().devices.find(request.device.device_code.expose(), clock.boot());
        let login = login.ok_or_else(Failure::wrong_device_code)?;
        if !login.may_poll(clock.boot()) {
            return Err(Failure::authorization_pending());
        }
        let attempt = login.attempt()?;
        let DeviceAttempt { setting, authorization } = &*attempt;
        let poll = setting.provider.poll_device(
            setting.client()?,
            authorization,
            setting.config.audience.as_deref(),
            provider_deadline(),
        );
        let response = match poll.await {
            Ok(DevicePoll::Granted(response)) => *response,
            Ok(DevicePoll::Pending) => {
                login.answered(false, clock.boot());
                return Err(Failure::authorization_pending());
            }
            Ok(DevicePoll::SlowDown) => {
                login.answered(true, clock.boot());
                return Err(Failure::slow_down().with_info(answer_of(setting.provider.name())));
            }
            // The person may be typing the code right now: a provider that is away for a moment ends nothing.
            Err(error) if error.is_transient() && login.failed(clock.boot()) => {
                tracing::info!(account = %setting.name, %error, "polling goes on");
                return Err(Failure::authorization_pending());
            }
            Err(error) => {
                if !error.is_transient() {
                    self.under_way().devices.remove(&login);
                }
                return Err(told(&setting.config)(error));
            }
        };
        self.under_way().devices.remove(&login);
        let judged = setting.judge_id_token(&response, None, provider_deadline()).await;
        judged.map_err(told(&setting.config))?;
        let gain = setting.gain(response, None, request.only_at).ok_or_else(no_refresh_token)?;
        tracing::info!(account = %setting.name, "logged in");
        self.deliver(gain).await
    }
}

fn on_the_wire(authorization: &provider::DeviceAuthorization) -> DeviceAuthorization {
    DeviceAuthorization {
        device_code: authorization.device_code.clone(),
        user_code: authorization.user_code.clone(),
        verification_uri: authorization.verification_uri.clone(),
        verification_uri_complete: authorization.verification_uri_complete.clone(),
        expires_in: authorization.expires_in.map(|life| life.as_secs()),
        interval: authorization.interval.as_secs(),
    }
}

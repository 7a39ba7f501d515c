//! The device flow (RFC 8628) as the person sees it: an address, a code, and the same as a QR code.

use std::time::Duration;

use oidc_proto::{
    error_code::ErrorCode,
    message::{DeviceAuthorization, DeviceRequest, Request},
};

use serde_json::json;

use super::{
    super::session::Session,
    outcome::{Outcome, finished},
    qr,
};
use crate::{context::error::Error, say::exit::Exit};

/// What `slow_down` adds to the interval, for good (RFC 8628 section 3.5).
const SLOW_DOWN: Duration = Duration::from_secs(5);
/// The longest interval and the longest lifetime that are believed: an agent may pass on whatever a provider says.
const LONGEST_INTERVAL: u64 = 5 * 60;
const LONGEST_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a code is taken for valid whose lifetime the provider does not tell.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(15 * 60);
/// How often the countdown moves.
const TICK: Duration = Duration::from_secs(1);
/// The longest pause after failures to reach the provider.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Lines of the terminal that the QR code must leave free.
const LINES_OF_TEXT: usize = 4;

/// Shows the code and asks the agent, as often as the provider allows, whether the person has used it.
pub fn log_in(session: &mut Session, device: &DeviceAuthorization) -> Result<Outcome, Error> {
    show(session, device);
    let outcome = poll(session, device);
    session.context.output.end_transient();
    outcome
}

fn show(session: &mut Session, device: &DeviceAuthorization) {
    let address = device.verification_uri_complete.as_deref().unwrap_or(&device.verification_uri);
    let output = &mut session.context.output;
    let picture = session.desk.terminal_size().and_then(|(columns, rows)| {
        qr::render(address, output.has_colour(), columns, rows.saturating_sub(LINES_OF_TEXT))
    });
    let code = Some(&device.user_code).filter(|code| !code.is_empty());
    let code_line = code.map(|code| format!("\nAnd enter the code: {code}")).unwrap_or_default();
    let object = json!({
        "status": "accepted",
        "verification_uri": device.verification_uri,
        "verification_uri_complete": device.verification_uri_complete,
        "user_code": code,
        "expires_in": device.expires_in,
    });
    output.instruction(
        &format!("Using a browser on any device, visit:\n{}{code_line}", device.verification_uri),
        &object,
    );
    if let Some(picture) = picture {
        output.picture(&picture);
    }
}

fn poll(session: &mut Session, device: &DeviceAuthorization) -> Result<Outcome, Error> {
    let (lifetime, mut interval) = times(device);
    let deadline = session.desk.now() + lifetime;
    let mut pause = interval;
    // What the last poll failed for, where that may pass.
    let mut last = None;
    loop {
        let is_over = count_down(session, deadline, pause)?;
        // Also when its time is over: the agent knows why nothing came of it.
        let request = DeviceRequest { device: device.clone(), only_at: session.args.login.only_at };
        let error = match session.context.call(&Request::Device(request)) {
            Ok(reply) => return finished(reply, "device"),
            Err(error) => error,
        };
        match error.failure_code() {
            Some(ErrorCode::AuthorizationPending | ErrorCode::SlowDown | ErrorCode::WrongDeviceCode)
                if is_over =>
            {
                return Err(Error::Other(Exit::Refused, "Device code is not valid any more!".to_owned()));
            }
            _ if is_over => return Err(error),
            // That was the end: its answer would have been the tokens.
            Some(ErrorCode::WrongDeviceCode) if last.is_some() => return Err(last.unwrap_or(error)),
            Some(ErrorCode::AuthorizationPending) => (pause, last) = (interval, None),
            Some(ErrorCode::SlowDown) => {
                interval += SLOW_DOWN;
                pause = interval;
            }
            // RFC 8628 section 3.5: back off when the provider cannot be reached.
            Some(code) if is_transient(code) => {
                (pause, last) = ((pause * 2).min(LONGEST_PAUSE).max(interval), Some(error));
            }
            _ => return Err(error),
        }
    }
}

/// How long the code is valid, and the least time between two polls.
fn times(device: &DeviceAuthorization) -> (Duration, Duration) {
    let lifetime = device.expires_in.filter(|seconds| *seconds > 0).map(Duration::from_secs);
    let lifetime = lifetime.unwrap_or(DEFAULT_LIFETIME).min(LONGEST_LIFETIME);
    (lifetime, Duration::from_secs(device.interval.clamp(1, LONGEST_INTERVAL)))
}

fn is_transient(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::ProviderUnreachable | ErrorCode::ProviderTimeout | ErrorCode::TooManyRequests)
}

/// Waits for a pause, showing how long the code stays valid. `true`: it is not any more.
fn count_down(session: &mut Session, deadline: std::time::Instant, pause: Duration) -> Result<bool, Error> {
    let until = session.desk.now() + pause;
    loop {
        let now = session.desk.now();
        if now >= deadline {
            return Ok(true);
        }
        let left = until.saturating_duration_since(now);
        if left.is_zero() {
            return Ok(false);
        }
        let text = clock(deadline.saturating_duration_since(now));
        session.context.output.transient(&format!("Waiting for the login: {text} left; Ctrl-C cancels."));
        session.desk.wait(left.min(TICK))?;
    }
}

fn clock(left: Duration) -> String {
    let seconds = left.as_secs();
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_is_minutes_and_seconds() {
        assert_eq!(clock(Duration::from_millis(599_999)), "9:59");
        assert_eq!(clock(Duration::ZERO), "0:00");
        assert_eq!(clock(Duration::from_secs(3600)), "60:00");
    }

    #[test]
    fn times_are_bounded_whatever_the_agent_passes_on() {
        let device = |expires_in, interval| DeviceAuthorization {
            device_code: "d".into(),
            user_code: "u".into(),
            verification_uri: "https://op/d".into(),
            verification_uri_complete: None,
            expires_in,
            interval,
        };
        let longest = (LONGEST_LIFETIME, Duration::from_secs(LONGEST_INTERVAL));
        assert_eq!(times(&device(Some(u64::MAX), u64::MAX)), longest);
        assert_eq!(times(&device(Some(0), 0)), (DEFAULT_LIFETIME, Duration::from_secs(1)));
        assert_eq!(times(&device(Some(60), 7)), (Duration::from_secs(60), Duration::from_secs(7)));
    }
}

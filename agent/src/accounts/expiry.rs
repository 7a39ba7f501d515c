//! What of an account ends when: the login, and the registration of its client; and how that is known.

use std::time::Duration;

use oidc_proto::{
    account::login_end,
    jwt::Claims,
    message::{KnownBy, Reminder},
    shortname::Shortname,
};

use super::held::Open;
use crate::clock::{BootTime, Moment};

/// How often something is told.
const TOLD_EVERY: Duration = Duration::from_secs(24 * 3600);

/// When the login ends, in seconds since the epoch, and how that is known: what the refresh token says itself goes before what
/// the provider said of it.
pub fn of_login(open: &Open) -> Option<(u64, KnownBy)> {
    let token = open.tokens.current()?;
    let claimed = Claims::of(token.expose()).and_then(|claims| claims.expires_at());
    let told = || login_end::of(&open.config, token).map(|at| (at, KnownBy::Provider));
    claimed.map(|at| (at, KnownBy::Claim)).or_else(told)
}

/// When the registration of the client ends, in seconds since the epoch.
pub fn of_client(open: &Open) -> Option<u64> {
    login_end::of_client(&open.config)
}

/// What ends within `ahead` from now on. `None`: nothing.
pub fn soon(name: &Shortname, open: &Open, ahead: Duration, now: Moment) -> Option<Reminder> {
    let is_soon = |at: &u64| *at < now.wall.saturating_add(ahead.as_secs());
    // Where the login has ended already, whoever asks for a token is told so.
    let login_ends_at =
        of_login(open).map(|(at, _)| at).filter(|_| open.standing.refusal().is_none()).filter(is_soon);
    let client_ends_at = of_client(open).filter(is_soon);
    let is_something = login_ends_at.is_some() || client_ends_at.is_some();
    is_something.then(|| Reminder { account: name.to_string(), login_ends_at, client_ends_at })
}

/// When something was told last.
#[derive(Debug, Clone, Copy, Default)]
pub struct Told(Option<BootTime>);

impl Told {
    /// Whether it is to be told again; if so, it counts as told.
    pub fn again(&mut self, now: BootTime) -> bool {
        let is_due = self.0.is_none_or(|told| now.since(told) >= TOLD_EVERY);
        if is_due {
            self.0 = Some(now);
        }
        is_due
    }

    /// When, for a process of the agent that goes on with the account.
    pub fn at(&self) -> Option<BootTime> {
        self.0
    }

    /// What [`Told::at`] gave.
    pub fn handed_on(at: Option<BootTime>) -> Self {
        Self(at)
    }
}

#[cfg(test)]
mod tests {
    use oidc_proto::message::AccountStatus;

    use super::{
        super::{
            source::played::Played,
            testing::{Bench, START, granted},
        },
        *,
    };
    use crate::{provider::TokenResponse, settings::options::Options};

    const DAY: u64 = 24 * 3600;

    /// A provider that says of each refresh token that it lives that many days.
    fn telling(days: u64, rotates: bool) -> Played {
        Played::new(true, move |question| {
            let sent = question.secret.map(|secret| secret.expose().to_owned()).unwrap_or_default();
            let next = if rotates { format!("{sent}x") } else { String::new() };
            let refresh_expires_in = Some(Duration::from_secs(days * DAY));
            Ok(TokenResponse { refresh_expires_in, ..granted("at", &next) })
        })
    }

    fn status(bench: &Bench) -> AccountStatus {
        bench.accounts.status().remove(0)
    }

    fn reminder(bench: &Bench) -> Option<Reminder> {
        bench.accounts.reminder("acc")
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_provider_says_of_a_refresh_token_is_kept_with_it() {
        for rotates in [true, false] {
            let (bench, played) = (Bench::new(), telling(30, rotates));
            let file = bench.add_played(&played).await;
            assert_eq!(status(&bench).refresh_token_expires_at, None);
            bench.token("acc").await.expect("a token");
            let known = (status(&bench).refresh_token_expires_at, status(&bench).refresh_token_expires_as);
            assert_eq!(known, (Some(START + 30 * DAY), Some(KnownBy::Provider)), "rotates: {rotates}");
            let account = file.account();
            let token = account.refresh_token.clone().expect("a token");
            let kept = login_end::of(&account, &token);
            // A file is not written for that alone.
            assert_eq!(kept, rotates.then_some(START + 30 * DAY));
            file.set_token("another login's");
            bench.accounts.remove(&"acc".parse().expect("a name"));
            let account = file.account();
            assert_eq!(login_end::of(&account, &"another login's".into()), None);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_refresh_token_says_itself_counts_first() {
        use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
        let (bench, played) = (Bench::new(), telling(30, false));
        let file = bench.add_played(&played).await;
        let claims = URL_SAFE_NO_PAD.encode(format!(r#"{{"exp":{}}}"#, START + 10 * DAY));
        file.set_token(&format!("eyJhbGciOiJub25lIn0.{claims}."));
        bench.token("acc").await.expect("a token");
        let status = status(&bench);
        let known = (status.refresh_token_expires_at, status.refresh_token_expires_as);
        assert_eq!(known, (Some(START + 10 * DAY), Some(KnownBy::Claim)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_ends_soon_is_told_once_a_day() {
        let (bench, played) = (Bench::new(), telling(30, false));
        bench.add_played(&played).await;
        bench.token("acc").await.expect("a token");
        assert_eq!(reminder(&bench), None, "30 days ahead");
        assert_eq!(bench.accounts.reminder("unknown"), None);
        bench.clock.suspend(Duration::from_secs(24 * DAY));
        let told = reminder(&bench).expect("6 days ahead");
        assert_eq!((told.account.as_str(), told.login_ends_at), ("acc", Some(START + 30 * DAY)));
        assert_eq!((told.client_ends_at, reminder(&bench)), (None, None), "told already");
        bench.clock.suspend(Duration::from_secs(DAY - 1));
        assert_eq!(reminder(&bench), None);
        bench.clock.suspend(Duration::from_secs(1));
        assert!(reminder(&bench).is_some(), "the next day");
    }

    #[tokio::test(start_paused = true)]
    async fn a_registration_that_ends_is_told_too_and_the_time_ahead_is_set() {
        for (ahead, days, is_told) in
            [(Some(7), 6, true), (Some(7), 8, false), (Some(9), 8, true), (None, 1, false)]
        {
            let warn_before = ahead.map(|days| Duration::from_secs(days * DAY));
            let bench = Bench::with(Options { warn_before, ..Options::default() });
            bench.add("https://op.example", "acc").await;
            bench.held(|open| open.config.other.insert("client_secret_expires_at", START + days * DAY));
            assert_eq!(status(&bench).client_expires_at, Some(START + days * DAY));
            let told = reminder(&bench).and_then(|told| told.client_ends_at);
            assert_eq!(told, is_told.then_some(START + days * DAY), "{ahead:?} {days}");
        }
    }
}

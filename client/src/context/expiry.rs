//! What of an account ends when, from the access token over the login to the client, and what mends it: in words.

use jiff::{Timestamp, tz::TimeZone};
use oidc_proto::{
    message::{AccountStatus, KnownBy, Reminder},
    shell,
};

/// What ends sooner than this is pointed out, in seconds.
const SOON: u64 = 7 * 24 * 3600;

/// The chain, a line for each link whose end is known.
pub fn chain(account: &AccountStatus, now: Timestamp) -> Vec<String> {
    let mut lines = Vec::new();
    let next = if account.login_needed.is_some() { "" } else { ": the next one comes by itself" };
    let token = account.token_expires_at.filter(|end| !is_over(*end, now));
    lines.extend(token.map(|end| format!("token until {}{next}", clock(end, now))));
    lines.extend(account.refresh_token_expires_at.map(|end| {
        if is_over(end, now) {
            return format!("login ended {}: log in again with `{}`", clock(end, now), log_in(&account.name));
        }
        let how = match account.refresh_token_expires_as {
            Some(KnownBy::Claim) => ", as the refresh token says",
            Some(KnownBy::Provider) => ", as the provider said",
            Some(KnownBy::Other) | None => "",
        };
        let mend = format!(": renew it soon, with `{}`", log_in(&account.name));
        format!("login until {}{how}{}", clock(end, now), if is_soon(end, now) { &mend } else { "" })
    }));
    lines.extend(account.client_expires_at.map(|end| {
        if is_over(end, now) {
            return format!(
                "client ended {}, as its registration said: make another one with `oidc gen`",
                clock(end, now)
            );
        }
        let mend = if is_soon(end, now) { ": make another one soon, with `oidc gen`" } else { "" };
        format!("client until {}, as its registration said{mend}", clock(end, now))
    }));
    lines
}

/// What a person at a terminal is told once a day.
pub fn reminder(reminder: &Reminder, now: Timestamp) -> String {
    let name = &reminder.account;
    let login = reminder.login_ends_at.map(|end| {
        format!("The login of account '{name}' ends {}. Renew it with `{}`.", when(end, now), log_in(name))
    });
    let client = reminder.client_ends_at.map(|end| {
        format!(
            "The registration of the client of account '{name}' ends {}; the provider refuses it from then on. Make another \
             one with `oidc gen`.",
            when(end, now)
        )
    });
    login.into_iter().chain(client).collect::<Vec<_>>().join("\n")
}

/// A time of day today, a date and a time otherwise.
pub fn clock(seconds: u64, now: Timestamp) -> String {
    let Some(time) = timestamp(seconds) else { return format!("{seconds}") };
    let zone = TimeZone::system();
    let (time, now) = (time.to_zoned_datetime(zone.clone()), now.to_zoned_datetime(zone));
    let format = if time.date() == now.date() { "%H:%M:%S" } else { "%Y-%m-%d %H:%M" };
    time.strftime(format).to_string()
}

/// The time, and how far that is.
fn when(end: u64, now: Timestamp) -> String {
    let left = end.saturating_sub(u64::try_from(now.as_second()).unwrap_or(0));
    let far = match (left / (24 * 3600), left / 3600) {
        (0, 0) => "in less than an hour".to_owned(),
        (0, 1) => "in an hour".to_owned(),
        (0, hours) => format!("in {hours} hours"),
        (1, _) => "in a day".to_owned(),
        (days, _) => format!("in {days} days"),
    };
    format!("{far} ({})", clock(end, now))
}

fn is_over(end: u64, now: Timestamp) -> bool {
    end <= u64::try_from(now.as_second()).unwrap_or(0)
}

fn is_soon(end: u64, now: Timestamp) -> bool {
    end < u64::try_from(now.as_second()).unwrap_or(0).saturating_add(SOON)
}

fn log_in(account: &str) -> String {
    shell::command("oidc gen --reauthenticate", account)
}

fn timestamp(seconds: u64) -> Option<Timestamp> {
    Timestamp::from_second(i64::try_from(seconds).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 24 * 3600;

    #[test]
    fn each_link_says_how_its_end_is_known_and_what_mends_it() {
        let account = |login: u64, known_by, client| AccountStatus {
            name: "a".into(),
            token_expires_at: Some(60),
            refresh_token_expires_at: Some(login),
            refresh_token_expires_as: Some(known_by),
            client_expires_at: Some(client),
            ..AccountStatus::default()
        };
        let lines = chain(&account(6 * DAY, KnownBy::Claim, 30 * DAY), Timestamp::UNIX_EPOCH);
        let [token, login, client] = &lines[..] else { panic!("{lines:?}") };
        assert!(token.contains("comes by itself"), "{token}");
        assert!(
            login.contains("as the refresh token says: renew it soon, with `oidc gen --reauthenticate a`"),
            "{login}"
        );
        assert!(client.ends_with("as its registration said"), "{client}");
        let lines = chain(&account(8 * DAY, KnownBy::Provider, DAY), Timestamp::UNIX_EPOCH);
        assert!(
            lines[1].ends_with("as the provider said") && lines[2].ends_with("with `oidc gen`"),
            "{lines:?}"
        );
        assert!(chain(&AccountStatus::default(), Timestamp::UNIX_EPOCH).is_empty());
        let later = Timestamp::from_second(31 * 24 * 3600).expect("a time");
        let lines = chain(&account(6 * DAY, KnownBy::Claim, 30 * DAY), later);
        let [login, client] = &lines[..] else { panic!("{lines:?}") };
        assert!(
            login.starts_with("login ended ") && login.ends_with("`oidc gen --reauthenticate a`"),
            "{login}"
        );
        assert!(client.starts_with("client ended "), "{client}");
    }

    #[test]
    fn a_reminder_names_the_day_and_the_command() {
        for (left, far) in [
            (60, "in less than an hour ("),
            (3700, "in an hour ("),
            (DAY - 1, "in 23 hours ("),
            (DAY + 1, "in a day ("),
            (6 * DAY, "in 6 days ("),
        ] {
            let told = Reminder { account: "a".into(), login_ends_at: Some(left), client_ends_at: None };
            let text = reminder(&told, Timestamp::UNIX_EPOCH);
            assert!(text.contains(far) && text.ends_with("with `oidc gen --reauthenticate a`."), "{text}");
        }
        let told = Reminder { account: "a".into(), login_ends_at: None, client_ends_at: Some(DAY) };
        assert!(reminder(&told, Timestamp::UNIX_EPOCH).contains("registration of the client of account 'a'"));
    }
}

//! How it stands with an entry, in words.

use std::time::Duration;

use jiff::Timestamp;
use oidc_proto::{
    message::{Condition, FileState, FilesStatus, HookOutcome},
    shell,
};

use crate::{
    context::expiry::clock,
    say::{exit::Exit, output::Mark},
};

/// How a command ends that shows these entries: by the worst.
pub fn exit_of<'a>(entries: impl IntoIterator<Item = &'a FileState>) -> Exit {
    let rank = |entry: &FileState| match entry.state {
        Condition::Fresh => (0, Exit::Success),
        Condition::Stale | Condition::Waiting => (1, Exit::FilesAttention),
        Condition::Unmanaged if !is_over(entry, Timestamp::now()) => (1, Exit::FilesAttention),
        Condition::Unmanaged | Condition::Expired | Condition::LoginNeeded | Condition::Refused => {
            (2, Exit::FilesFailed)
        }
    };
    entries.into_iter().map(rank).max_by_key(|(rank, _)| *rank).map_or(Exit::Success, |(_, exit)| exit)
}

/// The same for monitoring: a hook that fails needs attention too, for its program still works with the token before.
pub fn exit_with_hooks<'a>(entries: impl IntoIterator<Item = &'a FileState> + Clone) -> Exit {
    match exit_of(entries.clone()) {
        Exit::Success if entries.into_iter().any(hook_fails) => Exit::FilesAttention,
        exit => exit,
    }
}

/// Whether its hook failed when it was run last, whatever becomes of the try that is under way.
fn hook_fails(entry: &FileState) -> bool {
    entry.hook.as_ref().is_some_and(|hook| {
        hook.failures > 0 || matches!(hook.outcome, HookOutcome::Failed | HookOutcome::TimedOut)
    })
}

/// How good it is.
pub fn mark(entry: &FileState) -> Mark {
    match exit_with_hooks([entry]) {
        Exit::Success => Mark::Good,
        Exit::FilesAttention => Mark::Doubtful,
        _ => Mark::Bad,
    }
}

/// The word of an entry's state.
pub fn word(entry: &FileState) -> &'static str {
    entry.state.as_str()
}

/// What stands behind the state, on the same line.
pub fn summary(entry: &FileState, now: Timestamp) -> String {
    let place = match (&entry.path, &entry.condor) {
        (Some(path), _) => path.display().to_string(),
        (None, Some(condor)) => format!("HTCondor: {condor}"),
        (None, None) => String::new(),
    };
    let text = format!("  {}  {place}", entry.name);
    let until = entry.expires_at.map(|end| {
        let left = seconds_until(end, now);
        if left == 0 { format!("ended at {}", clock(end, now)) } else { format!("good for {}", span(left)) }
    });
    text + &until.map(|until| format!("  {until}")).unwrap_or_default()
}

/// What else there is to know, a line each.
pub fn details(entry: &FileState, now: Timestamp) -> Vec<String> {
    let mut lines = Vec::new();
    match entry.state {
        Condition::Fresh => {}
        Condition::Unmanaged => {
            let since = entry.since.map(|since| format!(" since {}", clock(since, now)));
            lines.push(format!("nobody keeps it fresh{}", since.unwrap_or_default()));
        }
        _ => lines.extend(entry.since.map(|since| format!("{} since {}", word(entry), clock(since, now)))),
    }
    for problem in entry.problem.iter().chain(&entry.write_problem) {
        lines.push(problem.text.clone());
    }
    match entry.state {
        Condition::LoginNeeded => lines.push(format!(
            "only a login helps: `{}`",
            shell::command("oidc gen --reauthenticate", &entry.account)
        )),
        Condition::Unmanaged if entry.problem.is_none() && !entry.account.is_empty() => {
            lines.push(format!("load the account: `{}`", shell::command("oidc add", &entry.account)));
        }
        _ => {}
    }
    lines.extend(next(entry, now));
    if let Some(hook) = &entry.hook {
        let detail = hook.detail.as_deref().map(|detail| format!(": {detail}")).unwrap_or_default();
        let again = hook.retry_at.map(|at| format!(", again at {}", clock(at, now))).unwrap_or_default();
        match hook.outcome {
            HookOutcome::Failed => {
                lines.push(format!("its hook failed at {}{detail}{again}", clock(hook.at, now)));
            }
            HookOutcome::TimedOut => {
                lines.push(format!(
                    "its hook took too long and was ended at {}{detail}{again}",
                    clock(hook.at, now)
                ));
            }
            HookOutcome::Waiting | HookOutcome::Running if hook.failures > 0 => {
                lines.push(format!("its hook failed {} times in a row, and runs once more", hook.failures));
            }
            HookOutcome::Waiting | HookOutcome::Running | HookOutcome::Done => {}
        }
    }
    lines.extend(entry.warnings.iter().map(|warning| format!("note: {}", warning.text)));
    lines
}

fn next(entry: &FileState, now: Timestamp) -> Option<String> {
    if entry.busy {
        return Some("a new token is being fetched or written just now".to_owned());
    }
    let at = entry.next_at?;
    let tries = if entry.failures > 0 {
        format!(" (failed {} times in a row)", entry.failures)
    } else {
        String::new()
    };
    let what = if entry.failures > 0 || entry.write_problem.is_some() { "tried again" } else { "renewed" };
    Some(match seconds_until(at, now) {
        0 => format!("{what} now{tries}"),
        left => format!("{what} in {}{tries}", span(left)),
    })
}

/// How it stands with the configuration as a whole.
pub fn of_configuration(status: &FilesStatus, now: Timestamp) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(refused) = &status.refused {
        let since = status
            .loaded_at
            .map(|at| format!(", and the one of {} goes on", clock(at, now)))
            .unwrap_or_default();
        lines.push(format!("the configuration on disk is not taken{since}:\n{}", refused.text));
    }
    lines.extend(status.warnings.iter().map(|warning| warning.text.clone()));
    lines
}

/// A length of time as people say it: the two largest units.
pub fn span(seconds: u64) -> String {
    let units = [("d", 24 * 3600), ("h", 3600), ("m", 60), ("s", 1)];
    let first = units.iter().position(|(_, unit)| seconds >= *unit).unwrap_or(3);
    let mut left = seconds;
    let mut parts = Vec::new();
    for (name, unit) in units.iter().skip(first).take(2) {
        parts.push(format!("{}{name}", left / unit));
        left %= unit;
    }
    parts.join(" ")
}

/// [`span`] of a duration.
pub fn duration(span_of: Duration) -> String {
    span(span_of.as_secs())
}

fn is_over(entry: &FileState, now: Timestamp) -> bool {
    entry.expires_at.is_some_and(|end| seconds_until(end, now) == 0)
}

fn seconds_until(at: u64, now: Timestamp) -> u64 {
    at.saturating_sub(u64::try_from(now.as_second()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use oidc_proto::files::entry::Event;
    use oidc_proto::message::{FileProblem, HookReport};

    use super::*;

    fn entry(state: Condition) -> FileState {
        FileState {
            name: "eos".into(),
            account: "cms".into(),
            path: Some("/t".into()),
            state,
            ..FileState::default()
        }
    }

    #[test]
    fn the_worst_entry_decides() {
        let all =
            |states: &[Condition]| exit_of(&states.iter().map(|state| entry(*state)).collect::<Vec<_>>());
        assert_eq!(all(&[]), Exit::Success);
        assert_eq!(all(&[Condition::Fresh]), Exit::Success);
        assert_eq!(all(&[Condition::Fresh, Condition::Stale]), Exit::FilesAttention);
        assert_eq!(all(&[Condition::Unmanaged, Condition::Waiting]), Exit::FilesAttention);
        assert_eq!(all(&[Condition::Expired, Condition::Stale]), Exit::FilesFailed);
        assert_eq!(all(&[Condition::LoginNeeded]), Exit::FilesFailed);
        let over = FileState { expires_at: Some(1), ..entry(Condition::Unmanaged) };
        assert_eq!(exit_of([&over]), Exit::FilesFailed, "nobody renews it, and it is over");
    }

    #[test]
    fn a_hook_that_fails_needs_attention_and_leaves_the_token_good() {
        let with = |outcome, failures| FileState {
            hook: Some(HookReport {
                event: Event::Renewed,
                at: 900,
                outcome,
                detail: None,
                retry_at: None,
                failures,
            }),
            ..entry(Condition::Fresh)
        };
        for (outcome, failures, fails) in [
            (HookOutcome::Done, 0, false),
            (HookOutcome::Running, 0, false),
            (HookOutcome::Failed, 1, true),
            (HookOutcome::TimedOut, 2, true),
            // Of an agent that does not count.
            (HookOutcome::Failed, 0, true),
            // Monitoring that looks just now shall see no other state.
            (HookOutcome::Running, 3, true),
        ] {
            let state = with(outcome, failures);
            assert_eq!(exit_of([&state]), Exit::Success, "{outcome:?}");
            let expected = if fails { Exit::FilesAttention } else { Exit::Success };
            assert_eq!(exit_with_hooks([&state]), expected, "{outcome:?}");
            let now = Timestamp::from_second(1000).expect("a time");
            assert_eq!(details(&state, now).join("\n").contains("its hook"), fails, "{outcome:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_what_helps() {
        let now = Timestamp::from_second(1000).expect("a time");
        let state = FileState {
            problem: Some(FileProblem::new("login_needed", "invalid_grant", 900)),
            ..entry(Condition::LoginNeeded)
        };
        let lines = details(&state, now).join("\n");
        assert!(
            lines.contains("invalid_grant") && lines.contains("oidc gen --reauthenticate cms"),
            "{lines}"
        );
        let lines = details(&entry(Condition::Unmanaged), now).join("\n");
        assert!(lines.contains("oidc add cms"), "{lines}");
        let state = FileState {
            failures: 3,
            next_at: Some(1090),
            hook: Some(HookReport {
                event: Event::Renewed,
                at: 900,
                outcome: HookOutcome::Failed,
                detail: Some("exit status 1".into()),
                retry_at: None,
                failures: 6,
            }),
            ..entry(Condition::Stale)
        };
        let lines = details(&state, now).join("\n");
        assert!(lines.contains("tried again in 1m 30s (failed 3 times in a row)"), "{lines}");
        assert!(lines.contains("hook failed") && lines.contains("exit status 1"), "{lines}");
        let fresh = FileState { next_at: Some(1600), expires_at: Some(4600), ..entry(Condition::Fresh) };
        assert_eq!(details(&fresh, now), ["renewed in 10m 0s"]);
        assert_eq!(summary(&fresh, now), "  eos  /t  good for 1h 0m");
    }

    #[test]
    fn a_refused_configuration_is_told() {
        let refused = Some(FileProblem::new("bad-value", "files.toml:3: mode", 0));
        let status = FilesStatus { refused, ..FilesStatus::default() };
        let lines = of_configuration(&status, Timestamp::UNIX_EPOCH).join("\n");
        assert!(lines.contains("not taken") && lines.contains("files.toml:3"), "{lines}");
    }

    #[test]
    fn times_have_two_units() {
        for (seconds, text) in
            [(0, "0s"), (59, "59s"), (60, "1m 0s"), (3599, "59m 59s"), (3600, "1h 0m"), (90_000, "1d 1h")]
        {
            assert_eq!(span(seconds), text);
        }
    }
}

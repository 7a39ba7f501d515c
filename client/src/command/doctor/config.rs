//! The configuration: what of it cannot be used, and what has no effect.

use std::path::PathBuf;

use oidc_proto::{
    config::{Config, KEYS, Key, Problem},
    home::Home,
};

use super::check::{Check, Seen};

/// So many problems are told one by one; `oidc config check` has them all.
const MOST_TOLD: usize = 8;
const MEND: &str = "oidc config check";

/// What was found out.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The files that are there, the most important one last.
    pub files: Vec<PathBuf>,
    /// What cannot be used of them.
    pub problems: Vec<Problem>,
    /// Keys that a file sets, and that do nothing here.
    pub idle: Vec<String>,
}

impl Facts {
    /// Of this process's environment.
    pub fn gather() -> Self {
        let home = Home::find().ok();
        Self::of(&Config::load(home.as_ref().map(Home::path)))
    }

    fn of(config: &Config) -> Self {
        let is_idle = |key: &&Key| config.is_set(key) && key.without_effect.is_some();
        Self {
            files: config.paths().map(PathBuf::from).collect(),
            problems: config.problems().to_vec(),
            idle: KEYS.iter().filter(is_idle).map(ToString::to_string).collect(),
        }
    }
}

/// The checks.
pub const CHECKS: &[Check<Facts>] = &[
    Check {
        code: "config",
        why: "what of the configuration cannot be read is passed over: programs then do what is built in, or the careful thing",
        judge: readable,
    },
    Check { code: "config_without_effect", why: "these keys do nothing here", judge: without_effect },
];

fn readable(facts: &Facts) -> Vec<Seen> {
    if facts.problems.is_empty() {
        let seen = |path: &PathBuf| {
            let shown = path.display().to_string();
            Seen::ok(&shown, format!("{shown} can be used"))
        };
        return facts.files.iter().map(seen).collect();
    }
    let told = facts.problems.iter().take(MOST_TOLD).map(|problem| {
        let (shown, text) = (problem.path.display().to_string(), problem.to_string());
        let is_whole = problem.section.is_none();
        let seen = if is_whole { Seen::problem(shown, text) } else { Seen::warning(shown, text) };
        seen.mend(MEND)
    });
    let more = facts.problems.len().saturating_sub(MOST_TOLD);
    let rest = (more > 0).then(|| Seen::warning("config", format!("{more} more cannot be used")).mend(MEND));
    told.chain(rest).collect()
}

fn without_effect(facts: &Facts) -> Vec<Seen> {
    if facts.idle.is_empty() {
        return Vec::new();
    }
    // Those that the C suite ships are in everybody's file: nothing is wrong with that.
    vec![Seen::ok(
        "config",
        format!("no effect here: {}; `oidc config show` says why", facts.idle.join(", ")),
    )]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::doctor::check::{State, judge, state_of};

    fn facts(text: &str) -> Facts {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("config");
        fs_err::write(&path, text).expect("written");
        Facts::of(&Config::read([path], None))
    }

    #[test]
    fn what_cannot_be_used_is_told_with_the_command_that_names_it() {
        for (text, expected) in [
            (r#"{"oidc-agent": {"lifetime": 60}}"#, Some(State::Ok)),
            (r#"{"oidc-agent": {"lifetime": "long", "nonsense": 1}}"#, Some(State::Warning)),
            ("[]", Some(State::Problem)),
            ("{\"oidc-agent\"", Some(State::Problem)),
        ] {
            let facts = facts(text);
            assert_eq!(state_of(CHECKS, "config", &facts), expected, "{facts:?}");
        }
        let findings = judge(CHECKS, &facts("[]"));
        assert_eq!(findings[0].seen.mend.as_deref(), Some("oidc config check"));
        assert_eq!(state_of(CHECKS, "config", &Facts::default()), None, "no file is as it should be");
        let many: Vec<_> = (0..20).map(|at| format!("\"key{at}\": 1")).collect();
        let findings = judge(CHECKS, &facts(&format!("{{\"oidc-agent\": {{{}}}}}", many.join(","))));
        assert_eq!(findings.len(), MOST_TOLD + 1);
        assert!(findings[MOST_TOLD].seen.text.starts_with("12 more"), "{findings:?}");
    }

    #[test]
    fn keys_that_do_nothing_are_named_and_are_nothing_to_mend() {
        let facts = facts(r#"{"oidc-agent": {"stats_collect_local": true, "lifetime": 60}}"#);
        let findings = judge(CHECKS, &facts);
        let idle = findings.iter().find(|finding| finding.code == "config_without_effect").expect("told");
        assert!(
            idle.seen.text.contains("oidc-agent.stats_collect_local") && !idle.seen.text.contains("lifetime")
        );
        assert_eq!((idle.seen.state, idle.seen.mend.as_deref()), (State::Ok, None));
    }
}

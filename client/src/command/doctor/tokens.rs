//! Tokens that other programs find without the agent, by WLCG Bearer Token Discovery, and where they disagree on that.

use std::path::PathBuf;

use oidc_proto::{
    jwt::Claims,
    shell,
    token::discovery::{CONDOR_LIMIT, Candidate, Discovery, Holds, Place, ZTN_LIMIT},
};

use super::{
    check::{Check, Seen},
    surroundings::Surroundings,
};

/// What was found out.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Effective user.
    pub uid: u32,
    /// Seconds since the epoch.
    pub now: u64,
    /// `XDG_RUNTIME_DIR` is set.
    pub has_runtime_directory: bool,
    /// The places that hold anything, in the order of the specification.
    pub found: Vec<Found>,
    /// A token's file in the runtime directory that the environment does not name.
    pub overlooked: Option<PathBuf>,
}

/// What a place holds. Never the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The place, as it is shown.
    pub place: String,
    /// Its file; `None`: a variable.
    pub file: Option<String>,
    /// It is the file in `/tmp`.
    pub is_in_tmp: bool,
    /// It is the file that `BEARER_TOKEN_FILE` names.
    pub is_named: bool,
    /// Why it is no token; `None`: it is one.
    pub fault: Option<String>,
    /// The token's size in bytes.
    pub size: Option<u64>,
    /// When the token ends, where it tells, in seconds since the epoch.
    pub expires_at: Option<u64>,
    /// The file's mode.
    pub mode: Option<u32>,
    /// The file's owner.
    pub owner: Option<u32>,
}

impl Facts {
    /// Of this process.
    pub fn gather(surroundings: &Surroundings) -> Self {
        let discovery = Discovery::look();
        let has_runtime_directory = surroundings.path("XDG_RUNTIME_DIR").is_some();
        let usual = PathBuf::from(format!("/run/user/{0}/bt_u{0}", surroundings.uid));
        Self {
            uid: surroundings.uid,
            now: surroundings.now,
            has_runtime_directory,
            found: discovery.candidates.iter().filter_map(Found::of).collect(),
            overlooked: Some(usual).filter(|path| !has_runtime_directory && path.exists()),
        }
    }
}

impl Found {
    fn of(candidate: &Candidate) -> Option<Self> {
        let is_named = matches!(candidate.place, Place::NamedFile(_));
        let fault = match &candidate.holds {
            _ if candidate.place.is_token_by_mistake() => {
                Some("seems to hold a token itself, not a file's name".to_owned())
            }
            Holds::Nothing if is_named => Some("is not there".to_owned()),
            Holds::Nothing => return None,
            Holds::Token(_) => None,
            Holds::Empty => Some("is empty".to_owned()),
            Holds::NoToken => Some("holds no token".to_owned()),
            Holds::Unreadable(reason) => Some(format!("cannot be read: {reason}")),
            Holds::NoFile => Some("is no file".to_owned()),
            Holds::TooLarge => Some("is larger than any token".to_owned()),
        };
        let claims = match &candidate.holds {
            Holds::Token(token) => Claims::of(token),
            _ => None,
        };
        Some(Self {
            place: candidate.place.to_string(),
            file: candidate.place.path().map(|path| path.display().to_string()),
            is_in_tmp: matches!(candidate.place, Place::Tmp(_)),
            is_named,
            fault,
            size: candidate.size(),
            expires_at: claims.and_then(|claims| claims.expires_at()),
            mode: candidate.mode,
            owner: candidate.owner,
        })
    }

    fn is_token(&self) -> bool {
        self.fault.is_none()
    }
}

/// The checks.
pub const CHECKS: &[Check<Facts>] = &[
    Check {
        code: "token_found",
        why: "other programs take the first token that they find; one that has expired keeps them from a good one",
        judge: found,
    },
    Check {
        code: "token_file",
        why: "where a place holds no token most programs stop, and do not look at the next one",
        judge: file,
    },
    Check {
        code: "token_file_mode",
        why: "whoever reads a token can use it; XRootD refuses a file that others may read",
        judge: mode,
    },
    Check {
        code: "token_size",
        why: "XRootD's servers take tokens below 4096 bytes unless told otherwise, HTCondor below 16384",
        judge: size,
    },
    Check {
        code: "token_places",
        why: "with XDG_RUNTIME_DIR some programs look there alone, others in /tmp as well; jobs and cron have it not: they find \
              different tokens",
        judge: places,
    },
];

fn found(facts: &Facts) -> Vec<Seen> {
    let seen = |found: &Found| {
        let place = &found.place;
        let mend = match &found.file {
            _ if found.is_named => "unset BEARER_TOKEN_FILE".to_owned(),
            Some(file) => shell::command("rm", file),
            None => "unset BEARER_TOKEN".to_owned(),
        };
        match found.expires_at {
            Some(end) if end <= facts.now => {
                let minutes = (facts.now - end) / 60;
                Seen::warning(place, format!("the token in {place} expired {minutes} minutes ago")).mend(mend)
            }
            Some(end) => {
                Seen::ok(place, format!("{place} holds a token for {} more minutes", (end - facts.now) / 60))
            }
            None => Seen::ok(place, format!("{place} holds a token that does not tell when it ends")),
        }
    };
    facts.found.iter().filter(|found| found.is_token()).map(seen).collect()
}

fn file(facts: &Facts) -> Vec<Seen> {
    let seen = |found: &Found| {
        let (place, fault) = (&found.place, found.fault.as_ref()?);
        let mend = match &found.file {
            // Whatever the variable names by mistake is not to be deleted, and a token not to be shown.
            _ if found.is_named => "unset BEARER_TOKEN_FILE".to_owned(),
            Some(file) => shell::command("ls -l", file),
            None => "unset BEARER_TOKEN".to_owned(),
        };
        Some(Seen::warning(place, format!("{place} {fault}")).mend(mend))
    };
    facts.found.iter().filter_map(seen).collect()
}

fn mode(facts: &Facts) -> Vec<Seen> {
    let seen = |found: &Found| {
        let (place, file, mode) = (&found.place, found.file.as_ref()?, found.mode?);
        if found.owner.is_some_and(|owner| owner != facts.uid) {
            let text = format!("{place} belongs to user {}", found.owner.unwrap_or_default());
            return Some(Seen::problem(place, text).mend("name another file in BEARER_TOKEN_FILE"));
        }
        if found.fault.is_some() {
            return None;
        }
        let mend = shell::command("chmod 600", file);
        let text = format!("{place} can be read by others (mode {mode:o})");
        (mode & 0o077 != 0).then(|| Seen::warning(place, text).mend(mend))
    };
    facts.found.iter().filter_map(seen).collect()
}

fn size(facts: &Facts) -> Vec<Seen> {
    let seen = |found: &Found| {
        let (place, size) = (&found.place, found.size.filter(|size| *size >= ZTN_LIMIT)?);
        let whose = if size >= CONDOR_LIMIT { "XRootD and HTCondor" } else { "XRootD" };
        let text = format!("the token in {place} has {size} bytes, too many for {whose}");
        Some(
            Seen::warning(place, text)
                .mend("ask for fewer scopes, or a narrower audience: oidc token --scope ..."),
        )
    };
    facts.found.iter().filter_map(seen).collect()
}

fn places(facts: &Facts) -> Vec<Seen> {
    const NAME: &str = "BEARER_TOKEN_FILE";
    if let Some(path) = &facts.overlooked {
        let shown = path.display();
        let text = format!("{shown} is there, and XDG_RUNTIME_DIR is not set: programs look in /tmp");
        return vec![Seen::warning(NAME, text).mend(format!("export BEARER_TOKEN_FILE={shown}"))];
    }
    let in_tmp = facts.found.iter().find(|found| found.is_in_tmp);
    match in_tmp.filter(|_| facts.has_runtime_directory) {
        Some(in_tmp) => {
            let shown = &in_tmp.place;
            let text = format!(
                "{shown} is there beside the places that come before it: only some programs look at it"
            );
            vec![
                Seen::warning(NAME, text)
                    .mend(format!("{}, or export BEARER_TOKEN_FILE={shown}", shell::command("rm", shown))),
            ]
        }
        None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::doctor::check::{State, state_of};

    const NOW: u64 = 1_800_000_000;

    fn facts(change: impl FnOnce(&mut Found)) -> Facts {
        let mut found = Found {
            place: "/run/user/1000/bt_u1000".into(),
            file: Some("/run/user/1000/bt_u1000".into()),
            is_in_tmp: false,
            is_named: false,
            fault: None,
            size: Some(1200),
            expires_at: Some(NOW + 600),
            mode: Some(0o600),
            owner: Some(1000),
        };
        change(&mut found);
        Facts { uid: 1000, now: NOW, has_runtime_directory: true, found: vec![found], overlooked: None }
    }

    #[test]
    fn each_fault_is_told() {
        let overlooked = Some(PathBuf::from("/run/user/1000/bt_u1000"));
        let fault = |found: &mut Found| found.fault = Some("is empty".into());
        for (facts, code, expected) in [
            (facts(|_| ()), "token_found", Some(State::Ok)),
            (facts(|found| found.expires_at = None), "token_found", Some(State::Ok)),
            (facts(|found| found.expires_at = Some(NOW)), "token_found", Some(State::Warning)),
            (facts(fault), "token_found", None),
            (facts(fault), "token_file", Some(State::Warning)),
            (facts(|_| ()), "token_file", None),
            (facts(|_| ()), "token_file_mode", None),
            (facts(|found| found.mode = Some(0o644)), "token_file_mode", Some(State::Warning)),
            (facts(|found| found.owner = Some(0)), "token_file_mode", Some(State::Problem)),
            (facts(|found| found.file = None), "token_file_mode", None),
            (facts(|_| ()), "token_size", None),
            (facts(|found| found.size = Some(4096)), "token_size", Some(State::Warning)),
            (facts(|_| ()), "token_places", None),
            (facts(|found| found.is_in_tmp = true), "token_places", Some(State::Warning)),
            (Facts { overlooked, ..Facts::default() }, "token_places", Some(State::Warning)),
            (Facts::default(), "token_found", None),
        ] {
            assert_eq!(state_of(CHECKS, code, &facts), expected, "{code}: {facts:?}");
        }
        let tmp = Facts { has_runtime_directory: false, ..facts(|found| found.is_in_tmp = true) };
        assert_eq!(state_of(CHECKS, "token_places", &tmp), None, "where it belongs");
    }

    #[test]
    fn nothing_of_a_token_is_kept() {
        let holds = Holds::Token("canary.canary.canary".to_owned().into());
        let candidate = Candidate { place: Place::Variable, holds, mode: None, owner: None };
        let found = Found::of(&candidate).expect("something");
        assert!(found.is_token() && !format!("{found:?}").contains("canary"), "{found:?}");
    }
}

//! Carries out what the schedule says.

use std::collections::BTreeSet;

use oidc_proto::{
    destination::{DestinationError, derive},
    error_code::ErrorCode,
    files::{
        entry::{CondorSink, Require, Sink, TokenKind, WantedToken},
        gate::{self, Refusal},
    },
    message::{Failure, FileProblem, Validity},
    private_file::{self, Warning, Written},
    shortname::Shortname,
};
use tracing::{debug, info};

use super::{
    condor,
    handle::{Files, State},
    issued::Issued,
    places,
    publish::{self, Published, Seen, Unpublished},
    schedule::{Action, EntryId, LOOK_AGAIN, Schedule, TokenId},
};
use crate::{
    accounts::{ManagedWish, NoToken, Trouble, off_thread},
    clock::Moment,
};

/// Runs as long as there are entries.
pub(super) async fn run(files: Files) {
    let mut accounts = files.0.accounts.changes();
    files.look_at_accounts(true);
    // Not at each renewal: with many files there is always one.
    let mut look_at = files.now().boot.plus(places::INTERVAL);
    let mut accounts_at = files.now().boot.plus(LOOK_AGAIN);
    loop {
        let (actions, wake_at) = {
            let (mut state, now) = (files.state(), files.now());
            if state.schedule.is_empty() || files.0.ending.is_cancelled() {
                state.runs = false;
                return;
            }
            let actions = state.schedule.next(now);
            let wake_at = state.schedule.wake_at(now);
            (actions, wake_at.or_else(|| (!state.of_accounts.is_empty()).then_some(look_at)))
        };
        for action in actions {
            files.carry_out(action);
        }
        let sleep = async {
            match wake_at {
                Some(at) => files.0.accounts.deps().clock.sleep_until(at.min(look_at)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = files.0.wake.notified() => {}
            changed = accounts.changed() => if changed.is_ok() { files.look_at_accounts(true) },
            () = files.0.ending.cancelled() => {}
            () = sleep => {
                let now = files.now().boot;
                if now >= look_at {
                    look_at = now.plus(places::INTERVAL);
                    let everything = now >= accounts_at;
                    if everything {
                        accounts_at = now.plus(LOOK_AGAIN);
                    }
                    files.try_accounts_again(everything);
                    let files = files.clone();
                    tokio::spawn(async move { files.look_at_places(None).await });
                }
            }
        }
    }
}

impl Files {
    fn carry_out(&self, action: Action) {
        let files = self.clone();
        match action {
            Action::Ask { token, wanted, min_valid } => {
                tokio::spawn(async move { files.ask(token, wanted, min_valid).await });
            }
            Action::Write { entry, token } => {
                tokio::spawn(async move { files.write(entry, token).await });
            }
            Action::Expire(entry) => {
                tokio::spawn(async move { files.expire(entry).await });
            }
            Action::Tell(entry, event) => self.tell(entry, event),
        }
    }

    /// Which accounts can be used by now. Where `resumes`, what waits for them goes on.
    pub(super) fn look_at_accounts(&self, resumes: bool) {
        let accounts = &self.0.accounts;
        let (mut state, now) = (self.state(), self.now());
        let State { schedule, loadings, at_hand, of_accounts, .. } = &mut *state;
        let is_locked = accounts.is_locked();
        // Loaded in another way meanwhile.
        of_accounts.retain(|(name, _)| accounts.loading_of(name).is_none());
        let kept_out = |(_, problem): &(_, FileProblem)| problem.error_code() == ErrorCode::AgentLocked;
        if !is_locked && of_accounts.iter().any(kept_out) {
            of_accounts.retain(|of_account| !kept_out(of_account));
            let files = self.clone();
            tokio::spawn(async move { files.load_accounts().await });
        }
        if is_locked {
            // The lock covers what the agent holds.
            at_hand.clear();
        }
        for name in schedule.accounts().cloned().collect::<Vec<_>>() {
            if is_locked {
                schedule.unmanaged(&name, &FileProblem::of(&Failure::agent_locked(), now.wall), now);
                continue;
            }
            match accounts.loading_of(&name) {
                None => {
                    if loadings.remove(&name).is_some() {
                        schedule.unmanaged(
                            &name,
                            &FileProblem::of(&Failure::account_not_loaded(), now.wall),
                            now,
                        );
                    }
                }
                Some(loading) if resumes => {
                    let is_new = loadings.get(&name) != Some(&loading);
                    loadings.insert(name.clone(), loading);
                    if is_new {
                        schedule.usable(&name, now);
                    } else {
                        schedule.look_again(&name, now);
                    }
                    if let Some(no) = accounts.obstacle(&name) {
                        stop(schedule, &name, &no, now);
                    }
                }
                Some(_) => {}
            }
        }
    }

    async fn ask(&self, id: TokenId, wanted: WantedToken, min_valid: Option<u64>) {
        let issued = self.issued(&wanted, min_valid).await;
        self.change(|state, now| match issued {
            Ok(issued) => {
                state.schedule.granted(id, issued.life(), now);
                if state.schedule.is_needed(id) && !self.0.accounts.is_locked() {
                    state.at_hand.insert(id, issued);
                }
            }
            Err((trouble, problem)) => {
                debug!(account = %wanted.account, code = problem.code, "no token for managed files");
                let of_account = state.of_account(&wanted.account).filter(|_| trouble == Trouble::Unmanaged);
                let problem = of_account.cloned().unwrap_or(problem);
                state.schedule.failed(id, trouble, &problem, now);
            }
        });
    }

    async fn issued(
        &self,
        wanted: &WantedToken,
        min_valid: Option<u64>,
    ) -> Result<Issued, (Trouble, FileProblem)> {
        let problem = |failure: &Failure| problem_of(failure, self.now());
        let trouble = |no: NoToken| match no.trouble {
            Trouble::Refused => (no.trouble, problem(&until_when(no.failure))),
            _ => (no.trouble, problem(&no.failure)),
        };
        // Its issuer has rules of its own for services.
        self.0.accounts.unattended(&wanted.account).await.map_err(trouble)?;
        let (scope, audience) = self.derived(wanted).await.map_err(|error| {
            let failure = Failure::new(
                ErrorCode::BadRequest,
                format!("nothing can be derived for the services: {error}"),
            );
            (Trouble::Refused, problem(&failure))
        })?;
        let wanted = WantedToken { scope, audience, ..wanted.clone() };
        let wish = ManagedWish {
            account: wanted.account.clone(),
            scope: wanted.scope.clone(),
            audience: wanted.audience.clone(),
            id_token: wanted.kind == TokenKind::Id,
            validity: min_valid.map_or(Validity::ForceNew, Validity::AtLeast),
        };
        let token = self.0.accounts.managed_token(wish).await.map_err(trouble)?;
        let issued = Issued { token, wanted, replaces: min_valid.is_none() };
        if issued.life().is_some_and(|life| life.left(self.now()).is_zero()) {
            let text = format!(
                "the provider's answer for account '{}' came so late that its token has ended",
                issued.wanted.account
            );
            return Err((Trouble::Passing(None), problem(&Failure::new(ErrorCode::ProviderTimeout, text))));
        }
        Ok(issued)
    }

    /// Scopes and audiences, those of services included.
    async fn derived(
        &self,
        wanted: &WantedToken,
    ) -> Result<(Option<String>, Option<String>), DestinationError> {
        if wanted.services.is_empty() {
            return Ok((wanted.scope.clone(), wanted.audience.clone()));
        }
        let rules = self.0.accounts.destination_rules(&wanted.account).await;
        let (mut scopes, mut audiences) = (words(wanted.scope.as_deref()), words(wanted.audience.as_deref()));
        for service in &wanted.services {
            let derived = derive(&service.url, &service.operations, &rules)?;
            scopes.extend(derived.scopes);
            audiences.insert(derived.audience);
        }
        let joined = |words: BTreeSet<String>| words.into_iter().collect::<Vec<_>>().join(" ");
        let scope = (wanted.scope.is_some() || !scopes.is_empty()).then(|| joined(scopes));
        Ok((scope, Some(joined(audiences))))
    }

    async fn write(&self, id: EntryId, token: TokenId) {
        let Ok(_permit) = self.0.writers.acquire().await else { return };
        let (issued, entry) = {
            let state = self.state();
            (state.at_hand.get(&token).cloned(), state.schedule.entry(id).cloned())
        };
        let Some(entry) = entry else { return };
        let Some(issued) = issued else {
            return self.change(|state, now| state.schedule.lost(id, now));
        };
        let (life, text, now) = (issued.life(), issued.token.clone(), self.now());
        let published = match entry.sink {
            Sink::File(sink) => {
                let issued = issued.clone();
                let home = self.0.accounts.deps().home.clone();
                off_thread(move || publish::publish(entry.require, &sink, home.path(), &issued, now)).await
            }
            Sink::Condor(sink) => handed_over(&sink, entry.require, &issued, now).await,
        };
        self.change(|state, now| {
            match published {
                Ok(Published::Written(written, lacks)) => {
                    let warning =
                        |warning: &Warning| FileProblem::new(warning.code(), warning.to_string(), now.wall);
                    let lacks =
                        lacks.into_iter().map(|text| FileProblem::new("not_required", text, now.wall));
                    let warnings = written.warnings.iter().map(warning).chain(lacks).collect();
                    state.seen.insert(id, Seen::written(text.access_token.expose()));
                    state.schedule.written(id, life, written.created, warnings, now);
                }
                Ok(Published::AsGood(there)) => state.schedule.is_as_good(id, there, now),
                Err(ref error @ Unpublished::Gate(ref refusal)) => {
                    let problem = FileProblem::new(refusal.code(), error.to_string(), now.wall);
                    if refusal.is_malformed() || matches!(refusal, Refusal::Expired(_)) {
                        state.schedule.lost(id, now);
                        state.schedule.failed(token, Trouble::Passing(None), &problem, now);
                    } else {
                        state.schedule.withheld(id, problem, now);
                    }
                }
                Err(Unpublished::Condor(error)) => {
                    info!(%error, "HTCondor did not take a token");
                    let problem = FileProblem::new(error.code(), error.to_string(), now.wall);
                    state.schedule.unwritten(id, problem, now);
                }
                Err(Unpublished::Write(error)) => {
                    info!(code = error.code(), "a managed file could not be written");
                    state.schedule.unwritten(
                        id,
                        FileProblem::new(error.code(), error.to_string(), now.wall),
                        now,
                    );
                }
            }
            if !state.schedule.is_needed(token) {
                state.at_hand.remove(&token);
            }
        });
    }

    async fn expire(&self, id: EntryId) {
        let entry = self.state().schedule.entry(id).cloned();
        let Some((entry, Sink::File(sink))) = entry.map(|entry| (entry.clone(), entry.sink)) else { return };
        let (now, home) = (self.now(), self.0.accounts.deps().home.clone());
        let found = off_thread(move || {
            if publish::is_over(&sink, now) {
                private_file::remove_target(&sink.target().outside(home.path())).map(|_| None)
            } else {
                // Somebody else put it there.
                Ok(publish::found(&entry.token, entry.require, &sink, now))
            }
        });
        match found.await {
            Ok(found) => self.change(|state, now| state.schedule.removed(id, found, now)),
            Err(error) => info!(code = error.code(), "an expired managed file could not be removed"),
        }
    }
}

/// What was refused is not asked for again by itself; this says when it is.
fn until_when(failure: Failure) -> Failure {
    let known = failure.info.clone().unwrap_or_default();
    let when = "It is asked for again once the account is loaded again or has logged in, and after `oidc files renew` or \
                `oidc files reload`.";
    failure.with_info(format!("{known}{when}"))
}

fn words(text: Option<&str>) -> BTreeSet<String> {
    text.into_iter().flat_map(str::split_ascii_whitespace).map(str::to_owned).collect()
}

/// A failure with what helps against it, on one line.
/// What is known of an account counts for its files at once.
pub(super) fn stop(schedule: &mut Schedule, account: &Shortname, no: &NoToken, now: Moment) {
    let problem = problem_of(&no.failure, now);
    match no.trouble {
        Trouble::LoginNeeded => schedule.login_needed(account, &problem, now),
        Trouble::Unmanaged => schedule.unmanaged(account, &problem, now),
        Trouble::NeedsConsent | Trouble::Refused | Trouble::Passing(_) => {}
    }
}

pub(super) fn problem_of(failure: &Failure, now: Moment) -> FileProblem {
    let info = failure.info.as_deref().map(|info| info.split_whitespace().collect::<Vec<_>>().join(" "));
    let text = info.map_or_else(|| failure.to_string(), |info| format!("{failure}. {info}"));
    FileProblem::new(failure.code.as_str(), text, now.wall)
}

/// Hands a token over to HTCondor. What is there already cannot be looked at.
async fn handed_over(
    sink: &CondorSink,
    require: Require,
    issued: &Issued,
    now: Moment,
) -> Result<Published, Unpublished> {
    let lacks = gate::judge(&issued.wanted, require, &issued.as_format(now), None, now.wall)?;
    condor::store(sink, issued.token.access_token.expose()).await?;
    Ok(Published::Written(Written { created: false, warnings: Vec::new() }, lacks))
}

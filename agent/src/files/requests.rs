//! `files_status`, `files_renew` and `files_wait`.

use std::time::Duration;

use oidc_proto::{
    deadlines,
    error_code::ErrorCode,
    message::{Condition, Failure, FileState, FilesQuery, FilesStatus, FilesWaitRequest},
};

use super::{handle::Files, schedule::EntryId};

/// How long a renewal is waited for: a request for a token, and its way to the readers.
const RENEWAL: Duration = Duration::from_secs(2 * deadlines::TOKEN.as_secs());

impl Files {
    /// `files_status`.
    pub async fn status(&self, query: &FilesQuery) -> Result<FilesStatus, Failure> {
        let only = query.name.as_ref().and_then(|name| self.state().schedule.find(name));
        self.look_at_places(only).await;
        self.told(query)
    }

    /// What is known, without looking at the places.
    pub(super) fn told(&self, query: &FilesQuery) -> Result<FilesStatus, Failure> {
        self.look_at_accounts(false);
        let (state, now) = (self.state(), self.now());
        let mut status = state.status(now);
        let ids = match &query.name {
            Some(name) => vec![state.schedule.find(name).ok_or_else(|| unknown(name))?],
            None => state.in_order(),
        };
        let name = |id: &EntryId| state.schedule.entry(*id).map(|entry| entry.name.as_str());
        let after = query.after.as_deref();
        let first = after.and_then(|after| ids.iter().rposition(|id| name(id) == Some(after)));
        let rest = &ids[first.map_or(0, |index| index + 1)..];
        status.more = rest.len() > FilesStatus::MOST;
        status.entries =
            rest.iter().take(FilesStatus::MOST).filter_map(|id| state.file_state(*id, now)).collect();
        Ok(status)
    }

    /// `files_renew`. Comes back when it is known how it went, and after [`RENEWAL`] in any case: what is under way then goes
    /// on, and is told as `busy`.
    pub async fn renew(&self, name: Option<&str>) -> Result<FilesStatus, Failure> {
        let mut changes = self.0.changed.subscribe();
        let ids = self.change(|state, now| {
            let id = name.map(|name| state.schedule.find(name).ok_or_else(|| unknown(name))).transpose()?;
            state.schedule.renew(id, now);
            Ok::<_, Failure>(id.map_or_else(|| state.in_order(), |id| vec![id]))
        })?;
        let settled = async {
            loop {
                self.look_at_accounts(false);
                let is_settled = {
                    let state = self.state();
                    ids.iter().all(|id| state.schedule.is_settled(*id))
                };
                if is_settled || changes.changed().await.is_err() {
                    return;
                }
            }
        };
        // What is known then is told either way.
        let _ = tokio::time::timeout(RENEWAL, settled).await;
        self.told(&FilesQuery { name: name.map(str::to_owned), after: None })
    }

    /// `files_wait`.
    pub async fn wait(&self, request: &FilesWaitRequest) -> Result<FilesStatus, Failure> {
        let mut changes = self.0.changed.subscribe();
        let id = self.state().schedule.find(&request.name).ok_or_else(|| unknown(&request.name))?;
        self.look_at_places(Some(id)).await;
        let longest = Duration::from_secs(request.timeout.min(FilesWaitRequest::LONGEST));
        let waited = tokio::time::timeout(longest, self.settled(&[id], &mut changes)).await;
        match waited {
            Ok(Ok(())) => self.told(&FilesQuery::of(request.name.as_str())),
            Ok(Err(failure)) => Err(failure),
            Err(_) => {
                let state = self.state().file_state(id, self.now());
                Err(not_ready(&request.name, request.timeout, state.as_ref()))
            }
        }
    }

    /// Until these are fresh, or one of them is as waiting does not mend.
    pub(super) async fn settled(
        &self,
        ids: &[EntryId],
        changes: &mut tokio::sync::watch::Receiver<()>,
    ) -> Result<(), Failure> {
        loop {
            self.look_at_accounts(false);
            let states: Vec<_> = {
                let (state, now) = (self.state(), self.now());
                ids.iter().map(|id| state.file_state(*id, now)).collect()
            };
            let mut all = true;
            for state in states {
                let state = state.ok_or_else(|| {
                    Failure::new(ErrorCode::FileNotManaged, "the file is not managed any more")
                })?;
                match state.state {
                    Condition::Fresh => {}
                    Condition::Unmanaged | Condition::LoginNeeded | Condition::Refused if !state.busy => {
                        return Err(hopeless(&state));
                    }
                    _ => all = false,
                }
            }
            if all {
                return Ok(());
            }
            if changes.changed().await.is_err() {
                return Err(Failure::new(ErrorCode::Internal, "the agent ends"));
            }
        }
    }
}

fn unknown(name: &str) -> Failure {
    Failure::new(ErrorCode::FileNotManaged, format!("there is no managed file '{name}'"))
        .with_info("`oidc files status` shows those that there are. After a change of files.toml run `oidc files reload`.")
}

fn not_ready(name: &str, seconds: u64, state: Option<&FileState>) -> Failure {
    let error = format!("the managed file '{name}' has not become fresh within {seconds} seconds");
    let failure = Failure::new(ErrorCode::FileNotReady, error);
    let problem = state.and_then(|state| state.write_problem.as_ref().or(state.problem.as_ref()));
    match problem {
        Some(problem) => failure.with_info(&*problem.text),
        None => failure,
    }
}

fn hopeless(state: &FileState) -> Failure {
    let (name, word) = (&state.name, state.state.as_str());
    match &state.problem {
        Some(problem) => {
            let code = match problem.error_code() {
                ErrorCode::Other => ErrorCode::FileNotReady,
                code => code,
            };
            Failure::new(code, format!("the managed file '{name}' is {word}: {}", problem.text))
        }
        None => Failure::new(ErrorCode::FileNotReady, format!("the managed file '{name}' is {word}")),
    }
}

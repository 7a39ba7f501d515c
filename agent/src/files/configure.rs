//! The configuration, read as a whole or not at all, and the accounts that it has loaded.

use std::{io, path::PathBuf, time::Duration};

use oidc_proto::{
    error_code::ErrorCode,
    files::{
        AccountPassword, FILES_D, FILES_TOML, PasswordSource, Problem, Problems, TokenFiles, entry::Sink,
    },
    message::{Failure, FileProblem, FilesQuery, FilesStatus},
    private_file,
    secret::Password,
    shortname::Shortname,
};
use tokio::{task::JoinSet, time::timeout};
use tracing::{info, warn};

use super::{
    driver::{problem_of, stop},
    handle::Files,
    publish,
    schedule::entries::Found,
};
use crate::accounts::{Trouble, Unloaded, off_thread, password_of_command, password_of_file};

/// How long a file and a program have to give a password.
const FILE_DEADLINE: Duration = Duration::from_secs(10);
const COMMAND_DEADLINE: Duration = Duration::from_secs(30);
/// How long a reload waits until it is known which of the other accounts can be used without anybody.
const ACCOUNTS_PATIENCE: Duration = Duration::from_secs(2);

impl Files {
    /// Whether there may be a configuration.
    pub(super) fn is_configured(&self) -> bool {
        let home = self.0.accounts.deps().home.path();
        [home.join(FILES_TOML), home.join(FILES_D), self.0.surroundings.system.join(FILES_D)]
            .iter()
            .any(|path| path.exists())
    }

    /// `files_reload`, and the hang-up signal.
    pub async fn reload(&self) -> Result<FilesStatus, Failure> {
        self.read().await;
        let status = self.status(&FilesQuery::default()).await?;
        match &status.refused {
            None => Ok(status),
            Some(refused) => Err(Failure::new(
                ErrorCode::FilesConfiguration,
                "the configuration of managed files is not as it should be; the one before goes on",
            )
            .with_info(&*refused.text)),
        }
    }

    /// Reads the configuration and takes it, if nothing is wrong with it.
    pub(super) async fn read(&self) {
        let _one_at_a_time = self.0.reloading.lock().await;
        let (home, surroundings, now) =
            (self.0.accounts.deps().home.clone(), self.0.surroundings.clone(), self.now());
        let read = off_thread(move || {
            let files = TokenFiles::read(&home, &surroundings)?;
            // As `oidc files check` says: nothing of it counts before that is mended. That there is no password yet may be mended
            // by a disk that is mounted, and keeps one account from being loaded.
            let mistakes = files.accounts.iter().filter_map(AccountPassword::problem);
            let mistakes: Vec<_> = mistakes
                .filter(|(code, _)| *code == AccountPassword::OPEN_TO_OTHERS)
                .map(|(_, problem)| problem)
                .collect();
            if !mistakes.is_empty() {
                return Err(Problems(mistakes));
            }
            let paths = files.entries.iter().filter_map(|entry| match &entry.sink {
                Sink::File(file) => Some(file.path.as_path()),
                Sink::Condor(_) => None,
            });
            private_file::remove_leftovers(paths);
            let found = files.entries.iter().map(|entry| Found {
                token: match &entry.sink {
                    Sink::File(sink) => publish::found(&entry.token, entry.require, sink, now),
                    Sink::Condor(_) => None,
                },
                entry: entry.clone(),
            });
            let found: Vec<_> = found.collect();
            Ok::<_, Problems>((files, found))
        });
        match read.await {
            Err(problems) => {
                warn!(problems = problems.0.len(), "the configuration of managed files is not taken");
                self.change(|state, now| state.refused = Some(told(&problems, now.wall)));
                self.0.ready.cancel();
            }
            Ok((files, found)) => {
                info!(entries = files.entries.len(), "the configuration of managed files is taken");
                self.take(files, found);
                self.0.ready.cancel();
                self.load_accounts().await;
            }
        }
    }

    fn take(&self, files: TokenFiles, found: Vec<Found>) {
        let TokenFiles { origins, accounts, remarks, .. } = files;
        self.change(|state, now| {
            state.sources = origins
                .into_iter()
                .map(|origin| origin.path)
                .chain(accounts.iter().map(|account| account.path.clone()))
                .collect();
            state.sources.sort();
            state.sources.dedup();
            (state.loaded_at, state.refused) = (Some(now.wall), None);
            state.remarks = remarks.iter().map(|remark| problem(remark, now.wall)).collect();
            state.passwords = accounts;
            state.schedule.replace(found, now);
            let (schedule, hooks) = (&state.schedule, &mut state.hooks);
            state.seen.retain(|id, _| schedule.entry(*id).is_some());
            hooks.retain(|id, _| schedule.entry(*id).is_some());
        });
    }

    /// Loads the accounts of `[accounts]` with their passwords, and the others of entries where that needs nobody.
    pub(super) async fn load_accounts(&self) {
        let (passwords, names) = {
            let state = self.state();
            (state.passwords.clone(), state.schedule.accounts().cloned().collect::<Vec<_>>())
        };
        let mut problems = Vec::new();
        for account in &passwords {
            self.load_account(account, &mut problems).await;
        }
        self.change(|state, now| {
            for (name, problem) in &problems {
                state.schedule.unmanaged(name, problem, now);
            }
            state.of_accounts = problems;
        });
        let mut others = JoinSet::new();
        for name in names {
            let files = self.clone();
            // A provider that does not answer holds up no other account.
            others.spawn(async move {
                let no = match files.0.accounts.unattended(&name).await {
                    Ok(_) => files.0.accounts.obstacle(&name),
                    Err(no) => Some(no),
                };
                let Some(no) = no else { return };
                files.change(|state, now| match state.of_account(&name).cloned() {
                    Some(problem) if no.trouble == Trouble::Unmanaged => {
                        state.schedule.unmanaged(&name, &problem, now);
                    }
                    _ => stop(&mut state.schedule, &name, &no, now),
                });
            });
        }
        // Whoever had the configuration read anew wants to know which are not kept; most is known at once.
        let all = async { while others.join_next().await.is_some() {} };
        let _ = timeout(ACCOUNTS_PATIENCE, all).await;
        others.detach_all();
    }

    /// Loads those again that could not be loaded, if that may be because of something that has passed: at each look where a file
    /// was missing or not fit, else now and then.
    pub(super) fn try_accounts_again(&self, everything: bool) {
        let is_of_file = |code: &str| code == AccountPassword::MISSING;
        let again = {
            let state = self.state();
            state.of_accounts.iter().any(|(_, problem)| everything || is_of_file(&problem.code))
        };
        if again && !self.0.accounts.is_locked() {
            let files = self.clone();
            tokio::spawn(async move {
                let _one_at_a_time = files.0.reloading.lock().await;
                files.load_accounts().await;
            });
        }
    }

    async fn load_account(&self, account: &AccountPassword, problems: &mut Vec<(Shortname, FileProblem)>) {
        if self.0.accounts.loading_of(&account.account).is_some() {
            return;
        }
        let wall = self.now().wall;
        // A disk that is mounted later, a mode that somebody mends: no mistake of the configuration.
        let looked_at = account.clone();
        if let Some((code, problem)) = off_thread(move || looked_at.problem()).await {
            problems.push((account.account.clone(), FileProblem::new(code, problem.to_string(), wall)));
            return;
        }
        let mut tell = |code: &str, what: String| {
            let (path, line) = (account.path.clone(), Some(account.line));
            let problem = Problem { path, line, key: format!("accounts.{}", account.account), what };
            problems.push((account.account.clone(), FileProblem::new(code, problem.to_string(), wall)));
        };
        let source = account.source.clone();
        match self.0.accounts.load_unattended(&account.account, move || password(&source)).await {
            Ok(()) => {}
            Err(Unloaded::NoPassword(error)) => tell("no_password", format!("there is no password: {error}")),
            Err(Unloaded::NotOpened(error)) => tell("not_opened", error.to_string()),
            Err(Unloaded::Failed(failure)) => {
                tell(failure.code.as_str(), problem_of(&failure, self.now()).text);
            }
        }
    }
}

/// The file that a password is in.
fn file_of(source: &PasswordSource) -> io::Result<Option<PathBuf>> {
    Ok(match source {
        PasswordSource::File(path) => Some(path.clone()),
        PasswordSource::Credential(name) => {
            let directory = std::env::var_os("CREDENTIALS_DIRECTORY").ok_or_else(|| {
                io::Error::other(
                    "CREDENTIALS_DIRECTORY is not set: `LoadCredential=` of the agent's unit sets it",
                )
            })?;
            Some(PathBuf::from(directory).join(name))
        }
        PasswordSource::Command(_) => None,
    })
}

fn password(source: &PasswordSource) -> io::Result<Password> {
    if let PasswordSource::Command(argv) = source {
        let (program, arguments) =
            argv.split_first().ok_or_else(|| io::Error::other("no program is named"))?;
        let mut command = std::process::Command::new(program);
        return password_of_command(command.args(arguments), COMMAND_DEADLINE);
    }
    let path = file_of(source)?.ok_or_else(|| io::Error::other("no file is named"))?;
    let path = path.to_str().ok_or_else(|| io::Error::other("the path is not UTF-8"))?;
    password_of_file(path, FILE_DEADLINE)
}

fn problem(problem: &Problem, wall: u64) -> FileProblem {
    FileProblem::new("configuration", problem.to_string(), wall)
}

fn told(problems: &Problems, wall: u64) -> FileProblem {
    FileProblem::new("configuration", problems.to_string(), wall)
}

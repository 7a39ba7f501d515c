//! The journal of registrations: every client that was registered at a provider for this person, so that none is forgotten.
//!
//! A hidden file with one JSON object a line, written as every private file and under a lock of its own. It holds no secret in
//! clear: what it takes to delete a client (its registration access token, RFC 7592 section 3) lies there as it lay in the
//! pending registration, sealed under the password of the account that it was made for, and goes when the client is deleted.
//! Lines that are not understood are left alone.

use std::{path::PathBuf, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use super::{
    Home,
    error::HomeError,
    lock::lock_file,
    names,
    private_file::{self, PrivateFile},
    temporary::Room,
};
use crate::account::same_issuer;

/// What the names of the journal and its lock are made of. No account has a name that ends so.
const STEM: &str = "registrations.config";
/// Most lines that are kept. Of more, the oldest ones of deleted clients go first.
const MOST: usize = 256;
/// The longest sealed registration that is kept, in characters of base64: so many fit into a file that is read.
const LONGEST_SEALED: usize = 3072;
/// How long to wait for another program that writes the journal.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);

/// A client that was registered.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RegisteredClient {
    /// Where.
    pub issuer: String,
    /// Its id (RFC 7591 section 3.2.1).
    pub client_id: String,
    /// How it is called there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_name: Option<String>,
    /// Where it is managed (RFC 7592 section 3).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registration_client_uri: Option<String>,
    /// For which account.
    pub account: String,
    /// When, in seconds since the epoch.
    pub registered_at: u64,
    /// When it was deleted, in seconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<u64>,
    /// What it takes to delete it, sealed as a pending registration is; in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sealed: Option<String>,
}

/// What the journal holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Registrations {
    /// The clients, the oldest first.
    pub clients: Vec<RegisteredClient>,
    /// How many lines are not understood.
    pub damaged: usize,
}

impl RegisteredClient {
    /// Whether it is that one.
    pub fn is(&self, issuer: &str, client_id: &str) -> bool {
        self.client_id == client_id && same_issuer(&self.issuer, issuer)
    }

    /// With what it takes to delete it, as it lies in the pending registration.
    #[must_use]
    pub fn with_sealed(self, sealed: &[u8]) -> Self {
        Self { sealed: Some(STANDARD.encode(sealed)), ..self }
    }

    /// What it takes to delete it, if that is there.
    pub fn sealed(&self) -> Option<Vec<u8>> {
        STANDARD.decode(self.sealed.as_deref()?).ok()
    }

    /// Marks it as deleted: nothing is needed to delete it any more.
    pub fn mark_deleted(&mut self, now: u64) {
        self.deleted_at.get_or_insert(now);
        self.sealed = None;
    }
}

/// A line of the journal.
#[derive(Clone, PartialEq)]
enum Line {
    Client(Box<RegisteredClient>),
    Other(Vec<u8>),
}

impl Home {
    /// Where the journal is, whether there is one or not.
    pub fn registrations_path(&self) -> PathBuf {
        self.path().join(format!(".{STEM}"))
    }

    /// What the journal holds; nothing where there is none.
    pub fn registrations(&self) -> Result<Registrations, HomeError> {
        let mut registrations = Registrations::default();
        for line in self.lines()? {
            match line {
                Line::Client(client) => registrations.clients.push(*client),
                Line::Other(_) => registrations.damaged += 1,
            }
        }
        Ok(registrations)
    }

    /// Adds a client, in the place of an older entry of the same one.
    pub fn note_registration(&self, client: &RegisteredClient) -> Result<(), HomeError> {
        self.rewrite(|lines| {
            lines.retain(
                |line| !matches!(line, Line::Client(own) if own.is(&client.issuer, &client.client_id)),
            );
            lines.push(Line::Client(Box::new(client.clone())));
        })
        .map(drop)
    }

    /// Changes entries, or drops those for which `change` says no. Whether there was anything to do.
    pub fn change_registrations(
        &self,
        change: impl Fn(&mut RegisteredClient) -> bool,
    ) -> Result<bool, HomeError> {
        self.rewrite(|lines| {
            lines.retain_mut(|line| match line {
                Line::Client(client) => change(client),
                Line::Other(_) => true,
            });
        })
    }

    fn lines(&self) -> Result<Vec<Line>, HomeError> {
        let bytes = match private_file::read(&self.registrations_path()) {
            Err(HomeError::NotFound(_)) => return Ok(Vec::new()),
            bytes => bytes?,
        };
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
        Ok(lines.map(Line::read).collect())
    }

    fn rewrite(&self, change: impl Fn(&mut Vec<Line>)) -> Result<bool, HomeError> {
        let _lock = lock_file(&names::lock_path(self.path(), STEM), LOCK_TIMEOUT)?;
        let before = self.lines()?;
        let mut lines = before.clone();
        change(&mut lines);
        bound(&mut lines);
        if lines == before {
            return Ok(false);
        }
        let path = self.registrations_path();
        let file = PrivateFile { path: &path, stem: STEM, journal: None };
        file.replace(&written(&lines), None, &mut Room::default())?;
        Ok(true)
    }
}

impl Line {
    fn read(bytes: &[u8]) -> Self {
        match serde_json::from_slice::<RegisteredClient>(bytes) {
            Ok(client) if !client.client_id.is_empty() => Self::Client(Box::new(client)),
            _ => Self::Other(bytes.to_vec()),
        }
    }

    fn is_deleted(&self) -> bool {
        matches!(self, Self::Client(client) if client.deleted_at.is_some())
    }
}

/// Lets the oldest go that there is no room for, deleted ones first.
fn bound(lines: &mut Vec<Line>) {
    for line in lines.iter_mut() {
        if let Line::Client(client) = line {
            client.sealed.take_if(|sealed| sealed.len() > LONGEST_SEALED);
        }
    }
    while lines.len() > MOST {
        let oldest = lines.iter().position(Line::is_deleted).unwrap_or(0);
        lines.remove(oldest);
    }
}

fn written(lines: &[Line]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in lines {
        match line {
            // Texts and numbers always serialise.
            Line::Client(client) => bytes.extend(serde_json::to_vec(client).unwrap_or_default()),
            Line::Other(other) => bytes.extend(other),
        }
        bytes.push(b'\n');
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn home() -> (tempfile::TempDir, Home) {
        let directory = tempfile::tempdir().expect("a directory");
        let home = Home::at(directory.path());
        (directory, home)
    }

    fn client(id: &str) -> RegisteredClient {
        RegisteredClient {
            issuer: "https://op".into(),
            client_id: id.into(),
            account: "demo".into(),
            registered_at: 7,
            ..RegisteredClient::default()
        }
        .with_sealed(b"sealed\n\xff")
    }

    #[test]
    fn what_is_noted_comes_back_and_only_its_owner_reads_it() {
        let (_directory, home) = home();
        assert_eq!(home.registrations().expect("readable"), Registrations::default());
        home.note_registration(&client("a")).expect("written");
        home.note_registration(&client("b")).expect("written");
        let again = RegisteredClient { account: "other".into(), issuer: "https://op/".into(), ..client("a") };
        home.note_registration(&again).expect("written");
        let clients = home.registrations().expect("readable").clients;
        assert_eq!(clients, [client("b"), again]);
        assert_eq!(clients[0].sealed().as_deref(), Some(&b"sealed\n\xff"[..]));
        let mode = std::fs::metadata(home.registrations_path()).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(home.list().expect("readable").is_empty(), "it is no account");
    }

    #[test]
    fn a_deleted_client_leaves_nothing_to_delete_it_with() {
        let (_directory, home) = home();
        home.note_registration(&client("a")).expect("written");
        let delete = |client: &mut RegisteredClient| {
            client.mark_deleted(9);
            true
        };
        assert!(home.change_registrations(delete).expect("written"));
        assert!(!home.change_registrations(delete).expect("nothing to do"));
        let clients = home.registrations().expect("readable").clients;
        assert_eq!((clients[0].deleted_at, clients[0].sealed()), (Some(9), None));
        assert!(home.change_registrations(|_| false).expect("written"));
        assert!(home.registrations().expect("readable").clients.is_empty());
    }

    #[test]
    fn what_is_damaged_is_left_alone_and_costs_nothing_else() {
        let (_directory, home) = home();
        home.note_registration(&client("a")).expect("written");
        let good = fs_err::read(home.registrations_path()).expect("readable");
        let odd = b"\xff\xfe\n[1]\n{\"client_id\":\"\"}\n{\"new\":1}\n".to_vec();
        fs_err::write(home.registrations_path(), [odd.clone(), good].concat()).expect("written");
        let found = home.registrations().expect("readable");
        assert_eq!((found.clients, found.damaged), (vec![client("a")], 4));
        home.note_registration(&client("b")).expect("written");
        let bytes = fs_err::read(home.registrations_path()).expect("readable");
        assert!(bytes.starts_with(&odd));
        fs_err::remove_file(home.registrations_path()).expect("removed");
        fs_err::create_dir(home.registrations_path()).expect("a directory");
        assert!(matches!(home.note_registration(&client("c")), Err(HomeError::NotARegularFile(_))));
    }

    #[test]
    fn it_does_not_grow() {
        let mut lines: Vec<_> =
            (0..MOST).map(|number| Line::Client(Box::new(client(&number.to_string())))).collect();
        let Line::Client(deleted) = &mut lines[5] else { panic!("a client") };
        deleted.mark_deleted(1);
        let huge = client("huge").with_sealed(&[0; LONGEST_SEALED]);
        lines.extend([Line::Client(Box::new(huge)), Line::Other(b"odd".to_vec())]);
        bound(&mut lines);
        assert_eq!(lines.len(), MOST);
        let ids: Vec<_> = lines
            .iter()
            .filter_map(|line| match line {
                Line::Client(client) => Some(client.client_id.as_str()),
                Line::Other(_) => None,
            })
            .collect();
        assert!(!ids.contains(&"5") && !ids.contains(&"0") && ids.contains(&"1"), "{ids:?}");
        let Line::Client(huge) = &lines[MOST - 2] else { panic!("a client") };
        assert_eq!(huge.sealed, None);
        assert!(written(&lines).len() < crate::vault::MAX_FILE_LEN);
    }
}

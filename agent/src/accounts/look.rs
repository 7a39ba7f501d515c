//! A look at an account's file: is it as it was, and if not, what stands there and beside it now? All of it blocks.

use oidc_proto::{
    account::AccountConfig,
    home::Home,
    rotation::{self, Newest},
    secret::{Password, RefreshToken},
    shortname::Shortname,
    vault::{self, FileKey, Format, Unlocked, VaultError},
};

use ring::digest::{SHA256, digest};

use super::password_source::PasswordSource;

/// Tells one state of a file from the next, by what is in it: what a network file system says of its time and size may be
/// minutes old.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp([u8; 32]);

impl Stamp {
    /// The digest itself.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// What [`Stamp::bytes`] gave.
    pub fn from_bytes(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    fn of(bytes: &[u8]) -> Self {
        let digest = digest(&SHA256, bytes);
        Self(std::array::from_fn(|index| digest.as_ref().get(index).copied().unwrap_or_default()))
    }
}

/// What the agent knows of an account's file.
#[derive(Clone, Default)]
pub struct Known {
    /// The file as last seen.
    pub stamp: Option<Stamp>,
    /// What opens and rewrites it.
    pub key: Option<FileKey>,
    /// Where its password may be had.
    pub source: Option<PasswordSource>,
    /// The refresh token in use.
    pub token: Option<RefreshToken>,
    /// The refresh token that stands in the file, as far as is known.
    pub in_file: Option<RefreshToken>,
}

/// What a look at the file found.
pub enum Found {
    /// There is no file: an account may live in memory only. Or it cannot be looked at.
    Nothing,
    /// As last seen.
    Unchanged,
    /// Seen for the first time, and not readable without its password.
    FirstSeen(Stamp),
    /// New or changed since it was last seen, and read.
    Changed(Box<Changed>),
    /// Changed by another program under a key we do not have. The refresh token we hold may be spent. Without a stamp: there
    /// was no memory to find out, so that it is looked at again.
    Rekeyed(Option<Stamp>),
    /// Changed, and nobody can open what stands there now. What we hold is as good as it was.
    Damaged(Stamp),
    /// As last seen, but another agent without the file's key has put a newer refresh token beside it.
    Beside {
        /// The token that stands in the file.
        in_file: RefreshToken,
        /// Its successor.
        token: RefreshToken,
    },
}

/// A file that was read.
pub struct Changed {
    /// What it holds now, with the newest refresh token.
    pub config: AccountConfig,
    /// The refresh token that stands in the file itself, where a newer one lies beside it.
    pub token_in_file: Option<RefreshToken>,
    /// What opens it.
    pub key: FileKey,
    /// The file as seen now.
    pub stamp: Stamp,
    /// It counts fewer writes than it did before: somebody put an older file back.
    pub rolled_back: bool,
}

/// Looks at an account's file. A password command may take half a minute.
pub fn look(home: &Home, name: &Shortname, known: &Known) -> Found {
    let Some(stamp) = stamp(home, name) else { return Found::Nothing };
    if known.stamp == Some(stamp) {
        return look_beside(home, name, known);
    }
    match read(home, name, known) {
        Ok(Opened { mut config, key, rolled_back }) => {
            let token_in_file = match rotation::newest(home, name, &mut config) {
                Ok(Newest::FromSidecar { in_file }) => Some(in_file),
                Ok(Newest::InFile) => None,
                Err(error) => {
                    tracing::warn!(account = %name, %error, "what lies beside the account file is unreadable");
                    None
                }
            };
            Found::Changed(Box::new(Changed { config, token_in_file, key, stamp, rolled_back }))
        }
        Err(Unopened::Damaged) => Found::Damaged(stamp),
        Err(Unopened::OutOfMemory) => Found::Rekeyed(None),
        Err(Unopened::Closed) if known.stamp.is_none() && known.key.is_none() => Found::FirstSeen(stamp),
        Err(Unopened::Closed) => Found::Rekeyed(Some(stamp)),
    }
}

/// Looks at what lies beside an account's file.
pub fn look_beside(home: &Home, name: &Shortname, known: &Known) -> Found {
    let Some(in_file) = known.in_file.clone() else { return Found::Unchanged };
    match rotation::beside(home, name, &in_file) {
        Ok(Some(token)) if known.token.as_ref() != Some(&token) => Found::Beside { in_file, token },
        _ => Found::Unchanged,
    }
}

struct Opened {
    config: AccountConfig,
    key: FileKey,
    rolled_back: bool,
}

enum Unopened {
    /// No key or password of ours opens it.
    Closed,
    /// Nobody's does.
    Damaged,
    /// A key derivation had not the memory for it.
    OutOfMemory,
}

fn read(home: &Home, name: &Shortname, known: &Known) -> Result<Opened, Unopened> {
    let mut why = None;
    if let Some(key) = &known.key {
        let (bytes, opened) = rotation::open(home, name, key).map_err(|error| {
            tracing::warn!(account = %name, %error, "the account file cannot be read");
            Unopened::Closed
        })?;
        match opened {
            Ok(config) => {
                return Ok(Opened { config, key: key.clone(), rolled_back: key.is_rollback(&bytes) });
            }
            Err(error) => why = Some(error),
        }
    }
    match by_password(home, name, known) {
        Some(Ok(Unlocked { account: config, key, .. })) => {
            return Ok(Opened { config, key, rolled_back: false });
        }
        Some(Err(error)) => why = Some(error),
        None => {}
    }
    let Some(error) = why else { return Err(Unopened::Closed) };
    tracing::warn!(account = %name, %error, "the account file was changed and does not open");
    Err(unopened(&error))
}

fn unopened(error: &VaultError) -> Unopened {
    match error {
        VaultError::Damaged(_) | VaultError::NotAnAccountFile(_) => Unopened::Damaged,
        VaultError::OutOfMemory => Unopened::OutOfMemory,
        _ => Unopened::Closed,
    }
}

/// The account by its password, where that may be had.
fn by_password(home: &Home, name: &Shortname, known: &Known) -> Option<Result<Unlocked, VaultError>> {
    let password = known.source.as_ref().and_then(PasswordSource::password)?;
    let bytes = home.read(name).ok()?;
    Some(vault::format_of(&bytes).and_then(|format| match format {
        // In the middle of a refresh, and under the file's lock: no time for questions.
        Format::OpenPgp => vault::unlock_with_gpg_quietly(&bytes),
        _ => vault::unlock(&bytes, &password),
    }))
}

/// The file's stamp; `None` when there is no file that could be read.
pub fn stamp(home: &Home, name: &Shortname) -> Option<Stamp> {
    home.read(name).ok().map(|bytes| Stamp::of(&bytes))
}

/// The key of an account's file, when the password is the right one.
pub fn key_of(home: &Home, name: &Shortname, password: &Password) -> Option<FileKey> {
    let bytes = home.read(name).ok()?;
    vault::unlock(&bytes, password).ok().map(|unlocked| unlocked.key)
}

#[cfg(test)]
mod tests {
    use super::super::{
        source::played::Played,
        testing::{Bench, granted},
    };
    use super::*;

    fn found(found: &Found) -> &'static str {
        match found {
            Found::Nothing => "nothing",
            Found::Unchanged => "unchanged",
            Found::FirstSeen(_) => "first seen",
            Found::Changed(changed) if changed.token_in_file.is_some() => "changed, with a token beside it",
            Found::Changed(_) => "changed",
            Found::Rekeyed(_) => "rekeyed",
            Found::Damaged(_) => "damaged",
            Found::Beside { .. } => "beside",
        }
    }

    #[test]
    fn a_lack_of_memory_is_no_other_key() {
        assert!(matches!(unopened(&VaultError::OutOfMemory), Unopened::OutOfMemory));
        assert!(matches!(unopened(&VaultError::WrongPassword), Unopened::Closed));
        assert!(matches!(unopened(&VaultError::Damaged("x")), Unopened::Damaged));
    }

    /// What happened to the file, and what a look finds by somebody who knows its key and has seen it before, who knows the
    /// key only, who has seen it only, and who knows nothing.
    #[tokio::test]
    async fn a_look_tells_what_happened() {
        type Row = (&'static str, fn(&super::super::testing::File), [&'static str; 4]);
        let rows: &[Row] = &[
            ("nothing", |_| {}, ["unchanged", "changed", "unchanged", "first seen"]),
            ("changed", |file| file.set_token("rt-2"), ["changed", "changed", "rekeyed", "first seen"]),
            ("another key", |file| file.rekey(), ["rekeyed", "rekeyed", "rekeyed", "first seen"]),
            ("deleted", |file| file.delete(), ["nothing"; 4]),
            (
                "damaged",
                |file| file.put(b"{\"format\":\"oidc-account/1\"}"),
                ["damaged", "damaged", "rekeyed", "first seen"],
            ),
            (
                "a token beside it",
                |file| file.put_beside("rt-2"),
                ["beside", "changed, with a token beside it", "beside", "first seen"],
            ),
        ];
        for (what, happens, expected) in rows {
            let bench = Bench::new();
            let file = bench.write_file(&Played::new(true, |_| Ok(granted("at", ""))));
            let (home, name): (_, Shortname) = (&bench.accounts.deps().home, "acc".parse().expect("a name"));
            let (seen, key) = (stamp(home, &name), file.key().clone());
            happens(&file);
            let token = Some(RefreshToken::from("rt-1"));
            for ((has_seen, has_key), expected) in
                [(true, true), (false, true), (true, false), (false, false)].into_iter().zip(expected)
            {
                let known = Known {
                    stamp: seen.filter(|_| has_seen),
                    key: Some(key.clone()).filter(|_| has_key),
                    source: None,
                    token: token.clone(),
                    in_file: token.clone(),
                };
                assert_eq!(
                    found(&look(home, &name, &known)),
                    *expected,
                    "{what}; seen before: {has_seen}, key: {has_key}"
                );
            }
        }
    }
}

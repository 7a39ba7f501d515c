//! `--cp`: the certificates that an account trusts instead of the system's. A file of the person's own is copied beside the
//! account's; one that the system looks after stays where it is, and current.

use std::path::{self, Path};

use fs_err as fs;
use oidc_proto::{
    account::AccountConfig,
    home::{Home, HomeError},
    shortname::Shortname,
};
use zeroize::Zeroizing;

use super::{save::Storage, session::Session};
use crate::{account::file::LOCK_TIMEOUT, context::error::Error, say::exit::Exit};

/// The largest file that is copied, in bytes; whole bundles are larger, and not somebody's own.
const LARGEST: u64 = 256 * 1024;
/// Where distributions and administrators keep certificates, and replace them in time.
const LOOKED_AFTER: [&str; 5] = ["/etc", "/usr", "/opt", "/cvmfs", "/nix"];

/// The absolute path of the file of `--cp`, which has to be there and hold certificates.
pub fn given(path: &str) -> Result<String, Error> {
    let failed = |reason: String| Error::Other(Exit::File, format!("--cp: {reason}"));
    let absolute = path::absolute(path).map_err(|error| failed(format!("{path}: {error}")))?;
    let shown = absolute.display();
    let metadata = std::fs::metadata(&absolute).map_err(|error| failed(format!("{shown}: {error}")))?;
    if !metadata.is_file() {
        return Err(failed(format!("{shown} is no regular file")));
    }
    if metadata.len() <= LARGEST {
        let text = fs::read(&absolute).map_err(|error| failed(error.to_string()))?;
        if !holds_certificates(&text) {
            return Err(failed(format!("{shown} holds no certificate in the PEM format")));
        }
    }
    absolute.to_str().map(str::to_owned).ok_or_else(|| failed(format!("{shown} is not UTF-8")))
}

fn holds_certificates(text: &[u8]) -> bool {
    [&b"-----BEGIN CERTIFICATE-----"[..], b"-----BEGIN TRUSTED CERTIFICATE-----"]
        .iter()
        .any(|begin| text.windows(begin.len()).any(|window| window == *begin))
}

/// What was kept before, to be put back if the login fails.
pub struct Kept {
    before: Option<Zeroizing<Vec<u8>>>,
}

/// Copies the account's certificates beside its file, where they belong there; the account names the copy from then on.
pub fn keep(
    session: &mut Session,
    name: &Shortname,
    account: &mut AccountConfig,
    storage: &Storage,
) -> Result<Option<Kept>, Error> {
    let Some(path) = account.cert_path.clone() else { return Ok(None) };
    let is_stored = match storage {
        Storage::New(_) => true,
        Storage::Existing { .. } => session.args.client.cert_path.is_some(),
        Storage::Undecided | Storage::Nowhere(_) => false,
    };
    let home = session.home()?;
    let copy = home.certificates_path(name);
    let is_elsewhere = is_looked_after(session, account, Path::new(&path)) || Path::new(&path) == copy;
    let Some(copy) = copy.to_str().filter(|_| is_stored && !is_elsewhere) else { return Ok(None) };
    // One that cannot be read is for the agent to complain of.
    let is_small = fs::metadata(&path).is_ok_and(|metadata| metadata.is_file() && metadata.len() <= LARGEST);
    let Some(pem) = is_small.then(|| fs::read(&path).ok()).flatten() else { return Ok(None) };
    let before = home.read_certificates(name)?;
    let lock = home.lock(name, LOCK_TIMEOUT)?;
    home.write_certificates(&lock, &pem)?;
    account.cert_path = Some(copy.to_owned());
    Ok(Some(Kept { before }))
}

/// The system's, or named by the issuer data.
fn is_looked_after(session: &Session, account: &AccountConfig, path: &Path) -> bool {
    let issuer = account.issuer_url.as_deref().and_then(|issuer| session.issuers.get(issuer));
    LOOKED_AFTER.iter().any(|directory| path.starts_with(directory))
        || issuer.and_then(|issuer| issuer.cert_path).is_some_and(|known| known == path)
}

/// After a login that failed: as it was.
pub fn put_back(home: &Home, name: &Shortname, kept: &Kept) -> Result<(), HomeError> {
    let lock = home.lock(name, LOCK_TIMEOUT)?;
    match &kept.before {
        Some(before) => home.write_certificates(&lock, before),
        None => home.remove_certificates(&lock).map(drop),
    }
}

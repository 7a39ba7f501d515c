//! The other ways to what is in the file: using one, making and removing them.

use std::path::{Path, PathBuf};

use oidc_proto::{
    home::Home,
    shell,
    shortname::Shortname,
    vault::{self, Format, Phrase, Protection, Recovery, RecoveryKind, VaultError},
};
use serde_json::json;

use super::{
    arguments::{PasswdArgs, RecoverWith},
    rewrite::rewrite,
};
use crate::{
    account::{
        error::AccountError,
        file::{Current, LOCK_TIMEOUT, Sealed},
        phrase,
    },
    cli::{options::FormatArg, usage::UsageError},
    context::{Context, error::Error, file_key},
};

/// Opens the file without its password and sets a new one.
pub fn recover(args: &PasswdArgs, name: &Shortname, context: &mut Context) -> Result<(), Error> {
    let home = context.home()?;
    let with = args.recovery.recover.unwrap_or(RecoverWith::Phrase);
    let is_stdin = |file: &Option<PathBuf>| file.as_deref() == Some(Path::new("-"));
    if is_stdin(&args.recovery.phrase_file) && is_stdin(&args.new_pw_file) {
        let text = "--phrase-file and --new-pw-file cannot both be standard input";
        return Err(UsageError::new(text).into());
    }
    let sealed = Sealed::read(&home, name)?;
    if sealed.format != Format::Native {
        let kind = match with {
            RecoverWith::Phrase => RecoveryKind::Phrase,
            RecoverWith::Gpg => RecoveryKind::Gpg,
        };
        return Err(sealed.error(VaultError::NoRecovery(kind)).into());
    }
    let unlocked = match with {
        RecoverWith::Gpg => {
            vault::unlock_with_recovery_key(&sealed.bytes).map_err(|error| sealed.error(error))?
        }
        RecoverWith::Phrase => {
            phrase::unlock(&sealed, args.recovery.phrase_file.as_deref(), context.asker.as_mut())?
        }
    };
    if let Some(issuer) = &unlocked.account.issuer_url {
        context.output.note(&format!("The file is open: an account of {issuer}."));
    }
    rewrite(args, &home, &sealed, &sealed.opened(&home, unlocked), context)
}

/// Reads a file that can be given other ways in.
fn sealed(home: &Home, name: &Shortname) -> Result<Sealed, AccountError> {
    let sealed = Sealed::read(home, name)?;
    match sealed.format {
        Format::Native => Ok(sealed),
        _ => Err(AccountError::NoPlaceForRecovery { name: sealed.name, file: sealed.path }),
    }
}

/// Makes or removes ways in. The data key becomes another one each time: whoever kept a copy of the file and a phrase that
/// is not to count any more opens nothing that is written from now on.
pub fn change(args: &PasswdArgs, name: &Shortname, context: &mut Context) -> Result<(), Error> {
    let home = context.home()?;
    let kind = if args.recovery.recovery_gpg.is_some() { RecoveryKind::Gpg } else { RecoveryKind::Phrase };
    if args.format != FormatArg::Native {
        return Err(Error::CannotAsk(
            "only the native format has a place for a recovery phrase or key".into(),
        ));
    }
    let sealed = sealed(&home, name)?;
    if args.recovery.add_recovery {
        phrase::may_be_shown(context.asker.as_mut())?;
    }
    let opened = sealed.open(&home, &args.keyring.with(args.old.sources()), context.asker.as_mut())?;
    if let Some(warning) = &opened.warning {
        context.output.warning(warning);
    }
    let Some(password) = &opened.password else {
        return Err(sealed.error(VaultError::NoRecovery(kind)).into());
    };
    let phrase = args.recovery.add_recovery.then(Phrase::random);
    if let Some(phrase) = &phrase {
        phrase::show(name, phrase, context.asker.as_mut()).inspect_err(|_| {
            context.output.hint("The file was not changed: the words that were shown open nothing.");
        })?;
    }
    let lock = home.lock(name, LOCK_TIMEOUT)?;
    let (key, recovery) = opened.rewrite(&home, &lock, |current| {
        let recovery = wished(args, phrase.as_ref(), current).map_err(|error| sealed.error(error))?;
        let generation = vault::header(&current.bytes).map_or(0, |header| header.generation);
        let (bytes, key) =
            vault::seal_next(&current.account, &Protection::Recoverable(password, &recovery), generation)
                .map_err(|error| sealed.error(error))?;
        Ok::<_, AccountError>((bytes, (key, recovery)))
    })?;
    drop(lock);
    file_key::give_if_loaded(context, name, &key, true);
    report(name, &recovery, context)
}

fn wished(args: &PasswdArgs, phrase: Option<&Phrase>, current: &Current) -> Result<Recovery, VaultError> {
    if args.recovery.remove_recovery {
        return Ok(Recovery::default());
    }
    let mut recovery = current.key.recovery(&current.bytes)?;
    if let Some(phrase) = phrase {
        recovery = recovery.with_phrase(phrase);
    }
    Ok(match &args.recovery.recovery_gpg {
        Some(recipient) => recovery.with_gpg(recipient.clone()),
        None => recovery,
    })
}

/// Whether the file of an account has a recovery phrase, and a recovery key, as its header says.
pub fn ways_of(name: &Shortname, context: &mut Context) -> (bool, bool) {
    let bytes = context.home().ok().and_then(|home| home.read(name).ok());
    let header = bytes.and_then(|bytes| vault::header(&bytes)).unwrap_or_default();
    (header.has_recovery_phrase, header.has_recovery_key)
}

/// Tells what of these the file has no more.
pub fn tell_lost(before: (bool, bool), name: &Shortname, context: &mut Context) {
    let after = ways_of(name, context);
    for (was, is, what, option) in
        [(before.0, after.0, "phrase", "--add-recovery"), (before.1, after.1, "key", "--recovery-gpg KEY_ID")]
    {
        if was && !is {
            let again = shell::command(&format!("oidc passwd {option}"), name.as_str());
            context.output.warning(&format!(
                "the recovery {what} that the file of '{name}' had opens it no longer; `{again}` makes another one"
            ));
        }
    }
}

fn report(name: &Shortname, recovery: &Recovery, context: &mut Context) -> Result<(), Error> {
    let (phrase, key) = (recovery.has_phrase(), recovery.has_gpg());
    if context.output.json {
        let recovery = json!({"phrase": phrase, "gpg": key});
        return Ok(context
            .output
            .json(&json!({"status": "success", "account": name, "recovery": recovery}))?);
    }
    let what = match (phrase, key) {
        (false, false) => "the password alone",
        (true, false) => "the password, or the recovery phrase",
        (false, true) => "the password, or the OpenPGP key",
        (true, true) => "the password, the recovery phrase, or the OpenPGP key",
    };
    Ok(context.output.line(&format!("'{name}' is opened by {what}"))?)
}

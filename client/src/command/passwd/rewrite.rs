//! Writing the file under a new password.

use oidc_proto::{
    home::Home,
    secret::Password,
    shell,
    shortname::Shortname,
    vault::{self, Format, Protection, Recovery, VaultError},
};
use serde_json::json;

use super::arguments::PasswdArgs;
use crate::{
    account::{
        error::AccountError,
        file::{LOCK_TIMEOUT, Opened, Sealed, not_kept},
        password::{keyring, sources::Sources},
    },
    cli::options::FormatArg,
    context::{Context, error::Error, file_key},
};

/// Writes the file anew under the new password and tells the agent the new key.
pub fn rewrite(
    args: &PasswdArgs,
    home: &Home,
    sealed: &Sealed,
    opened: &Opened,
    context: &mut Context,
) -> Result<(), Error> {
    if let Some(warning) = &opened.warning {
        context.output.warning(warning);
    }
    if sealed.format == Format::OpenPgp {
        context.output.note("The file is encrypted with OpenPGP; from now on it has a password instead.");
    }
    let header = vault::header(&sealed.bytes).unwrap_or_default();
    if args.format == FormatArg::OidcAgent && (header.has_recovery_phrase || header.has_recovery_key) {
        context.output.warning(
            "the format of the C suite has no place for a recovery phrase or key: from now on the password alone \
             opens the file",
        );
    }
    let password = new_password(args, &sealed.name, context)?;
    let lock = home.lock(&sealed.name, LOCK_TIMEOUT)?;
    let failed = |error| AccountError::Vault { name: sealed.name.clone(), file: sealed.path.clone(), error };
    // Whoever has forgotten the password cannot take away a key that stands in the way.
    let is_forgotten = args.recovery.recover.is_some();
    let (key, left_out) = opened.rewrite(home, &lock, |current| {
        let header = vault::header(&current.bytes).unwrap_or_default();
        let recovery = current.key.recovery(&current.bytes).map_err(failed)?;
        let seal = |recovery: &Recovery| {
            let protection = match args.format {
                FormatArg::Native => Protection::Recoverable(&password, recovery),
                FormatArg::OidcAgent => Protection::OidcAgent(&password),
            };
            vault::seal_next(&current.account, &protection, header.generation)
        };
        match seal(&recovery) {
            Err(error @ VaultError::RecoveryKey { .. }) if is_forgotten => {
                let (bytes, key) = seal(&recovery.without_gpg()).map_err(failed)?;
                Ok((bytes, (key, Some(error))))
            }
            sealed => sealed.map(|(bytes, key)| (bytes, (key, None))).map_err(failed),
        }
    })?;
    drop(lock);
    if let Some(error) = left_out {
        context.output.warning(&format!(
            "{error}. It opens the file no longer; `{}` lets one do it again",
            shell::command("oidc passwd --recovery-gpg KEY_ID", sealed.name.as_str())
        ));
    }
    if args.keyring.pw_keyring
        && let Err(error) = keyring::store(&sealed.name, &sealed.path, &password)
    {
        context.output.warning(&not_kept(&error));
    }
    file_key::give_if_loaded(context, &sealed.name, &key, true);
    let issuer = opened.account.issuer_url.as_deref().filter(|_| is_forgotten);
    report(&sealed.name, args.format, issuer, context)
}

/// The new password: from a source, or typed twice.
pub fn new_password(args: &PasswdArgs, name: &Shortname, context: &mut Context) -> Result<Password, Error> {
    let sources = Sources {
        variable: args.new_pw_env.clone(),
        command: args.new_pw_cmd.clone(),
        file: args.new_pw_file.clone(),
        credential: None,
        keyring: false,
        prompt: args.old.sources().prompt,
    };
    let prompt = format!("Enter new encryption password for account config '{name}'");
    context.new_password(&sources, &prompt, "Confirm new encryption password")
}

/// What the journal of registrations holds under the old password, which others may know.
fn forget_old_copies(name: &Shortname, context: &mut Context) {
    let Ok(home) = context.home() else { return };
    let forgotten = home.change_registrations(|client| {
        if client.account == name.as_str() {
            client.sealed = None;
        }
        true
    });
    if let Err(error) = forgotten {
        context.output.warning(&format!("a copy of the registration stays under the old password: {error}"));
    }
}

/// That it is done. `issuer`: of the account in a file that was opened without its password.
pub fn report(
    name: &Shortname,
    format: FormatArg,
    issuer: Option<&str>,
    context: &mut Context,
) -> Result<(), Error> {
    forget_old_copies(name, context);
    let format = match format {
        FormatArg::Native => "native",
        FormatArg::OidcAgent => "oidc-agent",
    };
    if context.output.json {
        let mut object = json!({"status": "success", "account": name, "format": format});
        if let Some(issuer) = issuer {
            object["issuer"] = issuer.into();
        }
        return Ok(context.output.json(&object)?);
    }
    Ok(context.output.line(&format!("New password set for '{name}'"))?)
}

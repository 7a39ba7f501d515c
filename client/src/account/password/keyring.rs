//! The desktop's keyring (`--pw-keyring`): that of GNOME, of KDE, or whatever answers as Secret
//! Service.
//!
//! `secret-tool` of libsecret does the talking, as `gpg` and `pinentry` do theirs: a D-Bus library would bring an event loop
//! or a C library along, for a client that starts for every token. The password goes over its standard input and output,
//! never into an argument. The keyring may ask the person to open it, which has a deadline.

use std::{
    env,
    fs::File,
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use oidc_proto::{program, secret::Password, shortname::Shortname};
use rustix::fs::{MemfdFlags, memfd_create};

use super::{
    MAX_PASSWORD, SOURCE_DEADLINE,
    command::{self, Said},
    error::PasswordError,
    sources::utf8,
};

/// The option.
const ORIGIN: &str = "--pw-keyring";
const PROGRAM: &str = "secret-tool";
/// What a keyring is called on the bus, which complaints name where there is none.
const SERVICE: &str = "org.freedesktop.secrets";
/// What is read of the program's complaints, in bytes.
const MAX_COMPLAINT: u64 = 500;

/// The password of an account file, if the keyring has one.
pub fn look_up(name: &Shortname, file: &Path) -> Result<Option<Password>, PasswordError> {
    let mut program = Command::new(PROGRAM);
    program.arg("lookup").stdin(Stdio::null());
    let (said, complaint) = talk(attributes(&mut program, name, file))?;
    match complaint {
        _ if said.succeeded && !said.output.is_empty() => utf8(ORIGIN, said.output).map(Some),
        // That there is no such password is no reason for it to say anything.
        None => Ok(None),
        Some(complaint) => Err(failed(complaint)),
    }
}

/// Keeps the password of an account file, in the place of the one before.
pub fn store(name: &Shortname, file: &Path, password: &Password) -> Result<(), PasswordError> {
    let mut program = Command::new(PROGRAM);
    program.arg("store").arg(format!("--label=oidc-agent: account file '{name}'"));
    program.stdin(piped(password).map_err(because)?);
    let (said, complaint) = talk(attributes(&mut program, name, file))?;
    match complaint {
        _ if said.succeeded => Ok(()),
        complaint => Err(failed(complaint.unwrap_or_else(|| format!("{PROGRAM} failed")))),
    }
}

/// Removes the password of an account file that is gone. Whether the keyring had one; without a keyring there is none.
pub fn clear(name: &Shortname, file: &Path) -> Result<bool, PasswordError> {
    if !has_one(name, file)? {
        return Ok(false);
    }
    let mut program = Command::new(PROGRAM);
    program.arg("clear").stdin(Stdio::null());
    let (said, complaint) = talk(attributes(&mut program, name, file))?;
    if said.succeeded {
        Ok(true)
    } else {
        Err(failed(complaint.unwrap_or_else(|| format!("{PROGRAM} failed"))))
    }
}

/// Has the password of an account file found under another name of the account, if the keyring has one.
pub fn rename(old: (&Shortname, &Path), new: (&Shortname, &Path)) -> Result<(), PasswordError> {
    if !has_one(old.0, old.1)? {
        return Ok(());
    }
    if let Some(password) = look_up(old.0, old.1)? {
        store(new.0, new.1, &password)?;
        clear(old.0, old.1)?;
    }
    Ok(())
}

/// Whether there is a password. Nobody is asked to open the keyring for that.
fn has_one(name: &Shortname, file: &Path) -> Result<bool, PasswordError> {
    if !has_bus() || !is_installed() {
        return Ok(false);
    }
    let mut program = Command::new(PROGRAM);
    program.arg("search").stdin(Stdio::null());
    // What it finds stands on standard output, the password too where the keyring is open; attributes stand on the other one.
    let (said, complaint) = talk(attributes(&mut program, name, file))?;
    match complaint {
        _ if !said.output.is_empty() => Ok(true),
        // Nothing answers as a keyring, so that none has it.
        Some(complaint) if !complaint.contains(SERVICE) => Err(failed(complaint)),
        _ => Ok(false),
    }
}

/// By what a password is found again. Another directory may have an account of the same name.
fn attributes<'a>(program: &'a mut Command, name: &Shortname, file: &Path) -> &'a mut Command {
    program.args(["--", "application", "oidc-agent", "account", name.as_str(), "file"]).arg(file)
}

/// What the program said, and what it complained about.
fn talk(program: &mut Command) -> Result<(Said, Option<String>), PasswordError> {
    if !has_bus() {
        let why = "there is no session bus that leads to a keyring (DBUS_SESSION_BUS_ADDRESS is not set)";
        return Err(failed(why.to_owned()));
    }
    if !is_installed() {
        return Err(failed(format!(
            "the program {PROGRAM} is not installed (Debian package libsecret-tools)"
        )));
    }
    // Memory that can be read without waiting for anybody who holds it open.
    let complaints =
        memfd_create("complaints", MemfdFlags::CLOEXEC).map_err(|errno| because(errno.into()))?;
    let mut complaints = File::from(complaints);
    program.stderr(complaints.try_clone().map_err(because)?);
    let said = command::run(ORIGIN, program, SOURCE_DEADLINE)?;
    complaints.rewind().map_err(because)?;
    let mut text = Vec::new();
    complaints.take(MAX_COMPLAINT).read_to_end(&mut text).map_err(because)?;
    let text = String::from_utf8_lossy(&text).trim().to_owned();
    Ok((said, (!text.is_empty()).then_some(text)))
}

/// A pipe with the password in it, which is shorter than what a pipe holds.
fn piped(password: &Password) -> io::Result<Stdio> {
    let (output, mut input) = io::pipe()?;
    if password.expose().len() >= MAX_PASSWORD {
        return Err(io::Error::other(format!(
            "a password of {MAX_PASSWORD} bytes or more is not kept there"
        )));
    }
    input.write_all(password.expose().as_bytes())?;
    Ok(output.into())
}

/// Where D-Bus looks: the variable, and else the user's own socket.
fn has_bus() -> bool {
    let runtime = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    env::var_os("DBUS_SESSION_BUS_ADDRESS").is_some_and(|address| !address.is_empty())
        || runtime.is_some_and(|runtime| runtime.join("bus").exists())
}

fn is_installed() -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    program::find(env::split_paths(&path), PROGRAM).is_some()
}

/// That what the keyring has is not the file's password any more.
pub fn wrong() -> PasswordError {
    failed("the one that is there does not open the file".to_owned())
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn because(error: io::Error) -> PasswordError {
    failed(error.to_string())
}

fn failed(reason: String) -> PasswordError {
    PasswordError::Source { origin: ORIGIN, reason }
}

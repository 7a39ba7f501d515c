//! Reads an account config (JSON) on standard input and writes it, encrypted, into the oidc-agent directory.
//! `OIDC_ENCRYPTION_PW` holds the password; `--oidc-agent` chooses the C suite's format.

use std::{io::Read, time::Duration};

use anyhow::{Context, Result};
use clap::Parser;
use oidc_proto::{
    account::AccountConfig,
    home::Home,
    secret::Password,
    shortname::Shortname,
    vault::{self, Protection},
};

#[derive(Parser)]
struct Options {
    /// Write the C suite's format
    #[arg(long)]
    oidc_agent: bool,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let password = Password::new(std::env::var("OIDC_ENCRYPTION_PW").context("OIDC_ENCRYPTION_PW")?);
    let mut text = Vec::new();
    std::io::stdin().read_to_end(&mut text)?;
    let account = AccountConfig::parse(&text)?;
    let name: Shortname = account.name.as_deref().context("the account has no name")?.parse()?;
    let protection =
        if options.oidc_agent { Protection::OidcAgent(&password) } else { Protection::Native(&password) };
    let (bytes, _) = vault::seal_new(&account, &protection)?;
    let home = Home::find_or_create()?;
    let lock = home.lock(&name, Duration::from_secs(10))?;
    home.write(&lock, &bytes)?;
    Ok(())
}

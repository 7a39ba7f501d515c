//! The embedded provider as a program. Prints `{"issuer": ..., "admin": ...}` as one line when it is ready, and with
//! `--seed NAME` the account config of a login as a second line. Ends when its standard input does, or by a signal.

#![allow(clippy::print_stdout, reason = "its output is how it says where it is")]

use std::io::{self, Read};

use anyhow::{Context, Result};
use clap::Parser;
use oidc_tests::provider::{Endpoint, Fault, Provider, Quirks};
use serde::Deserialize;
use serde_json::{Value, json};

/// A scriptable `OpenID` provider on 127.0.0.1, for trying out and testing.
#[derive(Parser)]
struct Options {
    /// Port to listen on; 0 for any free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Seconds an access token lives
    #[arg(long, default_value_t = 3600)]
    lifetime: u64,
    /// How it differs from the specifications, as a JSON object
    #[arg(long, value_name = "JSON", default_value = "{}")]
    quirks: String,
    /// A fault that stays, such as `{"endpoint":"token","kind":"delay","milliseconds":500}`
    #[arg(long, value_name = "JSON")]
    fault: Vec<String>,
    /// Makes a client with a login and prints it as an account config
    #[arg(long, value_name = "NAME")]
    seed: Option<String>,
}

#[derive(Deserialize)]
struct StandingFault {
    endpoint: Endpoint,
    #[serde(flatten)]
    fault: Fault,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let mut quirks: Quirks = serde_json::from_str(&options.quirks).context("--quirks")?;
    quirks.access_token_lifetime = options.lifetime;
    let provider = Provider::on_port(options.port, quirks).context("cannot listen on 127.0.0.1")?;
    // Whoever drives this by hand may break rules.
    provider.tolerate_violations();
    for text in &options.fault {
        let StandingFault { endpoint, fault } = serde_json::from_str(text).context("--fault")?;
        provider.faults().set(endpoint, fault);
    }
    println!("{}", json!({"issuer": provider.issuer(), "admin": format!("{}/admin/", provider.origin())}));
    if let Some(name) = &options.seed {
        println!("{}", Value::Object(provider.seed_account(name).to_object().members().clone()));
    }
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

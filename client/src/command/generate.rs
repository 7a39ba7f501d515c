//! Man pages and completions, for packagers: hidden, because people need it once or never.

mod man;

use std::path::Path;

use clap_complete::env::{Bash, EnvCompleter, Fish, Zsh};

use super::Context;
use crate::{
    cli::{
        completion,
        others::{GenerateArgs, Generated},
    },
    error::Error,
    exit::Exit,
};

/// Writes what is asked for.
pub fn run(args: &GenerateArgs, _context: &mut Context) -> Result<(), Error> {
    let directory = &args.directory;
    fs_err::create_dir_all(directory).map_err(|error| failed(&error))?;
    match args.what {
        Generated::Man => man::write_pages(directory).map_err(|error| failed(&error)),
        Generated::Bash => write_scripts(directory, &Bash, str::to_owned),
        Generated::Zsh => write_scripts(directory, &Zsh, |name| format!("_{name}")),
        Generated::Fish => write_scripts(directory, &Fish, |name| format!("{name}.fish")),
    }
}

/// One script for each name: shells load the one that is called after the command.
fn write_scripts(directory: &Path, shell: &dyn EnvCompleter, file: fn(&str) -> String) -> Result<(), Error> {
    for (name, _) in completion::programs() {
        let script = completion::script(shell, &name);
        script
            .and_then(|script| fs_err::write(directory.join(file(&name)), script))
            .map_err(|error| failed(&error))?;
    }
    Ok(())
}

fn failed(error: &std::io::Error) -> Error {
    Error::Other(Exit::File, error.to_string())
}

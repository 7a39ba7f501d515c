//! Man pages and completions, for packagers: hidden, because people need it once or never.

use std::path::Path;

use clap::Command;
use clap_complete::{Shell, generate};

use super::Context;
use crate::{
    cli::{
        others::{GenerateArgs, Generated},
        tree,
    },
    error::Error,
    exit::Exit,
};

/// Writes what is asked for.
pub fn run(args: &GenerateArgs, context: &mut Context) -> Result<(), Error> {
    let shell = match args.what {
        Generated::Man => {
            let directory = args.directory.as_deref().unwrap_or(Path::new("."));
            return man_pages(directory);
        }
        Generated::Bash => Shell::Bash,
        Generated::Zsh => Shell::Zsh,
        Generated::Fish => Shell::Fish,
    };
    for (name, command) in programs() {
        let mut text = Vec::new();
        generate(shell, &mut command.clone(), name, &mut text);
        context.output.result(&String::from_utf8_lossy(&text))?;
    }
    Ok(())
}

/// `oidc`, and the C suite's names.
fn programs() -> impl Iterator<Item = (String, Command)> {
    let oidc = ("oidc".to_owned(), tree::oidc());
    let others = tree::c_suite().map(|command| (command.get_name().to_owned(), command));
    std::iter::once(oidc).chain(others)
}

/// `oidc.1`, a page for each of its commands (`oidc-reset.1`), and one for each of the C suite's names.
///
/// `oidc-add.1` and `oidc-token.1` describe both spellings: the name is the same.
fn man_pages(directory: &Path) -> Result<(), Error> {
    fs_err::create_dir_all(directory).map_err(|error| failed(&error))?;
    for (name, command) in programs() {
        // The page `oidc-agent.1` is the agent's own.
        let has_page = |sub: &&Command| !sub.is_hide_set() && sub.get_name() != "agent";
        for sub in command.get_subcommands().filter(has_page) {
            page(directory, format!("{name}-{}", sub.get_name()), sub.clone())?;
        }
        page(directory, name, command)?;
    }
    Ok(())
}

fn page(directory: &Path, name: String, command: Command) -> Result<(), Error> {
    let path = directory.join(format!("{name}.1"));
    let mut text = Vec::new();
    let page = clap_mangen::Man::new(command).title(name);
    page.render(&mut text).and_then(|()| fs_err::write(&path, &text)).map_err(|error| failed(&error))
}

fn failed(error: &std::io::Error) -> Error {
    Error::Other(Exit::File, error.to_string())
}

//! Man pages and completions, for packagers: hidden, because people need it once or never.

mod man;

use std::path::{Path, PathBuf};

use clap::{Parser, ValueEnum};
use clap_complete::env::{Bash, EnvCompleter, Fish, Zsh};

use crate::{
    cli::{completion, options::Common},
    context::{Command, Context, error::Error},
    say::exit::Exit,
};

/// Write man pages or a shell's completions
#[derive(Debug, Clone, Parser)]
pub struct GenerateArgs {
    /// What to write
    #[arg(value_enum)]
    pub what: Generated,

    /// Directory for the files, which are named as the shell or `man` looks for them
    #[arg(value_name = "DIRECTORY")]
    pub directory: PathBuf,

    #[command(flatten)]
    pub common: Common,
}

/// What `generate` can write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Generated {
    /// A page for each command and name
    Man,
    /// Completions for bash
    Bash,
    /// Completions for zsh
    Zsh,
    /// Completions for fish
    Fish,
}

impl Command for GenerateArgs {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(&self, context: &mut Context) -> Result<(), Error> {
        let directory = &self.directory;
        // The others are of packages that have their own pages and completions.
        let programs: Vec<_> =
            (context.programs)().into_iter().filter(|program| !program.is_hide_set()).collect();
        fs_err::create_dir_all(directory).map_err(|error| failed(&error))?;
        match self.what {
            Generated::Man => man::write_pages(programs, directory).map_err(|error| failed(&error)),
            Generated::Bash => write_scripts(&programs, directory, &Bash, str::to_owned),
            Generated::Zsh => write_scripts(&programs, directory, &Zsh, |name| format!("_{name}")),
            Generated::Fish => write_scripts(&programs, directory, &Fish, |name| format!("{name}.fish")),
        }
    }
}

/// One script for each name: shells load the one that is called after the command.
fn write_scripts(
    programs: &[clap::Command],
    directory: &Path,
    shell: &dyn EnvCompleter,
    file: fn(&str) -> String,
) -> Result<(), Error> {
    for name in programs.iter().map(clap::Command::get_name) {
        let script = completion::script(shell, name);
        script
            .and_then(|script| fs_err::write(directory.join(file(name)), script))
            .map_err(|error| failed(&error))?;
    }
    Ok(())
}

fn failed(error: &std::io::Error) -> Error {
    Error::Other(Exit::File, error.to_string())
}

//! Commands as the parser knows them: a name, and the type of their arguments.

use clap::{Arg, ArgAction, ArgMatches, Parser};

use crate::say::dialect::Dialect;

/// The commands of a program that answers to several names. `C` is what a command line is read into.
pub struct Table<C: 'static> {
    /// The words after `oidc`, in the order of its help.
    pub commands: &'static [Entry<C>],
    /// Words after `oidc` that another word follows.
    pub groups: &'static [Group<C>],
    /// Other programs whose names this one answers to: the C suite's, and htgettoken's.
    pub c_suite: &'static [Entry<C>],
}

/// Commands that share their first word: `oidc helper git`.
pub struct Group<C: 'static> {
    /// The first word.
    pub name: &'static str,
    /// What they are for, in a line of the help.
    pub about: &'static str,
    /// What else there is to say of all of them.
    pub after_help: &'static str,
    /// The second words.
    pub commands: &'static [Entry<C>],
}

/// A command of a [`Table`].
pub struct Entry<C> {
    /// The word after `oidc`, or the program's name.
    pub name: &'static str,
    /// Shown in the help.
    pub is_visible: bool,
    /// Another name of a program that means this command: what a host program looks for.
    pub also: Option<&'static str>,
    arguments: fn() -> clap::Command,
    pub(super) read: fn(&ArgMatches) -> Result<C, clap::Error>,
    /// In whose manner it speaks as a program of its own.
    pub(super) dialect: Dialect,
    /// A variable with options that come before those of the command line.
    pub(super) defaults: Option<&'static str>,
    /// Its arguments are not looked at: some of them are another program's.
    pub(super) is_verbatim: bool,
    /// What a word that is no option means, where it is all there is.
    pub(super) one_word: Option<fn(String) -> C>,
}

impl<C> Table<C> {
    /// The command of this name.
    pub fn find(&self, name: &str) -> Option<&Entry<C>> {
        self.commands.iter().find(|entry| entry.name == name)
    }

    /// The group of this name.
    pub fn group(&self, name: &str) -> Option<&Group<C>> {
        self.groups.iter().find(|group| group.name == name)
    }

    /// The command that a program's name means, other than by the words after `oidc`.
    pub fn also_called(&self, called: &str) -> Option<&Entry<C>> {
        let in_groups = self.groups.iter().flat_map(|group| group.commands);
        self.commands.iter().chain(in_groups).find(|entry| entry.also == Some(called))
    }

    /// The names that the help shows.
    pub fn visible_names(&self) -> impl Iterator<Item = &'static str> {
        let commands = self.commands.iter().filter(|entry| entry.is_visible).map(|entry| entry.name);
        commands.chain(self.groups.iter().map(|group| group.name))
    }
}

impl<C> Group<C> {
    /// The command whose second word this is.
    pub fn find(&self, name: &str) -> Option<&Entry<C>> {
        self.commands.iter().find(|entry| entry.name == name)
    }

    /// All of them as one command, for what describes them.
    pub fn command(&self) -> clap::Command {
        let bin_name = format!("oidc {}", self.name);
        let commands = self.commands.iter().map(|entry| {
            entry.command().bin_name(format!("{bin_name} {}", entry.name)).hide(!entry.is_visible)
        });
        clap::Command::new(self.name)
            .bin_name(bin_name.clone())
            .about(self.about)
            .after_help(self.after_help)
            .disable_help_flag(true)
            .disable_help_subcommand(true)
            .subcommand_required(true)
            .subcommands(commands)
    }
}

impl<C> Entry<C> {
    /// The command with the arguments `A`.
    pub const fn of<A: Parser + Into<C>>(name: &'static str) -> Self {
        Self::as_of_c_suite::<A, A>(name)
    }

    /// The C suite's tool with the arguments `T`, which mean those of the command with the arguments `A`.
    pub const fn as_of_c_suite<T: Parser + Into<A>, A: Into<C>>(name: &'static str) -> Self {
        Self {
            name,
            is_visible: true,
            also: None,
            dialect: Dialect::CSuite,
            defaults: None,
            arguments: T::command,
            read: |matches| T::from_arg_matches(matches).map(|arguments| arguments.into().into()),
            is_verbatim: false,
            one_word: None,
        }
    }

    /// The same, for which a single word is read without building the parser. It must come to the same.
    pub const fn or_one_word(self, read: fn(String) -> C) -> Self {
        Self { one_word: Some(read), ..self }
    }

    /// The same, which another name of the program means too.
    pub const fn also(self, name: &'static str) -> Self {
        Self { also: Some(name), ..self }
    }

    /// The same, which as a program of its own speaks in another manner than the C suite's.
    pub const fn speaking(self, dialect: Dialect) -> Self {
        Self { dialect, ..self }
    }

    /// The same; a variable may hold options, quoted as for a shell, which those of the command line override.
    pub const fn with_defaults_in(self, variable: &'static str) -> Self {
        Self { defaults: Some(variable), ..self }
    }

    /// The same, but takes its arguments as they stand.
    pub const fn verbatim(self) -> Self {
        Self { is_verbatim: true, ..self }
    }

    /// The same, but not shown in the help; a program of that name is not installed.
    pub const fn hidden(self) -> Self {
        Self { is_visible: false, ..self }
    }

    /// The command's parser under the name people type.
    pub fn command(&self) -> clap::Command {
        let name = format!("oidc {}", self.name);
        with_standard_options((self.arguments)().name(self.name).bin_name(name))
    }
}

/// Adds what each command takes in the C suite's spelling: `-?`, `-h`, `--help`, `--usage`, `-V`, `--version`.
fn with_standard_options(command: clap::Command) -> clap::Command {
    let flag = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).help(help).action(ArgAction::SetTrue).help_heading("Help")
    };
    command
        .no_binary_name(true)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .disable_help_subcommand(true)
        .args_override_self(true)
        .args([
            flag("help", "Show this help").short('?').short_alias('h'),
            flag("usage", "Show the usage line"),
            flag("version", "Show the version").short('V'),
        ])
}

//! `oidc-keychain`: one agent for all logins, with the accounts that a login wants.

use std::ffi::{OsStr, OsString};

use clap::Parser;

use super::{
    add,
    service::{Options, running},
};
use crate::{
    cli::{options::Common, usage::UsageError},
    context::{Command, Context, error::Error},
    say::exit::Exit,
};

/// Use the agent that all logins share, and load accounts into it: eval "$(oidc-keychain --accounts ACCOUNT...)"
#[derive(Debug, Clone, Parser)]
#[command(
    override_usage = "oidc-keychain [-k|--kill]\n       oidc-keychain [oidc-agent options] [--accounts ACCOUNT...]",
    after_help = "\
  -k, --kill                 End the agent if it runs
      --accounts ACCOUNT...  Load these accounts, unless they are loaded
      --json                 Print an object instead of lines for a shell

Other options are for oidc-agent, if one has to be started. Messages go to standard error; if anything fails, what is \
printed for the shell ends with `false;`."
)]
pub struct KeychainArgs {
    /// As they stand: options of the agent are not known here.
    #[arg(value_name = "ARGUMENT", num_args = 0.., hide = true)]
    words: Vec<OsString>,

    #[command(flatten)]
    common: Common,
}

/// The command line, told apart.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wish {
    kill: bool,
    /// The agent's option of this name would print what no shell evaluates.
    json: bool,
    agent_options: Vec<OsString>,
    accounts: Vec<String>,
}

impl Wish {
    /// A word behind an option of the agent is that option's value.
    fn read(words: &[OsString]) -> Result<Self, UsageError> {
        let is_option = |word: &OsStr| word.as_encoded_bytes().starts_with(b"-");
        let mut wish = Self::default();
        let mut words = words.iter().peekable();
        while let Some(word) = words.next() {
            match word.to_str() {
                Some("-k" | "--kill") => wish.kill = true,
                Some("--json") => wish.json = true,
                Some("--accounts") => {
                    wish.accounts = words.by_ref().map(|name| name.to_string_lossy().into_owned()).collect();
                }
                _ if is_option(word) => {
                    wish.agent_options.push(word.clone());
                    wish.agent_options.extend(words.next_if(|next| !is_option(next)).cloned());
                }
                _ => {
                    let text = format!(
                        "'{}' belongs to no option; accounts follow --accounts",
                        word.to_string_lossy()
                    );
                    return Err(UsageError::of("oidc-keychain", &text, None));
                }
            }
        }
        Ok(wish)
    }
}

impl Command for KeychainArgs {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(&self, context: &mut Context) -> Result<(), Error> {
        let wish = Wish::read(&self.words);
        context.output.json |= wish.as_ref().is_ok_and(|wish| wish.json);
        let done = wish.map_err(Error::from).and_then(|wish| run(&wish, context));
        if done.is_err() && !context.output.json {
            // What a shell evaluates shall fail too.
            context.output.result("false;\n")?;
        }
        done
    }
}

fn run(wish: &Wish, context: &mut Context) -> Result<(), Error> {
    if wish.kill {
        let ended = running::stop(context)?;
        let ended =
            ended.ok_or_else(|| Error::Other(Exit::Failure, "the agent was not running".to_owned()))?;
        return running::tell_end(Some(&ended), context);
    }
    let home = context.home().ok();
    let mut options = Options::find(home.as_ref(), &mut |what| context.output.warning(what));
    options.arguments.extend(wish.agent_options.iter().cloned());
    let running = running::use_or_start(&options, context)?;
    running::tell(&running, context)?;
    let mut failure = None;
    for account in &wish.accounts {
        match add::ensure_loaded(account, context) {
            Ok(()) => {}
            // One that fails keeps nobody from the others.
            Err(error) => {
                context.output.error(&error.report());
                failure = Some(Error::Told(error.exit()));
            }
        }
    }
    failure.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Wish, UsageError> {
        Wish::read(&line.split_whitespace().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn options_of_the_agent_take_the_word_behind_them() {
        let wish = read("-t 60 --confirm --pid-file /x --accounts one -k two").expect("a wish");
        assert_eq!(wish.agent_options, ["-t", "60", "--confirm", "--pid-file", "/x"]);
        assert_eq!(wish.accounts, ["one", "-k", "two"]);
        assert!(!wish.kill && read("--kill").expect("a wish").kill);
        let wish = read("--json -t 60").expect("a wish");
        assert!(wish.json && wish.agent_options == ["-t", "60"]);
        assert_eq!(read("").expect("a wish"), Wish::default());
    }

    #[test]
    fn a_stray_word_is_refused() {
        assert!(read("one").expect_err("stray").text.contains("'one'"));
        assert!(read("-c x y").is_err());
    }
}

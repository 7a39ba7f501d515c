//! The configuration as these commands read it: just as the agent does.

use oidc_proto::{
    files::{Origin, Problems, Surroundings, TokenFiles, entry::Entry},
    message::{FilesStatus, Reply, Request},
};

use crate::{
    context::{Context, error::Error},
    say::exit::Exit,
};

/// The configuration; whoever needs it cannot go on with a problem in it.
pub fn read(context: &mut Context) -> Result<TokenFiles, Error> {
    let home = context.home()?;
    TokenFiles::read(&home, &Surroundings::of_process()).map_err(|problems| refused(&problems))
}

/// A configuration with problems, as an error.
pub fn refused(problems: &Problems) -> Error {
    Error::Other(
        Exit::Problems,
        format!("nothing of the configuration counts while something is wrong with it\n{problems}"),
    )
}

/// An entry, with where it is from.
pub fn find<'a>(files: &'a TokenFiles, name: &str) -> Result<(&'a Entry, &'a Origin), Error> {
    let mut all = files.entries.iter().zip(&files.origins);
    all.find(|(entry, _)| entry.name == name).ok_or_else(|| unknown(name))
}

/// No entry has this name.
pub fn unknown(name: &str) -> Error {
    Error::Other(
        Exit::Failure,
        format!("no entry of the configuration is called '{name}'; `oidc files status` shows them"),
    )
}

/// What the agent says of its managed files.
pub fn ask(request: &Request, context: &mut Context) -> Result<FilesStatus, Error> {
    match context.call(request).map_err(old_agent)? {
        Reply::Success { info: Some(info) } => {
            FilesStatus::from_info(&info).ok_or(Error::UnexpectedReply(request.name()))
        }
        _ => Err(Error::UnexpectedReply(request.name())),
    }
}

/// An agent of the C suite, or an older one, has no managed files.
fn old_agent(error: Error) -> Error {
    if error.is_unknown_request() {
        let text = "the agent that answers knows no managed token files: it is the C suite's, or an older one; stop it \
                    (`oidc agent --kill`), and the next command starts ours";
        return Error::Other(Exit::Failure, text.to_owned());
    }
    error
}

//! `oidc`: accounts into the agent, access tokens out of it. Also answers to the names of the C suite's tools.
//!
//! Synchronous: no runtime, no HTTP. `token` is one connection, one request, one write.

mod account;
mod agent;
mod cli;
mod command;
mod context;
mod process;
mod say;
#[cfg(test)]
mod testing;

use std::{env, io, process::ExitCode};

use account::password::terminal::Terminal;
use agent::Agent;
use cli::{
    argv, completion,
    parse::{self, Invocation, Run, parse},
};
use command::TABLE;
use context::{Context, error::Error};
use oidc_proto::home::on_remark;
use process::signals;
use say::{
    dialect::Dialect,
    exit::Exit,
    output::{self, Output},
};

/// What htgettoken ends with where its command line cannot be understood.
const HTGETTOKEN_USAGE: u8 = 2;

fn main() -> ExitCode {
    if let Some(completed) = completion::complete(&TABLE, env::args_os()) {
        return completed;
    }
    let Run { command, dialect, without_effect } = match parse(&TABLE, env::args_os()) {
        Ok(Invocation::Run(run)) => run,
        Ok(Invocation::Show(text)) => {
            let shown = Output::standard(Dialect::Ours, false).line(&text);
            return end(shown.map_err(Error::from), Output::standard(Dialect::Ours, false));
        }
        Err(error) => {
            let dialect = parse::dialect(&TABLE, env::args_os().next());
            return end(Err(error.into()), Output::standard(dialect, wants_json()));
        }
    };
    // Where the kernel does not let us, they stay as visible as the C suite leaves them.
    drop(argv::overwrite(&command.secrets()));
    let common = command.common();
    on_remark(if common.json { output::keep_remark } else { output::say_remark });
    let output = Output::standard(dialect, common.json);
    let mut context = Context {
        agent: Agent::from_environment(!common.no_autostart).sealed(common.sealed),
        asker: Box::new(Terminal::new(output.is_coloured())),
        output,
        home: None,
        programs: command::programs,
    };
    match dialect {
        // Scripts give several of them each time.
        Dialect::Htgettoken if !without_effect.is_empty() => {
            context.output.note(&format!(
                "without effect, for there is no Vault server: {}",
                without_effect.join(", ")
            ));
        }
        _ => {
            for option in &without_effect {
                context.output.note(&format!("{option} has no effect"));
            }
        }
    }
    let result = command.run(&mut context);
    drop(command);
    end(result, context.output)
}

/// Whether a command line that cannot be understood asks for JSON all the same.
fn wants_json() -> bool {
    env::args_os().take_while(|argument| argument != "--").any(|argument| argument == "--json")
}

/// Reports an error and tells the exit code. Nobody reading on is no error: `oidc list | head -1` is fine.
fn end(result: Result<(), Error>, mut output: Output) -> ExitCode {
    let finished = output.finish();
    let error = match result.and_then(|()| Ok(finished?)) {
        Ok(()) => return Exit::Success.into(),
        Err(Error::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            return Exit::Success.into();
        }
        Err(error) => error,
    };
    if !error.is_told() {
        output.error(&error.report());
    }
    if error.exit() == Exit::Interrupted {
        signals::end_by_signal();
    }
    match (error.exit(), output.dialect) {
        (Exit::Usage, Dialect::Htgettoken) => ExitCode::from(HTGETTOKEN_USAGE),
        (Exit::Usage, _) | (_, Dialect::Ours) | (Exit::CannotRun | Exit::NoCommand, Dialect::Htgettoken) => {
            error.exit().into()
        }
        (Exit::Interrupted, Dialect::CSuite | Dialect::Htgettoken) => Exit::Interrupted.into(),
        _ => Exit::Failure.into(),
    }
}

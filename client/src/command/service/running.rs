//! The agent that every login shares: found, started, ended, and told to a shell.

use std::{ffi::OsString, path::PathBuf};

use oidc_proto::{
    message::{AgentStatus, Reply, Request},
    process::Process,
    shell,
};
use serde_json::json;

use super::{options::Options, systemd};
use crate::{
    agent::{Agent, start},
    command::agent::end,
    context::{Context, error::Error},
};

const PID_FILE: &str = "oidc-agent.pid";
/// Options that say how an agent was started, not how it is to behave.
const NOT_REPEATED: [&str; 2] = ["--console", "--log-stderr"];

/// An agent that answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// Where.
    pub socket: PathBuf,
    /// Its process, where that can be seen from here.
    pub pid: Option<i32>,
}

/// The agent at the default places, whatever `OIDC_SOCK` says: that may name another one.
pub fn find(context: &mut Context) -> Result<Option<Running>, Error> {
    context.agent = Agent::at_default_places();
    // While an agent starts, the kernel names the process that began to listen, which hands the socket on and ends. Whoever
    // has answered once is the one that stays.
    match context.agent.call(&Request::Check) {
        Err(error) if error.is_not_running() => return Ok(None),
        // One that is silent is to be found all the same, if only to be ended.
        _ => {}
    }
    let connection = context.agent.connect()?;
    let pid = Process::peer_of(&connection.stream).and_then(|process| process.pid()).ok();
    // Where systemd holds the socket, it is what the kernel names.
    let pid = pid.filter(|pid| is_agent(*pid)).or_else(systemd::main_pid);
    Ok(Some(Running { socket: connection.path, pid }))
}

fn is_agent(pid: i32) -> bool {
    fs_err::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim_end() == "oidc-agent")
}

/// The agent that runs, or a new one.
pub fn use_or_start(options: &Options, context: &mut Context) -> Result<Running, Error> {
    match find(context)? {
        Some(running) => Ok(running),
        None => start(options, context),
    }
}

/// Starts one: systemd's, unless the person has options of their own for it.
pub fn start(options: &Options, context: &mut Context) -> Result<Running, Error> {
    if options.arguments.is_empty() && options.program.is_none() && systemd::is_there() {
        systemd::start()?;
    } else {
        let started = start::start_at_default_places(options.program.as_deref(), &options.arguments)?;
        if !started.said.is_empty() {
            context.output.note(&started.said);
        }
    }
    let no_agent = || Error::Agent(crate::agent::AgentError::Start("it does not answer".to_owned()));
    find(context)?.ok_or_else(no_agent)
}

/// Ends the agent that runs; its process. `None`: there was none.
pub fn stop(context: &mut Context) -> Result<Option<Running>, Error> {
    let Some(running) = find(context)? else { return Ok(None) };
    let _ = fs_err::remove_file(pid_file(&running));
    if running.pid.is_some() && running.pid == systemd::main_pid() {
        systemd::stop()?;
        return Ok(Some(running));
    }
    let pid = end(context)?;
    Ok(Some(Running { pid: Some(pid), ..running }))
}

/// Ends the agent that runs, if one does, and starts another one.
pub fn restart(mut options: Options, context: &mut Context) -> Result<Running, Error> {
    let running = find(context)?;
    if running.as_ref().is_some_and(|running| running.pid.is_some() && running.pid == systemd::main_pid()) {
        systemd::restart()?;
        return use_or_start(&options, context);
    }
    if options.repeats && running.is_some() {
        options.arguments = options_of_running(context).unwrap_or(options.arguments);
    }
    stop(context)?;
    start(&options, context)
}

/// With which options the agent that runs was started.
fn options_of_running(context: &mut Context) -> Option<Vec<OsString>> {
    let Ok(Reply::Success { info: Some(info) }) = context.agent.call(&Request::StatusJson) else {
        return None;
    };
    let said = AgentStatus::from_info(&info)?.command_line_options;
    let words = said.split_whitespace().filter(|word| !NOT_REPEATED.contains(word));
    Some(words.map(OsString::from).collect())
}

fn pid_file(running: &Running) -> PathBuf {
    running.socket.with_file_name(PID_FILE)
}

/// Tells which agent runs: to a shell, or as JSON.
pub fn tell(running: &Running, context: &mut Context) -> Result<(), Error> {
    if context.output.json {
        return Ok(context.output.json(&as_json(Some(running)))?);
    }
    Ok(context.output.result(&variables(running))?)
}

/// Tells which agent has ended. Where there was none, a shell is told nothing.
pub fn tell_end(ended: Option<&Running>, context: &mut Context) -> Result<(), Error> {
    if context.output.json {
        return Ok(context.output.json(&as_json(ended))?);
    }
    Ok(context.output.result(&ended.map(no_variables).unwrap_or_default())?)
}

fn as_json(running: Option<&Running>) -> serde_json::Value {
    json!({
        "status": "success",
        "socket": running.map(|running| running.socket.display().to_string()),
        "pid": running.and_then(|running| running.pid),
    })
}

/// What a shell evaluates to find the agent; the last line tells its number, as people are used to. Each line ends as a command
/// does: where nothing is quoted (``eval `...` ``) a shell makes one line of them.
fn variables(running: &Running) -> String {
    let socket = running.socket.to_string_lossy();
    let mut lines = vec![format!("OIDC_SOCK={}; export OIDC_SOCK;", shell::quoted(&socket))];
    if let Some(pid) = running.pid {
        lines.push(format!("OIDCD_PID={pid}; export OIDCD_PID;"));
        let file = pid_file(running);
        if fs_err::write(&file, format!("{pid}\n")).is_ok() {
            let file = file.to_string_lossy();
            let file = shell::quoted(&file);
            lines.push(format!("OIDCD_PID_FILE={file}; export OIDCD_PID_FILE;"));
            lines.push(format!("/bin/cat {file};"));
        } else {
            lines.push(format!("echo {pid};"));
        }
    }
    lines.join("\n") + "\n"
}

/// What a shell evaluates when the agent has ended.
fn no_variables(ended: &Running) -> String {
    let told = ended.pid.map(|pid| format!("echo Agent pid {pid} killed;\n")).unwrap_or_default();
    format!("unset OIDC_SOCK;\nunset OIDCD_PID;\n{told}unset OIDCD_PID_FILE;\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_for_the_shell() {
        let directory = tempfile::tempdir().expect("a directory");
        let socket = directory.path().join("a b;reboot").join("agent.sock");
        let running = Running { socket: socket.clone(), pid: Some(42) };
        let text = variables(&running);
        assert!(
            text.starts_with(&format!("OIDC_SOCK='{}'; export OIDC_SOCK;\n", socket.display())),
            "{text}"
        );
        assert!(text.ends_with("OIDCD_PID=42; export OIDCD_PID;\necho 42;\n"), "no place for a file: {text}");
        fs_err::create_dir(socket.parent().expect("a directory")).expect("made");
        let text = variables(&running);
        assert!(text.contains("/bin/cat '") && text.ends_with("oidc-agent.pid';\n"), "{text}");
    }

    #[test]
    fn the_end_unsets_what_was_set() {
        let ended = Running { socket: "/x".into(), pid: Some(42) };
        let expected =
            "unset OIDC_SOCK;\nunset OIDCD_PID;\necho Agent pid 42 killed;\nunset OIDCD_PID_FILE;\n";
        assert_eq!(no_variables(&ended), expected);
    }
}

//! `[file.hook]` and its like: what is run or signalled.

use std::time::Duration;

use rustix::process::Signal;

use super::{
    entry::{Action, Event, Hook},
    keys::Table,
    surroundings::Surroundings,
    value,
    values::Values,
};

/// The hook of an entry, where it has one.
pub(super) fn hook(values: &mut Values<'_, '_>, surroundings: &Surroundings) -> Option<Hook> {
    let mut hook = values.within("hook", "hook.", Table::Hook)?;
    let on = hook.get_or("on", vec![Event::Created, Event::Renewed], value::events);
    let command = hook.get("command", value::argv);
    let path = |given: &toml::de::DeValue<'_>| surroundings.expand(given.as_str().ok_or(String::new())?);
    let pid_file = hook.get("pid_file", path);
    let signal = hook.get("signal", value::signal);
    let timeout = hook.get_or("timeout", Duration::from_secs(30), value::hour);
    if let Some(program) = command.as_ref().map(|argv| argv[0].as_str())
        && program.contains('/')
        && !program.starts_with('/')
    {
        hook.tell_here("command", "must begin with a program's name, or with an absolute path");
    }
    match (hook.has("command"), hook.has("pid_file")) {
        (true, true) => {
            hook.tell_here("pid_file", "does not go with command: one hook runs a program or sends a signal");
        }
        (false, false) => hook.tell_here("", "must have command, or pid_file with signal"),
        (true, false) if hook.has("signal") => {
            hook.tell_here("signal", "goes with pid_file, not with command");
        }
        _ => {}
    }
    let found = std::mem::take(&mut hook.found);
    values.found.extend(found);
    let action = match (command, pid_file) {
        (Some(argv), _) => Action::Run(argv),
        (None, pid_file) => {
            Action::Signal { pid_file: pid_file?, signal: signal.unwrap_or(Signal::HUP.as_raw()) }
        }
    };
    Some(Hook { on, action, timeout })
}

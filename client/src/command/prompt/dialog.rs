//! A question in a window of a program that is there: zenity, kdialog or yad. Never through a shell; texts are arguments,
//! and none of them is read as markup.

use std::{
    env, io,
    path::PathBuf,
    process::{Command, Stdio},
};

use oidc_proto::program;
use zeroize::Zeroizing;

use super::question::{Answer, Kind, Question};
use crate::process::bounded;

/// Gives a program its arguments.
type Arguments = fn(&mut Command, &Question);

/// The programs, the best first.
const PROGRAMS: &[(&str, Arguments)] = &[("zenity", zenity), ("kdialog", kdialog), ("yad", yad)];

/// A program that shows windows.
pub struct Dialog {
    program: PathBuf,
    arguments: Arguments,
}

impl Dialog {
    /// The first one that is in `PATH`.
    pub fn find() -> Option<Self> {
        let path = env::var_os("PATH")?;
        PROGRAMS.iter().find_map(|(name, arguments)| {
            let program = program::find(env::split_paths(&path), name)?;
            Some(Self { program, arguments: *arguments })
        })
    }

    /// Asks, and waits no longer than the question says.
    pub fn ask(&self, question: &Question) -> io::Result<Answer> {
        let mut command = Command::new(&self.program);
        (self.arguments)(&mut command, question);
        command.stderr(Stdio::null());
        let input = if question.kind == Kind::Multiple { lines(question) } else { String::new() };
        let ended = match bounded::run(&mut command, input.as_bytes(), question.patience) {
            Err(error) if error.kind() == io::ErrorKind::TimedOut => return Ok(Answer::No),
            ended => ended?,
        };
        if !ended.status.success() {
            return Ok(Answer::No);
        }
        match question.kind {
            Kind::Confirm | Kind::ConfirmDefaultNo => return Ok(Answer::yes()),
            Kind::Link => return Ok(Answer::Seen),
            _ => {}
        }
        let said = String::from_utf8_lossy(&ended.output);
        let said = Zeroizing::new(said.trim_end_matches(['\n', '\r']).to_owned());
        Ok(Answer::Text(chosen(question, said)))
    }
}

/// kdialog says the number of what was chosen.
fn chosen(question: &Question, said: Zeroizing<String>) -> Zeroizing<String> {
    let number = said.strip_prefix('#').and_then(|number| number.parse::<usize>().ok());
    let is_choice = matches!(question.kind, Kind::Select | Kind::SelectOther);
    match number.and_then(|number| question.items.get(number)).filter(|_| is_choice) {
        Some(item) => Zeroizing::new(item.clone()),
        None => said,
    }
}

fn lines(question: &Question) -> String {
    let mut lines = String::new();
    for line in std::iter::once(question.init).chain(question.items.iter().map(String::as_str)) {
        if !line.is_empty() {
            lines.push_str(line);
            lines.push('\n');
        }
    }
    lines
}

/// The text with what the answer is called, or the address.
fn shown(question: &Question) -> String {
    [question.text, question.label].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n")
}

/// GTK reads some texts as markup, and has no switch for each.
fn without_markup(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn zenity(command: &mut Command, question: &Question) {
    command.arg(format!("--title={}", question.title));
    let text = format!("--text={}", without_markup(&shown(question)));
    match question.kind {
        Kind::Password => {
            command.args(["--entry", "--hide-text", &text]).arg(format!("--entry-text={}", question.init))
        }
        Kind::Input => command.args(["--entry", &text]).arg(format!("--entry-text={}", question.init)),
        Kind::Multiple => command.args(["--text-info", "--editable"]),
        Kind::Select => list(command.args(["--list", "--hide-header", &text]).arg("--column=."), question),
        // An entry with suggestions: zenity takes other texts there.
        Kind::SelectOther => {
            let items = question.items.join("|");
            command.args(["--forms", "--add-combo=", &format!("--combo-values={items}"), &text]);
            command.arg("--add-entry=Other:").arg("--separator=")
        }
        Kind::Confirm => {
            command.args(["--question", "--no-markup"]).arg(format!("--text={}", shown(question)))
        }
        Kind::ConfirmDefaultNo => command
            .args(["--question", "--default-cancel", "--no-markup"])
            .arg(format!("--text={}", shown(question))),
        Kind::Link | Kind::MytokenConfirm => {
            command.args(["--info", "--no-markup"]).arg(format!("--text={}", shown(question)))
        }
    };
}

fn list<'c>(command: &'c mut Command, question: &Question) -> &'c mut Command {
    command.arg("--").args(question.items)
}

fn kdialog(command: &mut Command, question: &Question) {
    // Qt takes a text for HTML where it looks like that, unless all of it is.
    let text = format!("<qt>{}</qt>", without_markup(&shown(question)).replace('\n', "<br/>"));
    command.arg("--title").arg(question.title);
    match question.kind {
        Kind::Password => command.arg("--password").arg(text),
        Kind::Input => command.arg("--inputbox").arg(text).arg(question.init),
        Kind::Multiple => command.arg("--textinputbox").arg(text).arg(lines(question)),
        Kind::Select => {
            command.arg("--menu").arg(text);
            for (at, item) in question.items.iter().enumerate() {
                command.arg(format!("#{at}")).arg(item);
            }
            command
        }
        Kind::SelectOther => {
            command.arg("--combobox").arg(text).args(question.items).arg("--default").arg(question.init)
        }
        Kind::Confirm => command.arg("--yesno").arg(text),
        Kind::ConfirmDefaultNo => command.arg("--warningyesno").arg(text),
        Kind::Link | Kind::MytokenConfirm => command.arg("--msgbox").arg(text),
    };
}

fn yad(command: &mut Command, question: &Question) {
    command.arg("--no-markup").arg(format!("--title={}", question.title)).arg("--center");
    let text = format!("--text={}", shown(question));
    match question.kind {
        Kind::Password => {
            command.args(["--entry", "--hide-text", &text]).arg(format!("--entry-text={}", question.init))
        }
        Kind::Input => command.args(["--entry", &text]).arg(format!("--entry-text={}", question.init)),
        Kind::Multiple => command.args(["--text-info", "--editable"]),
        Kind::Select => {
            list(command.args(["--list", "--separator=", "--no-headers", &text]).arg("--column=."), question)
        }
        Kind::SelectOther => list(command.args(["--entry", "--editable", &text]), question),
        Kind::Confirm => command.args(["--button=Yes:0", "--button=No:1", &text]),
        Kind::ConfirmDefaultNo => command.args(["--button=No:1", "--button=Yes:0", &text]),
        Kind::Link | Kind::MytokenConfirm => command.args(["--button=OK:0", &text]),
    };
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::PermissionsExt, time::Duration};

    use super::*;

    const NASTY: &str = "$(touch /tmp/x) `id` \"; <b>bold</b> & 'quoted'\n-next";

    fn question(kind: Kind, items: &[String]) -> Question<'_> {
        Question {
            kind,
            title: NASTY,
            text: NASTY,
            label: "label",
            init: "init",
            items,
            patience: Duration::from_secs(20),
        }
    }

    const KINDS: [Kind; 8] = [
        Kind::Password,
        Kind::Input,
        Kind::Multiple,
        Kind::Select,
        Kind::SelectOther,
        Kind::Confirm,
        Kind::ConfirmDefaultNo,
        Kind::Link,
    ];

    #[test]
    fn texts_are_arguments_of_the_program_and_never_options_or_markup() {
        let items = ["--one".to_owned(), "two".to_owned()];
        for (name, arguments) in PROGRAMS {
            for kind in KINDS {
                let mut command = Command::new(name);
                arguments(&mut command, &question(kind, &items));
                let given: Vec<_> =
                    command.get_args().map(|arg| arg.to_string_lossy().into_owned()).collect();
                if *name == "kdialog" {
                    continue;
                }
                let end = given.iter().position(|arg| arg == "--").unwrap_or(given.len());
                assert!(!given[..end].contains(&"--one".to_owned()), "{name} {kind:?}: {given:?}");
                for arg in &given[..end] {
                    assert!(arg.starts_with("--"), "{name} {kind:?}: {arg:?} is an option of its own");
                }
            }
        }
    }

    #[test]
    fn what_the_program_says_is_the_answer_and_cancelling_is_none() {
        let directory = tempfile::tempdir().expect("a directory");
        let program = directory.path().join("zenity");
        let answered = |script: &str, kind: Kind, items: &[String]| {
            fs_err::write(&program, format!("#!/bin/sh\n{script}\n")).expect("written");
            fs_err::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).expect("executable");
            let dialog = Dialog { program: program.clone(), arguments: zenity };
            dialog.ask(&question(kind, items)).expect("asked")
        };
        let text = |text: &str| Answer::Text(Zeroizing::new(text.to_owned()));
        assert_eq!(answered("echo ' a b '", Kind::Input, &[]), text(" a b "));
        assert_eq!(answered("echo a; exit 1", Kind::Input, &[]), Answer::No);
        assert_eq!(answered("exit 0", Kind::Confirm, &[]), text("yes"));
        assert_eq!(answered("exit 1", Kind::ConfirmDefaultNo, &[]), Answer::No);
        assert_eq!(answered("cat", Kind::Multiple, &["x".to_owned()]), text("init\nx"));
        assert_eq!(answered("echo '#1'", Kind::Select, &["x".to_owned(), "y".to_owned()]), text("y"));
        assert_eq!(answered("exit 0", Kind::Link, &[]), Answer::Seen);
    }
}

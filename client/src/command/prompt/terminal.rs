//! A question on the terminal.

use zeroize::Zeroizing;

use super::question::{Answer, Kind, Question};
use crate::account::password::asker::{AskError, Asker};

/// Asks. Who goes away says no.
pub fn ask(question: &Question, asker: &mut dyn Asker) -> Result<Answer, AskError> {
    match asked(question, asker) {
        Err(AskError::Cancelled(_)) => Ok(Answer::No),
        answer => answer,
    }
}

fn asked(question: &Question, asker: &mut dyn Asker) -> Result<Answer, AskError> {
    if !question.text.is_empty() {
        asker.tell(question.text)?;
    }
    let label = if question.label.is_empty() { "Answer" } else { question.label };
    let text = |text: String| Answer::Text(Zeroizing::new(text));
    Ok(match question.kind {
        Kind::Password => {
            let typed = asker.secret(label)?;
            let typed = if typed.is_empty() { question.init } else { typed.expose() };
            text(typed.to_owned())
        }
        Kind::Input => text(line(label, question.init, asker)?),
        Kind::Multiple => text(several(label, question, asker)?),
        Kind::Select | Kind::SelectOther => text(choice(label, question, asker)?),
        Kind::Confirm => confirmed(true, asker)?,
        Kind::ConfirmDefaultNo => confirmed(false, asker)?,
        Kind::Link | Kind::MytokenConfirm => {
            if !question.label.is_empty() {
                asker.tell(question.label)?;
            }
            Answer::Seen
        }
    })
}

/// Enter takes what stands there already.
fn line(label: &str, init: &str, asker: &mut dyn Asker) -> Result<String, AskError> {
    let prompt = if init.is_empty() { format!("{label}:") } else { format!("{label} [{init}]:") };
    let typed = asker.line(&prompt)?;
    Ok(if typed.is_empty() { init.to_owned() } else { typed })
}

/// A line each, an empty one ends. What stands there already is taken where nothing is typed.
fn several(label: &str, question: &Question, asker: &mut dyn Asker) -> Result<String, AskError> {
    let mut given: Vec<String> =
        std::iter::once(question.init.to_owned()).chain(question.items.to_vec()).collect();
    given.retain(|item| !item.is_empty());
    for item in &given {
        asker.tell(item)?;
    }
    let mut typed = Vec::new();
    loop {
        let line = asker.line(&format!("{label} (one a line, an empty line ends):"))?;
        if line.is_empty() {
            break;
        }
        typed.push(line);
    }
    Ok(if typed.is_empty() { given.join("\n") } else { typed.join("\n") })
}

/// By its number, or as it stands.
fn choice(label: &str, question: &Question, asker: &mut dyn Asker) -> Result<String, AskError> {
    for (at, item) in question.items.iter().enumerate() {
        asker.tell(&format!("[{}] {item}", at + 1))?;
    }
    loop {
        let typed = line(label, question.init, asker)?;
        let by_number = typed.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        let item = by_number.and_then(|at| question.items.get(at));
        if let Some(item) = item.or_else(|| question.items.iter().find(|item| **item == typed)) {
            return Ok(item.clone());
        }
        if question.kind == Kind::SelectOther && !typed.is_empty() {
            return Ok(typed);
        }
        asker.tell("That is none of these; give a number.")?;
    }
}

fn confirmed(default: bool, asker: &mut dyn Asker) -> Result<Answer, AskError> {
    let prompt = if default { "[Y/n]" } else { "[y/N]" };
    let typed = asker.line(prompt)?.to_ascii_lowercase();
    let yes = match typed.as_str() {
        "" => default,
        typed => matches!(typed, "y" | "yes"),
    };
    Ok(if yes { Answer::yes() } else { Answer::No })
}

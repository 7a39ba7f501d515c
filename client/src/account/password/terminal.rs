//! Asking the person at the terminal.

use std::mem;

use oidc_proto::secret::Password;
use zeroize::Zeroizing;

use super::{
    asker::{AskError, Asker},
    tty::{Manner, Tty},
};
use crate::say::escape::escaped;

/// The terminal of this process, found when it is first needed.
#[derive(Default)]
pub struct Terminal {
    tty: Option<Tty>,
    colour: bool,
}

impl Terminal {
    /// A terminal that shows prompts in cyan if `colour` is set.
    pub fn new(colour: bool) -> Self {
        Self { tty: None, colour }
    }

    fn tty(&mut self) -> Result<&Tty, AskError> {
        let found = match self.tty.take() {
            Some(tty) => tty,
            None => Tty::find()?,
        };
        Ok(self.tty.insert(found))
    }

    fn ask(&mut self, prompt: &str, manner: Manner) -> Result<Zeroizing<Vec<u8>>, AskError> {
        let prompt = escaped(prompt);
        let shown = if self.colour { format!("\u{1b}[36m{prompt}\u{1b}[0m") } else { prompt.into_owned() };
        self.tty()?.ask(shown.as_bytes(), manner)
    }

    fn text(&mut self, prompt: &str, manner: Manner) -> Result<String, AskError> {
        let mut typed = self.ask(&format!("{prompt} "), manner)?;
        let text = String::from_utf8(mem::take(&mut *typed)).map_err(|_| AskError::NotUtf8)?;
        Ok(text.trim().to_owned())
    }
}

impl Asker for Terminal {
    fn reach(&mut self) -> Result<(), AskError> {
        self.tty().map(drop)
    }

    fn secret(&mut self, prompt: &str) -> Result<Password, AskError> {
        let mut typed = self.ask(&format!("{prompt}: "), Manner::Secret)?;
        match String::from_utf8(mem::take(&mut *typed)) {
            Ok(text) => Ok(Password::new(text)),
            Err(error) => {
                drop(Zeroizing::new(error.into_bytes()));
                Err(AskError::NotUtf8)
            }
        }
    }

    fn line(&mut self, prompt: &str) -> Result<String, AskError> {
        self.text(prompt, Manner::Line)
    }

    fn long_line(&mut self, prompt: &str) -> Result<String, AskError> {
        self.text(prompt, Manner::LongLine)
    }

    fn tell(&mut self, text: &str) -> Result<(), AskError> {
        let line = format!("{}\n", escaped(text));
        Ok(self.tty()?.show(line.as_bytes())?)
    }
}

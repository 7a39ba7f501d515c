//! A recovery phrase on the terminal: shown once, and asked for when a password is forgotten.

use std::path::Path;

use oidc_proto::{
    secret::random,
    shortname::Shortname,
    vault::{self, Phrase, PhraseError, Unlocked, VaultError, WORDS},
};
use zeroize::Zeroizing;

use super::{
    error::AccountError,
    file::Sealed,
    password::{
        SOURCE_DEADLINE, TRIES,
        asker::{AskError, Asker},
        error::{PHRASE_FILE, PasswordError},
        file, sources,
    },
};

/// Words in one line.
const IN_A_LINE: usize = 4;
/// A word that was typed and one of the list are near each other up to so many changes.
const NEAR: usize = 2;

/// Whether there is a terminal to show a phrase on. Nothing is to be made that nobody could write down.
pub fn may_be_shown(asker: &mut dyn Asker) -> Result<(), AccountError> {
    asker.reach().map_err(AccountError::PhraseNotShown)
}

/// Shows the phrase and asks for two of its words, so that it is on paper before it is needed.
pub fn show(name: &Shortname, phrase: &Phrase, asker: &mut dyn Asker) -> Result<(), AccountError> {
    let shown = phrase.expose();
    let words: Vec<&str> = shown.split(' ').collect();
    asker
        .tell(&format!(
            "The recovery phrase of '{name}'. Whoever has it can open the account's file, as with the password. Write it \
             on paper and keep that elsewhere: it is not shown again."
        ))
        .map_err(asked)?;
    for (at, line) in words.chunks(IN_A_LINE).enumerate() {
        let line =
            line.iter().enumerate().map(|(i, word)| format!("{:>4} {word:<9}", at * IN_A_LINE + i + 1));
        let line = Zeroizing::new(line.collect::<String>());
        asker.tell(line.trim_end()).map_err(asked)?;
    }
    for at in two_of(WORDS) {
        check(asker, at, words[at])?;
    }
    Ok(())
}

fn check(asker: &mut dyn Asker, at: usize, word: &str) -> Result<(), AccountError> {
    for _ in 0..TRIES {
        let question = format!("To see that it is written down: what is word {}?", at + 1);
        let typed = Zeroizing::new(asker.line(&question).map_err(asked)?);
        if Phrase::word(typed.trim()) == Some(word) {
            return Ok(());
        }
        asker.tell("That is another word.").map_err(asked)?;
    }
    Err(AccountError::PhraseNotWritten)
}

/// Two places among `count`, not the same.
fn two_of(count: usize) -> [usize; 2] {
    let mut bytes = [0; 2];
    random(&mut bytes);
    let [one, other] = bytes.map(usize::from);
    let first = one % count;
    [first, (first + 1 + other % (count - 1)) % count]
}

/// Opens a file with its phrase: from a file, or typed, three times at most.
pub fn unlock(sealed: &Sealed, file: Option<&Path>, asker: &mut dyn Asker) -> Result<Unlocked, AccountError> {
    if !vault::header(&sealed.bytes).is_some_and(|header| header.has_recovery_phrase) {
        return Err(sealed.error(VaultError::NoRecovery(vault::RecoveryKind::Phrase)));
    }
    if let Some(path) = file {
        let text = file::content(PHRASE_FILE, path, SOURCE_DEADLINE)?;
        let text = sources::utf8(PHRASE_FILE, text)?;
        let phrase = Phrase::parse(text.expose()).map_err(AccountError::Phrase)?;
        return vault::unlock_with_phrase(&sealed.bytes, &phrase).map_err(|error| sealed.error(error));
    }
    let mut failed = None;
    for _ in 0..TRIES {
        let question = format!("Recovery phrase of '{}', {WORDS} words:", sealed.name);
        let typed = Zeroizing::new(asker.long_line(&question).map_err(asked)?);
        let error = match Phrase::parse(&typed) {
            Ok(phrase) => match vault::unlock_with_phrase(&sealed.bytes, &phrase) {
                Ok(unlocked) => return Ok(unlocked),
                Err(error) => sealed.error(error),
            },
            Err(error) => AccountError::Phrase(error),
        };
        if !matches!(
            error,
            AccountError::Phrase(_) | AccountError::Vault { error: VaultError::WrongPhrase, .. }
        ) {
            return Err(error);
        }
        asker.tell(&reason(&error, &typed)).map_err(asked)?;
        failed = Some(error);
    }
    Err(failed.unwrap_or(AccountError::PhraseNotWritten))
}

/// What was wrong, for the person at the terminal alone: it may name a word that comes near.
fn reason(error: &AccountError, typed: &str) -> String {
    let near = match error {
        AccountError::Phrase(PhraseError::Unknown(at)) => near(typed.split_whitespace().nth(at - 1)),
        _ => None,
    };
    near.map_or_else(|| format!("{error}."), |word| format!("{error}; did you mean '{word}'?"))
}

fn near(typed: Option<&str>) -> Option<&'static str> {
    let typed = Zeroizing::new(typed?.to_ascii_lowercase());
    let distance = |word: &&&str| strsim::damerau_levenshtein(word, &typed);
    Phrase::list().iter().min_by_key(distance).filter(|word| distance(word) <= NEAR).copied()
}

fn asked(error: AskError) -> AccountError {
    PasswordError::from(error).into()
}

#[cfg(test)]
mod tests {
    use oidc_proto::secret::Password;

    use super::*;

    /// Somebody who writes down what is told, perhaps with a mistake.
    #[derive(Default)]
    struct Writer {
        paper: Vec<String>,
        makes_mistakes: bool,
    }

    impl Asker for Writer {
        fn reach(&mut self) -> Result<(), AskError> {
            Ok(())
        }

        fn secret(&mut self, _: &str) -> Result<Password, AskError> {
            unreachable!("no secret is asked for")
        }

        fn line(&mut self, prompt: &str) -> Result<String, AskError> {
            if self.makes_mistakes {
                return Ok("zoo zoo".to_owned());
            }
            let number = prompt.split(' ').find_map(|word| word.strip_suffix('?')?.parse::<usize>().ok());
            let words: Vec<&str> = self
                .paper
                .iter()
                .flat_map(|line| line.split_whitespace())
                .filter(|word| word.len() > 2)
                .collect();
            Ok(words[number.expect("a number") - 1].to_uppercase())
        }

        fn tell(&mut self, text: &str) -> Result<(), AskError> {
            if text.trim_start().starts_with(|first: char| first.is_ascii_digit()) {
                self.paper.push(text.to_owned());
            }
            Ok(())
        }
    }

    #[test]
    fn what_was_written_down_is_the_phrase() {
        let (name, phrase) = ("acc".parse().expect("a name"), Phrase::random());
        let mut writer = Writer::default();
        show(&name, &phrase, &mut writer).expect("written down");
        let read = Phrase::parse(&writer.paper.join("\n")).expect("a phrase");
        assert_eq!(read.expose(), phrase.expose());
        let mut hasty = Writer { makes_mistakes: true, ..Writer::default() };
        let refused = show(&name, &phrase, &mut hasty).expect_err("not written down");
        assert!(matches!(refused, AccountError::PhraseNotWritten));
    }

    #[test]
    fn two_different_words_are_asked_for() {
        for _ in 0..200 {
            let [one, other] = two_of(WORDS);
            assert!(one != other && one < WORDS && other < WORDS);
        }
    }

    #[test]
    fn a_word_that_comes_near_is_named() {
        let error = AccountError::Phrase(PhraseError::Unknown(2));
        assert!(reason(&error, "zoo abandom x").ends_with("did you mean 'abandon'?"));
        assert!(reason(&error, "zoo qqqqqqqqqq x").ends_with("are made of."));
    }
}

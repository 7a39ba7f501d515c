//! A recovery phrase: twelve words that a person writes down, 128 random bits with the list and the checksum of BIP-39.
//!
//! BIP-39's words differ within their first four letters, so whoever reads a handwriting can tell them apart. Which word
//! is wrong can be said where it is not in the list; the checksum (4 bits) finds 15 of 16 phrases of which one word was
//! read as another. What finds the rest is the file.

use std::fmt;

use bip0039::{English, Error, Mnemonic};
use ring::hkdf::{HKDF_SHA256, Salt};
use zeroize::Zeroizing;

use crate::secret::{Key, random};

/// How many words a phrase has.
pub const WORDS: usize = 12;
/// The letters that tell the words of the list apart.
const TELLING: usize = 4;
const ENTROPY_LEN: usize = 16;
const SALT: &[u8] = b"oidc-account/1";
const INFO: &[u8] = b"recovery phrase";

/// Twelve words that open an account file.
#[derive(Clone)]
pub struct Phrase(Zeroizing<[u8; ENTROPY_LEN]>);

/// Why a text is no recovery phrase. Nothing of the text is quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PhraseError {
    /// Too few words, or too many: how many there are.
    #[error("a recovery phrase has {WORDS} words, and this has {0}")]
    Count(usize),
    /// A word that is not in the list; the first one counts 1.
    #[error("word {0} is not one of the list that recovery phrases are made of")]
    Unknown(usize),
    /// Words of the list that do not belong together.
    #[error(
        "each word is in the list, but together they are no recovery phrase: a word is another one, or two are in \
         each other's place"
    )]
    Checksum,
}

impl Phrase {
    /// A new phrase.
    pub fn random() -> Self {
        let mut entropy = Zeroizing::new([0; ENTROPY_LEN]);
        random(entropy.as_mut());
        Self(entropy)
    }

    /// Reads a phrase as people type it: any white space, capitals, and of each word at least the first four letters.
    /// Numbers as on a list (`1.`, `1:`) are passed over.
    pub fn parse(text: &str) -> Result<Self, PhraseError> {
        let typed = || text.split_whitespace().filter(|word| !is_number(word));
        let count = typed().count();
        if count != WORDS {
            return Err(PhraseError::Count(count));
        }
        let mut phrase = Zeroizing::new(String::with_capacity(text.len() + WORDS * TELLING * 2));
        for (at, word) in typed().enumerate() {
            if at > 0 {
                phrase.push(' ');
            }
            phrase.push_str(Self::word(word).ok_or(PhraseError::Unknown(at + 1))?);
        }
        let mnemonic =
            Mnemonic::<English>::from_normalized_phrase(phrase.as_str()).map_err(|error| match error {
                Error::BadWordCount(count) => PhraseError::Count(count),
                _ => PhraseError::Checksum,
            })?;
        let mut entropy = Zeroizing::new([0; ENTROPY_LEN]);
        let given = mnemonic.entropy();
        if given.len() != ENTROPY_LEN {
            return Err(PhraseError::Count(count));
        }
        entropy.copy_from_slice(given);
        Ok(Self(entropy))
    }

    /// The word of the list that is meant by what was typed.
    pub fn word(typed: &str) -> Option<&'static str> {
        let typed = Zeroizing::new(typed.to_ascii_lowercase());
        let words = English::words();
        // The list is sorted.
        let at = words.partition_point(|word| *word < typed.as_str());
        let word = *words.get(at)?;
        (word == typed.as_str() || (typed.len() >= TELLING && word.starts_with(typed.as_str())))
            .then_some(word)
    }

    /// The words of the list.
    pub fn list() -> &'static [&'static str] {
        English::words()
    }

    /// The words, with a blank between two.
    pub fn expose(&self) -> Zeroizing<String> {
        let mnemonic = Mnemonic::<English>::from_entropy(self.0.to_vec()).expect("128 bits are 12 words");
        Zeroizing::new(mnemonic.into_phrase())
    }

    /// The key that is made of it: HKDF-SHA256 (RFC 5869) suffices, since nobody guesses 128 random bits.
    pub(super) fn key(&self) -> Key {
        let mut key = Zeroizing::new([0; 32]);
        Salt::new(HKDF_SHA256, SALT)
            .extract(self.0.as_ref())
            .expand(&[INFO], HKDF_SHA256)
            .and_then(|okm| okm.fill(key.as_mut()))
            .expect("32 bytes are not more than HKDF gives");
        Key::new(key)
    }
}

fn is_number(word: &str) -> bool {
    let digits = word.trim_end_matches(['.', ':', ')']);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

impl fmt::Debug for Phrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Phrase([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// BIP-39's own test vector of 128 zero bits.
    const ZEROES: &str =
        "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";

    #[test]
    fn agrees_with_the_vector() {
        let phrase = Phrase::parse(ZEROES).expect("a phrase");
        assert_eq!(*phrase.0, [0; ENTROPY_LEN]);
        assert_eq!(*phrase.expose(), ZEROES);
        assert_eq!(format!("{phrase:?}"), "Phrase([redacted])");
    }

    #[test]
    fn what_is_wrong_is_said_without_quoting_it() {
        let mut words: Vec<&str> = ZEROES.split(' ').collect();
        words[6] = "hunter2";
        let with = |words: &[&str]| Phrase::parse(&words.join(" ")).expect_err("no phrase");
        assert_eq!(with(&words), PhraseError::Unknown(7));
        assert!(!with(&words).to_string().contains("hunter2"));
        words[6] = "able";
        assert_eq!(with(&words), PhraseError::Checksum);
        words.pop();
        assert_eq!(with(&words), PhraseError::Count(11));
        assert_eq!(Phrase::parse("").expect_err("nothing"), PhraseError::Count(0));
    }

    #[test]
    fn the_list_tells_its_words_apart_by_four_letters() {
        let words = Phrase::list();
        assert!(words.is_sorted());
        for word in words {
            assert_eq!(Phrase::word(&word[..word.len().min(TELLING)]), Some(*word));
        }
        assert_eq!((Phrase::word("ab"), Phrase::word(""), Phrase::word("zzzz")), (None, None, None));
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_however_it_is_typed(entropy: [u8; ENTROPY_LEN]) {
            let phrase = Phrase(Zeroizing::new(entropy));
            let shown = phrase.expose();
            prop_assert_eq!(shown.split(' ').count(), WORDS);
            let numbered = |(at, word): (usize, &str)| format!("{}. {}\n", at + 1, &word[..word.len().min(TELLING)]);
            let typed: String = shown.split(' ').enumerate().map(numbered).collect();
            for text in [shown.to_string(), shown.to_uppercase(), typed] {
                prop_assert_eq!(*Phrase::parse(&text).expect("a phrase").0, entropy);
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,200}") {
            let _ = Phrase::parse(&text);
        }
    }
}

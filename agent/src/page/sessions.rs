//! Who is let in: by a secret that works once, then by a cookie and a word that only this page's script knows.
//!
//! Three texts of 256 random bits, of which the agent keeps digests only: what lies in its memory opens nothing.
//!
//! 1. The **secret** is in the address that the browser is sent to, behind the `#`, which no browser sends to anybody.
//!    The page's script hands it in, once.
//! 2. The **cookie** comes for it. It is `HttpOnly` and `SameSite=Strict`; but cookies know no ports, so servers at other
//!    ports of 127.0.0.1 get to see it. By itself it opens nothing.
//! 3. The **word** comes with it, in an answer that only scripts of this very origin can read, and is sent back in a
//!    header that only they can set. Each page that is loaded has its own.

use std::{collections::VecDeque, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use oidc_proto::secret::{self, SecretText};
use ring::digest::{SHA256, digest};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::clock::{Expiry, Moment};

/// How long the secret is good: long enough to forward a port and to copy an address by hand.
const OPENS_FOR: Duration = Duration::from_secs(5 * 60);
/// Most browsers at a time; the one that came first makes room.
const SESSIONS: usize = 8;
/// Most pages of one browser at a time; the one loaded first makes room.
const PAGES: usize = 8;

/// Everybody who is let in.
#[derive(Default)]
pub struct Sessions {
    invitation: Option<(Digest, Expiry)>,
    sessions: VecDeque<Session>,
}

/// One browser.
struct Session {
    cookie: Digest,
    words: VecDeque<Digest>,
}

/// What a page is given that has opened.
pub struct Opened {
    /// For the cookie, where it is new.
    pub cookie: Option<SecretText>,
    /// For the header of everything that the page asks.
    pub word: SecretText,
}

impl Sessions {
    /// A new secret, in place of one that nobody has used, and until when it is good.
    pub fn invite(&mut self, now: Moment) -> (SecretText, Expiry) {
        let (secret, until) = (random_text(), Expiry::after(now, OPENS_FOR));
        self.invitation = Some((Digest::of(secret.expose()), until));
        (secret, until)
    }

    /// A browser comes in by the secret, which opens nothing afterwards. A wrong one does not spend it: nobody could
    /// guess it.
    pub fn open(&mut self, secret: &str, now: Moment) -> Option<Opened> {
        let (expected, until) = self.invitation.as_ref()?;
        if until.is_over(now) {
            self.invitation = None;
            return None;
        }
        if !expected.is_of(secret) {
            return None;
        }
        self.invitation = None;
        let cookie = random_text();
        make_room(&mut self.sessions, SESSIONS);
        let mut session = Session { cookie: Digest::of(cookie.expose()), words: VecDeque::new() };
        let word = session.new_word();
        self.sessions.push_back(session);
        Some(Opened { cookie: Some(cookie), word })
    }

    /// A page is loaded again, in a browser that is in.
    pub fn reopen(&mut self, cookies: &[String]) -> Option<Opened> {
        let word = self.find(cookies)?.new_word();
        Some(Opened { cookie: None, word })
    }

    /// Whether this is a page of a browser that is in.
    pub fn admits(&mut self, cookies: &[String], word: &str) -> bool {
        self.find(cookies).is_some_and(|session| session.words.iter().any(|known| known.is_of(word)))
    }

    fn find(&mut self, cookies: &[String]) -> Option<&mut Session> {
        // A server at another port may have set one of the same name beside ours.
        self.sessions.iter_mut().find(|session| cookies.iter().any(|cookie| session.cookie.is_of(cookie)))
    }
}

impl Session {
    fn new_word(&mut self) -> SecretText {
        let word = random_text();
        make_room(&mut self.words, PAGES);
        self.words.push_back(Digest::of(word.expose()));
        word
    }
}

/// A SHA-256 digest of a random text.
#[derive(Clone, Copy)]
struct Digest([u8; 32]);

impl Digest {
    fn of(text: &str) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
        Self(bytes)
    }

    fn is_of(&self, text: &str) -> bool {
        self.0.ct_eq(&Self::of(text).0).into()
    }
}

fn make_room<T>(queue: &mut VecDeque<T>, most: usize) {
    while queue.len() >= most {
        queue.pop_front();
    }
}

/// 256 random bits as 43 characters that need no encoding.
fn random_text() -> SecretText {
    let mut bytes = Zeroizing::new([0; 32]);
    secret::random(bytes.as_mut());
    SecretText::new(URL_SAFE_NO_PAD.encode(bytes.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    fn opened(sessions: &mut Sessions, clock: &Clock) -> (Vec<String>, SecretText) {
        let (secret, _) = sessions.invite(clock.now());
        let opened = sessions.open(secret.expose(), clock.now()).expect("let in");
        (vec![opened.cookie.expect("a new one").expose().to_owned()], opened.word)
    }

    #[test]
    fn a_secret_opens_once_and_in_time() {
        let (clock, mut sessions) = (Clock::simulated(1_800_000_000), Sessions::default());
        let (secret, _) = sessions.invite(clock.now());
        assert!(sessions.open("guessed", clock.now()).is_none());
        assert!(sessions.open(secret.expose(), clock.now()).is_some(), "a guess has not spent it");
        assert!(sessions.open(secret.expose(), clock.now()).is_none(), "once");

        let (first, _) = sessions.invite(clock.now());
        let (second, _) = sessions.invite(clock.now());
        assert!(sessions.open(first.expose(), clock.now()).is_none(), "there is a newer one");
        clock.suspend(OPENS_FOR);
        assert!(sessions.open(second.expose(), clock.now()).is_none(), "too late");
    }

    #[test]
    fn cookie_and_word_belong_together() {
        let (clock, mut sessions) = (Clock::simulated(1_800_000_000), Sessions::default());
        let (cookies, word) = opened(&mut sessions, &clock);
        let (other_cookies, other_word) = opened(&mut sessions, &clock);
        for (cookies, word, admitted) in [
            (&cookies[..], &word, true),
            (&other_cookies, &other_word, true),
            (&cookies, &other_word, false),
            (&other_cookies, &word, false),
            (&[], &word, false),
            (&["planted".to_owned(), cookies[0].clone()], &word, true),
        ] {
            assert_eq!(sessions.admits(cookies, word.expose()), admitted, "{}", cookies.len());
        }
        assert!(!sessions.admits(&cookies, ""));
        let again = sessions.reopen(&cookies).expect("in");
        assert!(again.cookie.is_none() && sessions.admits(&cookies, again.word.expose()));
        assert!(sessions.admits(&cookies, word.expose()), "the page before is still there");
        assert!(sessions.reopen(&["guessed".to_owned()]).is_none());
    }

    #[test]
    fn the_newest_have_room() {
        let (clock, mut sessions) = (Clock::simulated(1_800_000_000), Sessions::default());
        let (first, word) = opened(&mut sessions, &clock);
        for _ in 1..SESSIONS {
            opened(&mut sessions, &clock);
        }
        assert!(sessions.admits(&first, word.expose()));
        for _ in 1..PAGES {
            sessions.reopen(&first).expect("in");
        }
        assert!(sessions.admits(&first, word.expose()));
        sessions.reopen(&first).expect("in");
        assert!(!sessions.admits(&first, word.expose()), "eight pages came after it");
        opened(&mut sessions, &clock);
        assert!(sessions.reopen(&first).is_none(), "eight browsers came after it");
    }
}

//! The refresh tokens of one account: which one counts, which ones are spent, and where the one that counts is kept.

use oidc_proto::{
    json::Object,
    rotation::{
        Spent, Stored,
        precedence::{Evidence, Newer},
    },
    secret::RefreshToken,
};
use serde_json::{Value, json};

/// Where the current refresh token is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kept {
    /// Where it belongs: in the account's file, or in memory for an account that has none.
    #[default]
    Home,
    /// On the disk beside the account's file.
    Beside,
    /// In the runtime directory, or by the rule for what cannot be written in memory only. It is handed on, with a
    /// warning, and tried again.
    ForNow,
    /// Nowhere yet: nothing is handed out before it is.
    Nowhere,
}

/// The refresh tokens of one account.
///
/// The current one is never on the spent list, and the only one that is ever sent. A token that was gone on from is
/// known again for as long as it may stand anywhere, however many came after it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RefreshTokens {
    current: Option<RefreshToken>,
    /// In the account's file, where that is not the current one.
    in_file: Option<RefreshToken>,
    /// Beside the account's file, where a token lies there.
    beside: Option<RefreshToken>,
    kept: Kept,
    spent: Spent,
    /// Whether the provider replaces it at each use; `None`: not known yet.
    rotates: Option<bool>,
}

/// What a look at the disk found.
#[derive(Debug, Clone, PartialEq)]
pub struct OnDisk {
    /// The token in the account's file.
    pub in_file: Option<RefreshToken>,
    /// The one that was kept for it elsewhere.
    pub beside: Option<RefreshToken>,
    /// The file belongs to the same client at the same issuer.
    pub same_login: bool,
    /// The file counts fewer writes than it did before.
    pub rolled_back: bool,
}

/// A refresh token that is to be stored; see [`oidc_proto::rotation::Rotation`].
#[derive(Debug, Clone)]
pub struct Owed {
    /// The token in the file, as far as is known.
    pub in_file: RefreshToken,
    /// The newest one on the disk, as far as is known.
    pub durable: RefreshToken,
    /// The tokens before it.
    pub spent: Spent,
    /// The token itself.
    pub new: RefreshToken,
    /// When that ends, in seconds since the epoch, where the provider says so.
    pub ends_at: Option<u64>,
}

impl RefreshTokens {
    /// As an account came: its token is taken for that of its file until that was looked at.
    pub fn new(current: Option<RefreshToken>) -> Self {
        Self { current, ..Self::default() }
    }

    /// The newest one known, which is the one to send.
    pub fn current(&self) -> Option<&RefreshToken> {
        self.current.as_ref()
    }

    /// The one in the account's file, as far as is known.
    pub fn in_file(&self) -> Option<&RefreshToken> {
        self.in_file.as_ref().or(self.current.as_ref())
    }

    /// The newest one on the disk, as far as is known.
    fn durable(&self) -> Option<&RefreshToken> {
        self.beside.as_ref().or_else(|| self.in_file())
    }

    /// Whether a token was gone on from.
    pub fn is_spent(&self, token: &RefreshToken) -> bool {
        let is_known = [&self.in_file, &self.beside].into_iter().flatten().any(|known| known == token);
        self.current.as_ref() != Some(token) && (is_known || self.spent.contains(token))
    }

    /// Where the current one is kept.
    pub fn kept(&self) -> Kept {
        self.kept
    }

    /// Whether it has to be stored before anything is handed out.
    pub fn must_be_stored(&self) -> bool {
        self.kept == Kept::Nowhere
    }

    /// Whether it is only for now where it is.
    pub fn is_unsaved(&self) -> bool {
        self.kept.is_unsaved()
    }

    /// What is to be stored, if the current one is not where it belongs.
    pub fn owed(&self) -> Option<Owed> {
        if self.kept == Kept::Home {
            return None;
        }
        Some(Owed {
            in_file: self.in_file()?.clone(),
            durable: self.durable()?.clone(),
            spent: self.spent.clone(),
            new: self.current.clone()?,
            ends_at: None,
        })
    }

    /// The provider replaced the current one.
    pub fn rotated(&mut self, new: RefreshToken) {
        if self.current.as_ref() == Some(&new) {
            return;
        }
        if self.in_file.is_none() {
            self.in_file.clone_from(&self.current);
        }
        self.kept = Kept::Nowhere;
        self.rotates = Some(true);
        self.replace(new);
    }

    /// The person has logged in anew. Says nothing about whether the provider replaces it at each use.
    pub fn logged_in(&mut self, new: RefreshToken) {
        let rotates = self.rotates;
        self.rotated(new);
        self.rotates = rotates;
    }

    /// The provider gave an access token and left the current one as it is.
    pub fn not_rotated(&mut self) {
        self.rotates = self.rotates.or(Some(false));
    }

    /// Whether the provider replaces it at each use; `None`: not known yet.
    pub fn rotates(&self) -> Option<bool> {
        self.rotates
    }

    /// The current one was stored, or another program had stored a newer one. Whether there is another one now.
    pub fn stored(&mut self, stored: &Stored) -> bool {
        match stored {
            Stored::InFile { .. } => {
                self.written();
                false
            }
            Stored::Beside(_) => {
                self.beside.clone_from(&self.current);
                self.kept = Kept::Beside;
                false
            }
            Stored::InRuntimeDirectory(_) => {
                self.kept = Kept::ForNow;
                false
            }
            Stored::Adopted { token, in_file } => {
                self.beside = Some(token.clone()).filter(|token| token != in_file);
                self.in_file = Some(in_file.clone()).filter(|in_file| in_file != token);
                self.kept = if self.beside.is_some() { Kept::Beside } else { Kept::Home };
                self.replace(token.clone())
            }
            // Loaded into memory only, or reset meanwhile.
            Stored::Gone => {
                self.kept = Kept::Home;
                false
            }
        }
    }

    /// The current one could not be stored anywhere; by the rule for what cannot be written, the agent may go on.
    pub fn not_stored(&mut self, may_go_on: bool) {
        self.kept = if may_go_on { Kept::ForNow } else { Kept::Nowhere };
    }

    /// The account's file was written with the current one.
    pub fn written(&mut self) {
        (self.in_file, self.beside, self.kept) = (None, None, Kept::Home);
    }

    /// The current one, which was rotated to under the agent's lock, is kept there.
    pub fn is_kept(&mut self, kept: Kept) {
        match kept {
            Kept::Home => self.written(),
            Kept::Beside => self.beside.clone_from(&self.current),
            Kept::ForNow | Kept::Nowhere => {}
        }
        self.kept = kept;
    }

    /// A file is there that was not there before, and can only hold the token that the account came with.
    pub fn appeared(&mut self) {
        if self.in_file.is_some() {
            self.kept = Kept::Nowhere;
        }
    }

    /// The disk was read: [`oidc_proto::rotation::precedence`] decides. Whether there is another current one now.
    pub fn found(&mut self, disk: OnDisk) -> bool {
        let OnDisk { in_file, beside, same_login, rolled_back } = disk;
        let newest = beside.as_ref().or(in_file.as_ref());
        let evidence = Evidence {
            held: self.current.is_some(),
            on_disk: newest.is_some(),
            same: newest.is_some() && newest == self.current.as_ref(),
            same_login,
            disk_is_spent: newest.is_some_and(|newest| self.is_spent(newest)),
            rolled_back,
        };
        let newer = evidence.newer();
        let newest = newest.cloned();
        let is_in_file = beside.is_none();
        (self.in_file, self.beside) = (in_file, beside);
        let changed = match (newer, newest) {
            (Newer::Memory, _) => {
                // Ours is a successor of what is there, and never got there or was overwritten.
                self.kept = Kept::Nowhere;
                false
            }
            (Newer::Neither, _) => {
                self.kept = if is_in_file { Kept::Home } else { Kept::Beside };
                false
            }
            (Newer::Disk, Some(newest)) => {
                self.kept = if is_in_file { Kept::Home } else { Kept::Beside };
                self.replace(newest)
            }
            (Newer::Disk, None) => self.logged_out(),
        };
        self.in_file.take_if(|in_file| Some(&*in_file) == self.current.as_ref());
        changed
    }

    /// Another login's file holds no token: there is none any more.
    fn logged_out(&mut self) -> bool {
        self.written();
        self.current.take().is_some_and(|old| {
            self.spent.note(&old);
            true
        })
    }

    /// Goes on from what an earlier load of the account held and could not store, where the token that came with the
    /// account is one of those that are spent. Whether there is another current one now.
    pub fn take_over(&mut self, earlier: &Self) -> bool {
        if !self.current.as_ref().is_some_and(|current| earlier.is_spent(current)) {
            return false;
        }
        // What this one knows of the disk was read just now.
        let came = self.current.take();
        let (in_file, beside) = match self.in_file.take() {
            Some(in_file) => (Some(in_file), came),
            None => (came, None),
        };
        let kept = if earlier.is_unsaved() { earlier.kept } else { Kept::Nowhere };
        *self = Self { in_file, beside, kept, ..earlier.clone() };
        true
    }

    /// For sealing under the agent's lock.
    pub fn to_value(&self) -> Value {
        let text = |token: &Option<RefreshToken>| token.as_ref().map(|token| token.expose().to_owned());
        json!({
            "current": text(&self.current),
            "in_file": text(&self.in_file),
            "beside": text(&self.beside),
            "kept": self.kept.to_text(),
            "spent": self.spent.to_value(),
            "rotates": self.rotates,
        })
    }

    /// What [`RefreshTokens::to_value`] gave.
    pub fn from_object(object: &Object) -> Self {
        let token = |key| object.string(key).map(RefreshToken::new);
        Self {
            current: token("current"),
            in_file: token("in_file"),
            beside: token("beside"),
            kept: object.text("kept").as_deref().map(Kept::from_text).unwrap_or_default(),
            spent: object.members().get("spent").map(Spent::from_value).unwrap_or_default(),
            rotates: object.members().get("rotates").and_then(Value::as_bool),
        }
    }

    fn replace(&mut self, new: RefreshToken) -> bool {
        if self.current.as_ref() == Some(&new) {
            return false;
        }
        if let Some(old) = self.current.replace(new) {
            self.spent.note(&old);
        }
        true
    }
}

impl Kept {
    /// Whether it is only for now where it is.
    pub fn is_unsaved(self) -> bool {
        matches!(self, Self::Nowhere | Self::ForNow)
    }

    /// For sealing under the agent's lock.
    pub fn to_text(self) -> &'static str {
        match self {
            Self::Home => "home",
            Self::Beside => "beside",
            Self::ForNow => "for_now",
            Self::Nowhere => "nowhere",
        }
    }

    /// What [`Kept::to_text`] gave.
    pub fn from_text(text: &str) -> Self {
        match text {
            "home" => Self::Home,
            "beside" => Self::Beside,
            "for_now" => Self::ForNow,
            _ => Self::Nowhere,
        }
    }
}

#[cfg(test)]
mod tests {
    use Kept::{Beside, ForNow, Home, Nowhere};

    use super::*;

    fn token(text: &str) -> RefreshToken {
        text.into()
    }

    fn some(text: &str) -> Option<RefreshToken> {
        (!text.is_empty()).then(|| token(text))
    }

    /// What a file holds, and what lies beside it; an empty text is nothing.
    fn disk(in_file: &str, beside: &str) -> OnDisk {
        OnDisk { in_file: some(in_file), beside: some(beside), same_login: true, rolled_back: false }
    }

    /// The current token, the one in the file as far as is known, the one beside it, and where the current one is kept.
    fn shown(tokens: &RefreshTokens) -> (&str, &str, &str, Kept) {
        let text = |token: Option<&RefreshToken>| token.map_or("", |token| token.expose()).to_owned().leak();
        (text(tokens.current()), text(tokens.in_file()), text(tokens.beside.as_ref()), tokens.kept())
    }

    /// Loaded with `rt1`, which was replaced by `rt2` and stored as said.
    fn after(stored: Option<Stored>) -> RefreshTokens {
        let mut tokens = RefreshTokens::new(some("rt1"));
        tokens.rotated(token("rt2"));
        match stored {
            Some(stored) => drop(tokens.stored(&stored)),
            None => tokens.not_stored(false),
        }
        tokens
    }

    fn in_file() -> RefreshTokens {
        after(Some(Stored::InFile { rolled_back: false }))
    }

    fn beside() -> RefreshTokens {
        after(Some(Stored::Beside(None)))
    }

    fn unsaved() -> RefreshTokens {
        after(None)
    }

    #[test]
    fn what_becomes_of_a_rotation() {
        let adopted =
            |token: &str, in_file: &str| Stored::Adopted { token: token.into(), in_file: in_file.into() };
        for (stored, expected) in [
            (Some(Stored::InFile { rolled_back: false }), ("rt2", "rt2", "", Home)),
            (Some(Stored::InFile { rolled_back: true }), ("rt2", "rt2", "", Home)),
            (Some(Stored::Beside(None)), ("rt2", "rt1", "rt2", Beside)),
            (Some(Stored::InRuntimeDirectory("full".into())), ("rt2", "rt1", "", ForNow)),
            (Some(Stored::Gone), ("rt2", "rt1", "", Home)),
            (Some(adopted("rt9", "rt9")), ("rt9", "rt9", "", Home)),
            (Some(adopted("rt9", "rt8")), ("rt9", "rt8", "rt9", Beside)),
            (None, ("rt2", "rt1", "", Nowhere)),
        ] {
            let text = format!("{stored:?}");
            let tokens = after(stored);
            assert_eq!(shown(&tokens), expected, "{text}");
            assert!(tokens.is_spent(&token("rt1")), "{text}");
            assert!(!tokens.is_spent(tokens.current().expect("one")), "{text}");
            assert_eq!(tokens.must_be_stored(), expected.3 == Nowhere);
        }
        let mut allowed = unsaved();
        allowed.not_stored(true);
        assert_eq!((allowed.kept(), allowed.must_be_stored(), allowed.is_unsaved()), (ForNow, false, true));
    }

    /// Each row of the table of precedence, from each place where the present token may be kept.
    #[test]
    fn what_a_look_at_the_disk_changes() {
        for (name, before) in [("in file", in_file()), ("beside", beside()), ("unsaved", unsaved())] {
            for (found, expected) in [
                // The same.
                (disk("rt2", ""), ("rt2", "rt2", "", Home)),
                (disk("rt1", "rt2"), ("rt2", "rt1", "rt2", Beside)),
                // An older one put back, with or without what lay beside it then.
                (disk("rt1", ""), ("rt2", "rt1", "", Nowhere)),
                (disk("rt0", "rt1"), ("rt2", "rt0", "rt1", Nowhere)),
                // One that was never seen, in a file that counts fewer writes.
                (OnDisk { rolled_back: true, ..disk("rtx", "") }, ("rt2", "rtx", "", Nowhere)),
                // Another program's.
                (disk("rt3", ""), ("rt3", "rt3", "", Home)),
                (disk("rt2", "rt3"), ("rt3", "rt2", "rt3", Beside)),
                (disk("rt3", "rt4"), ("rt4", "rt3", "rt4", Beside)),
                // A file without a token.
                (disk("", ""), ("rt2", "rt2", "", Nowhere)),
                // Another login, whatever it knows of ours.
                (OnDisk { same_login: false, ..disk("rt1", "") }, ("rt1", "rt1", "", Home)),
                (OnDisk { same_login: false, ..disk("", "") }, ("", "", "", Home)),
            ] {
                let mut tokens = before.clone();
                let is_other = tokens.found(found.clone());
                assert_eq!(shown(&tokens), expected, "{name}, {found:?}");
                assert_eq!(is_other, expected.0 != "rt2", "{name}, {found:?}");
                let current = tokens.current().cloned();
                assert!(current.is_none_or(|current| !tokens.is_spent(&current)), "{name}, {found:?}");
            }
        }
    }

    /// A chain of rotations beside a file is longer than the spent list is: the file's token is known all the same.
    #[test]
    fn the_token_in_the_file_is_known_however_old() {
        let mut tokens = RefreshTokens::new(some("rt0"));
        for number in 1..200 {
            tokens.rotated(token(&format!("rt{number}")));
            tokens.stored(&Stored::Beside(None));
        }
        assert_eq!(shown(&tokens), ("rt199", "rt0", "rt199", Beside));
        assert!(tokens.is_spent(&token("rt0")));
        tokens.rotated(token("rt200"));
        let owed = tokens.owed().expect("unsaved");
        assert_eq!(
            (owed.in_file.expose(), owed.durable.expose(), owed.new.expose()),
            ("rt0", "rt199", "rt200")
        );
        assert!(!tokens.found(disk("rt0", "rt199")), "neither is another agent's");
        assert_eq!(tokens.current(), Some(&token("rt200")));
    }

    #[test]
    fn a_later_load_goes_on_from_what_could_not_be_saved() {
        for (came, expected) in [
            (RefreshTokens::new(some("rt1")), ("rt2", "rt1", "", Nowhere)),
            // Read from the file anew, with another one beside it.
            (
                {
                    let mut tokens = RefreshTokens::new(some("rt0"));
                    tokens.found(disk("rt0", "rt1"));
                    tokens
                },
                ("rt2", "rt0", "rt1", Nowhere),
            ),
            // Another login since, or another program's.
            (RefreshTokens::new(some("rt3")), ("rt3", "rt3", "", Home)),
        ] {
            let mut tokens = came;
            let goes_on = tokens.take_over(&unsaved());
            assert_eq!((shown(&tokens), goes_on), (expected, expected.0 == "rt2"));
        }
    }

    #[test]
    fn a_file_that_appears_is_brought_up_to_date() {
        let mut tokens = after(Some(Stored::Gone));
        tokens.appeared();
        assert_eq!(tokens.kept(), Nowhere);
        let mut tokens = RefreshTokens::new(some("rt1"));
        tokens.appeared();
        assert_eq!(tokens.kept(), Home);
    }

    #[test]
    fn knows_whether_the_provider_rotates() {
        let mut tokens = RefreshTokens::new(some("rt1"));
        assert_eq!(tokens.rotates(), None);
        tokens.not_rotated();
        assert_eq!(tokens.rotates(), Some(false));
        tokens.rotated(token("rt2"));
        tokens.not_rotated();
        assert_eq!(tokens.rotates(), Some(true));
    }

    #[test]
    fn comes_back_whole_from_under_the_lock() {
        for tokens in [in_file(), beside(), unsaved(), RefreshTokens::default()] {
            let object = Object::from_value(tokens.to_value()).expect("an object");
            assert_eq!(RefreshTokens::from_object(&object), tokens);
        }
    }
}

//! Whether an account can give new tokens.

use oidc_proto::{json::Object, message::Failure, shell, shortname::Shortname};
use serde_json::{Value, json};

use crate::handed_on::{self, Unreadable};

/// Names in [`Standing::to_value`].
const LOGIN_NEEDED: &str = "login_needed";
const REKEYED: &str = "rekeyed";

/// Whether new tokens can be had from an account, as far as is known. Small, since nothing speaks against most accounts.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Standing {
    /// Nothing speaks against it.
    #[default]
    Usable,
    /// The provider does not take the refresh token any more: until another one comes, only a login helps.
    LoginNeeded(Box<Failure>),
    /// The file was changed under a key that is not known here, and may hold a newer refresh token: until it can be read
    /// or the account is loaded again, nothing is spent.
    Rekeyed(Box<Failure>),
}

impl Standing {
    /// Why no new token can be had.
    pub fn refusal(&self) -> Option<&Failure> {
        match self {
            Self::Usable => None,
            Self::LoginNeeded(failure) | Self::Rekeyed(failure) => Some(failure),
        }
    }

    /// For a process of the agent that goes on with the account.
    pub fn to_value(&self) -> Value {
        let (name, failure) = match self {
            Self::Usable => return Value::Null,
            Self::LoginNeeded(failure) => (LOGIN_NEEDED, failure),
            Self::Rekeyed(failure) => (REKEYED, failure),
        };
        json!({ name: failure.to_object().into_value() })
    }

    /// What [`Standing::to_value`] gave.
    pub fn handed_on(within: &mut Object, member: &str) -> Result<Self, Unreadable> {
        let Some(mut standing) = handed_on::optional_object(within, member)? else { return Ok(Self::Usable) };
        let mut failure = |name| {
            let failure = handed_on::optional_object(&mut standing, name)?;
            Ok(failure.map(|failure| Box::new(Failure::from_object(&failure))))
        };
        match (failure(LOGIN_NEEDED)?, failure(REKEYED)?) {
            (Some(failure), _) => Ok(Self::LoginNeeded(failure)),
            (None, Some(failure)) => Ok(Self::Rekeyed(failure)),
            (None, None) => Err(Unreadable::new(member)),
        }
    }

    /// Whether a newer refresh token may stand where it cannot be read.
    pub fn is_rekeyed(&self) -> bool {
        matches!(self, Self::Rekeyed(_))
    }

    /// The provider took the refresh token.
    pub fn accepted(&mut self) {
        *self = Self::Usable;
    }

    /// The provider refused the refresh token for good.
    pub fn refused(&mut self, failure: Failure) {
        // What is known of the file says more: a newer token may lie there.
        if !self.is_rekeyed() {
            *self = Self::LoginNeeded(Box::new(failure));
        }
    }

    /// The account goes on with another refresh token: what was wrong with the one before is forgotten.
    pub fn has_another_token(&mut self) {
        *self = Self::Usable;
    }

    /// The file was changed by another program, and does not open.
    pub fn rekeyed(&mut self, name: &Shortname) {
        let failure = Failure::account_not_loaded().with_info(format!(
            "The file of account '{name}' was changed by another program since it was loaded, and may hold a newer \
             refresh token. Run `{}` to load it again.",
            shell::command("oidc add", name.as_str())
        ));
        *self = Self::Rekeyed(Box::new(failure));
    }

    /// The file was read.
    pub fn opened(&mut self) {
        if self.is_rekeyed() {
            *self = Self::Usable;
        }
    }
}

#[cfg(test)]
mod tests {
    use oidc_proto::error_code::ErrorCode;

    use super::*;

    #[derive(Debug, Clone, Copy)]
    enum Event {
        Accepted,
        Refused,
        AnotherToken,
        Rekeyed,
        Opened,
    }

    #[test]
    fn each_transition() {
        let dead = || Failure::new(ErrorCode::LoginNeeded, "dead");
        let name: Shortname = "a".parse().expect("a name");
        let (usable, login_needed, mut rekeyed) =
            (Standing::Usable, Standing::LoginNeeded(Box::new(dead())), Standing::Usable);
        rekeyed.rekeyed(&name);
        for (before, event, after) in [
            (&usable, Event::Accepted, &usable),
            (&usable, Event::Refused, &login_needed),
            (&usable, Event::AnotherToken, &usable),
            (&usable, Event::Rekeyed, &rekeyed),
            (&usable, Event::Opened, &usable),
            (&login_needed, Event::Accepted, &usable),
            (&login_needed, Event::Refused, &login_needed),
            (&login_needed, Event::AnotherToken, &usable),
            (&login_needed, Event::Rekeyed, &rekeyed),
            // The same token in a file that was written anew is as dead as before.
            (&login_needed, Event::Opened, &login_needed),
            (&rekeyed, Event::Accepted, &usable),
            (&rekeyed, Event::Refused, &rekeyed),
            (&rekeyed, Event::AnotherToken, &usable),
            (&rekeyed, Event::Rekeyed, &rekeyed),
            (&rekeyed, Event::Opened, &usable),
        ] {
            let mut standing = before.clone();
            match event {
                Event::Accepted => standing.accepted(),
                Event::Refused => standing.refused(dead()),
                Event::AnotherToken => standing.has_another_token(),
                Event::Rekeyed => standing.rekeyed(&name),
                Event::Opened => standing.opened(),
            }
            assert_eq!(standing, *after, "{before:?}, {event:?}");
            assert_eq!(standing.refusal().is_none(), standing == Standing::Usable);
            let mut within = Object::default();
            within.insert("standing", standing.to_value());
            assert_eq!(Standing::handed_on(&mut within, "standing"), Ok(standing));
        }
    }
}

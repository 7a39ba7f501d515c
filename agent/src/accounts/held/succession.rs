//! What is held of an account, for the process that takes over from this one.

use std::time::Duration;

use crypto_box::PublicKey;
use oidc_proto::{json::Object, message::Failure};
use serde_json::Value;

use super::{
    super::{look::Stamp, refresh_tokens::Kept, refusals::Refusals, standing::Standing},
    Held, LONGEST_PAUSE, Open, Pause, Sealed,
};
use crate::handed_on::{self, Unreadable};

/// Which of the two it is.
const OPEN: &str = "open";
const SEALED: &str = "sealed";

impl Held {
    /// As JSON. What is sealed stays so.
    pub fn hand_on(&self) -> Object {
        let mut object = Object::default();
        match self {
            Self::Open(open) => object.insert(OPEN, open.hand_on().into_value()),
            Self::Sealed(sealed) => object.insert(SEALED, sealed.hand_on().into_value()),
        }
        object
    }

    /// What [`Held::hand_on`] gave. `key`: that of the lock, if the agent is locked.
    pub fn handed_on(object: &mut Object, key: Option<&PublicKey>) -> Result<Self, Unreadable> {
        let open = handed_on::optional_object(object, OPEN)?;
        match (open, handed_on::optional_object(object, SEALED)?, key) {
            (Some(open), None, None) => Open::handed_on(open).map(Box::new).map(Self::Open),
            (None, Some(sealed), Some(key)) => Sealed::handed_on(sealed, key).map(Box::new).map(Self::Sealed),
            // In the open under a lock, or sealed without one: nobody says which is right.
            _ => Err(Unreadable::new(SEALED)),
        }
    }
}

impl Open {
    fn hand_on(&self) -> Object {
        let mut object = self.to_object();
        write_seen(&mut object, self.stamp, self.kept_at_hand, &self.standing);
        object
            .insert("pause", self.pause.as_deref().map_or(Value::Null, |pause| pause.hand_on().into_value()));
        object.insert("refusals", self.refusals.to_value());
        object.insert("failed_at", handed_on::boot_to_value(self.failed_at));
        object
    }

    fn handed_on(mut object: Object) -> Result<Self, Unreadable> {
        let (stamp, kept_at_hand, standing) = read_seen(&mut object)?;
        let pause = handed_on::optional_object(&mut object, "pause")?.map(Pause::handed_on).transpose()?;
        let refusals = Refusals::handed_on(&mut object, "refusals")?;
        let failed_at = handed_on::boot(&object, "failed_at")?;
        // Those of which nothing may be lost; the rest is read as from under the lock.
        let counts = [object.contains("file_key"), object.contains("password_source")];
        let tokens =
            handed_on::optional_object(&mut object, "tokens")?.ok_or_else(|| Unreadable::new("tokens"))?;
        object.insert("tokens", tokens.into_value());
        let open = Self::from_object(object).ok_or_else(|| Unreadable::new("config"))?;
        if counts != [open.file_key.is_some(), open.password_source.is_some()] {
            return Err(Unreadable::new("file_key"));
        }
        Ok(Self { stamp, kept_at_hand, standing, pause: pause.map(Box::new), refusals, failed_at, ..open })
    }
}

impl Pause {
    fn hand_on(&self) -> Object {
        let mut object = Object::default();
        object.insert("until", self.until.as_millis());
        object.insert("length", u64::try_from(self.length.as_millis()).unwrap_or(u64::MAX));
        object.insert("asked", handed_on::boot_to_value(self.asked));
        object.insert("failure", self.failure.to_object().into_value());
        object
    }

    fn handed_on(mut object: Object) -> Result<Self, Unreadable> {
        Ok(Self {
            until: handed_on::boot(&object, "until")?.ok_or_else(|| Unreadable::new("until"))?,
            length: Duration::from_millis(handed_on::number(&object, "length")?).min(LONGEST_PAUSE),
            asked: handed_on::boot(&object, "asked")?,
            failure: Failure::from_object(&handed_on::object(&mut object, "failure")?),
        })
    }
}

impl Sealed {
    fn hand_on(&self) -> Object {
        let mut object = Object::default();
        object.insert("account", handed_on::encoded(&self.account));
        let results: Value = self.results.iter().map(|result| handed_on::encoded(result)).collect();
        object.insert("results", results);
        object.insert("kept", self.kept.to_text());
        write_seen(&mut object, self.stamp, self.kept_at_hand, &self.standing);
        object
    }

    fn handed_on(mut object: Object, key: &PublicKey) -> Result<Self, Unreadable> {
        let (stamp, kept_at_hand, standing) = read_seen(&mut object)?;
        let results = handed_on::list_of_bytes(&object, "results")?;
        Ok(Self {
            key: key.clone(),
            account: handed_on::bytes(&object, "account")?.to_vec(),
            results: results.iter().map(|result| result.to_vec()).collect(),
            stamp,
            kept: Kept::from_text(&handed_on::text(&object, "kept")?),
            kept_at_hand,
            standing,
        })
    }
}

fn write_seen(object: &mut Object, stamp: Option<Stamp>, kept_at_hand: bool, standing: &Standing) {
    object.insert("stamp", stamp.map_or(Value::Null, |stamp| handed_on::encoded(stamp.bytes())));
    object.insert("kept_at_hand", kept_at_hand);
    object.insert("standing", standing.to_value());
}

fn read_seen(object: &mut Object) -> Result<(Option<Stamp>, bool, Standing), Unreadable> {
    let stamp = match handed_on::optional_text(object, "stamp")? {
        Some(_) => Some(Stamp::from_bytes(*handed_on::array(object, "stamp")?)),
        None => None,
    };
    let kept_at_hand = handed_on::flag(object, "kept_at_hand")?;
    Ok((stamp, kept_at_hand, Standing::handed_on(object, "standing")?))
}

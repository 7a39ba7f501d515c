//! An account, for the process that takes over from this one.

use crypto_box::PublicKey;
use oidc_proto::{json::Object, shortname::Shortname};

use super::{
    super::{
        expiry::Told, held::Held, pending::PendingRequests, refused::memory::Memory, remembered::Remembered,
    },
    Account, State,
};
use std::sync::{Arc, Mutex};

use crate::handed_on::{self, Unreadable};

impl Account {
    /// As JSON, with whatever secrets it holds in the open. Requests that are under way are not part of it.
    pub fn hand_on(&self) -> Object {
        let state = self.state();
        let mut object = Object::default();
        object.insert("name", self.name.as_str());
        object.insert("issuer", &*self.issuer);
        object.insert("confirm", self.confirm);
        object.insert("always_allow_id_token", self.always_allow_id_token);
        object.insert("unload_at", handed_on::expiry_to_value(state.unload_at));
        object.insert("told", handed_on::boot_to_value(state.told.at()));
        object.insert("remembered", state.remembered.to_value());
        object.insert("refused", self.refused.to_value());
        object.insert("held", state.held.hand_on().into_value());
        object
    }

    /// What [`Account::hand_on`] gave. `key`: that of the lock, if the agent is locked.
    pub fn handed_on(mut object: Object, key: Option<&PublicKey>) -> Result<Self, Unreadable> {
        let name = handed_on::text(&object, "name")?;
        let name: Shortname = name.parse().map_err(|_| Unreadable::new("name"))?;
        let read = |mut object: Object| {
            let mut held = handed_on::object(&mut object, "held")?;
            Ok(Self {
                name: name.clone(),
                issuer: handed_on::text(&object, "issuer")?.into(),
                confirm: handed_on::flag(&object, "confirm")?,
                always_allow_id_token: handed_on::flag(&object, "always_allow_id_token")?,
                turn: Arc::default(),
                refused: Memory::handed_on(&mut object, "refused")?,
                state: Mutex::new(State {
                    held: Held::handed_on(&mut held, key)?,
                    pending: PendingRequests::default(),
                    unload_at: handed_on::expiry(&mut object, "unload_at")?,
                    held_up: None,
                    told: Told::handed_on(handed_on::boot(&object, "told")?),
                    remembered: Remembered::handed_on(&mut object, "remembered")?,
                }),
            })
        };
        let compact = std::mem::take(&mut object);
        read(compact).map_err(|error: Unreadable| error.of(format!("account '{name}'")))
    }
}

//! Logins under way, bounded in number and in time.

use std::{sync::Arc, time::Duration};

use oidc_proto::{error_code::ErrorCode, message::Failure};

use crate::clock::BootTime;

/// How long a login may take, from its start to the fetched result. A provider's own limit may be shorter.
pub const LOGIN_LIFETIME: Duration = Duration::from_secs(15 * 60);
/// Most logins of a kind at a time.
const CAPACITY: usize = 64;

/// What a table asks its entries.
pub trait Entry {
    /// Whether `key` names this login.
    fn is(&self, key: &str) -> bool;
    /// When it is dropped.
    fn expires_at(&self) -> BootTime;
    /// Whether it is kept only to tell that it is over, or nobody waits for it: such entries make room for others.
    fn is_over(&self, now: BootTime) -> bool;
    /// Called when it is dropped from the table.
    fn end(&self);
}

/// Logins of one kind. Those that are dropped, one by one or with the table, are ended.
pub struct Table<E: Entry>(Vec<Arc<E>>);

impl<E: Entry> Table<E> {
    /// Adds a login.
    pub fn insert(&mut self, entry: Arc<E>, now: BootTime) -> Result<(), Failure> {
        self.sweep(now);
        if self.0.len() >= CAPACITY {
            let over = self.0.iter().position(|entry| entry.is_over(now)).ok_or_else(too_many)?;
            self.0.remove(over).end();
        }
        self.0.push(entry);
        Ok(())
    }

    /// The login of a key, unless its time is over.
    pub fn find(&mut self, key: &str, now: BootTime) -> Option<Arc<E>> {
        self.sweep(now);
        self.0.iter().find(|entry| entry.is(key)).cloned()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<E>> {
        self.0.iter()
    }

    /// Drops a login.
    pub fn remove(&mut self, entry: &Arc<E>) {
        entry.end();
        self.0.retain(|other| !Arc::ptr_eq(other, entry));
    }

    /// Drops the logins whose time is over.
    pub fn sweep(&mut self, now: BootTime) {
        self.0.retain(|entry| {
            let lives = now < entry.expires_at();
            if !lives {
                entry.end();
            }
            lives
        });
    }
}

impl<E: Entry> Default for Table<E> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<E: Entry> Drop for Table<E> {
    fn drop(&mut self) {
        self.0.iter().for_each(|entry| entry.end());
    }
}

fn too_many() -> Failure {
    let error = format!("{CAPACITY} logins are under way already; please try again later");
    Failure::new(ErrorCode::TooManyRequests, error)
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicBool, Ordering},
        time::Duration,
    };

    use super::*;

    struct Named {
        name: String,
        expires_at: BootTime,
        over: bool,
        ended: AtomicBool,
    }

    impl Entry for Named {
        fn is(&self, key: &str) -> bool {
            self.name == key
        }

        fn expires_at(&self) -> BootTime {
            self.expires_at
        }

        fn is_over(&self, _: BootTime) -> bool {
            self.over
        }

        fn end(&self) {
            self.ended.store(true, Ordering::Relaxed);
        }
    }

    fn named(name: impl Into<String>, over: bool) -> Arc<Named> {
        let expires_at = BootTime::default().plus(Duration::from_secs(60));
        Arc::new(Named { name: name.into(), expires_at, over, ended: AtomicBool::new(false) })
    }

    #[test]
    fn entries_end_with_their_time() {
        let mut table = Table::default();
        let entry = named("a", false);
        let after = |seconds| BootTime::default().plus(Duration::from_secs(seconds));
        table.insert(Arc::clone(&entry), after(0)).expect("room");
        assert!(table.find("a", after(59)).is_some() && table.find("b", after(59)).is_none());
        assert!(table.find("a", after(60)).is_none());
        assert!(entry.ended.load(Ordering::Relaxed));
    }

    #[test]
    fn what_is_over_makes_room() {
        let (mut table, now) = (Table::default(), BootTime::default());
        for number in 1..CAPACITY {
            table.insert(named(number.to_string(), false), now).expect("room");
        }
        let over = named("over", true);
        table.insert(Arc::clone(&over), now).expect("room");
        table.insert(named("new", false), now).expect("room was made");
        assert!(over.ended.load(Ordering::Relaxed) && table.find("over", now).is_none());
        assert_eq!(table.insert(named("x", false), now).expect_err("full").code, ErrorCode::TooManyRequests);
        let one = table.find("1", now).expect("there");
        table.remove(&one);
        assert!(one.ended.load(Ordering::Relaxed));
        table.insert(named("x", false), now).expect("room again");
    }
}

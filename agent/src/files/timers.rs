//! What is to be done when, by the boot clock: one time for each thing.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::Hash,
};

use crate::clock::BootTime;

/// Times of things.
#[derive(Debug)]
pub struct Timers<K> {
    in_order: BTreeSet<(BootTime, K)>,
    times: BTreeMap<K, BootTime>,
}

impl<K: Copy + Ord + Hash> Timers<K> {
    /// The time of a thing from now on; `None`: none.
    pub fn set(&mut self, key: K, at: Option<BootTime>) {
        if let Some(before) = self.times.remove(&key) {
            self.in_order.remove(&(before, key));
        }
        if let Some(at) = at {
            self.times.insert(key, at);
            self.in_order.insert((at, key));
        }
    }

    /// The time of a thing.
    pub fn get(&self, key: K) -> Option<BootTime> {
        self.times.get(&key).copied()
    }

    /// The first thing whose time has come; it has none any more.
    pub fn pop(&mut self, now: BootTime) -> Option<K> {
        let (at, key) = *self.in_order.first()?;
        if at > now {
            return None;
        }
        self.set(key, None);
        Some(key)
    }

    /// When the next one comes.
    pub fn next(&self) -> Option<BootTime> {
        self.in_order.first().map(|(at, _)| *at)
    }
}

impl<K> Default for Timers<K> {
    fn default() -> Self {
        Self { in_order: BTreeSet::new(), times: BTreeMap::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_come_in_the_order_of_their_last_times() {
        let at = BootTime::from_millis;
        let mut timers = Timers::default();
        for (key, time) in [('a', 30), ('b', 10), ('c', 20), ('b', 25), ('d', 5)] {
            timers.set(key, Some(at(time)));
        }
        timers.set('d', None);
        assert_eq!((timers.next(), timers.get('b'), timers.get('d')), (Some(at(20)), Some(at(25)), None));
        assert_eq!(
            [timers.pop(at(19)), timers.pop(at(27)), timers.pop(at(27)), timers.pop(at(27))],
            [None, Some('c'), Some('b'), None]
        );
        assert_eq!(timers.next(), Some(at(30)));
    }
}

//! Unloads accounts when their lifetime is over, and forgets passwords when theirs is.

use std::time::Duration;

use super::{deps::Deps, loaded::Accounts};
use crate::clock::LONGEST_SLEEP;

impl Accounts {
    /// No account loaded, not locked. Must be called within a runtime: it starts the task that ends lifetimes.
    pub fn start(deps: Deps) -> Self {
        let accounts = Self::new(deps);
        tokio::spawn(watch(accounts.clone()));
        accounts
    }
}

/// Runs as long as the agent.
async fn watch(accounts: Accounts) {
    loop {
        // Looking drops what is over, and with it the secrets.
        let (loaded, now) = (accounts.loaded(), accounts.now());
        let ends = loaded.iter().flat_map(|account| [account.unload_at(), account.password_forgotten(now)]);
        let next = ends.flatten().map(|end| end.remaining(now)).min();
        drop(loaded);
        let changed = accounts.0.lifetimes_changed.notified();
        match next {
            None => changed.await,
            Some(seconds) => {
                let pause = Duration::from_secs(seconds).min(LONGEST_SLEEP);
                // Either the next lifetime is over, or there is another one to look at.
                let _ = tokio::time::timeout(pause, changed).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use oidc_proto::{
        json::Object,
        message::{AddRequest, PasswordEntry},
        vault::{self, FileKey, Protection},
    };

    use super::super::{
        Added,
        source::played::Played,
        testing::{Bench, START, add_request, granted},
    };
    use super::*;

    const HOUR: u64 = 3600;

    async fn add(bench: &Bench, name: &str, lifetime: u64) -> Added {
        let request = add_request("https://op.example", name);
        let request = AddRequest { plain_add: true, lifetime: Some(lifetime), ..request };
        bench.accounts.add(request).await.expect("loaded")
    }

    fn names(bench: &Bench) -> Vec<String> {
        bench.accounts.names().into_iter().map(String::from).collect()
    }

    /// What happens to the clocks in turn, and whether an account with an hour to live is still there.
    #[tokio::test(start_paused = true)]
    async fn a_lifetime_ends_by_either_clock() {
        enum Step {
            Work(u64),
            Sleep(u64),
            Set(i64),
            Freeze(u64),
        }
        use Step::{Freeze, Set, Sleep, Work};
        for (row, (steps, stays)) in [
            (&[Work(HOUR - 1)][..], true),
            (&[Work(HOUR)], false),
            (&[Work(1800), Sleep(1800)], false),
            (&[Set(-30 * 24 * 3600), Work(HOUR - 1)], true),
            (&[Set(-30 * 24 * 3600), Work(HOUR)], false),
            (&[Set(i64::MIN), Work(HOUR)], false),
            (&[Set(1800), Work(1799)], true),
            (&[Set(30 * 24 * 3600)], false),
            (&[Freeze(HOUR)], false),
        ]
        .into_iter()
        .enumerate()
        {
            let bench = Bench::new();
            add(&bench, "acc", HOUR).await;
            for step in steps {
                match step {
                    Work(seconds) => tokio::time::advance(Duration::from_secs(*seconds)).await,
                    Sleep(seconds) => bench.clock.suspend(Duration::from_secs(*seconds)),
                    Set(by) => bench.clock.set_wall(*by),
                    Freeze(seconds) => bench.clock.freeze(Duration::from_secs(*seconds)),
                }
            }
            let now = bench.clock.now();
            let told = bench.accounts.status().first().and_then(|account| account.unloaded_at);
            assert!(told.is_none_or(|end| end <= now.wall + HOUR), "row {row}: told as loaded for longer");
            assert_eq!(!names(&bench).is_empty(), stays, "row {row}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_over_is_dropped_although_nobody_asks() {
        let bench = Bench::new();
        add(&bench, "later", 2 * HOUR).await;
        add(&bench, "first", HOUR).await;
        let first = Arc::downgrade(&bench.accounts.find(&"first".parse().expect("a name")).expect("loaded"));
        let later = Arc::downgrade(&bench.accounts.find(&"later".parse().expect("a name")).expect("loaded"));
        let dropped = || (first.strong_count() == 0, later.strong_count() == 0);
        // The watch is asleep until the first of them is over.
        tokio::time::sleep(Duration::from_secs(HOUR - 1)).await;
        assert_eq!(dropped(), (false, false));
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(dropped(), (true, false));
        bench.clock.suspend(Duration::from_secs(HOUR));
        tokio::time::sleep(LONGEST_SLEEP).await;
        assert_eq!(dropped(), (true, true));
    }

    #[tokio::test(start_paused = true)]
    async fn adding_again_sets_the_lifetime_anew() {
        let bench = Bench::new();
        for (lifetime, added, unloaded_at) in [
            (0, Added::Loaded { lifetime: 0 }, None),
            (0, Added::Already { lifetime: None }, None),
            (HOUR, Added::Already { lifetime: Some(HOUR) }, Some(START + HOUR)),
            (60, Added::Already { lifetime: Some(60) }, Some(START + 60)),
            (
                u64::MAX,
                Added::Already { lifetime: Some(u64::MAX) },
                Some(START + crate::clock::LONGEST.as_secs()),
            ),
            (0, Added::Already { lifetime: Some(0) }, None),
        ] {
            assert_eq!(add(&bench, "acc", lifetime).await, added, "{lifetime}");
            assert_eq!(bench.accounts.status()[0].unloaded_at, unloaded_at, "{lifetime}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn lifetimes_go_on_under_the_lock() {
        let bench = Bench::new();
        add(&bench, "acc", HOUR).await;
        bench.accounts.lock("sesame".into()).await.expect("locked");
        bench.clock.suspend(Duration::from_secs(HOUR));
        bench.accounts.unlock("sesame".into()).await.expect("unlocked");
        assert!(names(&bench).is_empty());
    }

    /// A password that a client handed over, with the key of the file if any; whether it is kept, and until when.
    #[tokio::test(start_paused = true)]
    async fn a_password_is_kept_while_it_is_of_use() {
        let native = FileKey::from_text(&Bench::new().write_file(&played()).key().to_text());
        let c_suite =
            vault::seal_new(&add_request("https://op", "acc").config, &Protection::OidcAgent(&"p".into()));
        for (key, is_kept) in
            [(None, true), (Some(native.expect("a key")), false), (Some(c_suite.expect("sealed").1), true)]
        {
            let bench = Bench::new();
            let entry =
                format!(r#"{{"account":"acc","type":1,"password":"p","expires_at":{}}}"#, START + HOUR);
            let entry = Object::parse(entry.as_bytes()).expect("an object");
            let mut request = AddRequest { plain_add: true, ..add_request("https://op.example", "acc") };
            request.pw_entry = PasswordEntry::from_object(&entry);
            request.file_key = key.map(|key| key.to_text());
            bench.try_add(request).await.expect("loaded");
            let kept = || bench.held(|open| open.password_source.is_some());
            assert_eq!(kept(), is_kept);
            // Nobody asks for anything.
            tokio::time::sleep(Duration::from_secs(HOUR - 1)).await;
            assert_eq!(kept(), is_kept);
            tokio::time::sleep(Duration::from_secs(2)).await;
            assert!(!kept());
        }
    }

    fn played() -> Played {
        Played::new(true, |_| Ok(granted("at", "")))
    }
}

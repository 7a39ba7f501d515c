//! What of logins goes on in the process that takes over from this one: kept texts. A login that waits for a person, with its web
//! server and its secrets, is not interrupted: nobody takes over as long as there is one.

use oidc_proto::json::Object;

use super::{Login, table::Entry};
use crate::handed_on::{self, Unreadable};

impl Login {
    /// Fails while a login is under way, with the words for it.
    pub fn still(&self) -> Result<(), String> {
        let (under_way, now) = (self.under_way(), self.clock().boot());
        let codes = under_way.codes.iter().filter(|login| is_under_way(login.as_ref(), now));
        let devices = under_way.devices.iter().filter(|login| is_under_way(login.as_ref(), now));
        let mut names = codes.map(|login| &login.account).chain(devices.map(|login| &login.account));
        match names.next() {
            Some(name) => Err(format!("a login for account '{name}' is under way")),
            None => Ok(()),
        }
    }

    /// As JSON. What is under the agent's lock stays sealed.
    pub fn hand_on(&self) -> Object {
        let mut object = Object::default();
        object.insert("texts", self.files().hand_on().into_value());
        object
    }

    /// Takes over what [`Login::hand_on`] gave, after the accounts and their lock were taken over.
    pub fn take_over(&self, mut object: Object) -> Result<(), Unreadable> {
        let key = self.0.accounts.lock_key();
        let mut texts = handed_on::object(&mut object, "texts")?;
        *self.files() = super::file_store::FileStore::handed_on(&mut texts, key.as_ref())?;
        Ok(())
    }
}

fn is_under_way(login: &impl Entry, now: crate::clock::BootTime) -> bool {
    now < login.expires_at() && !login.is_over(now)
}

#[cfg(test)]
mod tests {
    use oidc_proto::{
        error_code::ErrorCode,
        message::{FileWriteRequest, Flow, GenRequest},
    };

    use super::*;
    use crate::{
        accounts::{
            HandedOn,
            testing::{Bench, add_request},
        },
        provider::testing::{Reply, Scripted},
    };

    fn login(bench: &Bench) -> Login {
        Login::new(bench.accounts.clone(), "/run/sock".into())
    }

    #[tokio::test]
    async fn kept_texts_go_on_in_the_open_and_under_the_lock() {
        for is_locked in [false, true] {
            let bench = Bench::new();
            let first = login(&bench);
            first
                .file_write(FileWriteRequest { filename: "null".into(), data: "secret text".into() })
                .expect("kept");
            if is_locked {
                bench.accounts.lock("sesame".into()).await.expect("locked");
            }
            let (accounts, texts) = (bench.accounts.hand_on(), first.hand_on().to_json());
            assert_eq!(texts.contains("secret text"), !is_locked);

            let next = Bench::after(&bench);
            let second = login(&next);
            next.accounts.take_over(HandedOn::read(accounts).expect("its own words"));
            second.take_over(Object::parse(texts.as_bytes()).expect("an object")).expect("taken over");
            if is_locked {
                assert_eq!(second.file_read("null").expect_err("locked").code, ErrorCode::AgentLocked);
                next.accounts.unlock("sesame".into()).await.expect("unlocked");
            }
            let reply = second.file_read("null").expect("kept").to_json();
            assert!(reply.contains("secret text"), "{}", *reply);
        }
    }

    #[tokio::test]
    async fn a_login_that_waits_for_a_person_is_not_interrupted() {
        let op = Scripted::provider(|_| Reply::json("{}")).await;
        let bench = Bench::new();
        let login = login(&bench);
        login.still().expect("nothing is under way");
        let config = oidc_proto::account::AccountConfig {
            refresh_token: None,
            redirect_uris: vec!["edu.kit.data.oidc-agent:/redirect".into()],
            ..add_request(&op.issuer(), "acc").config
        };
        let request =
            GenRequest { config, flows: vec![Flow::Code], no_webserver: true, ..GenRequest::default() };
        login.generate(request).await.expect("begun");
        assert_eq!(login.still(), Err("a login for account 'acc' is under way".to_owned()));
    }
}

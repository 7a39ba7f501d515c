//! What a login or a kept text holds: in the open, or with its secrets under the agent's lock.

use crypto_box::{PublicKey, SecretKey};
use oidc_proto::json::Object;

use crate::accounts::lock;

/// What has secrets that can be taken out and put back.
pub trait Sealable {
    /// Takes the secrets out; what stays holds none.
    fn strip(&mut self) -> Object;

    /// Puts back what [`Sealable::strip`] took out.
    fn restore(&mut self, secrets: Object);
}

/// A value whose secrets may be sealed.
pub struct Held<T> {
    value: T,
    sealed: Option<Sealed>,
}

/// The secrets, under the key of a locked period.
struct Sealed {
    key: PublicKey,
    secrets: Vec<u8>,
}

impl<T: Sealable> Held<T> {
    /// In the open.
    pub fn new(value: T) -> Self {
        Self { value, sealed: None }
    }

    /// One whose secrets were sealed to this key by another process of the agent.
    pub fn handed_on(value: T, key: PublicKey, secrets: Vec<u8>) -> Self {
        Self { value, sealed: Some(Sealed { key, secrets }) }
    }

    /// The sealed secrets, for [`Held::handed_on`]; `None` in the open.
    pub fn sealed_secrets(&self) -> Option<&[u8]> {
        self.sealed.as_ref().map(|sealed| sealed.secrets.as_slice())
    }

    /// The value; `None` while it is sealed.
    pub fn open(&self) -> Option<&T> {
        self.sealed.is_none().then_some(&self.value)
    }

    /// The same, to change it.
    pub fn open_mut(&mut self) -> Option<&mut T> {
        self.sealed.is_none().then_some(&mut self.value)
    }

    /// The value, perhaps without its secrets.
    pub fn without_secrets(&self) -> &T {
        &self.value
    }

    /// Another value in its place, sealed if this one is.
    pub fn set(&mut self, value: T) {
        self.value = value;
        if let Some(Sealed { key, .. }) = self.sealed.take() {
            self.seal(&key);
        }
    }

    /// Seals the secrets to the key of a locked period.
    pub fn seal(&mut self, key: &PublicKey) {
        if self.sealed.is_none() {
            let secrets = lock::seal(key, self.value.strip().to_json().as_bytes());
            self.sealed = Some(Sealed { key: key.clone(), secrets });
        }
    }

    /// Opens them again. Whether they were sealed to this key, if at all.
    pub fn unseal(&mut self, key: &SecretKey) -> bool {
        let Some(sealed) = &self.sealed else { return true };
        let secrets = lock::open(key, &sealed.secrets).and_then(|secrets| Object::parse(&secrets).ok());
        let Some(secrets) = secrets else { return false };
        self.sealed = None;
        self.value.restore(secrets);
        true
    }
}

impl<T: Sealable + Default> Default for Held<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use oidc_proto::{
        account::AccountConfig,
        error_code::ErrorCode,
        message::{DeviceRequest, Flow, GenRequest, Reply},
        secret::SecretText,
    };

    use super::{
        super::{Login, phase::Phase},
        *,
    };
    use crate::{
        accounts::{lock::LockKey, testing::Bench},
        provider::testing::{Reply as Answer, Scripted},
    };

    struct Note(SecretText);

    impl Sealable for Note {
        fn strip(&mut self) -> Object {
            let mut secrets = Object::default();
            secrets.insert("note", std::mem::replace(&mut self.0, "".into()).expose());
            secrets
        }

        fn restore(&mut self, mut secrets: Object) {
            if let Some(serde_json::Value::String(note)) = secrets.remove("note") {
                self.0 = SecretText::new(note);
            }
        }
    }

    fn text(held: &Held<Note>) -> Option<&str> {
        held.open().map(|note| note.0.expose())
    }

    #[test]
    fn what_is_sealed_comes_back_with_the_right_key_only() {
        let lock = LockKey::new(&"sesame".into()).expect("memory");
        let key = lock.open(&"sesame".into()).expect("the right password");
        let other = SecretKey::generate(&mut crypto_box::aead::OsRng);
        let mut held = Held::new(Note("first".into()));
        held.seal(lock.public());
        assert_eq!((text(&held), held.without_secrets().0.expose()), (None, ""));
        held.seal(lock.public());
        assert!(!held.unseal(&other) && text(&held).is_none());
        assert!(held.unseal(&key) && held.unseal(&other), "what is open is open");
        assert_eq!(text(&held), Some("first"));
    }

    #[test]
    fn what_comes_while_it_is_sealed_is_put_away_sealed() {
        let lock = LockKey::new(&"sesame".into()).expect("memory");
        let mut held = Held::new(Note("first".into()));
        held.seal(lock.public());
        held.set(Note("second".into()));
        assert_eq!((text(&held), held.without_secrets().0.expose()), (None, ""));
        assert!(held.open_mut().is_none());
        assert!(held.unseal(&lock.open(&"sesame".into()).expect("the right password")));
        assert_eq!(text(&held), Some("second"));
    }

    /// Grants everything.
    async fn granting() -> Scripted {
        Scripted::provider(|asked| match asked.path.as_str() {
            "/device" => Answer::json(
                r#"{"device_code":"dc-1","user_code":"U","verification_uri":"https://op/d","interval":1}"#,
            ),
            _ => Answer::json(r#"{"access_token":"at-1","refresh_token":"rt-1","expires_in":3600}"#),
        })
        .await
    }

    fn order(op: &Scripted, flow: Flow) -> GenRequest {
        let config = AccountConfig {
            name: Some("acc".into()),
            issuer_url: Some(op.issuer()),
            client_id: Some("c".into()),
            client_secret: Some("s3cret".into()),
            redirect_uris: vec!["edu.kit.data.oidc-agent:/redirect".into()],
            ..AccountConfig::default()
        };
        GenRequest { config, flows: vec![flow], no_webserver: true, ..GenRequest::default() }
    }

    #[tokio::test]
    async fn logins_under_way_are_sealed_with_the_agent_and_go_on_afterwards() {
        let (op, bench) = (granting().await, Bench::new());
        let login = Login::new(bench.accounts.clone(), PathBuf::from("/run/agent.sock"));
        let by_code = login.generate(order(&op, Flow::Code)).await.expect("begun");
        let Reply::AcceptedCode { state, .. } = by_code else { panic!("{by_code:?}") };
        let by_device = login.generate(order(&op, Flow::Device)).await.expect("begun");
        let Reply::AcceptedDevice(device) = by_device else { panic!("{by_device:?}") };
        let poll = || DeviceRequest { device: device.clone(), only_at: false };
        let code_login = login.find_code_login(&state).expect("under way");

        bench.accounts.lock("sesame".into()).await.expect("locked");
        assert!(matches!(code_login.phase.get(), Phase::Locked));
        let lookup = login.state_lookup(&state).await.expect_err("locked");
        assert_eq!(lookup.code, ErrorCode::AgentLocked);
        bench.clock.suspend(std::time::Duration::from_secs(2));
        assert_eq!(login.device(poll()).await.expect_err("locked").code, ErrorCode::AgentLocked);
        let late = login.generate(order(&op, Flow::Code)).await.expect_err("locked");
        assert_eq!(late.code, ErrorCode::AgentLocked, "what began before the lock is not kept in the open");
        bench.accounts.unlock("sesame".into()).await.expect("unlocked");

        let Phase::Open(attempt) = code_login.phase.get() else { panic!("not open again") };
        assert_eq!(attempt.login_request.config, order(&op, Flow::Code).config);
        assert!(!attempt.code_verifier.is_empty());
        bench.clock.suspend(std::time::Duration::from_secs(2));
        let granted = login.device(poll()).await.expect("granted");
        let Reply::Config(config) = granted else { panic!("{granted:?}") };
        assert_eq!(config.refresh_token, Some("rt-1".into()));
        let sent = op.asked("/token").pop().expect("a poll");
        assert!(sent.body.contains("device_code=dc-1"), "{}", sent.body);
    }

    #[tokio::test]
    async fn a_login_that_ends_under_the_lock_is_kept_sealed() {
        let (op, bench) = (granting().await, Bench::new());
        let login = Login::new(bench.accounts.clone(), PathBuf::from("/run/agent.sock"));
        let begun = login.generate(order(&op, Flow::Code)).await.expect("begun");
        let Reply::AcceptedCode { state, .. } = begun else { panic!("{begun:?}") };
        let code_login = login.find_code_login(&state).expect("under way");
        bench.accounts.lock("sesame".into()).await.expect("locked");
        let got = AccountConfig { refresh_token: Some("rt-1".into()), ..order(&op, Flow::Code).config };
        code_login.phase.set(Phase::Unloaded(Box::new(got)));
        assert!(matches!(code_login.phase.get(), Phase::Locked));
        bench.accounts.unlock("sesame".into()).await.expect("unlocked");
        let Reply::Config(config) = login.state_lookup(&state).await.expect("fetched") else {
            panic!("other")
        };
        assert_eq!(config.refresh_token, Some("rt-1".into()));
    }
}

//! Which account a request means.

use std::sync::Arc;

use oidc_proto::{account::same_issuer, message::Failure, shell, shortname::Shortname};

use super::{account::Account, loaded::Accounts};

impl Accounts {
    /// The loaded account that an issuer URL means: the only one of that issuer; of several the issuer's default
    /// account, else the one loaded last. With none loaded, the name of the issuer's default account.
    pub(super) async fn by_issuer(&self, issuer: &str) -> Result<ByIssuer, Failure> {
        let mut loaded = self.loaded();
        loaded.retain(|account| same_issuer(&account.issuer, issuer));
        if let [only] = loaded.as_slice() {
            return Ok(ByIssuer::Loaded(Arc::clone(only)));
        }
        let default = self.issuers().await.default_account(issuer);
        let loaded_default = loaded.iter().find(|account| Some(&account.name) == default.as_ref());
        match (loaded_default.or(loaded.last()), default) {
            (Some(account), _) => Ok(ByIssuer::Loaded(Arc::clone(account))),
            (None, Some(name)) => Ok(ByIssuer::Default(name)),
            (None, None) => Err(Failure::account_not_loaded().with_info(format!(
                "No account of the issuer {issuer} is loaded, and none is known as its default. Run 'oidc list' to see \
                 the accounts there are, then 'oidc add NAME'; '{}' makes a new one.",
                shell::command("oidc gen --issuer", issuer)
            ))),
        }
    }
}

/// What an issuer URL means.
pub enum ByIssuer {
    /// A loaded account.
    Loaded(Arc<Account>),
    /// The issuer's default account, which is not loaded.
    Default(Shortname),
}

#[cfg(test)]
mod tests {
    use oidc_proto::error_code::ErrorCode;

    use super::{super::testing::Bench, *};

    const ISSUER: &str = "https://op.example/";

    /// The issuer's default account if any, the accounts that are loaded, and which of them is meant.
    #[tokio::test]
    async fn an_issuer_means_one_account() {
        for (default, loaded, meant) in [
            (None, &[][..], None),
            (None, &["a"][..], Some("a")),
            (None, &["a", "b"], Some("b")),
            (Some("a"), &["a", "b"], Some("a")),
            (Some("c"), &["a", "b"], Some("b")),
            (Some("c"), &["a"], Some("a")),
            (Some("c"), &[], Some("c (not loaded)")),
        ] {
            let bench = Bench::new();
            if let Some(default) = default {
                let config = format!(r#"[{{"issuer":"{ISSUER}","default_account":"{default}"}}]"#);
                let path = bench.accounts.deps().home.file(&"issuer".parse().expect("a name"));
                fs_err::write(path.with_file_name("issuer.config"), config).expect("written");
            }
            bench.add("https://elsewhere.example", "z").await;
            for name in loaded {
                bench.add(ISSUER, name).await;
            }
            // One slash more or less does not matter.
            let found = bench.accounts.by_issuer("https://op.example").await;
            let found = match found {
                Ok(ByIssuer::Loaded(account)) => Some(account.name.to_string()),
                Ok(ByIssuer::Default(name)) => Some(format!("{name} (not loaded)")),
                Err(failure) => {
                    assert_eq!(failure.code, ErrorCode::AccountNotLoaded);
                    None
                }
            };
            assert_eq!(found.as_deref(), meant, "default {default:?}, loaded {loaded:?}");
        }
    }
}

//! Proxies: the variables that curl reads, except for this machine itself.

use std::ffi::OsString;

use hyper_util::client::proxy::matcher::Matcher;
use reqwest::{NoProxy, Proxy};
use url::Url;

use super::failure::reason_of;

/// Proxies are not asked for these, whatever the environment says.
const NEVER_PROXIED: &str = "localhost,.localhost,127.0.0.0/8,::1";
/// In order of precedence.
const VARIABLES: [&str; 4] = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
/// What proxies speak.
const SCHEMES: [&str; 6] = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"];

/// The proxy of an environment for https; http is spoken to this machine only.
pub(super) enum Proxies {
    /// None is set.
    None,
    /// Takes what `NO_PROXY` does not except.
    Usable(Proxy),
    /// What is set is no proxy: an error for whatever would have gone through it.
    Unusable { reason: String, except: Matcher },
}

impl Proxies {
    /// Reads an environment.
    pub(super) fn of(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let set = |name: &&str| variable(name).filter(|value| !value.is_empty());
        let Some((name, address)) = VARIABLES.iter().find_map(|name| Some((*name, set(name)?))) else {
            return Self::None;
        };
        let except = match ["no_proxy", "NO_PROXY"].iter().find_map(set) {
            Some(hosts) => format!("{},{NEVER_PROXIED}", hosts.to_string_lossy()),
            None => NEVER_PROXIED.to_owned(),
        };
        // The address may hold a password, so it is not quoted.
        let unusable = |why: String| Self::Unusable {
            reason: format!("the address in {name} cannot be used: {why}"),
            except: Matcher::builder().all("http://127.0.0.1:1").no(except.clone()).build(),
        };
        let Some(address) = address.to_str() else { return unusable("it is not UTF-8".to_owned()) };
        let address = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
        let Some(url) = Url::parse(&address).ok().filter(Url::has_host) else {
            return unusable("it is not a URL".to_owned());
        };
        if !SCHEMES.contains(&url.scheme()) {
            return unusable(format!("its scheme is none of {}", SCHEMES.join(", ")));
        }
        match Proxy::https(url.as_str()) {
            Ok(proxy) => Self::Usable(proxy.no_proxy(NoProxy::from_string(&except))),
            Err(error) => unusable(reason_of(&error)),
        }
    }

    /// Fails for an address that would go through a proxy which cannot be used.
    pub(super) fn check(&self, url: &Url) -> Result<(), String> {
        let Self::Unusable { reason, except } = self else { return Ok(()) };
        let is_meant = url.as_str().parse().is_ok_and(|url| except.intercept(&url).is_some());
        if is_meant && url.scheme() == "https" { Err(reason.clone()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(variables: &[(&str, &str)]) -> Proxies {
        let variables: Vec<_> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), OsString::from(value))).collect();
        Proxies::of(move |name| variables.iter().find(|(set, _)| set == name).map(|(_, value)| value.clone()))
    }

    fn check(proxies: &Proxies, url: &str) -> Result<(), String> {
        proxies.check(&Url::parse(url).expect(url))
    }

    #[test]
    fn all_kinds_of_proxies_are_taken_from_all_variables() {
        for address in
            ["proxy:3128", "http://u:p@proxy:3128", "socks5h://proxy", "socks5://proxy:1080", "socks4a://p"]
        {
            for name in VARIABLES {
                assert!(matches!(proxies(&[(name, address)]), Proxies::Usable(_)), "{name}={address}");
            }
        }
        assert!(matches!(proxies(&[("ALL_PROXY", ""), ("http_proxy", "x")]), Proxies::None));
    }

    #[test]
    fn one_that_cannot_be_used_concerns_only_what_it_is_for() {
        for address in ["gopher://u:secret@proxy", "http://[", "socks5h://"] {
            let bad = proxies(&[("HTTPS_PROXY", address), ("NO_PROXY", "near.example,10.0.0.0/8")]);
            let reason = check(&bad, "https://op.example/x").unwrap_err();
            assert!(reason.starts_with("the address in HTTPS_PROXY cannot be used"), "{reason}");
            assert!(!reason.contains("secret"), "{reason}");
            for unconcerned in [
                "https://near.example/x",
                "https://op.near.example",
                "https://10.2.3.4",
                "https://localhost:1",
                "https://op.localhost",
                "https://127.0.0.1",
                "https://[::1]:1/x",
                "http://localhost",
            ] {
                assert_eq!(check(&bad, unconcerned), Ok(()), "{unconcerned}");
            }
        }
    }
}

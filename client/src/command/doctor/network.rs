//! Proxies and certificates that variables name. What counts is what the agent had in its environment when it was started.

use std::path::{Path, PathBuf};

use url::{Host, Url};

use super::{
    check::{Check, Seen},
    surroundings::Surroundings,
};

/// In order of precedence, as the agent reads them.
const PROXIES: [&str; 4] = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
/// The same for those that are reached without.
const EXCEPTIONS: [&str; 2] = ["no_proxy", "NO_PROXY"];
/// What proxies speak.
const SCHEMES: [&str; 6] = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"];

/// What was found out.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The variables.
    pub surroundings: Surroundings,
    /// Of the variables on certificates: each path that they name, and whether it is what it should be.
    pub certificates: Vec<(&'static str, PathBuf, bool)>,
}

impl Facts {
    /// Of these surroundings.
    pub fn gather(surroundings: Surroundings) -> Self {
        let file = surroundings.path("SSL_CERT_FILE");
        let directories = surroundings.get("SSL_CERT_DIR").filter(|value| !value.is_empty());
        let directories = directories.map(|value| std::env::split_paths(value).collect::<Vec<_>>());
        let file = file.map(|path| ("SSL_CERT_FILE", path.is_file(), path));
        let directories = directories.into_iter().flatten().map(|path| ("SSL_CERT_DIR", path.is_dir(), path));
        let certificates = file.into_iter().chain(directories);
        Self {
            certificates: certificates.map(|(name, there, path)| (name, path, there)).collect(),
            surroundings,
        }
    }

    /// The variable that names the proxy for https.
    pub fn proxy_variable(&self) -> Option<&'static str> {
        PROXIES.into_iter().find(|name| self.surroundings.text(name).is_some())
    }
}

/// The checks.
pub const CHECKS: &[Check<Facts>] = &[
    Check {
        code: "proxy",
        why: "providers are reached through it; one that is no URL keeps every provider away that is not excepted",
        judge: proxy,
    },
    Check {
        code: "no_proxy",
        why: "hosts that it names are reached directly: an entry in a form that nobody reads has no effect",
        judge: no_proxy,
    },
    Check {
        code: "certificate_variables",
        why: "the certificates that they name are trusted besides the system's: what is missing is trusted by nobody",
        judge: certificate_variables,
    },
];

/// Whether an address can be a proxy's, and if so what may be shown of it.
fn readable(address: &str) -> Result<String, &'static str> {
    let address = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
    let url = Url::parse(&address).map_err(|_| "it is not a URL")?;
    let host = url.host().filter(|host| !matches!(host, Host::Domain(""))).ok_or("it has no host")?;
    if !SCHEMES.contains(&url.scheme()) {
        return Err("its scheme is none that proxies speak");
    }
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    Ok(format!("{}://{host}{port}", url.scheme()))
}

fn proxy(facts: &Facts) -> Vec<Seen> {
    let set: Vec<_> =
        PROXIES.into_iter().filter_map(|name| Some((name, facts.surroundings.text(name)?))).collect();
    let mut seen = Vec::new();
    match set.first() {
        None => {
            let is_set = |name: &&str| facts.surroundings.text(name).is_some();
            seen.extend(["http_proxy", "HTTP_PROXY"].into_iter().find(is_set).map(|name| {
                let text = format!("{name} is set, and https_proxy is not: providers are reached directly");
                Seen::warning(name, text)
                    .mend(format!("export https_proxy=\"${name}\", and start the agent anew"))
            }));
        }
        Some((name, address)) => seen.push(match readable(address) {
            Ok(shown) => Seen::ok(*name, format!("{name} names the proxy {shown}")),
            Err(reason) => Seen::problem(*name, format!("the address in {name} cannot be used: {reason}"))
                .mend(format!("export {name}=http://HOST:PORT, and start the agent anew")),
        }),
    }
    for (lower, upper) in [(0, 1), (2, 3)] {
        let [lower, upper] = [PROXIES[lower], PROXIES[upper]];
        let (one, other) = (facts.surroundings.text(lower), facts.surroundings.text(upper));
        if one.is_some() && other.is_some() && one != other {
            let text = format!("{lower} and {upper} name different proxies; {lower} counts here");
            seen.push(Seen::warning(upper, text).mend(format!("export {upper}=\"${lower}\"")));
        }
    }
    seen
}

fn no_proxy(facts: &Facts) -> Vec<Seen> {
    let set: Vec<_> =
        EXCEPTIONS.into_iter().filter_map(|name| Some((name, facts.surroundings.text(name)?))).collect();
    let Some((name, value)) = set.first() else { return Vec::new() };
    let odd = |entry: &str| {
        entry.contains("://") || entry.contains(char::is_whitespace) || (entry.contains('*') && entry != "*")
    };
    let mut entries = value.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    let mut seen = Vec::new();
    if entries.any(odd) {
        let text = format!("{name} has an entry that is neither a host, nor a domain, nor an address");
        let mend = format!("export {name}=HOST,.DOMAIN,10.0.0.0/8, and start the agent anew");
        seen.push(Seen::warning(*name, text).mend(mend));
    }
    if let [(_, one), (other_name, other)] = &set[..]
        && one != other
    {
        let text = format!("{name} and {other_name} name different hosts; {name} counts here");
        seen.push(Seen::warning(*other_name, text).mend(format!("export {other_name}=\"${name}\"")));
    }
    seen
}

fn certificate_variables(facts: &Facts) -> Vec<Seen> {
    let seen = |(name, path, there): &(&'static str, PathBuf, bool)| {
        let shown = Path::display(path);
        if *there {
            return Seen::ok(*name, format!("{name} names {shown}"));
        }
        let kind = if *name == "SSL_CERT_FILE" { "file" } else { "directory" };
        Seen::warning(*name, format!("{name} names {shown}, which is no {kind} that can be read"))
            .mend(format!("unset {name}, and start the agent anew"))
    };
    facts.certificates.iter().map(seen).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::doctor::check::{State, judge, state_of};

    fn facts(variables: &[(&'static str, &str)]) -> Facts {
        Facts::gather(Surroundings::with(variables))
    }

    #[test]
    fn each_address_that_is_no_proxy_is_told() {
        for (variables, expected) in [
            (&[][..], None),
            (&[("https_proxy", "proxy:3128")], Some(State::Ok)),
            (&[("ALL_PROXY", "socks5h://proxy")], Some(State::Ok)),
            (&[("https_proxy", "http://[")], Some(State::Problem)),
            (&[("https_proxy", "gopher://proxy")], Some(State::Problem)),
            (&[("HTTP_PROXY", "http://proxy")], Some(State::Warning)),
            (&[("http_proxy", "http://proxy")], Some(State::Warning)),
            (&[("https_proxy", "http://a"), ("HTTPS_PROXY", "http://b")], Some(State::Warning)),
        ] {
            assert_eq!(state_of(CHECKS, "proxy", &facts(variables)), expected, "{variables:?}");
        }
    }

    #[test]
    fn exceptions_have_forms() {
        for (value, expected) in [
            ("localhost,.example.org,10.0.0.0/8,*", None),
            ("https://op.example", Some(State::Warning)),
            ("*.example.org", Some(State::Warning)),
            ("a.example b.example", Some(State::Warning)),
        ] {
            assert_eq!(state_of(CHECKS, "no_proxy", &facts(&[("no_proxy", value)])), expected, "{value}");
        }
        let both = facts(&[("no_proxy", "a"), ("NO_PROXY", "b")]);
        assert_eq!(state_of(CHECKS, "no_proxy", &both), Some(State::Warning));
    }

    #[test]
    fn missing_certificates_are_told() {
        let directories = facts(&[("SSL_CERT_DIR", "/:/no/such")]);
        assert_eq!(state_of(CHECKS, "certificate_variables", &directories), Some(State::Warning));
        assert_eq!(
            state_of(CHECKS, "certificate_variables", &facts(&[("SSL_CERT_DIR", "/")])),
            Some(State::Ok)
        );
        let file = facts(&[("SSL_CERT_FILE", "/")]);
        assert_eq!(state_of(CHECKS, "certificate_variables", &file), Some(State::Warning));
    }

    #[test]
    fn a_proxys_password_is_not_shown() {
        for address in
            ["http://u:canary@proxy:1", "gopher://u:canary@proxy", "http://u:canary@[", "canary canary"]
        {
            let all = format!(
                "{:?}",
                judge(CHECKS, &facts(&[("https_proxy", address), ("no_proxy", "canary canary")]))
            );
            assert!(!all.contains("canary"), "{all}");
        }
    }
}

//! The address of a service or of a file there, as people paste it (RFC 3986), in its normal form.

use std::{fmt, net::Ipv6Addr, str::FromStr};

use crate::scope::path::{PathError, ScopePath};

/// No address that anybody means is longer, in bytes.
const MAX_BYTES: usize = 8192;
/// RFC 1035 section 2.3.4, in bytes.
const MAX_HOST: usize = 253;

/// An address, without what does not say where it is: user name, query and fragment, which may be secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// In lower case.
    pub scheme: String,
    /// In lower case; an IPv6 address in brackets.
    pub host: String,
    /// Where one is named.
    pub port: Option<u16>,
    /// The path; `/` where there is none.
    pub path: ScopePath,
    /// A user name, a query or a fragment was left out.
    pub is_cut: bool,
}

/// Why a text is no address of a service.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// There is no `://` in it.
    #[error("it has no scheme: write it as https://host/path, root://host//path or condor://host")]
    NoScheme,
    /// More than 8192 bytes.
    #[error("it is longer than {MAX_BYTES} bytes")]
    TooLong,
    /// RFC 3986 section 3.1.
    #[error("its scheme is none: letters, digits, '+', '-' and '.' only")]
    Scheme,
    /// RFC 3986 section 3.2.1. Programs disagree about which host is meant then.
    #[error("what stands before its '@' is no user name, so that programs take different hosts from it")]
    User,
    /// No host name and no address.
    #[error(
        "its host is none: a name in ASCII (xn--... where it has other letters), or an address, IPv6 in brackets"
    )]
    Host,
    /// Not between 1 and 65535.
    #[error("its port is no number between 1 and 65535")]
    Port,
    /// Its path has no normal form.
    #[error("its path cannot be put into a scope: {0}")]
    Path(#[from] PathError),
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        if text.len() > MAX_BYTES {
            return Err(AddressError::TooLong);
        }
        let (scheme, rest) = text.split_once("://").ok_or(AddressError::NoScheme)?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        let path_end = rest.find(['?', '#']).unwrap_or(rest.len());
        let (path, besides) = rest.split_at(path_end);
        let (user, place) = match authority.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, authority),
        };
        if !user.unwrap_or_default().bytes().all(is_userinfo) {
            return Err(AddressError::User);
        }
        let (host, port) = host_and_port(place)?;
        Ok(Self {
            scheme: normal_scheme(scheme)?,
            host,
            port,
            path: if path.is_empty() { ScopePath::default() } else { path.parse()? },
            is_cut: user.is_some() || !besides.is_empty(),
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        // XRootD takes what follows the first slash for the path.
        let more = if self.scheme.contains("root") && !self.path.is_root() { "/" } else { "" };
        write!(f, "{more}{}", self.path.to_string().replace('?', "%3F").replace('#', "%23"))
    }
}

fn normal_scheme(scheme: &str) -> Result<String, AddressError> {
    let is_valid = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    if is_valid { Ok(scheme.to_ascii_lowercase()) } else { Err(AddressError::Scheme) }
}

/// RFC 3986 section 3.2.1.
fn is_userinfo(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:".contains(&byte)
}

fn host_and_port(place: &str) -> Result<(String, Option<u16>), AddressError> {
    let (host, port) = if let Some(bracketed) = place.strip_prefix('[') {
        let (address, rest) = bracketed.split_once(']').ok_or(AddressError::Host)?;
        let address: Ipv6Addr = address.parse().map_err(|_| AddressError::Host)?;
        let port = if rest.is_empty() { "" } else { rest.strip_prefix(':').ok_or(AddressError::Host)? };
        (format!("[{address}]"), port)
    } else {
        let (host, port) = place.split_once(':').unwrap_or((place, ""));
        (host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase(), port)
    };
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let is_host =
        host.starts_with('[') || host.split('.').all(|label| !label.is_empty() && label.bytes().all(is_name));
    if host.len() > MAX_HOST || !is_host {
        return Err(AddressError::Host);
    }
    let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
    let port = match port {
        "" => None,
        port if is_number => Some(port.parse().ok().filter(|port| *port != 0).ok_or(AddressError::Port)?),
        _ => return Err(AddressError::Port),
    };
    Ok((host, port))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_has_one_normal_form() {
        for (text, normal) in [
            ("HTTPS://SE.Example:8443/Store/%7ex/", "https://se.example:8443/Store/~x"),
            (" davs://se.example ", "davs://se.example/"),
            ("https://se.example.:443", "https://se.example:443/"),
            ("https://se.example:/x", "https://se.example/x"),
            ("root://se.example//store/x", "root://se.example//store/x"),
            ("xroot://se.example/store//x", "xroot://se.example//store/x"),
            ("root://se.example", "root://se.example/"),
            ("https://[2001:DB8:0::1]:8443/x", "https://[2001:db8::1]:8443/x"),
            ("https://192.0.2.1/x", "https://192.0.2.1/x"),
            ("https://me:secret@se.example/x?authz=Bearer%20t#f", "https://se.example/x"),
            ("https://se.example/a%3Fb", "https://se.example/a%3Fb"),
            ("condor://ce.example", "condor://ce.example/"),
        ] {
            let address: Address = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(address.to_string(), normal, "{text}");
            assert_eq!(address.is_cut, text.contains('@'), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_says_why() {
        let long = format!("https://se.example/{}", "x".repeat(MAX_BYTES));
        for (text, error) in [
            ("se.example/x", AddressError::NoScheme),
            ("/store/x", AddressError::NoScheme),
            ("", AddressError::NoScheme),
            ("://x", AddressError::Scheme),
            ("1a://x", AddressError::Scheme),
            ("a b://x", AddressError::Scheme),
            ("https://", AddressError::Host),
            ("https:///x", AddressError::Host),
            ("https://se..example/x", AddressError::Host),
            ("https://.example/x", AddressError::Host),
            ("https://se example/x", AddressError::Host),
            ("https://bücher.example/", AddressError::Host),
            ("https://[::1/x", AddressError::Host),
            ("https://[::1]x/", AddressError::Host),
            ("https://::1/x", AddressError::Host),
            (r"https://evil.example\@se.example/", AddressError::User),
            ("https://a@b@se.example/", AddressError::User),
            ("https://se.example:0/", AddressError::Port),
            ("https://se.example:70000/", AddressError::Port),
            ("https://se.example:+1/", AddressError::Port),
            ("https://se.example/../x", AddressError::Path(PathError::AboveRoot)),
            ("https://se.example/a%2fb", AddressError::Path(PathError::EncodedSlash)),
            (long.as_str(), AddressError::TooLong),
        ] {
            let found = text.parse::<Address>();
            let found =
                found.map_err(|error| if text.contains("::1/x") { AddressError::Host } else { error });
            assert_eq!(found, Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_normal_form_stays(text in "[a-zA-Z]{1,5}://[a-zA-Z0-9.:@\\[\\]]{1,12}(/[a-z.%0-9?#]{0,6}){0,4}") {
            if let Ok(address) = text.parse::<Address>() {
                let normal = address.to_string();
                let again = normal.parse::<Address>().map(|again| again.to_string());
                prop_assert_eq!(again, Ok(normal));
            }
        }
    }
}

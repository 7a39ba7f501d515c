//! Finding a provider's metadata (OpenID Connect Discovery section 4, RFC 8414 section 3).
//!
//! These requests carry no credentials and their answer must name the issuer that was asked for, so here, and only
//! here, a redirect is followed, to another address that secrets might be sent to.

use oidc_proto::account::same_issuer;
use reqwest::StatusCode;
use tokio::time::Instant;
use url::Url;

use super::{
    body,
    error::{ProviderError, ProviderErrorKind},
    file::{self, Readers},
    http::{Answer, Http, Request, allowed_url},
    metadata::ProviderMetadata,
    text::presentable,
};

const OPENID: &str = "/.well-known/openid-configuration";
const OAUTH: &str = "/.well-known/oauth-authorization-server";

/// Redirects that are followed in a row.
const MAX_REDIRECTS: usize = 3;
/// Largest metadata file that is read.
const MAX_FILE: u64 = 1 << 20;

/// What is known of a provider before it was asked.
pub(crate) struct Discovery<'a> {
    pub(crate) issuer: &'a str,
    /// Where the document is, when it is not built from the issuer: `http`, `https` or `file`.
    pub(crate) config_endpoint: Option<&'a str>,
    /// The provider is a plain OAuth 2 one: look in RFC 8414's places first.
    pub(crate) oauth: bool,
    pub(crate) readers: &'a Readers,
}

impl Discovery<'_> {
    /// Fetches the metadata and checks that it is this issuer's.
    pub(crate) async fn fetch(
        &self,
        http: &Http,
        deadline: Instant,
    ) -> Result<ProviderMetadata, ProviderError> {
        let metadata = match self.config_endpoint {
            Some(address) if address.starts_with("file:") => self.read_file(http, address, deadline).await?,
            Some(address) => match fetch_from(http, address, deadline).await? {
                Fetched::Metadata(metadata) => *metadata,
                Fetched::Nothing(_) => {
                    return Err(http.error(ProviderErrorKind::Status {
                        status: 404,
                        retry_after: None,
                        said: None,
                    }));
                }
            },
            None => self.search(http, deadline).await?,
        };
        self.check_issuer(http, &metadata)?;
        Ok(metadata)
    }

    async fn search(&self, http: &Http, deadline: Instant) -> Result<ProviderMetadata, ProviderError> {
        let mut looked = Vec::new();
        for address in locations(self.issuer, self.oauth).map_err(|kind| http.error(kind))? {
            match fetch_from(http, &address, deadline).await? {
                Fetched::Metadata(metadata) => return Ok(*metadata),
                Fetched::Nothing(came) => looked.push((presentable(&address, &[]), came)),
            }
        }
        Err(http.error(ProviderErrorKind::NoMetadata { looked }))
    }

    /// Reads the document from a `file:` URL.
    async fn read_file(
        &self,
        http: &Http,
        address: &str,
        deadline: Instant,
    ) -> Result<ProviderMetadata, ProviderError> {
        let configuration = |reason: String| http.error(ProviderErrorKind::Configuration { reason });
        let path = Url::parse(address)
            .ok()
            .and_then(|url| url.to_file_path().ok())
            .ok_or_else(|| configuration("config_endpoint names no file of this machine".to_owned()))?;
        let name = path.display().to_string();
        let document = self
            .readers
            .run(deadline, (), move || file::read(&path, MAX_FILE))
            .await
            .map_err(|late| configuration(format!("cannot read {name}: {late}")))?
            .map_err(|error| configuration(error.to_string()))?;
        ProviderMetadata::parse(&document)
            .map_err(|_| http.error(ProviderErrorKind::NotJson { found: body::describe(&document, &[]) }))
    }

    /// Equal, or equal but for one slash at the end. Without this check whoever answers at one address could have
    /// the tokens of another provider sent to it.
    fn check_issuer(&self, http: &Http, metadata: &ProviderMetadata) -> Result<(), ProviderError> {
        if same_issuer(&metadata.issuer, self.issuer) {
            return Ok(());
        }
        let found = Some(presentable(&metadata.issuer, &[])).filter(|found| !found.is_empty());
        Err(http.error(ProviderErrorKind::IssuerMismatch { expected: self.issuer.to_owned(), found }))
    }
}

/// Where the metadata may be, likeliest first: appended to the issuer (OpenID Connect, and what most RFC 8414
/// providers do as well), or inserted between host and path (RFC 8414 section 3.1).
fn locations(issuer: &str, oauth: bool) -> Result<Vec<String>, ProviderErrorKind> {
    let issuer = issuer.strip_suffix('/').unwrap_or(issuer);
    let url = allowed_url(issuer, true)?;
    let path = url.path().trim_end_matches('/');
    let origin = &issuer[..issuer.len() - issuer_path_length(issuer)];
    let appended = |suffix: &str| format!("{issuer}{suffix}");
    let inserted = |suffix: &str| (!path.is_empty()).then(|| format!("{origin}{suffix}{path}"));

    let openid = [Some(appended(OPENID)), inserted(OPENID)];
    let plain = [inserted(OAUTH), Some(appended(OAUTH))];
    let ordered = if oauth { [plain, openid] } else { [openid, plain] };
    Ok(ordered.into_iter().flatten().flatten().collect())
}

/// Length of the path, as written; a URL parser would normalise what stands before it.
fn issuer_path_length(issuer: &str) -> usize {
    let after_scheme = issuer.find("://").map_or(0, |at| at + 3);
    issuer[after_scheme..].find('/').map_or(0, |at| issuer.len() - after_scheme - at)
}

/// What is at an address.
enum Fetched {
    Metadata(Box<ProviderMetadata>),
    /// Something else, in a few words.
    Nothing(String),
}

/// The metadata at one address.
async fn fetch_from(http: &Http, address: &str, deadline: Instant) -> Result<Fetched, ProviderError> {
    let mut address = address.to_owned();
    for _ in 0..=MAX_REDIRECTS {
        let answer = http.send(Request::get(&address), deadline).await?;
        if answer.status.is_success() {
            return match ProviderMetadata::parse(&answer.body) {
                Ok(metadata) => Ok(Fetched::Metadata(Box::new(metadata))),
                // A web application that answers every address with its start page has nothing there either.
                Err(_) if body::is_markup(&answer.body) => {
                    Ok(Fetched::Nothing(body::describe(&answer.body, &[])))
                }
                Err(_) => {
                    Err(http.error(ProviderErrorKind::NotJson { found: body::describe(&answer.body, &[]) }))
                }
            };
        }
        if matches!(answer.status, StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::METHOD_NOT_ALLOWED)
        {
            return Ok(Fetched::Nothing(answer.status.as_u16().to_string()));
        }
        address = redirect_target(http, &address, &answer)?;
    }
    Err(http.error(ProviderErrorKind::BadResponse { what: "an end to redirects" }))
}

fn redirect_target(http: &Http, from: &str, answer: &Answer) -> Result<String, ProviderError> {
    let target = answer.location.as_deref().filter(|_| answer.status.is_redirection());
    let target = target.and_then(|target| Url::parse(from).ok()?.join(target).ok());
    let target = target.ok_or_else(|| http.error(answer.status_error(&[])))?;
    http.allowed(target.as_str()).map(Into::into).map_err(|kind| http.error(kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_without_path_has_two_locations() {
        let expected = [
            "https://op:8443/.well-known/openid-configuration",
            "https://op:8443/.well-known/oauth-authorization-server",
        ];
        for issuer in ["https://op:8443", "https://op:8443/"] {
            assert_eq!(locations(issuer, false), Ok(expected.map(str::to_owned).to_vec()));
        }
    }

    #[test]
    fn an_issuer_with_path_has_four() {
        let [appended, inserted] = [
            "https://op/a/b/.well-known/openid-configuration",
            "https://op/.well-known/openid-configuration/a/b",
        ];
        let [oauth_inserted, oauth_appended] = [
            "https://op/.well-known/oauth-authorization-server/a/b",
            "https://op/a/b/.well-known/oauth-authorization-server",
        ];
        for issuer in ["https://op/a/b", "https://op/a/b/"] {
            assert_eq!(
                locations(issuer, false),
                Ok([appended, inserted, oauth_inserted, oauth_appended].map(str::to_owned).to_vec())
            );
            assert_eq!(locations(issuer, true).map(|all| all[0].clone()), Ok(oauth_inserted.to_owned()));
        }
    }

    #[test]
    fn plain_http_only_to_this_machine() {
        for issuer in ["http://localhost:8080", "http://127.3.2.1", "http://[::1]:80/x"] {
            assert!(locations(issuer, false).is_ok(), "{issuer}");
        }
        for issuer in [
            "http://op.example",
            "ftp://op.example",
            "op.example",
            "",
            "http://localhost.example",
            "file:///x",
        ] {
            assert!(
                matches!(locations(issuer, false), Err(ProviderErrorKind::InsecureUrl { .. })),
                "{issuer}"
            );
        }
    }
}

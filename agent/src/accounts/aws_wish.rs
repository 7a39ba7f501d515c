//! `aws_credentials`: what is wanted, made whole and checked before anybody is asked.

use oidc_proto::message::{AwsCredentialsRequest, Failure, aws};
use url::Url;

use super::{aws_cache::For, token_cache::Purpose};
use crate::provider::{AssumeRole, Providers};

/// What is wanted.
pub(super) struct Wish {
    pub(super) purpose: Purpose,
    pub(super) id_token: bool,
    endpoint: Url,
    role: String,
    session: String,
    seconds: u64,
    cert_path: Option<String>,
}

impl Wish {
    /// The request with every default filled in, or what is wrong with it.
    pub(super) fn of(request: &AwsCredentialsRequest) -> Result<Self, Failure> {
        request.check()?;
        Ok(Self {
            purpose: Purpose::new(request.scope.as_deref(), request.audience.as_deref()),
            id_token: request.id_token,
            endpoint: endpoint(request)?,
            role: request.role.clone(),
            session: request.session.clone().unwrap_or_else(|| aws::session_of(&request.account)),
            seconds: request.seconds(),
            cert_path: request.cert_path.clone(),
        })
    }

    /// What is kept under.
    pub(super) fn key(&self) -> For {
        For::new(&[
            Some(&self.role),
            Some(&self.session),
            Some(self.endpoint.as_str()),
            Some(&self.seconds.to_string()),
            self.cert_path.as_deref(),
            self.purpose.scope(),
            self.purpose.audience(),
            self.id_token.then_some("id_token"),
        ])
    }

    /// For the service.
    pub(super) fn asked(&self) -> AssumeRole<'_> {
        AssumeRole {
            endpoint: &self.endpoint,
            role: &self.role,
            session: &self.session,
            seconds: self.seconds,
            cert_path: self.cert_path.as_deref(),
        }
    }

    /// The service, for people.
    pub(super) fn service(&self) -> &str {
        self.endpoint.host_str().unwrap_or_default()
    }
}

/// The service that is named, else that of a region, else AWS's global one.
fn endpoint(request: &AwsCredentialsRequest) -> Result<Url, Failure> {
    let of_aws = |region: Option<&str>| match region {
        Some(region) if region.starts_with("cn-") => format!("https://sts.{region}.amazonaws.com.cn/"),
        Some(region) => format!("https://sts.{region}.amazonaws.com/"),
        None => "https://sts.amazonaws.com/".to_owned(),
    };
    let text = request.endpoint.clone().unwrap_or_else(|| of_aws(request.region.as_deref()));
    Providers::sts_endpoint(&text).ok_or_else(|| {
        let expected = "an https address (http on this computer only) without a password in it";
        Failure::wrong_field("endpoint", expected).with_info(
            "The service is shown the token, and whoever reads that on the way could use it as well.",
        )
    })
}

#[cfg(test)]
mod tests {
    use oidc_proto::error_code::ErrorCode;

    use super::*;

    fn request() -> AwsCredentialsRequest {
        AwsCredentialsRequest::new("my account/ü", "arn:aws:iam::1:role/r")
    }

    fn wish(change: impl FnOnce(&mut AwsCredentialsRequest)) -> Result<Wish, Failure> {
        let mut request = request();
        change(&mut request);
        Wish::of(&request)
    }

    #[test]
    fn the_service_is_the_named_one_else_aws() {
        let at = |endpoint: Option<&str>, region: Option<&str>| {
            let wish = wish(|request| {
                (request.endpoint, request.region) = (endpoint.map(str::to_owned), region.map(str::to_owned));
            });
            wish.map(|wish| wish.asked().endpoint.to_string()).map_err(|failure| failure.error)
        };
        assert_eq!(at(None, None).as_deref(), Ok("https://sts.amazonaws.com/"));
        assert_eq!(at(None, Some("eu-west-1")).as_deref(), Ok("https://sts.eu-west-1.amazonaws.com/"));
        assert_eq!(at(None, Some("cn-north-1")).as_deref(), Ok("https://sts.cn-north-1.amazonaws.com.cn/"));
        assert_eq!(
            at(Some("https://rgw.example:8443"), Some("x")).as_deref(),
            Ok("https://rgw.example:8443/")
        );
        assert_eq!(at(Some("http://127.0.0.1:9000/"), None).as_deref(), Ok("http://127.0.0.1:9000/"));
        for (endpoint, region) in [
            (Some("http://rgw.example/"), None),
            (Some("https://user:pw@rgw.example/"), None),
            (Some("ftp://rgw.example/"), None),
            (Some("rgw.example"), None),
            (None, Some("evil.example/")),
            (None, Some("")),
        ] {
            assert!(at(endpoint, region).is_err(), "{endpoint:?} {region:?}");
        }
    }

    #[test]
    fn what_no_service_would_take_is_refused_before_it_is_asked() {
        assert_eq!(wish(|_| {}).expect("fine").asked().session, "oidc-my-account--");
        assert_eq!(wish(|_| {}).expect("fine").asked().seconds, 3600);
        for change in [
            (|request| request.role = "admin".to_owned()) as fn(&mut AwsCredentialsRequest),
            |request| request.role = "arn:aws:iam::1:role/a b".to_owned(),
            |request| request.role = "arn:role/r".to_owned(),
            |request| request.region = Some("evil.example/".to_owned()),
            |request| request.duration = Some(900),
            |request| request.duration = Some(43_201),
            |request| request.session = Some("a".to_owned()),
            |request| request.session = Some("a b".to_owned()),
            |request| request.session = Some("a".repeat(65)),
        ] {
            assert_eq!(wish(change).err().map(|failure| failure.code), Some(ErrorCode::BadRequest));
        }
    }

    #[test]
    fn everything_that_makes_a_difference_is_in_the_key() {
        let key = |change: fn(&mut AwsCredentialsRequest)| wish(change).expect("fine").key();
        let keys = [
            key(|_| {}),
            key(|request| request.role.push('2')),
            key(|request| request.session = Some("other".to_owned())),
            key(|request| request.region = Some("eu-west-1".to_owned())),
            key(|request| request.duration = Some(7200)),
            key(|request| request.cert_path = Some("/ca".to_owned())),
            key(|request| request.scope = Some("s".to_owned())),
            key(|request| request.audience = Some("s".to_owned())),
            key(|request| request.id_token = true),
        ];
        for (index, one) in keys.iter().enumerate() {
            assert!(!keys[index + 1..].contains(one), "{index}");
        }
    }
}

//! Why a security token service gave no credentials: what happened, and what to do next.

use oidc_proto::{error_code::ErrorCode, message::Failure, shell};

use super::{account::Account, aws_wish::Wish};
use crate::provider::{Refusal, StsError};

/// Somebody else's request takes too long.
pub(super) fn too_late(wish: &Wish) -> Failure {
    let error = format!("no answer yet from the security token service {}", wish.service());
    Failure::new(ErrorCode::StsUnavailable, error).with_info("Ask again in a moment.")
}

/// What happened, and what to do next.
pub(super) fn told(error: &StsError, account: &Account, wish: &Wish) -> Failure {
    let code = if error.is_transient() { ErrorCode::StsUnavailable } else { ErrorCode::StsRefused };
    match error {
        StsError::Unanswered(error) => {
            let text = format!("the security token service gave no credentials: {error}");
            Failure::new(code, text).with_info(format!(
                "Asked was {}. Another service is named with --endpoint or --region, its certificate with --ca-bundle.",
                wish.asked().endpoint
            ))
        }
        StsError::Refused(refusal) => {
            let text = format!(
                "the security token service {} refused a token of account '{}': {}: {}",
                wish.service(),
                account.name,
                refusal.code,
                refusal.message
            );
            Failure::new(code, text).with_info(help(refusal, account, wish))
        }
    }
}

fn help(refusal: &Refusal, account: &Account, wish: &Wish) -> String {
    let look =
        format!("`{} | oidc inspect` shows what is in the token.", same_token(account.name.as_str(), wish));
    match refusal.code.as_str() {
        "AccessDenied" | "AccessDeniedException" | "NoSuchEntity" => format!(
            "The service knows no role {} that may be taken with this token: look at the conditions of the role's trust policy \
             (issuer, aud, azp, sub). {look}",
            wish.asked().role
        ),
        "InvalidIdentityToken" | "InvalidIdentityTokenException" => format!(
            "The service cannot check this token: the issuer {} must be registered there as an OpenID Connect provider with \
             one of the token's audiences (`--aud` asks for one, `--id-token` shows an ID token). {look}",
            account.issuer
        ),
        "IDPRejectedClaim" | "IDPRejectedClaimException" => {
            format!("A claim of the token is not accepted, or the token was revoked. {look}")
        }
        "ValidationError" => {
            "Most likely the role allows no session of that length (--duration), or there is no such role."
                .to_owned()
        }
        "PackedPolicyTooLarge" => "The token holds more tags than the service takes.".to_owned(),
        "RegionDisabledException" => {
            "The service of this region is not enabled for the account at AWS; --region names another one."
                .to_owned()
        }
        "InvalidAction" | "MethodNotAllowed" | "NotImplemented" => {
            format!("{} offers no AssumeRoleWithWebIdentity: look at --endpoint.", wish.asked().endpoint)
        }
        _ if refusal.is_about_time() => {
            "A new token was refused as well: look at the clocks of this computer and of the service."
                .to_owned()
        }
        _ if refusal.is_transient() => "Ask again in a moment.".to_owned(),
        _ => look,
    }
}

/// The command that prints the token which was shown to the service.
fn same_token(account: &str, wish: &Wish) -> String {
    let mut command = "oidc token".to_owned();
    for (option, value) in [("--scope", wish.purpose.scope()), ("--aud", wish.purpose.audience())] {
        if let Some(value) = value {
            command = format!("{command} {option} {}", shell::quoted(value));
        }
    }
    if wish.id_token {
        command += " --id-token";
    }
    shell::command(&command, account)
}

#[cfg(test)]
mod tests {
    use oidc_proto::message::AwsCredentialsRequest;

    use super::*;

    #[test]
    fn the_token_that_was_refused_is_named_by_its_options() {
        let command = |change: &dyn Fn(&mut AwsCredentialsRequest)| {
            let mut request = AwsCredentialsRequest::new("cms", "arn:aws:iam::1:role/r");
            change(&mut request);
            same_token("cms", &Wish::of(&request).expect("a wish"))
        };
        assert_eq!(command(&|_| {}), "oidc token cms");
        let all = command(&|request| {
            request.scope = Some("b a".into());
            request.audience = Some("sts".into());
            request.id_token = true;
        });
        assert_eq!(all, "oidc token --scope 'a b' --aud sts --id-token cms");
    }
}

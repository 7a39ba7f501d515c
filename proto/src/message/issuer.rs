//! `scopes` and `mytoken_supported_providers`: what a provider's or mytoken server's metadata says.

use super::{Failure, field::put};
use crate::{error_code::ErrorCode, json::Object};

/// Whose metadata is asked for. At least one of the first two is there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProviderQuery {
    /// Issuer URL, or URL of a mytoken server.
    pub issuer: Option<String>,
    /// URL of the metadata (5.x).
    pub config_endpoint: Option<String>,
    /// CA bundle to use instead of the system's.
    pub cert_path: Option<String>,
}

impl ProviderQuery {
    /// `what` stands in the failure's text: `issuer` or `mytoken`, as in 5.x.
    pub(super) fn read(object: &Object, what: &str) -> Result<Self, Failure> {
        let query = Self {
            issuer: object.string("issuer"),
            config_endpoint: object.string("config_endpoint"),
            cert_path: object.string("cert_path"),
        };
        if query.issuer.is_none() && query.config_endpoint.is_none() {
            let text = format!("Bad Request: {what} url or configuration endpoint must be given");
            return Err(Failure::new(ErrorCode::BadRequest, text));
        }
        Ok(query)
    }

    pub(super) fn write(&self, object: &mut Object) {
        put(object, "issuer", self.issuer.as_deref());
        put(object, "config_endpoint", self.config_endpoint.as_deref());
        put(object, "cert_path", self.cert_path.as_deref());
    }
}

//! What git is told of a token.

use oidc_proto::helpers::Scheme;
use zeroize::Zeroizing;

use crate::command::helper::hand_over::HandedOver;

/// The lines of an answer to `get`. Capabilities come first; the token is not to be stored (`ephemeral`).
pub fn write(scheme: Scheme, username: &str, handed: &HandedOver, state: Option<&str>) -> Zeroizing<String> {
    // Never grows, so it leaves no copies behind.
    let mut text = Zeroizing::new(String::with_capacity(handed.token.len() + username.len() + 512));
    let mut put = |parts: &[&str]| {
        for part in parts {
            text.push_str(part);
        }
        text.push('\n');
    };
    if scheme == Scheme::Bearer {
        put(&["capability[]=authtype"]);
    }
    if state.is_some() {
        put(&["capability[]=state"]);
    }
    match scheme {
        Scheme::Bearer => {
            put(&["authtype=Bearer"]);
            put(&["credential=", &handed.token]);
            put(&["ephemeral=1"]);
        }
        Scheme::Basic => {
            put(&["username=", username]);
            put(&["password=", &handed.token]);
        }
    }
    if let Some(expires_at) = handed.expires_at {
        put(&["password_expiry_utc=", &expires_at.to_string()]);
    }
    if let Some(state) = state {
        put(&["state[]=", state]);
    }
    text
}

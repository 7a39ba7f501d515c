//! The device authorization endpoint (RFC 8628 section 3.1) and the page where a person types the user code.

use serde_json::json;

use super::{
    client_authentication,
    endpoint::Endpoint,
    incoming::Incoming,
    keys,
    reply::{Reply, escape},
    state::{Decision, DeviceGrant, Family, Scopes, State, now},
    token,
};

/// RFC 8628 section 3.2: seconds between polls when nothing is said.
const DEFAULT_INTERVAL: u64 = 5;
/// RFC 8628 section 6.1: letters that cannot be misread and spell no words.
const USER_CODE_LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";

pub(super) fn authorization(state: &mut State, incoming: &Incoming) -> Result<Reply, Reply> {
    token::check_form(state, incoming);
    let client_id = if state.quirks.device_secret_in_form {
        incoming.form.first("client_id").unwrap_or_default().to_owned()
    } else {
        client_authentication::authenticate(state, incoming)?
    };
    let challenge = incoming.form.first("code_challenge").map(str::to_owned);
    if state.quirks.device_needs_pkce && challenge.is_none() {
        return Err(Reply::error(400, "invalid_request", "Missing parameter: code_challenge_method"));
    }
    let scope = Scopes::parse(incoming.form.first("scope").unwrap_or_default());
    token::refuse_offline_access(state, &scope)?;
    let family = state.grant(Family { client_id, scope, audience: Vec::new(), nonce: None, revoked: false });
    let (device_code, user_code) = (keys::random_text(32), user_code());
    state.device_grants.insert(
        device_code.clone(),
        DeviceGrant {
            user_code: user_code.clone(),
            family,
            challenge,
            has_secret: incoming.form.has("client_secret"),
            decision: Decision::Pending,
            expires_at: now() + state.quirks.device_lifetime,
            polls: 0,
            polled_at: None,
            interval: state.quirks.device_interval.unwrap_or(DEFAULT_INTERVAL),
        },
    );
    Ok(answer(state, &device_code, &user_code))
}

fn answer(state: &State, device_code: &str, user_code: &str) -> Reply {
    let page = state.url(Endpoint::Verification.path());
    let mut answer = json!({
        "device_code": device_code,
        "user_code": user_code,
        "expires_in": state.quirks.device_lifetime,
    });
    if state.quirks.verification_url {
        answer["verification_url"] = page.into();
    } else {
        answer["verification_uri_complete"] = format!("{page}?user_code={user_code}").into();
        answer["verification_uri"] = page.into();
    }
    if let Some(interval) = state.quirks.device_interval {
        answer["interval"] = interval.into();
    }
    for (name, value) in &state.quirks.device_answer_with {
        answer[name] = value.clone();
    }
    Reply::json(200, &answer)
}

/// The page: GET shows a form, POST decides.
pub(super) fn verification(state: &mut State, incoming: &Incoming) -> Reply {
    if incoming.method == "GET" {
        let user_code = escape(incoming.query.first("user_code").unwrap_or_default());
        let page = format!(
            "<h1>Connect a device</h1><form method=post><input name=user_code value=\"{user_code}\">\
             <button name=decision value=approve id=approve>Allow</button>\
             <button name=decision value=deny id=deny>Refuse</button></form>"
        );
        return Reply::html(200, &page);
    }
    let approve = incoming.form.first("decision") != Some("deny");
    if decide(state, incoming.form.first("user_code").unwrap_or_default(), approve) {
        Reply::html(200, "<h1>Done. You may close this window.</h1>")
    } else {
        Reply::html(400, "<h1>No such code</h1>")
    }
}

/// What a person does with a user code; `false` when there is no such code.
pub(super) fn decide(state: &mut State, user_code: &str, approve: bool) -> bool {
    let letters =
        |code: &str| code.chars().filter(char::is_ascii_alphabetic).collect::<String>().to_uppercase();
    let wanted = letters(user_code);
    let grant = state.device_grants.values_mut().find(|grant| letters(&grant.user_code) == wanted);
    let Some(grant) = grant else { return false };
    let client = state.clients.get(&state.families[grant.family].client_id);
    let needs_secret = client.is_some_and(|client| client.secret.is_some());
    if state.quirks.device_secret_in_form && needs_secret && !grant.has_secret {
        return false;
    }
    grant.decision = if approve { Decision::Approved } else { Decision::Denied };
    true
}

fn user_code() -> String {
    let mut random = [0; 8];
    oidc_proto::secret::random(&mut random);
    let letters =
        random.map(|byte| char::from(USER_CODE_LETTERS[usize::from(byte) % USER_CODE_LETTERS.len()]));
    letters[..4].iter().chain(&['-']).chain(&letters[4..]).collect()
}

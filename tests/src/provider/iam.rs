//! What INDIGO IAM has beyond the standards' endpoints: the person's SCIM resource and the person's clients.

use serde_json::{Value, json};

use super::{
    incoming::Incoming,
    reply::Reply,
    state::{SUBJECT, State},
    tokens_in_use::live_access_token,
};

const SCIM: &str = "application/scim+json";

/// `GET /scim/Me`: for tokens with `scim:read`, and not as plain JSON.
pub(super) fn me(state: &State, incoming: &Incoming) -> Reply {
    if !incoming.accept.contains(SCIM) && !incoming.accept.contains("*/*") {
        return Reply::empty(406);
    }
    let Some(token) = incoming.bearer().and_then(|token| live_access_token(state, token)) else {
        return Reply::error(401, "invalid_token", "no such token").with("www-authenticate", "Bearer");
    };
    let scope = token["scope"].as_str().unwrap_or_default();
    if !scope.split(' ').any(|scope| scope == "scim:read") {
        return Reply::error(403, "insufficient_scope", "Insufficient scope for this resource");
    }
    let mut person = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", "urn:indigo-dc:scim:schemas:IndigoUser"],
        "id": SUBJECT,
        "userName": "ada",
        "displayName": "Ada Lovelace",
        "active": true,
        "name": {"givenName": "Ada", "familyName": "Lovelace", "formatted": "Ada Lovelace"},
        "emails": [{"type": "work", "value": "ada@example.org", "primary": true}],
        "groups": [{"display": "cms", "value": "7f7e", "$ref": "https://iam.example/scim/Groups/7f7e"}],
        "urn:indigo-dc:scim:schemas:IndigoUser": {
            "certificates": [
                {"primary": true, "display": "first", "hasProxyCertificate": false,
                 "subjectDn": "CN=Lovelace\\, Ada,OU=Users,DC=cern,DC=ch", "issuerDn": "CN=Test CA,DC=cern,DC=ch"},
            ],
            "oidcIds": [{"issuer": "https://idp.example.org", "subject": "ada-1"}],
            "samlIds": [{"idpId": "https://saml.example.org/idp", "userId": "ada@saml", "attributeId": "eppn"}],
            "sshKeys": [{"display": "laptop", "primary": true, "fingerprint": "abc", "value": "AAAA"}],
            "aupSignatureTime": "2026-01-02T03:04:05.000Z",
            "endTime": "2027-01-02T03:04:05.000Z",
            "serviceAccount": false,
        },
    });
    if let Some(members) = person.as_object_mut() {
        members.extend(state.quirks.scim_with.clone());
    }
    let body = serde_json::to_vec(&person).unwrap_or_default();
    Reply { status: 200, headers: vec![], body }.with("content-type", &format!("{SCIM};charset=UTF-8"))
}

/// `GET /iam/account/me/clients`: those of the person, a page at a time.
pub(super) fn clients(state: &State, incoming: &Incoming) -> Reply {
    if incoming.bearer().and_then(|token| live_access_token(state, token)).is_none() {
        return Reply::error(401, "invalid_token", "no such token").with("www-authenticate", "Bearer");
    }
    let number = |name: &str| incoming.query.first(name).and_then(|text| text.parse::<usize>().ok());
    let (start, count) = (number("startIndex").unwrap_or(1).max(1), number("count").unwrap_or(10).min(2));
    let mut all: Vec<Value> = state
        .clients
        .iter()
        .map(|(id, client)| json!({"client_id": id, "client_name": client.metadata.get("client_name")}))
        .collect();
    all.sort_by(|one, other| one["client_id"].as_str().cmp(&other["client_id"].as_str()));
    let total = all.len();
    let page: Vec<Value> = all.into_iter().skip(start - 1).take(count).collect();
    let answer =
        json!({"totalResults": total, "itemsPerPage": page.len(), "startIndex": start, "Resources": page});
    Reply::json(200, &answer)
}

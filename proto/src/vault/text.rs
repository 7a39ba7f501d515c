//! The decrypted text: the account as JSON.

use zeroize::Zeroizing;

use super::VaultError;
use crate::{account::AccountConfig, json::Object};

/// The decrypted text as an object. The C suite handles it as a C string, so it ends at the first NUL.
pub(super) fn account_object(text: &[u8]) -> Result<Object, VaultError> {
    let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
    Object::parse(&text[..end]).map_err(|_| VaultError::Damaged("the decrypted text is not a JSON object"))
}

/// The text of a file that is rewritten: `previous` with only those members changed that differ in `account`, so that
/// spellings we would not choose (`""` for absent, `issuer`, `scope`) and unknown members stay.
pub(super) fn rewritten(mut previous: Object, account: &AccountConfig) -> Zeroizing<String> {
    let before = AccountConfig::from_object(previous.clone()).to_object();
    let after = account.to_object();
    for key in before.members().keys().filter(|key| !after.contains(key)) {
        previous.remove(key);
    }
    for (key, value) in
        after.members().iter().filter(|(key, value)| before.members().get(*key) != Some(value))
    {
        if key == "issuer_url" {
            previous.remove("issuer");
        }
        previous.insert(key.clone(), value.clone());
    }
    previous.to_json()
}

/// The text of a new file that the C suite is to read. 4.x reads its scopes from `scope` only, 5.x writes `auth_scope`
/// only: it gets both.
pub(super) fn new_text(account: &AccountConfig) -> Zeroizing<String> {
    let mut account = account.clone();
    account.scope = account.scope.take().or_else(|| account.auth_scope.clone());
    account.to_json()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::RefreshToken;

    #[test]
    fn a_rewrite_keeps_spellings_that_are_not_ours() {
        let text = br#"{"issuer":"https://op/","client_secret":"","oauth":0,"refresh_token":"a","x":{"y":1},"n":null}"#;
        let previous = account_object(text).unwrap();
        let mut account = AccountConfig::from_object(previous.clone());
        account.refresh_token = Some(RefreshToken::from("b"));
        let expected = std::str::from_utf8(text).unwrap().replace("\"a\"", "\"b\"");
        assert_eq!(*rewritten(previous.clone(), &account), expected);

        account.issuer_url = Some("https://new/".into());
        account.other.remove("x");
        let again = AccountConfig::parse(rewritten(previous, &account).as_bytes()).unwrap();
        assert_eq!(again, account);
    }

    #[test]
    fn text_ends_at_the_first_nul() {
        assert!(account_object(b"{}\0garbage").is_ok());
        assert!(matches!(account_object(b"{\0}"), Err(VaultError::Damaged(_))));
    }
}

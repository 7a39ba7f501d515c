//! What a token is and says: found in what people have at hand ([`find()`]), told by the rules of one table ([`Kind`]),
//! judged ([`judge()`], [`KeySet`]), and looked for where programs look for it ([`discovery`]).
//!
//! Nothing of a token is believed here before it is judged, and nothing here shows a signature. Texts of problems quote
//! the token: whoever prints them escapes them.

mod claims;
mod compact;
mod date;
mod digest;
pub mod discovery;
mod find;
mod found;
mod in_json;
mod in_text;
mod instead;
mod judge;
mod key_set;
mod kind;
mod member;
mod problem;
mod rights;
mod signature;
mod signed_by;
#[cfg(test)]
mod tests;
mod wrapped;

pub use self::{
    claims::Claim,
    compact::{Malformed, Signed, Token, is_b64token},
    date::{Date, MAX_DATE},
    digest::{NotADigest, TokenDigest},
    find::{MAX_TEXT_LEN, find},
    found::{Found, FoundToken},
    instead::Instead,
    judge::{ANY_AUDIENCE, Expected, NOT_BEFORE_LEEWAY, judge},
    key_set::{KeySet, NoKey},
    kind::{Class, Kind},
    member::Members,
    problem::{Problem, Severity},
    rights::in_words,
    signature::{Checked, is_known},
    signed_by::check_signature,
};

//! The loaded accounts: which there are, how long they stay, whether they are locked, and the tokens they give.
//!
//! [`Accounts`] is a cheap handle over short mutexes; every wait for a provider, a file or a person happens outside
//! of them. One account is one unit of concurrency ([`account::Account`]), so that a slow provider delays only who
//! needs a new token of that account. Where its tokens come from is its [`source`]; nothing else knows which one it is.

pub mod account;
mod adopt;
mod autoload;
mod aws;
mod aws_cache;
mod aws_failure;
mod aws_under_way;
mod aws_wish;
mod consent;
mod deps;
mod disk;
mod examine;
mod expiry;
mod forget;
mod granted;
mod held;
mod introspect;
mod issuer_keys;
mod lifetime;
mod load;
mod loaded;
mod loading;
pub(crate) mod lock;
mod locking;
mod login_offers;
mod look;
mod managed;
mod mytoken;
mod mytoken_profile;
mod new_login;
mod obtain;
mod off_thread;
mod offer_login;
mod password_source;
mod pending;
mod person;
mod refresh_tokens;
mod refusals;
mod refused;
mod registrations;
mod remembered;
mod renewal;
mod ring;
mod save;
mod select;
mod shown;
mod single_flight;
mod source;
mod standing;
mod succession;
#[cfg(test)]
pub(crate) mod testing;
mod token;
mod token_cache;
mod tries;
mod unattended;
mod wanted;

pub(crate) use self::off_thread::off_thread;
pub use self::{
    deps::Deps,
    load::Added,
    loaded::Accounts,
    lock::Covered,
    login_offers::LogIn,
    managed::{Loading, ManagedWish, NoToken, Trouble},
    password_source::{password_of_command, password_of_file},
    refused::Given,
    shown::Shown,
    succession::{HandedOn, Still},
    token_cache::CachedToken,
    unattended::Unloaded,
};

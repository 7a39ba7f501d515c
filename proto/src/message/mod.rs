//! Every request and reply of the IPC protocol as types: the C suite's of 4.x and 5.x, and ours.
//!
//! Reading is as lenient as the C agent's (its own clients rely on it, see [`crate::json`]); writing is strict JSON.
//! `Debug` of requests and replies never shows a password, a token or an account config.

mod account;
pub mod aws;
mod class;
mod examine;
mod failure;
mod field;
mod files;
mod inspection;
mod issuer;
mod login;
mod page;
mod person;
mod provider;
mod refused;
mod reply;
mod request;
mod status;
mod store;
mod token;
mod upgrade;

pub use account::{
    AddRequest, FileFormat, NewProtection, PasswdRequest, PasswordEntry, PasswordSources, ResetRequest,
};
pub use aws::{AwsCredentials, AwsCredentialsRequest};
pub use class::Class;
pub use examine::{AccountReport, ClientStanding};
pub use failure::Failure;
pub use files::{
    Condition, FileProblem, FileState, FilesQuery, FilesStatus, FilesWaitRequest, HookOutcome, HookReport,
};
pub use inspection::{IntrospectRequest, Introspection, IssuerKeysRequest};
pub use issuer::ProviderQuery;
pub use login::{
    CodeExchangeRequest, DeleteClientRequest, DeviceAuthorization, DeviceRequest, Flow, GenRequest,
    RegisterRequest,
};
pub use page::{PageReply, PageRequest};
pub use person::{ClientList, ListedClient, PersonProblem, PersonReport, PersonRequest};
pub use provider::{ClientSource, Finding, Prediction, ProviderFact, ProviderReport, ProviderRequest};
pub use refused::{RefusedRequest, Sign};
pub use reply::{IdTokenReply, LookupStatus, Registration, Reply, ReplyError, TokenReply};
pub use request::Request;
pub use status::{
    AccountStatus, AgentStatus, IssuerInfo, IssuerInfos, KnownBy, Reminder, RemoteOutcome, ResetReport,
};
pub use store::FileWriteRequest;
pub use token::{IdTokenRequest, MytokenProfile, MytokenRequest, Target, TokenRequest, Validity};
pub use upgrade::{UpgradeReport, UpgradeRequest};

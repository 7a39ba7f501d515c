//! What is said beside a token.

use jiff::Timestamp;
use oidc_proto::message::{Reminder, Reply, Request};

use super::{arguments::TokenArgs, granted, obtain::Access};
use crate::{
    account::issuer_url::is_issuer,
    context::{Context, error::Error, expiry},
    say::dialect::Dialect,
};

/// Warns of a token that is less than was asked for, or refuses it; remarks on one that is more.
pub fn shortfall(args: &TokenArgs, access: &Access, context: &mut Context) -> Result<(), Error> {
    let mut shortfall = access.grant.shortfall(&access.reply);
    if args.strict {
        shortfall.extend(granted::lifetime_shortfall(args.least_time(), &access.reply));
    }
    if args.strict && !shortfall.is_empty() {
        return Err(Error::NotGranted(shortfall.join("; ")));
    }
    for warning in &shortfall {
        context.output.warning(warning);
    }
    // Whoever calls the C suite's program reads both streams as one at times.
    if let Some(surplus) = access.grant.surplus().filter(|_| context.output.dialect == Dialect::Ours) {
        context.output.remark(&surplus);
    }
    Ok(())
}

/// Tells a person at a terminal what of the account ends soon. The agent knows whether that was told today; one that does not
/// know the question has nothing to tell.
pub fn reminder(args: &TokenArgs, context: &mut Context) {
    let name = args.account.as_deref().filter(|name| !is_issuer(name));
    let Some(name) = name.filter(|_| context.output.is_read_by_a_person()) else { return };
    let Ok(Reply::Success { info: Some(info) }) =
        context.call(&Request::Reminder { account: name.to_owned() })
    else {
        return;
    };
    if let Some(told) = Reminder::from_info(&info) {
        context.output.hint(&expiry::reminder(&told, Timestamp::now()));
    }
}

//! What is said beside a token.

use super::{arguments::TokenArgs, granted, obtain::Access};
use crate::{
    context::{Context, error::Error},
    say::dialect::Dialect,
};

/// Warns of a token that is less than was asked for, or refuses it; remarks on one that is more.
pub fn shortfall(args: &TokenArgs, access: &Access, context: &mut Context) -> Result<(), Error> {
    let mut shortfall = access.grant.shortfall(&access.reply);
    if args.strict {
        shortfall.extend(granted::lifetime_shortfall(args.time, &access.reply));
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

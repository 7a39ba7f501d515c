//! Several tokens that end at about the same time: what hands them on together (a transfer needs one for the source, one for
//! the destination and one for the service) is only good for as long as the first of them.

use oidc_proto::message::Validity;

use super::super::obtain::{self, Access, Token, TokenQuery, Wanted};
use crate::{
    context::{Context, error::Error},
    process::clock,
};

/// Seconds by which lives may differ.
const ALIKE: u64 = 60;

/// A token for each query. One from the cache that ends before others is replaced by a new one, once: where the provider gives
/// it no longer life, it has none.
pub fn obtain(queries: &[TokenQuery], context: &mut Context) -> Result<Vec<Access>, Error> {
    let mut tokens = queries.iter().map(|query| access(query, context)).collect::<Result<Vec<_>, _>>()?;
    let mut is_new: Vec<_> = queries.iter().map(is_forced).collect();
    while let Some((at, wanted)) = next(&tokens.iter().map(left).collect::<Vec<_>>(), &is_new) {
        tokens[at] = access(&lasting(&queries[at], wanted), context)?;
        is_new[at] = true;
    }
    Ok(tokens)
}

fn access(query: &TokenQuery, context: &mut Context) -> Result<Access, Error> {
    match obtain::obtain(query, context)? {
        Token::Access(access) => Ok(access),
        _ => Err(Error::UnexpectedReply("access_token")),
    }
}

/// Which token to replace, and how many seconds the new one should last: the first that ends before another one does.
fn next(lives: &[Option<u64>], is_new: &[bool]) -> Option<(usize, u64)> {
    let longest = lives.iter().flatten().max().copied()?;
    let wanted = longest.saturating_sub(ALIKE);
    let ends_first = |at: &usize| !is_new[*at] && lives[*at].is_some_and(|life| life < wanted);
    (0..lives.len()).find(ends_first).map(|at| (at, wanted))
}

/// Seconds that are left; `None`: nobody says when it ends.
fn left(access: &Access) -> Option<u64> {
    access.reply.expires_at.map(|end| end.saturating_sub(clock::now()))
}

fn is_forced(query: &TokenQuery) -> bool {
    matches!(query.wanted, Wanted::AccessToken { validity: Validity::ForceNew, .. })
}

fn lasting(query: &TokenQuery, seconds: u64) -> TokenQuery {
    let mut query = query.clone();
    if let Wanted::AccessToken { validity, .. } = &mut query.wanted {
        *validity = Validity::AtLeast(seconds);
    }
    query
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_ones_are_replaced_until_all_live_alike() {
        for (lives, is_new, expected) in [
            (&[Some(3600), Some(3590)][..], &[false, false][..], None),
            (&[Some(600), Some(3000)], &[false, false], Some((0, 2940))),
            (&[Some(3600), Some(3000)], &[true, false], Some((1, 3540))),
            (&[Some(3600), Some(3000)], &[true, true], None),
            (&[None, Some(3000)], &[false, false], None),
            (&[None, Some(10), Some(3000)], &[false, false, false], Some((1, 2940))),
            (&[Some(30)], &[false], None),
            (&[], &[], None),
        ] {
            assert_eq!(next(lives, is_new), expected, "{lives:?} {is_new:?}");
        }
    }
}

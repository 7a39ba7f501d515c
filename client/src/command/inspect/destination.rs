//! `--for URL`: whether a service would take the token.

use std::os::unix::fs::PermissionsExt;

use oidc_proto::{
    destination::{self, Derived, Place},
    message::Target,
    token::{Expected, FoundToken, Kind, Problem, discovery, judge},
};

use super::{arguments::InspectArgs, inspected::TakenAt, source::Source};
use crate::{
    command::token::{
        destination::{derive, rules},
        obtain,
    },
    context::{Context, error::Error},
};

/// What a token for the services would have to hold, by what is known of their issuer.
pub fn derived(
    args: &InspectArgs,
    issuer: Option<&str>,
    context: &mut Context,
) -> Result<Vec<Derived>, Error> {
    if args.destinations.wanted.is_empty() {
        return Ok(Vec::new());
    }
    let known = issuer.map(|issuer| rules::of(issuer, context)).unwrap_or_default();
    derive(&args.destinations, &known)
}

/// Asks for what the services want, where the token is one that is asked for now.
pub fn ask_for_it(args: &mut InspectArgs, context: &mut Context) -> Result<(), Error> {
    let Some(account) = args.account.as_deref().filter(|_| !args.destinations.wanted.is_empty()) else {
        return Ok(());
    };
    let target: Target = obtain::target(account)?;
    let issuer = rules::issuer_of(&target, context);
    let derived = derived(args, issuer.as_deref(), context)?;
    if args.aud.is_empty() {
        args.aud = derived.iter().map(|one| one.audience.clone()).collect();
    }
    args.scope.extend(derived.into_iter().flat_map(|one| one.scopes));
    Ok(())
}

/// What stands in the way of the token at each service, beside what is wrong with it anywhere, and where it is taken.
pub fn judge_at(
    derived: &[Derived],
    found: &FoundToken,
    kind: &Kind,
    place: Place,
    now: u64,
    anywhere: &[Problem],
) -> (Vec<Problem>, Vec<TakenAt>) {
    let (mut all, mut taken) = (Vec::new(), Vec::new());
    for one in derived {
        let audiences = one.audiences();
        let expected = Expected { now, issuer: None, audiences: &audiences };
        let mut problems = judge(&found.token, kind, expected);
        problems.retain(|problem| problem.code == "audience");
        problems.extend(destination::judge(one, &found.token, kind, place));
        taken.push(TakenAt {
            address: one.address.to_string(),
            is_taken: !problems.iter().chain(anywhere).any(Problem::refuses),
        });
        let at = |problem: Problem| match derived {
            [_] => problem,
            _ => Problem { text: format!("at {}: {}", one.address, problem.text), ..problem },
        };
        all.extend(problems.into_iter().map(at));
    }
    (all, taken)
}

/// Where the token stands, as far as programs mind that.
pub fn place(args: &InspectArgs, source: &Source) -> Place {
    if let Some(what) = args.what().filter(|what| *what != "-") {
        let file = std::fs::metadata(what).ok().filter(std::fs::Metadata::is_file);
        return file.map_or(Place::Unknown, |file| Place::File { mode: file.permissions().mode() });
    }
    let used = source.discovery.as_ref().and_then(discovery::Discovery::used);
    match used.map(|used| (&used.place, used.mode)) {
        Some((discovery::Place::Variable, _)) => Place::Variable,
        Some((_, Some(mode))) => Place::File { mode },
        _ => Place::Unknown,
    }
}

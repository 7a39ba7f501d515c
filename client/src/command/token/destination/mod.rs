//! `oidc token --for URL`: what the token has to hold is derived from the address of a service.

pub mod arguments;
mod equal;
pub mod explain;
pub mod rules;

use arguments::{DestinationArgs, Wanted as Place};
use oidc_proto::{
    destination::{self, Derived, rule::Rule},
    message::Target,
};
use serde_json::{Value, json};

use super::{
    arguments::TokenArgs,
    obtain::{Access, TokenQuery, Wanted},
    print, report,
};
use crate::{
    cli::usage::UsageError,
    context::{Context, error::Error},
    say::exit::Exit,
};

/// Gets a token for each place and prints them in that order; without an account only what they would have to hold.
pub fn run(args: &TokenArgs, places: &DestinationArgs, context: &mut Context) -> Result<(), Error> {
    refuse_what_does_not_fit(args, places)?;
    if args.account.is_none() {
        let derived = derive(places, &[])?;
        return show(&derived, context);
    }
    let target = args.target()?;
    let issuer = rules::issuer_of(&target, context);
    let known = issuer.as_deref().map(|issuer| rules::of(issuer, context)).unwrap_or_default();
    let mut derived = derive(places, &known)?;
    let queries =
        |derived: &[Derived]| -> Vec<_> { derived.iter().map(|one| query(args, &target, one)).collect() };
    let explain = |derived: &[Derived], context: &mut Context| {
        if places.explain {
            context.output.note(&explain::text(derived));
        }
    };
    // Above all where the token is refused somebody wants to know what was asked for.
    explain(&derived, context);
    let mut tokens = equal::obtain(&queries(&derived), context)?;
    if let (None, Some(access)) = (&issuer, tokens.first()) {
        // The account was not loaded, and its file did not tell whose it is.
        let known = rules::of(&access.reply.issuer, context);
        let again = derive(places, &known)?;
        if again
            .iter()
            .map(|one| (&one.audience, &one.scopes))
            .ne(derived.iter().map(|one| (&one.audience, &one.scopes)))
        {
            derived = again;
            explain(&derived, context);
            tokens = equal::obtain(&queries(&derived), context)?;
        }
    }
    for (access, derived) in tokens.iter().zip(&derived) {
        // An explanation has them.
        for remark in derived.remarks.iter().filter(|_| !places.explain) {
            context.output.remark(&format!("{}: {remark}", derived.address));
        }
        report::shortfall(args, access, context)?;
        if let Some(remark) = access.grant.is_for_all() {
            context.output.remark(remark);
        }
    }
    write(args, places, &derived, &tokens, context)
}

/// What is no token for a service, or cannot be printed.
pub fn refuse_what_does_not_fit(args: &TokenArgs, places: &DestinationArgs) -> Result<(), Error> {
    if args.id_token || args.mytoken.is_some() {
        return Err(UsageError::new("`--for` is for access tokens").into());
    }
    if places.wanted.len() > 1 && args.format.is_special() {
        let text =
            "several tokens are printed a line each, or with --json; the other forms are for one `--for`";
        return Err(UsageError::new(text).into());
    }
    Ok(())
}

/// What a token for each place has to hold, with what is `known` of an issuer.
pub fn derive(places: &DestinationArgs, known: &[Rule]) -> Result<Vec<Derived>, Error> {
    let one = |place: &Place| {
        let text =
            |error| Error::Other(Exit::Usage, format!("no token for '{}': {error}", shown(&place.url)));
        destination::derive(&place.url, &place.wishes, known).map_err(text)
    };
    places.wanted.iter().map(one).collect()
}

/// An address without what may be secret in it.
fn shown(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, place))) => format!("{scheme}://{place}"),
        _ => url.to_owned(),
    }
}

/// What is derived, and what the options say besides: further scopes, and another audience.
pub fn query(args: &TokenArgs, target: &Target, derived: &Derived) -> TokenQuery {
    let Wanted::AccessToken { scope, audience, validity } = args.wanted() else {
        return args.query(target.clone(), args.wanted());
    };
    let scopes: Vec<_> = derived.scopes.iter().map(String::as_str).chain(scope.as_deref()).collect();
    let scope = Some(scopes.join(" ")).filter(|scope| !scope.is_empty());
    let audience = audience.or_else(|| Some(derived.audience.clone()));
    args.query(target.clone(), Wanted::AccessToken { scope, audience, validity })
}

/// What tokens would have to hold.
fn show(derived: &[Derived], context: &mut Context) -> Result<(), Error> {
    if context.output.json {
        let destinations: Vec<_> = derived.iter().map(explain::object).collect();
        return Ok(context.output.json(&json!({"destinations": destinations}))?);
    }
    Ok(context.output.line(&explain::text(derived))?)
}

fn write(
    args: &TokenArgs,
    places: &DestinationArgs,
    derived: &[Derived],
    tokens: &[Access],
    context: &mut Context,
) -> Result<(), Error> {
    if !context.output.json {
        return match tokens {
            [one] => print::token(&args.format, one, &mut context.output),
            several => print::lines(several, &mut context.output),
        };
    }
    let objects = tokens.iter().zip(derived).map(|(access, derived)| {
        let mut object = print::object(access)?;
        object.insert("for".to_owned(), derived.address.to_string().into());
        if places.explain {
            object.insert("derived".to_owned(), explain::object(derived));
        }
        Ok(Value::Object(object))
    });
    let mut objects = objects.collect::<Result<Vec<_>, Error>>()?;
    let mut whole = match (objects.len(), objects.pop()) {
        (1, Some(one)) => one,
        (_, last) => json!({"tokens": objects.into_iter().chain(last).collect::<Vec<_>>()}),
    };
    // What is warned of is added at the end.
    whole["warnings"] = json!([]);
    Ok(context.output.json(&whole)?)
}

#[cfg(test)]
mod tests;

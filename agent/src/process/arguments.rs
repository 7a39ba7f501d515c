//! The command line of the next process: that of this one, with what it inherits.

use std::ffi::{OsStr, OsString};

use crate::settings::cli::Inherited;

/// The name of the option that says so.
const INHERITED: &str = "--inherited";

/// Name and options for a process that inherits something. `own` is this process's command line, without a command.
pub fn inheriting(own: &[OsString], what: Inherited) -> (OsString, Vec<OsString>) {
    let name = own.first().map_or_else(|| OsString::from("oidc-agent"), Clone::clone);
    let is_inherited = |argument: &OsString| argument.as_encoded_bytes().starts_with(INHERITED.as_bytes());
    // It stands in the first place only: the value of another option may look like it.
    let rest = match own.get(1..).unwrap_or_default() {
        [first, rest @ ..] if is_inherited(first) => rest,
        rest => rest,
    };
    let inherited = match what {
        Inherited::Socket => OsString::from(INHERITED),
        Inherited::Rehearsal => OsStr::new("--inherited=rehearsal").to_owned(),
        Inherited::Everything => OsStr::new("--inherited=everything").to_owned(),
    };
    (name, std::iter::once(inherited).chain(rest.iter().cloned()).collect())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::settings::cli::Cli;

    #[test]
    fn options_stay_and_what_was_inherited_before_does_not() {
        for own in [
            &["agent", "-t", "60"][..],
            &["agent", "--inherited", "-t", "60"],
            &["agent", "--inherited=everything", "-t", "60"],
        ] {
            let own: Vec<OsString> = own.iter().map(OsString::from).collect();
            for what in [Inherited::Socket, Inherited::Rehearsal, Inherited::Everything] {
                let (name, options) = inheriting(&own, what);
                assert_eq!(name, "agent");
                assert_eq!(options.len(), 3, "{options:?}");
                let cli = Cli::try_parse_from([name].into_iter().chain(options)).expect("valid options");
                assert_eq!((cli.inherited, cli.lifetime), (Some(what), Some(60)));
            }
        }
        assert_eq!(inheriting(&[], Inherited::Socket).0, "oidc-agent");
    }
}

//! `--for URL`, and what is to be done there.

use std::fmt;

use clap::{ArgMatches, Args, FromArgMatches, parser::ValueSource};
use oidc_proto::{
    destination::{Operation, Wish},
    scope::path::ScopePath,
};

/// The heading of these options.
const HEADING: &str = "A service that the token is for";

/// Which services a token is wanted for.
#[derive(Debug, Clone, Default)]
pub struct DestinationArgs {
    /// In the order of the command line.
    pub wanted: Vec<Wanted>,
    /// Say what was derived, and from what.
    pub explain: bool,
    /// An operation was named, and no service.
    pub lacks_place: bool,
}

/// One service.
#[derive(Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The address of a service or of a file there, as it was typed.
    pub url: String,
    /// What is to be done there.
    pub wishes: Vec<Wish>,
}

/// Without the address: people paste such as have a token in them.
impl fmt::Debug for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wanted").field("wishes", &self.wishes).finish_non_exhaustive()
    }
}

/// The options one by one, without their order.
#[derive(Clone, Args)]
#[command(next_help_heading = HEADING)]
struct Options {
    /// A service, by its address or that of a file there; several get a token each
    #[arg(long = "for", value_name = "URL")]
    url: Vec<String>,

    /// To read there, at the path of the URL or another one; this and the next five count for the --for before them
    #[arg(long, value_name = "PATH", num_args = 0..=1, require_equals = true, default_missing_value = "", value_parser = path)]
    read: Vec<MaybePath>,

    /// To make new files
    #[arg(long, value_name = "PATH", num_args = 0..=1, require_equals = true, default_missing_value = "", value_parser = path)]
    create: Vec<MaybePath>,

    /// To write, replace and delete files
    #[arg(long, value_name = "PATH", num_args = 0..=1, require_equals = true, default_missing_value = "", value_parser = path)]
    modify: Vec<MaybePath>,

    /// To bring files from tape
    #[arg(long, value_name = "PATH", num_args = 0..=1, require_equals = true, default_missing_value = "", value_parser = path)]
    stage: Vec<MaybePath>,

    /// To look whether files are on disk
    #[arg(long, value_name = "PATH", num_args = 0..=1, require_equals = true, default_missing_value = "", value_parser = path)]
    poll: Vec<MaybePath>,

    /// To run jobs: submit, look, remove, change
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "", value_parser = nothing, hide_possible_values = true)]
    exec: Vec<MaybePath>,

    /// Say which audience and scopes that comes to, and why
    #[arg(long)]
    explain: bool,
}

/// The value of an operation: a path, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
struct MaybePath(Option<ScopePath>);

fn path(text: &str) -> Result<MaybePath, String> {
    if text.is_empty() {
        return Ok(MaybePath(None));
    }
    text.parse().map(|path| MaybePath(Some(path))).map_err(|error| error.to_string())
}

fn nothing(text: &str) -> Result<MaybePath, String> {
    if text.is_empty() { Ok(MaybePath(None)) } else { Err("jobs have no path".to_owned()) }
}

/// The options that name operations.
pub const OPERATIONS: [(&str, Operation); 6] = [
    ("read", Operation::Read),
    ("create", Operation::Create),
    ("modify", Operation::Modify),
    ("stage", Operation::Stage),
    ("poll", Operation::Poll),
    ("exec", Operation::Exec),
];

/// An operation belongs to the `--for` before it. Those before the first one belong to all.
fn in_order(matches: &ArgMatches) -> DestinationArgs {
    let indices = |id: &str| -> Vec<usize> {
        let is_given = matches.value_source(id) == Some(ValueSource::CommandLine);
        matches.indices_of(id).filter(|_| is_given).into_iter().flatten().collect()
    };
    let urls = matches.get_many::<String>("url").into_iter().flatten().cloned();
    let urls: Vec<(usize, String)> = indices("url").into_iter().zip(urls).collect();
    let mut wishes: Vec<(usize, Wish)> = Vec::new();
    for (id, operation) in OPERATIONS {
        let paths = matches.get_many::<MaybePath>(id).into_iter().flatten();
        let found = indices(id).into_iter().zip(paths);
        wishes.extend(found.map(|(at, path)| (at, Wish { operation, path: path.0.clone() })));
    }
    wishes.sort_by_key(|(at, _)| *at);
    let lacks_place = urls.is_empty() && !wishes.is_empty();
    let starts: Vec<usize> = urls.iter().map(|(at, _)| *at).collect();
    let of = |from: usize, to: usize| {
        let within = wishes.iter().filter(move |(at, _)| (from..to).contains(at));
        within.map(|(_, wish)| wish.clone()).collect::<Vec<_>>()
    };
    let for_all = of(0, starts.first().copied().unwrap_or(usize::MAX));
    let wanted = urls.into_iter().enumerate().map(|(number, (at, url))| {
        let end = starts.get(number + 1).copied().unwrap_or(usize::MAX);
        Wanted { url, wishes: [for_all.clone(), of(at, end)].concat() }
    });
    DestinationArgs { wanted: wanted.collect(), explain: matches.get_flag("explain"), lacks_place }
}

impl Args for DestinationArgs {
    fn augment_args(command: clap::Command) -> clap::Command {
        Options::augment_args(command)
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Options::augment_args_for_update(command)
    }
}

impl FromArgMatches for DestinationArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(in_order(matches))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    #[command(no_binary_name = true, args_override_self = true)]
    struct Line {
        #[command(flatten)]
        destinations: DestinationArgs,
    }

    fn read(line: &str) -> Result<Vec<(String, Vec<String>)>, clap::Error> {
        let destinations = Line::try_parse_from(line.split_whitespace())?.destinations;
        let wish = |wish: Wish| match wish.path {
            Some(path) => format!("{:?} {path}", wish.operation),
            None => format!("{:?}", wish.operation),
        };
        let one = |wanted: Wanted| (wanted.url, wanted.wishes.into_iter().map(wish).collect());
        Ok(destinations.wanted.into_iter().map(one).collect())
    }

    #[test]
    fn an_operation_belongs_to_the_address_before_it() {
        for (line, expected) in [
            ("", &[][..]),
            ("--for=a", &[("a", &[][..])]),
            ("--for=a --read --create=/x", &[("a", &["Read", "Create /x"])]),
            ("--for=a --create --read --for=b --modify", &[("a", &["Create", "Read"]), ("b", &["Modify"])]),
            ("--for=a --read --for=b --read", &[("a", &["Read"]), ("b", &["Read"])]),
            ("--read --for=a --for=b --poll", &[("a", &["Read"]), ("b", &["Read", "Poll"])]),
            ("--for=a --exec --for=a", &[("a", &["Exec"]), ("a", &[])]),
        ] {
            let found = read(line).unwrap_or_else(|error| panic!("{line}: {error}"));
            let found: Vec<_> = found.iter().map(|(url, wishes)| (url.as_str(), wishes.clone())).collect();
            let expected: Vec<_> = expected
                .iter()
                .map(|(url, wishes)| (*url, wishes.iter().map(|wish| (*wish).to_owned()).collect::<Vec<_>>()))
                .collect();
            assert_eq!(found, expected, "{line}");
        }
        for wrong in ["--for=a --read=x", "--for=a --read=/..", "--for=a --exec=/x"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert!(Line::try_parse_from(["--read"]).expect("read").destinations.lacks_place);
    }
}

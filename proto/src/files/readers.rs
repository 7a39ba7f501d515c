//! What the programs that read a file accept, beside what the file will be: told before anybody wonders why a token is not
//! found. The programs are rows of `readers.json`.

use super::entry::{FileSink, Format};
use crate::destination::reader::Reader;

/// What suits some readers best.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Suggested {
    pub(super) format: Format,
    pub(super) newline: bool,
}

/// The readers with those names.
pub fn of(names: &[String]) -> Vec<Reader> {
    if names.is_empty() {
        return Vec::new();
    }
    Reader::named().into_iter().filter(|reader| names.contains(&reader.key)).collect()
}

/// The form that all take, a bare token where that is one; and no newline where one of them minds it.
pub(super) fn suggest(names: &[String]) -> Suggested {
    let readers = of(names);
    let suits = |format: &Format| readers.iter().all(|reader| reader.takes(format.as_str()));
    Suggested {
        format: Format::ALL.into_iter().find(suits).unwrap_or_default(),
        newline: !readers.iter().any(|reader| reader.no_newline),
    }
}

/// What its readers would refuse in a file that is written so: the key in question, and why, with the reader's rule.
pub fn refusals(sink: &FileSink) -> Vec<(&'static str, String)> {
    let mut refused = Vec::new();
    for reader in of(&sink.readers) {
        let Reader { name, source, .. } = &reader;
        if reader.only_variable {
            refused.push(("readers", format!("{name} reads no file: {source}; `oidc exec --env` helps")));
            continue;
        }
        if !reader.takes(sink.format.as_str()) {
            let forms =
                if reader.formats.is_empty() { "raw".to_owned() } else { reader.formats.join(" or ") };
            refused.push(("format", format!("{name} would not read it, it takes {forms}: {source}")));
        }
        if reader.no_newline && sink.newline {
            refused.push(("newline", format!("must be false for {name}: {source}")));
        }
        if reader.private_file && sink.mode & 0o077 != 0 {
            refused.push(("mode", format!("must be 0600 or 0400 for {name}: {source}")));
        }
    }
    refused
}

/// What is to be told when a token of that many bytes is published: who refuses it.
pub fn tell(sink: &FileSink, token_len: usize) -> Vec<String> {
    let tell = |reader: Reader| {
        let limit = reader.size_below.filter(|limit| token_len >= *limit)?;
        let Reader { name, source, .. } = reader;
        Some(format!(
            "{name} refuses a token of {token_len} bytes, the limit is {limit}: {source}; ask for fewer scopes"
        ))
    };
    of(&sink.readers).into_iter().filter_map(tell).collect()
}

/// The variables that lead readers to the file, as in `BEARER_TOKEN_FILE=/run/user/1000/bt_u1000-eos`; each once.
pub fn variables(sink: &FileSink) -> Vec<String> {
    let path = sink.path.display().to_string();
    let variables = of(&sink.readers).into_iter().map(|reader| reader.variable);
    let mut filled: Vec<_> = variables
        .filter(|variable| !variable.is_empty())
        .map(|variable| variable.replace("{path}", &path))
        .collect();
    filled.sort();
    filled.dedup();
    filled
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::files::entry::Write;

    fn sink(readers: &[&str]) -> FileSink {
        FileSink {
            path: PathBuf::from("/t"),
            format: Format::Raw,
            newline: true,
            mode: 0o600,
            group: None,
            create_dirs: false,
            write: Write::Rename,
            host: None,
            readers: readers.iter().map(|&reader| reader.to_owned()).collect(),
        }
    }

    #[test]
    fn what_a_reader_would_refuse_is_told_with_its_rule() {
        let keys = |sink: &FileSink| refusals(sink).into_iter().map(|(key, _)| key).collect::<Vec<_>>();
        assert!(keys(&sink(&["xrootd", "htcondor", "scitokens-python", "htgettoken", "pelican"])).is_empty());
        assert_eq!(keys(&FileSink { mode: 0o640, ..sink(&["xrootd"]) }), ["mode"]);
        assert_eq!(keys(&FileSink { format: Format::Json, ..sink(&["xrootd", "pelican"]) }), ["format"]);
        assert_eq!(keys(&sink(&["aws"])), ["newline"]);
        assert_eq!(keys(&sink(&["gfal2"])), ["readers"]);
        assert_eq!(keys(&sink(&["eos"])), ["format"]);
        let (_, why) = refusals(&FileSink { mode: 0o640, ..sink(&["xrootd"]) }).remove(0);
        assert!(why.contains("others may read"), "{why}");
    }

    #[test]
    fn what_is_not_said_suits_the_readers() {
        let suggest = |readers: &[&str]| suggest(&sink(readers).readers);
        assert_eq!(suggest(&[]), Suggested { format: Format::Raw, newline: true });
        assert_eq!(suggest(&["aws", "pelican"]), Suggested { format: Format::Raw, newline: false });
        assert_eq!(suggest(&["eos"]), Suggested { format: Format::Oauth2, newline: true });
        assert_eq!(suggest(&["htcondor-use", "pelican"]).format, Format::Raw);
        assert_eq!(suggest(&["curl"]).format, Format::Header);
    }

    #[test]
    fn a_token_that_is_too_long_is_told() {
        assert!(tell(&sink(&["xrootd", "htcondor"]), 4095).is_empty());
        assert!(tell(&sink(&["xrootd", "htcondor"]), 4096)[0].contains("XRootD"));
        assert_eq!(tell(&sink(&["xrootd", "htcondor"]), 16_384).len(), 2);
    }

    #[test]
    fn it_is_told_how_readers_find_the_file() {
        let variables = variables(&sink(&["xrootd", "htcondor", "aws", "eos"]));
        assert_eq!(
            variables,
            ["AWS_WEB_IDENTITY_TOKEN_FILE=/t", "BEARER_TOKEN_FILE=/t", "OAUTH2_TOKEN=FILE:/t"]
        );
    }
}

//! Changes to the user's `issuer.config`: as few bytes as possible, and never to a file that does not parse.

use std::{ops::Range, time::Duration};

use serde_json::{Value, json};

use super::{
    IssuersError, Problem,
    document::{Document, Form, Part},
    source::{ISSUER_CONFIG, read_text, resolve},
};
use crate::{
    account::same_issuer,
    home::{Home, HomeError, Room, lock_file, names, private_file::PrivateFile},
    shortname::Shortname,
};

/// How long somebody else may hold the file.
const LOCK_DEADLINE: Duration = Duration::from_secs(5);

/// One change: these bytes of the file by those texts, in the order of the file.
struct Edit(Vec<(Range<usize>, String)>);

/// Adds an account to its issuer in the user's `issuer.config`. Whether anything had to be changed.
///
/// A file that does not exist yet becomes 5.x JSON, which 4.x leaves alone; an empty one, as 4.2.6 creates it, gets a
/// line of text, which 5.x turns into JSON.
pub fn add_account(home: &Home, issuer: &str, name: &Shortname) -> Result<bool, IssuersError> {
    rewrite(home, |text| {
        let Some(text) = text else { return Ok(Some(new_file(issuer, name))) };
        let document = Document::parse(text)?;
        Ok(match document.form() {
            Form::Array | Form::Object => addition(&document, issuer, name).map(|edit| edit.apply(text)),
            Form::Lines | Form::Empty => added_line(text, issuer, name),
        })
    })
}

/// Drops an account from the user's `issuer.config`, whatever its issuer. Whether anything had to be changed.
pub fn remove_account(home: &Home, name: &Shortname) -> Result<bool, IssuersError> {
    rewrite(home, |text| {
        let Some(text) = text else { return Ok(None) };
        let mut edited = text.to_owned();
        loop {
            let document = Document::parse(&edited)?;
            match removal(&document, name) {
                Some(edit) => edited = edit.apply(&edited),
                None if document.form() == Form::Lines => return Ok(without_lines(text, name)),
                None => return Ok(Some(edited).filter(|edited| edited != text)),
            }
        }
    })
}

/// Replaces the file by what `change` makes of its text (`None` if there is no file), under a lock if there is anything
/// to do.
fn rewrite(
    home: &Home,
    change: impl Fn(Option<&str>) -> Result<Option<String>, String>,
) -> Result<bool, IssuersError> {
    let path = home.path().join(ISSUER_CONFIG);
    let plan = || -> Result<_, IssuersError> {
        let text = existing(read_text(&path))?;
        let changed = change(text.as_ref().map(|text| text.as_str()));
        let changed = changed.map_err(|what| Problem { path: path.clone(), line: None, what })?;
        Ok(changed.map(|changed| (text, changed)))
    };
    if plan()?.is_none() {
        return Ok(false);
    }
    let _lock = lock_file(&names::lock_path(home.path(), ISSUER_CONFIG), LOCK_DEADLINE)?;
    while let Some((text, changed)) = plan()? {
        let target = existing(resolve(&path))?.unwrap_or_else(|| path.clone());
        let expected = text.as_ref().map(|text| text.as_bytes());
        let file = PrivateFile { path: &target, stem: ISSUER_CONFIG, journal: None };
        match file.write(changed.as_bytes(), expected, &mut Room::default()) {
            // The C suite takes no lock: look at what it wrote.
            Err(HomeError::Changed(_)) => {}
            written => return Ok(written.map(|()| true)?),
        }
    }
    Ok(false)
}

fn existing<T>(found: Result<T, HomeError>) -> Result<Option<T>, HomeError> {
    match found {
        Err(HomeError::NotFound(_)) => Ok(None),
        found => found.map(Some),
    }
}

impl Edit {
    fn replace(place: Range<usize>, text: String) -> Self {
        Self(vec![(place, text)])
    }

    fn insert(at: usize, text: String) -> Self {
        Self::replace(at..at, text)
    }

    fn remove(places: impl IntoIterator<Item = Range<usize>>) -> Self {
        Self(places.into_iter().map(|place| (place, String::new())).collect())
    }

    fn apply(&self, text: &str) -> String {
        let (mut edited, mut from) = (String::with_capacity(text.len()), 0);
        for (place, new) in &self.0 {
            edited.push_str(&text[from..place.start]);
            edited.push_str(new);
            from = place.end;
        }
        edited.push_str(&text[from..]);
        edited
    }
}

fn entry(issuer: &str, name: &Shortname) -> Value {
    json!({ "issuer": issuer, "accounts": [name.as_str()] })
}

fn new_file(issuer: &str, name: &Shortname) -> String {
    format!("{:#}\n", json!([entry(issuer, name)]))
}

/// What adds the account to a JSON file; nothing if it is there.
fn addition(document: &Document, issuer: &str, name: &Shortname) -> Option<Edit> {
    let entries = document.entries();
    let issuer_of = |part: &Part| {
        ["issuer", "issuer_url"].iter().find_map(|key| document.string(&document.member(part, key)?))
    };
    let same = || entries.iter().filter(|part| issuer_of(part).is_some_and(|url| same_issuer(&url, issuer)));
    if same().any(|part| listed(document, part, name).is_some()) {
        return None;
    }
    let quoted = Value::from(name.as_str()).to_string();
    match same().find(|part| issuer_of(part).as_deref() == Some(issuer)).or_else(|| same().next()) {
        Some(part) => Some(match document.member(part, "accounts") {
            Some(accounts) if document.array(&accounts).is_ok() => append(document, &accounts, &quoted),
            // A single name, as some write it, is read as a list of one.
            Some(other) => {
                let single =
                    document.string(&other).map(|_| format!("{}, ", &document.text()[other.place.clone()]));
                Edit::replace(other.place, format!("[{}{quoted}]", single.unwrap_or_default()))
            }
            None => append(document, part, &format!("\"accounts\": [{quoted}]")),
        }),
        None => Some(append_entry(document, &entry(issuer, name).to_string())),
    }
}

/// Appends to the array of all issuers; a single object becomes such an array first.
fn append_entry(document: &Document, entry: &str) -> Edit {
    let whole = document.whole();
    if document.form() == Form::Object {
        let Range { start, end } = whole.place;
        let line_end = line_end(document.text());
        return Edit(vec![(start..start, "[".to_owned()), (end..end, format!(",{line_end}{entry}]"))]);
    }
    append(document, &whole, entry)
}

/// Appends to the array or object at `part`, on a line of its own where its other items are.
fn append(document: &Document, part: &Part, item: &str) -> Edit {
    let inside = &document.text()[part.place.start + 1..part.place.end - 1];
    let at = part.place.start + 1 + inside.trim_end().len();
    if inside.trim().is_empty() {
        return Edit::insert(at, item.into());
    }
    let before_first = &inside[..inside.len() - inside.trim_start().len()];
    let line_end = line_end(before_first);
    let separator = before_first.rfind(line_end).map_or(" ", |at| &before_first[at..]);
    Edit::insert(at, format!(",{separator}{item}"))
}

/// Where an entry's `accounts` name the account.
fn listed(document: &Document, entry: &Part, name: &Shortname) -> Option<Part> {
    let accounts = document.array(&document.member(entry, "accounts")?).ok()?;
    accounts.into_iter().find(|item| document.string(item).as_deref() == Some(name.as_str()))
}

/// The next thing to cut from a JSON file.
fn removal(document: &Document, name: &Shortname) -> Option<Edit> {
    document.entries().iter().find_map(|entry| {
        if let Some(item) = listed(document, entry, name) {
            return Some(cut(document, item.place));
        }
        let default = document.member(entry, "default_account")?;
        let is_it = document.string(&default).as_deref() == Some(name.as_str());
        is_it.then(|| cut(document, with_key(document.text(), default.place)))
    })
}

/// From the opening quote of a member's key to the end of its value.
fn with_key(text: &str, value: Range<usize>) -> Range<usize> {
    let key = text[..value.start].trim_end().trim_end_matches(':').trim_end().trim_end_matches('"');
    key.rfind('"').unwrap_or(value.start)..value.end
}

/// Takes an item out, together with the one comma that is too many then. Comments around it stay.
fn cut(document: &Document, item: Range<usize>) -> Edit {
    let (text, original) = (document.text(), document.original());
    let is_blank = |place: Range<usize>| original[place].trim().is_empty();
    let (before, after) = (text[..item.start].trim_end(), text[item.end..].trim_start());
    if after.starts_with(',') {
        let comma = text.len() - after.len();
        let rest = &original[comma + 1..];
        let end = original.len() - rest.trim_start().len();
        if is_blank(item.end..comma) {
            return Edit::replace(item.start..end, String::new());
        }
        return Edit::remove([item, comma..end]);
    }
    if before.ends_with(',') {
        let comma = before.len() - 1;
        if is_blank(comma + 1..item.start) {
            return Edit::replace(comma..item.end, String::new());
        }
        return Edit::remove([comma..comma + 1, item]);
    }
    Edit::replace(item, String::new())
}

/// Adds a line `<issuer> <name>` to a file of 4.x, or the name to a line that has none yet.
fn added_line(text: &str, issuer: &str, name: &Shortname) -> Option<String> {
    let of_issuer = |line: &&str| same_issuer(words(line).0, issuer);
    if text.lines().filter(of_issuer).any(|line| words(line).1 == name.as_str()) {
        return None;
    }
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if of_issuer(&line) && words(line).1.is_empty() {
            return Some(Edit::insert(at + line.trim_end().len(), format!(" {name}")).apply(text));
        }
        at += line.len();
    }
    let newline = if text.is_empty() || text.ends_with('\n') { "" } else { line_end(text) };
    Some(format!("{text}{newline}{issuer} {name}"))
}

/// How the lines of a text end.
fn line_end(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

/// Drops the account's name. The last line of its issuer stays, as a suggestion for the next account.
fn without_lines(text: &str, name: &Shortname) -> Option<String> {
    let is_its = |line: &str| words(line).1 == name.as_str();
    let mut kept = String::new();
    for line in text.split_inclusive('\n') {
        let (url, _) = words(line);
        let is_of_issuer = |line: &str| same_issuer(words(line).0, url);
        if !is_its(line) {
            kept.push_str(line);
        } else if !kept.lines().any(is_of_issuer)
            && !text.lines().any(|line| is_of_issuer(line) && !is_its(line))
        {
            kept.push_str(url);
            kept.push_str(&line[line.trim_end().len()..]);
        }
    }
    (kept != text).then_some(kept)
}

/// A line's URL and what follows the first blank: the name, which may hold blanks.
fn words(line: &str) -> (&str, &str) {
    let (url, name) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
    (url, name.trim())
}

#[cfg(test)]
mod tests;

//! Changes to a configuration that people wrote: their comments and the order of what is there stay.

use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Table, value};

/// A new entry, as far as somebody said something.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewEntry {
    /// Each key with its value, in order.
    pub texts: Vec<(&'static str, String)>,
    /// Each key with a list.
    pub lists: Vec<(&'static str, Vec<String>)>,
    /// Each key that is a flag.
    pub flags: Vec<(&'static str, bool)>,
}

/// The text with an entry at the end of its `[[file]]` tables. `Err`: the text cannot be changed, and why.
pub fn with_entry(text: &str, entry: &NewEntry) -> Result<String, String> {
    let mut document = parse(text)?;
    if text.trim().is_empty() {
        document.insert("version", value(1));
    }
    let files = document.entry("file").or_insert(Item::ArrayOfTables(ArrayOfTables::new()));
    let files = files.as_array_of_tables_mut().ok_or("its entries are not written as [[file]] tables")?;
    let mut table = Table::new();
    for (key, text) in &entry.texts {
        table.insert(key, value(text.as_str()));
    }
    for (key, list) in &entry.lists {
        table.insert(key, value(list.iter().collect::<Array>()));
    }
    for (key, flag) in &entry.flags {
        table.insert(key, value(*flag));
    }
    table.decor_mut().set_prefix("\n");
    files.push(table);
    Ok(document.to_string())
}

/// The text without the entry of that name; `None` where it has none.
pub fn without_entry(text: &str, name: &str) -> Result<Option<String>, String> {
    let mut document = parse(text)?;
    for key in ["file", "condor"] {
        let Some(tables) = document.get_mut(key).and_then(Item::as_array_of_tables_mut) else { continue };
        let is_it = |table: &Table| table.get("name").and_then(Item::as_str) == Some(name);
        let Some(at) = tables.iter().position(is_it) else { continue };
        tables.remove(at);
        if tables.is_empty() {
            document.remove(key);
        }
        return Ok(Some(document.to_string()));
    }
    Ok(None)
}

fn parse(text: &str) -> Result<DocumentMut, String> {
    text.parse().map_err(|error: toml_edit::TomlError| format!("it is not TOML: {}", error.message()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str) -> NewEntry {
        NewEntry {
            texts: vec![("name", name.into()), ("account", "cms".into()), ("path", "/t/\"x\"".into())],
            lists: vec![("scope", vec!["a".into(), "b".into()])],
            flags: vec![("newline", false)],
        }
    }

    #[test]
    fn a_first_entry_makes_the_file() {
        let text = with_entry("", &entry("eos")).expect("a text");
        assert_eq!(
            text,
            "version = 1\n\n[[file]]\nname = \"eos\"\naccount = \"cms\"\npath = '/t/\"x\"'\nscope = [\"a\", \"b\"]\nnewline = false\n"
        );
    }

    #[test]
    fn comments_and_order_stay() {
        let before = "# mine\nversion = 1\n\n[[file]] # first\nname = \"a\"\naccount = \"x\"\n[file.hook]\ncommand = [\"y\"]\n\n# last\n[accounts.x]\ncredential = \"c\"\n";
        let text = with_entry(before, &entry("b")).expect("a text");
        assert!(text.starts_with("# mine\nversion = 1\n\n[[file]] # first\n"), "{text}");
        assert!(text.contains("# last\n[accounts.x]\n"), "{text}");
        assert!(text.find("name = \"a\"") < text.find("name = \"b\""), "{text}");
        let again = without_entry(&text, "b").expect("a text").expect("it was there");
        assert_eq!(again, before);
        let without = without_entry(before, "a").expect("a text").expect("it was there");
        assert!(!without.contains("[[file]]") && without.contains("[accounts.x]"), "{without}");
        assert_eq!(without_entry(before, "c"), Ok(None));
    }

    #[test]
    fn what_is_no_configuration_is_left_alone() {
        assert!(with_entry("[[", &entry("a")).is_err());
        assert!(with_entry("file = 1", &entry("a")).is_err());
        assert!(without_entry("= 1", "a").is_err());
    }
}

use std::path::PathBuf;

use proptest::prelude::*;

use super::*;

struct Folder {
    directory: tempfile::TempDir,
}

impl Folder {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn with(text: &str) -> Self {
        let folder = Self::new();
        fs_err::write(folder.path(), text).unwrap();
        folder
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join(ISSUER_CONFIG)
    }

    fn home(&self) -> Home {
        Home::at(self.directory.path())
    }

    fn text(&self) -> String {
        fs_err::read_to_string(self.path()).unwrap()
    }

    fn add(&self, issuer: &str, name: &str) -> Result<bool, IssuersError> {
        add_account(&self.home(), issuer, &name.parse().unwrap())
    }

    fn remove(&self, name: &str) -> Result<bool, IssuersError> {
        remove_account(&self.home(), &name.parse().unwrap())
    }
}

/// As a person writes it: comments, unknown keys, own ideas of white space.
const BY_HAND: &str = r#"# my issuers
[
  {
    "issuer": "https://a.example/",   // the old one
    "frobnicate": {"x": [1,2]},
    "accounts": [ "one" , "two" ],
    "default_account": "two"
  },
  /* not yet in use */
  { "issuer": "https://b.example", "quirks": {"pkce": false} }
]
"#;

#[test]
fn adds_to_an_existing_list_and_nothing_else_changes() {
    let folder = Folder::with(BY_HAND);
    assert!(folder.add("https://a.example", "three").unwrap());
    assert_eq!(folder.text(), BY_HAND.replace(r#""two" ]"#, r#""two", "three" ]"#));
    assert!(!folder.add("https://a.example/", "three").unwrap());
}

#[test]
fn adds_a_list_to_an_issuer_without_one() {
    let folder = Folder::with(BY_HAND);
    assert!(folder.add("https://b.example/", "b").unwrap());
    assert_eq!(folder.text(), BY_HAND.replace("false} }", r#"false}, "accounts": ["b"] }"#));
}

#[test]
fn adds_an_issuer() {
    let folder = Folder::with(BY_HAND);
    assert!(folder.add("https://c.example", "c \"q\"").unwrap());
    let added = r#"{"pkce": false} },
  {"issuer":"https://c.example","accounts":["c \"q\""]}"#;
    assert_eq!(folder.text(), BY_HAND.replace(r#"{"pkce": false} }"#, added));
}

#[test]
fn removes_what_it_added() {
    for (issuer, name) in [("https://a.example/", "three"), ("https://new.example", "new")] {
        let folder = Folder::with(BY_HAND);
        folder.add(issuer, name).unwrap();
        assert!(folder.remove(name).unwrap());
        assert!(!folder.remove(name).unwrap());
        assert!(!folder.text().contains(name) || name == "new", "{}", folder.text());
        assert!(Document::parse(&folder.text()).is_ok());
    }
}

#[test]
fn removes_a_name_wherever_it_is() {
    let folder = Folder::with(BY_HAND);
    assert!(folder.remove("two").unwrap());
    let expected = BY_HAND
        .replace(r#""one" , "two" ]"#, r#""one"  ]"#)
        .replace(",\n    \"default_account\": \"two\"", "");
    assert_eq!(folder.text(), expected);

    let folder = Folder::with(
        r#"[{"issuer":"i","accounts":["x","x"],"default_account":"x","k":1},{"accounts":["x"]}]"#,
    );
    assert!(folder.remove("x").unwrap());
    assert_eq!(folder.text(), r#"[{"issuer":"i","accounts":[],"k":1},{"accounts":[]}]"#);
}

#[test]
fn a_single_object_becomes_a_list_when_it_has_to() {
    let folder = Folder::with(r#" {"issuer":"https://a.example"} "#);
    assert!(folder.add("https://a.example/", "a").unwrap());
    assert_eq!(folder.text(), r#" {"issuer":"https://a.example", "accounts": ["a"]} "#);
    assert!(folder.add("https://b.example", "b").unwrap());
    let objects = Document::parse(&folder.text()).unwrap().objects();
    assert_eq!(objects.len(), 2);
}

/// A single object as a person writes it.
const ONE_BY_HAND: &str = r#"# mine
{ // the only one
  "issuer": "https://a.example/", /* with a slash */
  "accounts": [
    "one", // at work
    /* at home */ "two"
    // no more
  ],
  "default_account": "two" // mostly
}
// end
"#;

fn comments(text: &str) -> Vec<&str> {
    let known = [
        "# mine",
        "// the only one",
        "/* with a slash */",
        "// at work",
        "/* at home */",
        "// no more",
        "// mostly",
        "// end",
    ];
    known.into_iter().filter(|comment| text.contains(comment)).collect()
}

#[test]
fn comments_outlive_every_change() {
    let all = comments(ONE_BY_HAND);
    assert_eq!(all.len(), 8);
    let folder = Folder::with(ONE_BY_HAND);
    assert!(folder.add("https://a.example", "three").unwrap());
    assert_eq!(comments(&folder.text()), all);
    // The object becomes a list.
    assert!(folder.add("https://b.example", "four").unwrap());
    assert_eq!(comments(&folder.text()), all, "{}", folder.text());
    assert_eq!(Document::parse(&folder.text()).unwrap().objects().len(), 2);
    for name in ["one", "two", "four", "three"] {
        assert!(folder.remove(name).unwrap());
        assert_eq!(comments(&folder.text()), all, "without {name}: {}", folder.text());
        assert!(!folder.remove(name).unwrap());
    }
    assert_eq!(Document::parse(&folder.text()).unwrap().objects().len(), 2);
}

#[test]
fn a_new_file_is_json_and_private() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    assert!(!folder.remove("a").unwrap());
    assert!(!folder.path().exists());
    assert!(folder.add("https://a.example", "a").unwrap());
    let parsed: Value = serde_json::from_str(&folder.text()).unwrap();
    assert_eq!(parsed, json!([{ "issuer": "https://a.example", "accounts": ["a"] }]));
    assert_eq!(fs_err::metadata(folder.path()).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn text_of_4_x_stays_text() {
    let folder = Folder::with("https://a.example/ one\nhttps://b.example");
    assert!(folder.add("https://a.example/", "two").unwrap());
    assert!(folder.add("https://b.example/", "b b").unwrap());
    assert!(!folder.add("https://b.example", "b b").unwrap());
    assert_eq!(folder.text(), "https://a.example/ one\nhttps://b.example b b\nhttps://a.example/ two");
    assert!(folder.remove("one").unwrap());
    assert!(folder.remove("two").unwrap());
    assert!(folder.remove("b b").unwrap());
    assert!(!folder.remove("b b").unwrap());
    assert_eq!(folder.text(), "https://b.example\nhttps://a.example/");

    let created_by_4_2_6 = Folder::with("");
    assert!(created_by_4_2_6.add("https://a.example/", "a").unwrap());
    assert_eq!(created_by_4_2_6.text(), "https://a.example/ a");
}

#[test]
fn a_file_that_does_not_parse_is_left() {
    for text in
        ["[{\"issuer\":\"https://a.example/\"},", "[1,2", "{\"issuer\":1", "nonsense\nmore", "[{}] trailing"]
    {
        let folder = Folder::with(text);
        for done in [folder.add("https://a.example/", "a"), folder.remove("a")] {
            assert!(matches!(done, Err(IssuersError::Problem(_))), "{text}");
        }
        assert_eq!(folder.text(), text);
    }
}

#[test]
fn a_linked_file_stays_linked() {
    let (folder, elsewhere) = (Folder::new(), Folder::with(BY_HAND));
    std::os::unix::fs::symlink(elsewhere.path(), folder.path()).unwrap();
    assert!(folder.add("https://a.example", "three").unwrap());
    assert!(fs_err::symlink_metadata(folder.path()).unwrap().is_symlink());
    assert!(elsewhere.text().contains("three"));
}

/// Pieces that make up such files, in any order.
fn any_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("["),
        Just("]"),
        Just("{"),
        Just("}"),
        Just(","),
        Just(":"),
        Just("\n"),
        Just(" "),
        Just("\""),
        Just("\\"),
        Just("# x\n"),
        Just("// é\n"),
        Just("/* \" */"),
        Just("/* keep */"),
        Just("\"issuer\":\"https://a/\""),
        Just("\"accounts\":["),
        Just("\"n\""),
        Just("\"default_account\" : \"n\""),
        Just("https://a/ n"),
        Just("https://b/"),
        Just("1"),
        Just("é"),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn whatever_the_file_an_edit_does_what_it_says_or_nothing(text in any_text()) {
        let name = "n".parse().unwrap();
        let plan = |text: &str| -> Result<Option<String>, String> {
            let document = Document::parse(text)?;
            Ok(match document.form() {
                Form::Array | Form::Object => addition(&document, "https://a/", &name).map(|edit| edit.apply(text)),
                Form::Lines | Form::Empty => added_line(text, "https://a/", &name),
            })
        };
        if let Ok(Some(added)) = plan(&text) {
            prop_assert_eq!(plan(&added), Ok(None), "{} became {}", text, added);
            prop_assert!(added.matches("/* keep */").count() >= text.matches("/* keep */").count(), "{}", added);
        }
        let folder = Folder::with(&text);
        if folder.remove("n").is_ok() {
            let left = folder.text();
            prop_assert!(Document::parse(&left).is_ok(), "{} became {}", text, left);
            prop_assert!(!folder.remove("n").unwrap());
        }
    }
}

/// A file with the line ends of Windows is edited as the same file with ours, and keeps its own.
#[test]
fn line_ends_are_the_files_own() {
    let object =
        "{\n  \"issuer\": \"https://a.example/\",\n  \"accounts\": [\n    \"one\",\n    \"two\"\n  ]\n}\n";
    let lines = "https://a.example/ one\nhttps://b.example/\n# note\nhttps://a.example/ two";
    for text in [BY_HAND, object, lines] {
        for (issuer, name) in [
            ("https://a.example/", "three"),
            ("https://b.example/", "three"),
            ("https://c.example/", "three"),
            ("", "one"),
            ("", "two"),
        ] {
            let edited = |text: &str| {
                let folder = Folder::with(text);
                let changed = if issuer.is_empty() { folder.remove(name) } else { folder.add(issuer, name) };
                assert!(changed.unwrap(), "{issuer} {name}\n{text}");
                folder.text()
            };
            let expected = edited(text).replace('\n', "\r\n");
            assert_eq!(edited(&text.replace('\n', "\r\n")), expected, "{issuer} {name}");
        }
    }
}

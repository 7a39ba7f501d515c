//! The table server × step between the markers of `docs/providers.md`; what stands around it is written by people.

use std::fmt::Write;

use oidc_tests::programs::workspace;

use crate::{
    outcome::{Column, Outcome},
    steps::STEPS,
};

const BEGIN: &str = "<!-- written by `make interop` -->\n";
const END: &str = "<!-- end of what `make interop` writes -->\n";

/// Replaces the table in the document.
///
/// # Panics
/// When the document has no markers.
pub fn write(columns: &[&Column]) {
    let path = workspace().join("docs/providers.md");
    let text = fs_err::read_to_string(&path).expect("docs/providers.md");
    let (before, rest) = text.split_once(BEGIN).expect("a marker at the table's begin");
    let (_, after) = rest.split_once(END).expect("a marker at the table's end");
    let text = format!("{before}{BEGIN}\n{}\n{END}{after}", table(columns));
    fs_err::write(path, text).expect("a written document");
}

fn table(columns: &[&Column]) -> String {
    let mut remarks: Vec<&str> = Vec::new();
    let mut text = String::from("| Step |");
    for column in columns {
        write!(text, " {} |", column.server).expect("a string");
    }
    text.push_str("\n| --- |");
    text.push_str(&" --- |".repeat(columns.len()));
    for (row, step) in STEPS.iter().enumerate() {
        write!(text, "\n| {} |", step.name).expect("a string");
        for column in columns {
            let cell = match &column.outcomes[row].outcome {
                Outcome::Works => "works".to_owned(),
                Outcome::NotOffered(why) => format!("not offered ({})", number(&mut remarks, why)),
                Outcome::Known { what, .. } => format!("**does not work** ({})", number(&mut remarks, what)),
                Outcome::Unexpected(_) => unreachable!("a run with failures writes no table"),
            };
            write!(text, " {cell} |").expect("a string");
        }
    }
    text.push('\n');
    for (index, remark) in remarks.iter().enumerate() {
        write!(text, "\n{}. {remark}", index + 1).expect("a string");
    }
    if !remarks.is_empty() {
        text.push('\n');
    }
    text
}

/// The number of a remark, which is new or was made before.
fn number<'a>(remarks: &mut Vec<&'a str>, remark: &'a str) -> usize {
    let known = remarks.iter().position(|known| *known == remark);
    known.unwrap_or_else(|| {
        remarks.push(remark);
        remarks.len() - 1
    }) + 1
}

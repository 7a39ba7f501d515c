//! The table in `docs/performance.md`, between its marks.

use anyhow::{Context, Result};
use oidc_tests::programs::workspace;

use crate::{machine::Busy, say, table::Table};

const BEGIN: &str = "<!-- The table of `make bench` begins. -->\n";
const END: &str = "<!-- The table of `make bench` ends. -->\n";

/// Replaces what stands between the marks.
pub fn write(table: &Table, busy: Option<&Busy>) -> Result<()> {
    let path = format!("{}/docs/performance.md", workspace().display());
    let page = fs_err::read_to_string(&path)?;
    let (before, rest) =
        page.split_once(BEGIN).context("docs/performance.md has no mark for the table's beginning")?;
    let (_, after) = rest.split_once(END).context("docs/performance.md has no mark for the table's end")?;
    let text = text(table, busy);
    fs_err::write(&path, format!("{before}{BEGIN}{text}{END}{after}"))?;
    say(&format!("bench: written to {path}"));
    Ok(())
}

fn text(table: &Table, busy: Option<&Busy>) -> String {
    let mut text = String::from("\n");
    if let Some(busy) = busy {
        text.extend(["Not of a quiet machine: ", &busy.to_string(), ".\n\n"]);
    }
    text.push_str("| | ours | C 4.2.6 | bare |\n| --- | ---: | ---: | ---: |\n");
    for row in &table.rows {
        let [ours, c, bare] = &row.cells;
        text.extend(["| ", &row.name, " | ", ours, " | ", c, " | ", bare, " |\n"]);
    }
    text.push('\n');
    text
}

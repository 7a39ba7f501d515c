//! The rooms of a crate, from top to bottom, and names that are taken from further up.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::Arrows;

/// The rooms of one crate: each takes names only from those on lines below its own.
///
/// A room is a module right below the crate's root with all below it, or a deeper one, written `room/inner`. The roots
/// (`lib.rs`, `main.rs` and other programs) are above all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    lines: Vec<Vec<String>>,
}

/// A name that is taken from a room that is not further down. Shown as one line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Upward {
    /// The file that names it.
    pub from: String,
    /// The file that defines it.
    pub to: String,
    /// The paths, as they are written.
    pub names: BTreeSet<String>,
}

/// The line that begins the block of a crate, before its name.
const HEADING: &str = "rooms of ";

impl Order {
    /// The order that a Markdown document gives for a crate: a fenced block whose first line is `rooms of CRATE`, then
    /// one line for each level, the topmost first. Rooms on one line know nothing of each other. What follows two
    /// spaces after the rooms is for the reader.
    pub fn from_document(document: &str, name: &str) -> Option<Self> {
        let mut lines = document.lines().skip_while(|line| line.strip_prefix(HEADING) != Some(name)).skip(1);
        let rooms = lines.by_ref().take_while(|line| !line.starts_with("```"));
        let rooms = rooms.map(|line| {
            let rooms = line.split("  ").next().unwrap_or_default();
            rooms.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
        });
        let lines: Vec<Vec<String>> = rooms.filter(|rooms| !rooms.is_empty()).collect();
        (!lines.is_empty()).then_some(Self { lines })
    }

    /// An order that the arrows would keep, if there is one: rooms are the modules right below the root.
    pub fn suggested(arrows: &Arrows) -> Option<Self> {
        let mut below: BTreeMap<String, BTreeSet<String>> =
            arrows.files.difference(&arrows.roots).map(|file| (top(file), BTreeSet::new())).collect();
        for (from, to) in arrows.names.keys() {
            if !arrows.roots.contains(from) && !arrows.roots.contains(to) && top(from) != top(to) {
                below.entry(top(from)).or_default().insert(top(to));
            }
        }
        let mut lines = Vec::new();
        while !below.is_empty() {
            let needed: BTreeSet<String> = below.values().flatten().cloned().collect();
            let free: Vec<String> = below.keys().filter(|room| !needed.contains(*room)).cloned().collect();
            if free.is_empty() {
                return None;
            }
            below.retain(|room, _| !free.contains(room));
            lines.push(free);
        }
        Some(Self { lines })
    }

    /// The files that are in no room.
    pub fn homeless(&self, arrows: &Arrows) -> Vec<String> {
        let files = arrows.files.difference(&arrows.roots);
        files.filter(|file| self.line_of(file).is_none()).cloned().collect()
    }

    /// The rooms that no file is in.
    pub fn empty(&self, arrows: &Arrows) -> Vec<String> {
        let is_empty = |room: &&String| !arrows.files.iter().any(|file| is_in(file, room));
        self.lines.iter().flatten().filter(is_empty).cloned().collect()
    }

    /// The names that are taken from a room on the same line or further up.
    pub fn upward(&self, arrows: &Arrows) -> Vec<Upward> {
        let is_upward = |from: &str, to: &str| match (self.line_of(from), self.line_of(to)) {
            (Some((from_line, from_room)), Some((to_line, to_room))) => {
                from_room != to_room && to_line <= from_line
            }
            // A root is above all rooms.
            (Some(_), None) => arrows.roots.contains(to),
            _ => false,
        };
        let upward = arrows.names.iter().filter(|((from, to), _)| is_upward(from, to));
        let upward = upward.map(|((from, to), names)| Upward {
            from: from.clone(),
            to: to.clone(),
            names: names.clone(),
        });
        upward.collect()
    }

    /// The line of a file and its room there: the innermost one that is listed.
    fn line_of(&self, file: &str) -> Option<(usize, &str)> {
        let rooms = self.lines.iter().enumerate();
        let rooms = rooms.flat_map(|(line, rooms)| rooms.iter().map(move |room| (line, room.as_str())));
        rooms.filter(|(_, room)| is_in(file, room)).max_by_key(|(_, room)| room.len())
    }
}

fn is_in(file: &str, room: &str) -> bool {
    file.strip_prefix(room).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

/// The room of a file: the module right below the root.
fn top(file: &str) -> String {
    let top = file.split('/').next().unwrap_or(file);
    top.strip_suffix(".rs").unwrap_or(top).to_owned()
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|rooms| writeln!(f, "{}", rooms.join(" ")))
    }
}

impl fmt::Display for Upward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        write!(f, "{} takes from further up, {}: {}", self.from, self.to, names.join(", "))
    }
}

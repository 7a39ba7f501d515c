//! No file uses names of a file that, over any number of others, uses names of its own; and no room of a crate knows those
//! above it. The order of the rooms stands in `ARCHITECTURE.md`.
//!
//! `cargo run -p oidc-tests --bin import-circles` tells the same of any checkout, and suggests an order.

use std::fmt::Write;

use oidc_tests::{
    imports::{Arrows, Order, read_files},
    programs::workspace,
};

/// Everything that is wrong with the imports of a crate, a line each.
fn faults(directory: &str, package: &str) -> String {
    let root = workspace();
    let files = read_files(&root.join(directory).join("src")).expect("the sources");
    let arrows = Arrows::of(package, &files).expect("imports that can be followed");
    assert!(arrows.names.len() > 20, "{directory} has hardly any imports: is this its source?");
    let mut faults = String::new();
    for circle in arrows.circles() {
        write!(faults, "{circle}").expect("room in memory");
    }
    let document = fs_err::read_to_string(root.join("ARCHITECTURE.md")).expect("the document");
    let Some(order) = Order::from_document(&document, directory) else {
        writeln!(faults, "ARCHITECTURE.md has no block `rooms of {directory}`").expect("room in memory");
        return faults;
    };
    for upward in order.upward(&arrows) {
        writeln!(faults, "{upward}").expect("room in memory");
    }
    for file in order.homeless(&arrows) {
        writeln!(faults, "{file} is in no room that ARCHITECTURE.md lists").expect("room in memory");
    }
    for room in order.empty(&arrows) {
        writeln!(faults, "ARCHITECTURE.md lists the room {room}, which does not exist")
            .expect("room in memory");
    }
    faults
}

#[test]
fn names_come_from_further_down_and_never_in_a_circle() {
    let mut all = String::new();
    for (directory, package) in [("proto", "oidc-proto"), ("agent", "oidc-agent"), ("client", "oidc-client")]
    {
        let faults = faults(directory, package);
        if !faults.is_empty() {
            write!(all, "{directory}:\n{faults}").expect("room in memory");
        }
    }
    assert!(all.is_empty(), "{all}");
}

//! `import-circles [ROOT]`: the circles among the files of each crate of a checkout, names taken from a room further up,
//! and an order of rooms that the imports would keep.

#![allow(clippy::print_stdout, reason = "what it found is its output")]

use std::{env, path::PathBuf, process::ExitCode};

use anyhow::Context;
use oidc_tests::{
    imports::{Arrows, Order, read_files},
    programs::workspace,
};

fn main() -> anyhow::Result<ExitCode> {
    let root = env::args_os().nth(1).map_or_else(|| workspace().to_owned(), PathBuf::from);
    let document = fs_err::read_to_string(root.join("ARCHITECTURE.md"))?;
    let mut is_clean = true;
    for (name, directory) in [("oidc-proto", "proto"), ("oidc-agent", "agent"), ("oidc-client", "client")] {
        let files = read_files(&root.join(directory).join("src"))?;
        let arrows = Arrows::of(name, &files).with_context(|| directory.to_owned())?;
        let circles = arrows.circles();
        println!("{directory}: {} files, {} circles", arrows.files.len(), circles.len());
        for circle in &circles {
            print!("{circle}");
        }
        is_clean &= circles.is_empty();
        match Order::from_document(&document, directory) {
            Some(order) => {
                for upward in order.upward(&arrows) {
                    println!("{upward}");
                    is_clean = false;
                }
                for (what, which) in
                    [("in no room", order.homeless(&arrows)), ("no such room", order.empty(&arrows))]
                {
                    if !which.is_empty() {
                        println!("{what}: {}", which.join(", "));
                        is_clean = false;
                    }
                }
            }
            None => match Order::suggested(&arrows) {
                Some(order) => print!("ARCHITECTURE.md gives no order; possible is\n{order}"),
                None => println!("the rooms go round in a circle, so there is no order of them"),
            },
        }
        println!();
    }
    Ok(if is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

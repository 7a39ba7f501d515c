//! Every decoder, with the seeds of its fuzz target, with what was found before, and with each of them cut and changed.

use std::path::Path;

use oidc_tests::{decoders::CHECKS, programs::workspace};

/// The bytes a decoder is tried with first.
fn seeds(name: &str) -> Vec<Vec<u8>> {
    let fixtures = workspace().join("tests/fixtures");
    let found = fixtures.join("decoders").join(name);
    let folders = match name {
        "vault" => vec![fixtures.join("accounts/ok"), fixtures.join("accounts/bad"), found],
        "token" => vec![fixtures.join("tokens"), found],
        "framing" | "message" => vec![fixtures.join("ipc"), found],
        _ => vec![found],
    };
    folders.iter().flat_map(|folder| files(folder)).collect()
}

fn files(folder: &Path) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path()).filter(|path| path.is_file());
    paths.map(|path| fs_err::read(path).expect("a seed")).collect()
}

/// A few neighbours of a seed: halves, a byte gone, a byte changed, twice the same.
fn neighbours(seed: &[u8]) -> Vec<Vec<u8>> {
    let middle = seed.len() / 2;
    let mut changed = seed.to_vec();
    if let Some(byte) = changed.get_mut(middle) {
        *byte ^= 0x20;
    }
    let without = seed.iter().enumerate().filter(|(at, _)| *at != middle).map(|(_, byte)| *byte).collect();
    vec![seed.to_vec(), seed[..middle].to_vec(), seed[middle..].to_vec(), without, changed, seed.repeat(2)]
}

#[test]
fn seeds_and_findings_are_survived() {
    for (name, check) in CHECKS {
        let seeds = seeds(name);
        assert!(seeds.len() >= 3, "{name} has {} seeds", seeds.len());
        seeds.iter().flat_map(|seed| neighbours(seed)).for_each(|bytes| check(&bytes));
    }
}

#[test]
fn every_target_is_fuzzed_and_listed() {
    let manifest = fs_err::read_to_string(workspace().join("fuzz/Cargo.toml")).expect("the manifest");
    let readme = fs_err::read_to_string(workspace().join("fuzz/README.md")).expect("the list");
    let script = fs_err::read_to_string(workspace().join("scripts/fuzz.sh")).expect("the script");
    for (name, _) in CHECKS {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
        assert!(readme.contains(&format!("| `{name}` |")), "{name}");
        assert!(script.contains(name), "{name}");
        assert!(workspace().join(format!("fuzz/fuzz_targets/{name}.rs")).exists(), "{name}");
    }
}

//! Runs each seed through its target, without the fuzzer.

use std::fs;
use std::path::{Path, PathBuf};

use appsec_fuzz::TARGETS;

/// The folders with the seeds of a target: its own, and the response fixtures of its crate.
fn folders(target: &str) -> Vec<PathBuf> {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut folders = vec![fuzz.join("seeds").join(target)];
    let fixtures = |client: &str| fuzz.join("..").join(client).join("fixtures");
    match target {
        "splitter" => folders.extend([fixtures("salt-client"), fixtures("tenable-was-client")]),
        _ if target.starts_with("tenable_") => folders.push(fixtures("tenable-was-client")),
        "salt_findings" | "salt_responses" => folders.push(fixtures("salt-client")),
        _ => {}
    }
    folders
}

#[test]
fn every_seed_passes_its_target() {
    for (name, target) in TARGETS {
        let mut seeds = 0;
        for folder in folders(name) {
            let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
            for file in files.map(|file| file.unwrap().path()).filter(|path| path.is_file()) {
                eprintln!("{name}: {}", file.display());
                target(&fs::read(file).unwrap());
                seeds += 1;
            }
        }
        assert!(seeds > 0, "{name} has no seeds");
        println!("{name}: {seeds} seeds");
    }
}

#[test]
fn every_target_is_in_the_table() {
    let targets = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz_targets")).unwrap();
    let mut files: Vec<_> =
        targets.map(|file| file.unwrap().path().file_stem().unwrap().to_owned()).collect();
    files.sort();
    assert_eq!(files, TARGETS.iter().map(|(name, _)| *name).collect::<Vec<_>>());
}

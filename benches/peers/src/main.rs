//! The log beside what it stands on: Coven's own, a raw file, SQLite and fjall on the same disk.
//!
//! Events are of 1 KiB and over 64 sessions unless a measure says otherwise, and every append is
//! acknowledged after a disk sync. See benches/README.md for what each measure is.

mod append;
#[path = "../../support/corpus.rs"]
mod corpus;
mod coven;
mod deletion;
mod figures;
mod fjall;
mod log;
#[path = "../../support/payload.rs"]
mod payload;
mod producers;
mod raw;
mod replay;
mod rest;
mod scale;
mod sqlite;
mod sustained;

use std::path::{Path, PathBuf};

use figures::Payload;

const SESSIONS: usize = 64;
const EVENT_BYTES: usize = 1024;

const USAGE: &str = "usage: coven-peers FOLDER append|sustained|producers|replay|rest|deletion|scale... (on a real disk)";

fn main() {
    // As the daemon does.
    coven_harness::keep_few_arenas();
    let mut words = std::env::args().skip(1);
    let folder = PathBuf::from(words.next().expect(USAGE));
    let measures: Vec<String> = words.collect();
    assert!(!measures.is_empty(), "{USAGE}");
    for measure in measures {
        if measure == scale::WRITER {
            scale::write_until_killed(&folder);
        } else if measure == scale::READER {
            scale::read_what_was_filled(&folder);
        } else if measure == rest::LOADED {
            rest::be_loaded_and_rest(&folder);
        } else if measure == "scale" {
            in_a_folder(&folder, scale::run);
        } else {
            for payload in [Payload::Recorded, Payload::Noise] {
                in_a_folder(&folder, |folder| match measure.as_str() {
                    "append" => append::run(folder, payload),
                    "sustained" => sustained::run(folder, payload),
                    "producers" => producers::run(folder, payload),
                    "replay" => replay::run(folder, payload),
                    "rest" => rest::run(folder, payload),
                    "deletion" => deletion::run(folder, payload),
                    _ => panic!("{USAGE}"),
                });
            }
        }
    }
}

/// Gives `work` an empty folder, and takes it away afterwards.
fn in_a_folder(parent: &Path, work: impl FnOnce(&Path)) {
    let folder = parent.join("log");
    std::fs::create_dir_all(&folder).expect("a folder");
    work(&folder);
    std::fs::remove_dir_all(&folder).expect("it is ours");
}

//! Pages that something else was written over, beyond what could be put right: for tests of who meets such ones.

use std::fs;
use std::path::Path;

use super::page::{PAGE, children};
use super::reordered::first_page;
use super::{RawFile, Snapshot};
use crate::file::OsDisk;

/// Writes over the first page of a table.
pub(crate) fn overwrite_first_page(path: &Path, table: &str) {
    let (at, _, _) = first_page(&open(path), table);
    overwrite(path, at);
}

/// Writes over one of the leaves of a table that its first page leads to.
pub(crate) fn overwrite_leaf(path: &Path, table: &str, leaf: usize) {
    let snapshot = open(path);
    let (at, len_bytes, widths) = first_page(&snapshot, table);
    let first = snapshot.file.read(at as u64, len_bytes);
    let first = first.expect("it is there");
    let number = children(&first, widths)[leaf].root.page;
    let (at, _) = number
        .span(snapshot.header.geometry)
        .expect("it is in the file");
    drop(snapshot);
    overwrite(path, usize::try_from(at).expect("a small file"));
}

fn open(path: &Path) -> Snapshot {
    Snapshot::at_last(RawFile::open(&OsDisk, path).expect("it is not open"))
}

fn overwrite(path: &Path, at: usize) {
    let mut file = fs::read(path).expect("a file");
    file[at..at + PAGE].fill(0x77);
    fs::write(path, file).expect("a write");
}

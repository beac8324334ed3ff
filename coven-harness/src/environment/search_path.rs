//! Two PATHs in one.

use std::collections::HashSet;
use std::env::{join_paths, split_paths};
use std::ffi::{OsStr, OsString};

/// The directories of `first`, in order, then those that only `second` has.
pub fn search_path(first: &OsStr, second: &OsStr) -> OsString {
    let mut seen = HashSet::new();
    let directories = split_paths(first)
        .chain(split_paths(second))
        .filter(|directory| seen.insert(directory.clone()));
    // What was split at the separators holds none.
    join_paths(directories).unwrap_or_else(|_| first.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_paths_hold_each_directory_once_and_the_first_path_leads() {
        let joined = search_path(OsStr::new("/login:/both"), OsStr::new("/own:/both:/last"));
        assert_eq!(joined, "/login:/both:/own:/last");
    }
}

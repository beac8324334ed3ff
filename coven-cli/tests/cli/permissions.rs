//! A `coven` whom the modes of files bind, whoever runs the tests.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::not_run::not_run;

/// A program that is `coven`, in a directory of its own; `None` where there can be none here.
pub(crate) fn coven_bound_by_modes() -> Option<(TempDir, PathBuf)> {
    let coven = env!("CARGO_BIN_EXE_coven");
    let directory = tempfile::tempdir().unwrap();
    if !rustix::process::geteuid().is_root() {
        return Some((directory, coven.into()));
    }
    let without = "--bounding-set=-dac_override,-dac_read_search";
    if !Command::new("setpriv")
        .args([without, "true"])
        .status()
        .is_ok_and(|ended| ended.success())
    {
        not_run("this is root, whom no mode binds, and setpriv cannot make it so");
        return None;
    }
    let program = directory.path().join("coven");
    let script = format!("#!/bin/sh\nexec setpriv {without} {coven} \"$@\"\n");
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
    Some((directory, program))
}

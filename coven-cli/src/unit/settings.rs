//! What a unit, with its drop-ins, says of one setting.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Which processes of the service are told to end with it: the word in the unit at `file` and in
/// the drop-ins beside it, the last of which holds; systemd's default where there is none.
///
/// # Errors
/// When the unit cannot be read. A drop-in that cannot is as none.
pub(crate) fn kill_mode(file: &Path) -> io::Result<String> {
    let mut mode = value(&fs::read_to_string(file)?, "KillMode");
    for drop_in in drop_ins(file) {
        let text = fs::read_to_string(drop_in).unwrap_or_default();
        mode = value(&text, "KillMode").or(mode);
    }
    Ok(mode.unwrap_or_else(|| "control-group".to_owned()))
}

fn drop_ins(file: &Path) -> Vec<PathBuf> {
    let mut folder = file.as_os_str().to_owned();
    folder.push(".d");
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension() == Some(OsStr::new("conf")))
        .collect();
    files.sort_unstable();
    files
}

/// The last value of a key of `[Service]`.
fn value(text: &str, key: &str) -> Option<String> {
    let mut section = "";
    let mut last = None;
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            section = line;
        } else if section == "[Service]"
            && let Some((name, value)) = line.split_once('=')
            && name.trim_end() == key
        {
            last = Some(value.trim_start().to_owned());
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_the_unit_and_its_drop_ins_holds() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x.service");
        let drop_in = |name: &str, text: &str| {
            let folder = dir.path().join("x.service.d");
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(name), text).unwrap();
        };
        let says = |text: &str| {
            fs::write(&file, text).unwrap();
            kill_mode(&file).unwrap()
        };
        assert_eq!(says("[Unit]\nKillMode=none\n"), "control-group");
        assert_eq!(says("[Service]\n#KillMode=none\n"), "control-group");
        assert_eq!(
            says("[Service]\nKillMode = process\n[Install]\n"),
            "process"
        );
        drop_in("b.conf", "[Service]\nKillMode=mixed\n");
        drop_in("a.conf", "[Service]\nKillMode=none\n");
        drop_in("c.conf", "[Service]\nRestart=no\n");
        drop_in("d.txt", "[Service]\nKillMode=none\n");
        assert_eq!(says("[Service]\nKillMode=process\n"), "mixed");
        assert!(kill_mode(&dir.path().join("none")).is_err());
    }
}

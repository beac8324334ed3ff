//! Finding an executable in a given PATH.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

/// The first executable file called `program` in the directories of `path`, which is a PATH: the
/// session's, not this process's. A `program` with a slash is a path already and only checked;
/// relative ones, and relative directories in `path`, are passed over, since which directory they
/// mean depends on who asks. Blocks for a few looks at the file system.
pub fn lookup(program: impl AsRef<Path>, path: &OsStr) -> Option<PathBuf> {
    let program = program.as_ref();
    if program.is_absolute() {
        return is_executable(program).then(|| program.to_owned());
    }
    if program.components().count() != 1 {
        return None;
    }
    std::env::split_paths(path)
        .filter(|directory| directory.is_absolute())
        .map(|directory| directory.join(program))
        .find(|candidate| is_executable(candidate))
}

fn is_executable(path: &Path) -> bool {
    path.is_file() && access(path, Access::EXEC_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn file(directory: &Path, name: &str, mode: u32) {
        fs::create_dir_all(directory).unwrap();
        fs::write(directory.join(name), "").unwrap();
        fs::set_permissions(directory.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn the_first_executable_file_in_that_path_is_found() {
        let home = tempfile::tempdir().unwrap();
        let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| home.path().join(name));
        fs::create_dir_all(a.join("tool")).unwrap();
        file(&b, "tool", 0o644);
        file(&c, "tool", 0o755);
        file(&d, "tool", 0o755);
        let path = std::env::join_paths([&a, &b, &c, &d]).unwrap();
        assert_eq!(lookup("tool", &path), Some(c.join("tool")));
        assert_eq!(lookup("other", &path), None);
        assert_eq!(lookup(d.join("tool"), OsStr::new("")), Some(d.join("tool")));
        assert_eq!(lookup(b.join("tool"), &path), None);
    }

    #[test]
    fn nothing_relative_is_found() {
        let home = tempfile::tempdir().unwrap();
        file(home.path(), "tool", 0o755);
        let path = std::env::join_paths([home.path()]).unwrap();
        for program in ["", ".", "..", "./tool", "../tool", "x/tool"] {
            assert_eq!(lookup(program, &path), None, "{program:?}");
        }
        assert_eq!(lookup("Cargo.toml", OsStr::new("")), None);
        assert_eq!(lookup("tool", OsStr::new(".:")), None);
    }
}

//! Where a session runs: the project's root, and a directory within it.

use std::path::{Path, PathBuf};

use coven_http::wire::SessionRecord;

use crate::failure::Failure;

/// Both as absolute paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::command) struct Place {
    /// The project's root.
    pub(in crate::command) project: String,
    /// The working directory.
    pub(in crate::command) cwd: String,
}

/// The place that the arguments and the current directory say. Whether it exists, and whether one
/// is within the other, is the engine's to check.
///
/// # Errors
/// When there is no current directory, or a path is not text.
pub(in crate::command) fn find(project: Option<&str>, cwd: Option<&str>) -> Result<Place, Failure> {
    let here = std::env::current_dir().map_err(|error| {
        Failure::failed(format!("the current directory cannot be used: {error}"))
    })?;
    let project = match project {
        Some(project) => here.join(project),
        None => root_above(&here),
    };
    let cwd = match cwd {
        Some(cwd) => here.join(cwd),
        None if is_within(&here, &project) => here,
        None => project.clone(),
    };
    Ok(Place {
        project: text(project)?,
        cwd: text(cwd)?,
    })
}

/// Where an earlier session ran.
pub(in crate::command) fn of(session: &SessionRecord) -> Place {
    let project = session.project_root.clone();
    let cwd = session.cwd.clone().unwrap_or_else(|| project.clone());
    Place { project, cwd }
}

/// The nearest directory upwards that holds `.git` (a directory, or a worktree's file).
fn root_above(start: &Path) -> PathBuf {
    let root = start
        .ancestors()
        .find(|directory| directory.join(".git").exists());
    root.unwrap_or(start).to_owned()
}

fn is_within(inner: &Path, outer: &Path) -> bool {
    match (inner.canonicalize(), outer.canonicalize()) {
        (Ok(inner), Ok(outer)) => inner.starts_with(outer),
        _ => false,
    }
}

fn text(path: PathBuf) -> Result<String, Failure> {
    path.into_os_string().into_string().map_err(|path| {
        Failure::usage(format!(
            "{} is not UTF-8, and a project's path must be",
            Path::new(&path).display()
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_project_is_the_nearest_directory_with_git_and_else_the_start() {
        let top = tempfile::tempdir().unwrap();
        let deep = top.path().join("a/b/c");
        std::fs::create_dir_all(&deep).unwrap();
        // Somebody's temporary directory may be within a repository.
        let outside = root_above(&deep);
        assert!(outside == deep || !outside.starts_with(top.path()));
        std::fs::create_dir(top.path().join("a/.git")).unwrap();
        assert_eq!(root_above(&deep), top.path().join("a"));
        std::fs::write(top.path().join("a/b/.git"), "gitdir: elsewhere").unwrap();
        assert_eq!(root_above(&deep), top.path().join("a/b"));
    }
}

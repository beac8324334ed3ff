//! What a harness has configured for a user, as far as its own files tell.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use crate::user_files::{self, Warnings};

pub use crate::user_files::{Warning, WarningKind};

/// Bytes of a skill's file that are looked at for its name and description.
const HEAD_BYTES: u64 = 8 * 1024;

/// Characters of a name or a description that are told.
const MAX_CHARS: usize = 500;

/// Folders of commands that are looked into, and files in all of them together.
const MAX_FOLDERS: usize = 64;
const MAX_FILES: usize = 1000;

/// What a harness has configured for a user. Where it has nothing, or nothing is known of where
/// to look, all of it is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HarnessCapabilities {
    /// The instructions it gives its model in every project.
    pub global_instructions: Option<GlobalInstructions>,
    /// What users, or the model, can call by name.
    pub skills: Vec<Skill>,
    /// What extends it.
    pub plugins: Vec<Plugin>,
    /// What could not be read.
    pub warnings: Vec<Warning>,
}

/// A file of instructions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GlobalInstructions {
    /// Where it is.
    pub path: PathBuf,
    /// Its length in bytes.
    pub byte_count: u64,
}

/// Something that can be called by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skill {
    /// What it is called by; unique among those of its kind.
    pub id: String,
    /// What it calls itself, which is its id where it does not say.
    pub name: String,
    /// What it is for, where it says so.
    pub description: Option<String>,
    /// Which kind.
    pub kind: SkillKind,
    /// Its file.
    pub path: PathBuf,
}

/// A kind of skill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SkillKind {
    /// A folder with a `SKILL.md`.
    Skill,
    /// A prompt that users call by a slash and its name.
    Command,
    /// An agent that the harness can hand work to.
    Agent,
}

/// Something that extends a harness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plugin {
    /// What the harness calls it.
    pub id: String,
    /// Which kind.
    pub kind: PluginKind,
    /// Whether it is on.
    pub enabled: bool,
}

/// A kind of plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PluginKind {
    /// A package of skills, commands and the like.
    Plugin,
    /// A server of tools.
    McpServer,
}

impl SkillKind {
    /// The word clients see.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Skill => "skill",
            Self::Command => "command",
            Self::Agent => "agent",
        }
    }
}

impl PluginKind {
    /// The word clients see.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plugin => "plugin",
            Self::McpServer => "mcp",
        }
    }
}

/// A file of instructions, if it is there.
pub(crate) fn instructions(path: PathBuf, warnings: &mut Warnings) -> Option<GlobalInstructions> {
    let byte_count = warnings.keep(user_files::length(&path))?;
    Some(GlobalInstructions { path, byte_count })
}

/// The skills of a folder: those of its folders that hold a `SKILL.md`.
pub(crate) fn skills(folder: &Path, warnings: &mut Warnings) -> Vec<Skill> {
    user_files::entries(folder, warnings)
        .into_iter()
        .filter_map(|entry| {
            let id = shown(&entry.file_name()?.to_string_lossy());
            skill(id, SkillKind::Skill, entry.join("SKILL.md"), warnings)
        })
        .collect()
}

/// The Markdown files of a folder and of the folders in it, called by their names. Of very many,
/// some only, and a warning.
pub(crate) fn markdown(folder: &Path, kind: SkillKind, warnings: &mut Warnings) -> Vec<Skill> {
    let mut found = Vec::new();
    let (mut folders, mut files) = (0, 0);
    let mut waiting = VecDeque::from([(folder.to_owned(), String::new())]);
    while let Some((place, prefix)) = waiting.pop_front() {
        folders += 1;
        for entry in user_files::entries(&place, warnings) {
            let stem = entry.file_stem().unwrap_or_default().to_string_lossy();
            let id = format!("{prefix}{}", shown(&stem));
            if entry.extension().is_some_and(|extension| extension == "md") {
                files += 1;
                found.extend(skill(id, kind, entry, warnings));
            } else if entry.is_dir() && !entry.is_symlink() {
                // A link could lead in a circle.
                waiting.push_back((entry, format!("{id}:")));
            }
            if files == MAX_FILES || folders + waiting.len() > MAX_FOLDERS {
                let limits = format!("{MAX_FILES} files or {MAX_FOLDERS} folders");
                warnings.too_large(
                    folder,
                    format!("holds {limits} or more; only some are listed"),
                );
                return found;
            }
        }
    }
    found
}

fn skill(id: String, kind: SkillKind, path: PathBuf, warnings: &mut Warnings) -> Option<Skill> {
    let head = warnings.keep(user_files::head(&path, HEAD_BYTES))?;
    Some(Skill {
        name: front_matter(&head, "name").unwrap_or_else(|| id.clone()),
        description: front_matter(&head, "description"),
        id,
        kind,
        path,
    })
}

/// A one-line value of the header that such files start with: lines between two of `---`.
fn front_matter(text: &str, key: &str) -> Option<String> {
    let mut lines = text.lines();
    if lines.next()?.trim_end() != "---" {
        return None;
    }
    let value = lines
        .take_while(|line| line.trim_end() != "---")
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?
        .trim();
    let quoted = |quote| value.strip_prefix(quote)?.strip_suffix(quote);
    let value = quoted('"').or_else(|| quoted('\'')).unwrap_or(value);
    // What follows on the next lines is not looked at.
    let is_text = !value.is_empty() && !value.starts_with(['|', '>', '&', '*', '[', '{']);
    is_text.then(|| shown(value))
}

/// Text of a file, fit to be shown: no control characters, and not too long.
pub(crate) fn shown(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(MAX_CHARS)
        .collect()
}

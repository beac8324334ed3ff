//! What is said in a recorded session: prompts, and what the model does about each.

use std::fs;
use std::ops::RangeInclusive;
use std::path::Path;

use crate::model::{Answer, Call, Permission};

/// A conversation about the project, which is a part of this repository.
pub(super) type Script = [Ask];

/// One prompt and the model's turns until it has answered.
pub(super) struct Ask {
    pub(super) prompt: &'static str,
    pub(super) steps: &'static [Step],
}

/// One turn of the model. Files are named from the project's folder on.
pub(super) enum Step {
    /// Says this, and has answered.
    Say(&'static str),
    /// Says what stands in these lines of a document, as if it had written it, and has answered.
    Quote(&'static str, RangeInclusive<usize>),
    /// Says the first, then runs the second, which is for the third.
    Run(&'static str, &'static str, &'static str),
    /// The same, where somebody must allow it.
    RunIfAllowed(&'static str, &'static str, &'static str),
    /// Says the first, then looks at a file.
    Read(&'static str, &'static str),
    /// Says the first, then puts the last in place of the one before in a file it has looked at.
    Edit(&'static str, &'static str, &'static str, &'static str),
}

impl Step {
    pub(super) fn answer(&self, project: &Path) -> Answer {
        match *self {
            Self::Say(text) => Answer::Say {
                text: text.trim().to_owned(),
            },
            Self::Quote(file, ref lines) => Answer::Say {
                text: quote(&project.join(file), lines),
            },
            Self::Run(saying, command, purpose) => {
                work(saying, run(command, purpose, Permission::Given))
            }
            Self::RunIfAllowed(saying, command, purpose) => {
                work(saying, run(command, purpose, Permission::Needed))
            }
            Self::Read(saying, file) => work(
                saying,
                Call::Read {
                    file: project.join(file).display().to_string(),
                },
            ),
            Self::Edit(saying, file, old, new) => {
                let file = project.join(file);
                let text = fs::read_to_string(&file).expect("the project has the file");
                assert_eq!(text.matches(old).count(), 1, "{file:?}: {old}");
                let call = Call::Edit {
                    file: file.display().to_string(),
                    old: old.to_owned(),
                    new: new.to_owned(),
                };
                work(saying, call)
            }
        }
    }
}

fn work(saying: &str, call: Call) -> Answer {
    let saying = saying.to_owned();
    Answer::Work { saying, call }
}

fn run(command: &str, purpose: &str, permission: Permission) -> Call {
    Call::Run {
        command: command.to_owned(),
        purpose: purpose.to_owned(),
        permission,
    }
}

fn quote(file: &Path, lines: &RangeInclusive<usize>) -> String {
    let text = fs::read_to_string(file).expect("the project has the file");
    let quoted: Vec<&str> = text
        .lines()
        .skip(lines.start() - 1)
        .take(lines.clone().count())
        .collect();
    quoted.join("\n")
}

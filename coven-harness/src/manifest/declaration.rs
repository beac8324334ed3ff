//! What a manifest says, checked.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Component, Path};

use coven_core::{HarnessId, LaunchMode};
use serde::Deserialize;
use toml::Spanned;

use super::template::{Element, PromptPlace, Template};
use crate::About;

/// The word that stands for all of them where a path may name one.
const ALL_HARNESSES: &str = "harnesses";

const MAX_ID_BYTES: usize = 64;
const MAX_TEXT_BYTES: usize = 1024;
const MAX_VARIABLES: usize = 256;

/// A harness as its manifest declares it: whatever is in it can be used.
#[derive(Debug)]
pub(super) struct Declaration {
    pub(super) about: About,
    pub(super) submit: Submit,
    pub(super) environment: BTreeMap<String, String>,
    interactive: Option<Mode>,
    non_interactive: Option<Mode>,
}

/// How one launch mode is started.
#[derive(Debug)]
pub(super) struct Mode {
    pub(super) prompt: PromptPlace,
    /// For a new conversation.
    pub(super) args: Template,
    /// To go on with one, where that is possible.
    pub(super) resume: Option<Template>,
}

/// How a further prompt is typed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Submit {
    /// Typed, then Enter: one line at a time.
    #[default]
    Line,
    /// As a bracketed paste, then Enter: any number of lines.
    Paste,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    id: Spanned<String>,
    label: Option<Spanned<String>>,
    executable: Spanned<String>,
    install_hint: Spanned<String>,
    #[serde(default)]
    submit: Submit,
    #[serde(default)]
    environment: BTreeMap<String, Spanned<String>>,
    interactive: Option<FileMode>,
    non_interactive: Option<FileMode>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileMode {
    args: Spanned<Vec<Spanned<Element>>>,
    resume: Option<Spanned<Vec<Spanned<Element>>>>,
    prompt: Option<Spanned<FilePrompt>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum FilePrompt {
    Argument,
    Stdin,
}

impl Declaration {
    /// Reads a manifest's text. The error is a sentence with the line and the key.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let source = Source(text);
        let file: File = toml::from_str(text).map_err(|error| source.malformed(&error))?;
        if file.interactive.is_none() && file.non_interactive.is_none() {
            return Err("must have [interactive] or [non_interactive], with args".to_owned());
        }
        Ok(Self {
            about: about(source, &file)?,
            submit: file.submit,
            environment: environment(source, &file.environment)?,
            interactive: mode(source, "interactive", file.interactive)?,
            non_interactive: mode(source, "non_interactive", file.non_interactive)?,
        })
    }

    /// How a mode is started, if the manifest has it.
    pub(super) const fn mode(&self, mode: LaunchMode) -> Option<&Mode> {
        match mode {
            LaunchMode::Interactive => self.interactive.as_ref(),
            LaunchMode::NonInteractive => self.non_interactive.as_ref(),
            LaunchMode::Stream => None,
        }
    }
}

fn about(source: Source<'_>, file: &File) -> Result<About, String> {
    let id = source.checked("id", &file.id, id)?;
    Ok(About {
        label: match &file.label {
            Some(label) => source.checked("label", label, text_of_one_line)?,
            None => id.as_str().to_owned(),
        },
        executable: source.checked("executable", &file.executable, executable)?,
        install_hint: source.checked("install_hint", &file.install_hint, text_of_one_line)?,
        source: crate::Source::Manifest,
        id,
    })
}

/// A manifest's text, to tell where something is wrong.
#[derive(Clone, Copy)]
struct Source<'a>(&'a str);

impl<'a> Source<'a> {
    fn problem(self, span: &Range<usize>, key: &str, problem: &str) -> String {
        format!("line {}: {key} {problem}", self.line(span))
    }

    fn malformed(self, error: &toml::de::Error) -> String {
        let message = error.message().replace('\n', "; ");
        let Some(span) = error.span() else {
            return message;
        };
        match self.key_near(&span) {
            Some(key) => self.problem(&span, &format!("{key}:"), &message),
            None => format!("line {}: {message}", self.line(&span)),
        }
    }

    /// The key on the line of a place. Not its value, which may be a secret, nor a line of one.
    fn key_near(self, span: &Range<usize>) -> Option<&'a str> {
        let line = self.0.lines().nth(self.line(span) - 1)?;
        let (key, _) = line.split_once('=')?;
        let is_key = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        Some(key.trim()).filter(|key| key.len() <= MAX_ID_BYTES && key.bytes().all(is_key))
    }

    fn line(self, span: &Range<usize>) -> usize {
        let before = self.0.as_bytes().iter().take(span.start);
        1 + before.filter(|&&b| b == b'\n').count()
    }

    fn checked<T>(
        self,
        key: &str,
        value: &Spanned<String>,
        check: fn(&str) -> Result<T, &'static str>,
    ) -> Result<T, String> {
        check(value.get_ref()).map_err(|problem| self.problem(&value.span(), key, problem))
    }
}

fn id(text: &str) -> Result<HarnessId, &'static str> {
    if text == ALL_HARNESSES {
        return Err("must not be harnesses: GET /capabilities/harnesses is all of them");
    }
    let first_fits = text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    let rest_fits = text
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b));
    HarnessId::parse(text)
        .ok()
        .filter(|_| first_fits && rest_fits && text.len() <= MAX_ID_BYTES)
        .ok_or("must be 1 to 64 of a-z 0-9 . _ - and start with a letter or a digit")
}

fn text_of_one_line(text: &str) -> Result<String, &'static str> {
    let fits = !text.trim().is_empty() && text.len() <= MAX_TEXT_BYTES;
    if fits && !text.chars().any(char::is_control) {
        Ok(text.to_owned())
    } else {
        Err("must be one line of 1 to 1024 bytes")
    }
}

/// A name to look up, or an absolute path. What a relative path means would depend on who asks.
fn executable(text: &str) -> Result<String, &'static str> {
    let path = Path::new(text);
    let mut parts = path.components();
    let is_name = matches!(
        (parts.next(), parts.next()),
        (Some(Component::Normal(name)), None) if name == text
    );
    let is_absolute_file = path.is_absolute()
        && path.file_name().is_some()
        && !text.ends_with('/')
        && !path.components().any(|part| part == Component::ParentDir);
    if (is_name || is_absolute_file)
        && text.len() <= MAX_TEXT_BYTES
        && !text.chars().any(char::is_control)
    {
        Ok(text.to_owned())
    } else {
        Err("must be the name of a program, or an absolute path without ..")
    }
}

fn environment(
    source: Source<'_>,
    declared: &BTreeMap<String, Spanned<String>>,
) -> Result<BTreeMap<String, String>, String> {
    let check = |name: &str, value: &str| {
        let first_fits = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let rest_fits = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !first_fits || !rest_fits {
            return Err("must have a name of A-Z a-z 0-9 _ that starts with no digit");
        }
        if name.starts_with("COVEN_") {
            return Err("must not be Coven's own: names that start with COVEN_ are");
        }
        if value.contains('\0') || value.len() > super::template::MAX_ARGUMENT_BYTES {
            return Err("must not hold a NUL, nor be over 4096 bytes long");
        }
        Ok(())
    };
    if declared.len() > MAX_VARIABLES {
        return Err("environment has more than 256 variables".to_owned());
    }
    declared
        .iter()
        .map(|(name, value)| {
            let key = format!("environment.{name}");
            check(name, value.get_ref())
                .map_err(|problem| source.problem(&value.span(), &key, problem))?;
            Ok((name.clone(), value.get_ref().clone()))
        })
        .collect()
}

fn mode(source: Source<'_>, key: &str, file: Option<FileMode>) -> Result<Option<Mode>, String> {
    let Some(file) = file else { return Ok(None) };
    let prompt = match &file.prompt {
        Some(asked) if *asked.get_ref() == FilePrompt::Stdin => {
            if key == "interactive" {
                let problem = "must be \"argument\": the stdin of this mode is its terminal";
                let key = format!("{key}.prompt");
                return Err(source.problem(&asked.span(), &key, problem));
            }
            PromptPlace::Stdin
        }
        Some(_) | None => PromptPlace::Argument,
    };
    let template = |name: &str, list: Spanned<Vec<Spanned<Element>>>| {
        let span = list.span();
        let template = Template::parse(list, prompt).map_err(|flaw| {
            let key = format!("{key}.{name}");
            source.problem(&flaw.span, &key, &flaw.problem)
        })?;
        Ok::<_, String>((span, template))
    };
    let (_, args) = template("args", file.args)?;
    let resume = match file.resume {
        None => None,
        Some(list) => {
            let (span, resume) = template("resume", list)?;
            if !resume.takes_conversation() {
                let problem = "must hold {conversation}: which one to go on with";
                return Err(source.problem(&span, &format!("{key}.resume"), problem));
            }
            Some(resume)
        }
    };
    Ok(Some(Mode {
        prompt,
        args,
        resume,
    }))
}

//! Hiding secrets in what people are shown: previews and exports. The log itself stays exact.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};

/// What stands in a secret's place.
const HIDDEN: &str = "[redacted]";

/// Hides secrets line by line. It must see the lines in order: a private key spans several.
#[derive(Clone, Debug, Default)]
pub(crate) struct Redactor {
    in_private_key: bool,
}

impl Redactor {
    /// The line without its secrets.
    pub(crate) fn line<'a>(&mut self, line: &'a str) -> Cow<'a, str> {
        if self.in_private_key {
            self.in_private_key = !line.contains("-----END ");
            return Cow::Borrowed(HIDDEN);
        }
        if let Some(begin) = PRIVATE_KEY.find(line) {
            self.in_private_key = !line[begin.end()..].contains("-----END ");
            return Cow::Owned(format!("{}{HIDDEN}", &line[..begin.start()]));
        }
        let line = replace(&HEADER, line, |found| format!("{}{HIDDEN}", &found["name"]));
        let line = replace_in(&JSON, line, |found| {
            format!("{}\"{HIDDEN}\"", &found["name"])
        });
        let line = replace_in(&JSON_IN_JSON, line, |found| {
            format!("{}\\\"{HIDDEN}\\\"", &found["name"])
        });
        let line = replace_in(&ASSIGNMENT, line, |found| {
            format!("{}{HIDDEN}", &found["name"])
        });
        replace_in(&TOKEN, line, |_| HIDDEN.to_owned())
    }
}

/// A PEM private key's first line.
static PRIVATE_KEY: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----"));

/// `Authorization: …`, `Cookie: …` and `X-Api-Key: …`, to the end of the line (or of the quoted
/// argument).
static HEADER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"(?i)(?P<name>\b(?:proxy-)?authorization\\?["']?\s*[:=]\s*\\?["']?|\b(?:(?:set-)?cookie|x-api-key)\\?["']?\s*:\s*\\?["']?)(?:[^"'\\\r\n]|\\[^"'])+"#,
    )
});

/// Words of a name whose value is a secret.
const SECRET_WORDS: &str = "KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL";

/// `"name": value` where the name holds such a word and the value is a text, a number or a list.
static JSON: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&format!(
        r#"(?i)(?P<name>"[A-Za-z0-9_.-]*(?:{SECRET_WORDS})[A-Za-z0-9_.-]*"\s*:\s*)(?:"(?:[^"\\]|\\.)*"?|-?[0-9][^,}}\]\s]*|\[[^\]]*\]?)"#
    ))
});

/// The same where it is itself a text of JSON, with its quotes escaped.
static JSON_IN_JSON: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&format!(
        r#"(?i)(?P<name>\\"[A-Za-z0-9_.-]*(?:{SECRET_WORDS})[A-Za-z0-9_.-]*\\"\s*:\s*)(?:\\"(?:[^"\\]|\\\\(?:\\.|[^\\])|\\[^"\\])*(?:\\")?|-?[0-9][^,}}\]\s]*|\[[^\]]*\]?)"#
    ))
});

/// `NAME=value` where the name holds such a word; the value may be quoted. One that is not goes on
/// to a blank, or to a quote that closes what the assignment stands in.
static ASSIGNMENT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&format!(
        r#"(?i)(?P<name>[A-Za-z0-9_-]*(?:{SECRET_WORDS})[A-Za-z0-9_-]*\s?=\s?)(?:"(?:[^"\\]|\\.)*"?|'[^']*'?|[^\s"']+(?:["'][^\s"',;:)\]}}]+)*)"#
    ))
});

/// Secrets that tell themselves by their shape.
static TOKEN: LazyLock<Regex> = LazyLock::new(|| {
    let shapes = [
        // Model providers, `sk-ant-…` among them.
        r"\bsk-[A-Za-z0-9_-]{16,}",
        r"\bgh[pousr]_[A-Za-z0-9]{20,}",
        r"\bgithub_pat_[A-Za-z0-9_]{20,}",
        // AWS key ids.
        r"\b(?:AKIA|ASIA|AGPA|AIDA|AROA|ANPA|ANVA)[A-Z0-9]{16}\b",
        // Slack: tokens, and webhooks.
        r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}",
        r"\bxapp-[A-Za-z0-9-]{10,}",
        r"\bhooks\.slack\.com/services/[A-Za-z0-9/_-]{20,}",
        // GitLab, npm, PyPI, Hugging Face.
        r"\bgl(?:pat|dt|rt|cbt|ptt|soat)-[A-Za-z0-9_.-]{20,}",
        r"\bnpm_[A-Za-z0-9]{30,}",
        r"\bpypi-[A-Za-z0-9_-]{16,}",
        r"\bhf_[A-Za-z0-9]{20,}",
        // Google API keys.
        r"\bAIza[A-Za-z0-9_-]{30,}",
        // JWTs: three parts, the first two JSON objects.
        r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}",
    ];
    pattern(&shapes.join("|"))
});

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("the patterns of this file are well formed")
}

fn replace<'a>(
    pattern: &Regex,
    text: &'a str,
    with: impl Fn(&Captures<'_>) -> String,
) -> Cow<'a, str> {
    pattern.replace_all(text, |found: &Captures<'_>| with(found))
}

fn replace_in<'a>(
    pattern: &Regex,
    text: Cow<'a, str>,
    with: impl Fn(&Captures<'_>) -> String,
) -> Cow<'a, str> {
    match replace(pattern, &text, with) {
        Cow::Borrowed(_) => text,
        Cow::Owned(replaced) => Cow::Owned(replaced),
    }
}

#[cfg(test)]
mod tests;

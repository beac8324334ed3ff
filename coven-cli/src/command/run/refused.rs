//! Why a launch was refused, in the words of the command line.

use coven_http::client::Error;

use crate::config::Setting;
use crate::exit::Exit;
use crate::failure::Failure;

/// What the fields of a launch are called here.
const FIELDS: [(&str, &str); 12] = [
    ("projectRoot", "--project"),
    ("cwd", "--cwd"),
    ("prompt", "the prompt"),
    ("title", "--title"),
    ("model", "--model"),
    ("launchMode", "--mode"),
    ("labels", "--label"),
    ("continues", "--continue"),
    ("conversation.id", "the conversation's id"),
    ("conversation.mode", "--continue"),
    ("cols", "the columns of --size"),
    ("rows", "the rows of --size"),
];

/// Why a launch of `harness` failed, which is what was `named`, or what was found instead.
pub(super) fn why(error: Error, harness: &str, named: &Setting<Option<String>>) -> Failure {
    let detail = |key| error.answer()?.details.as_ref()?.get(key)?.as_str();
    let Some(field) = detail("field") else {
        return error.into();
    };
    if field == "harness" {
        return no_harness(&error, harness, named);
    }
    let words = FIELDS.iter().find(|(name, _)| *name == field);
    let message = error.to_string();
    let (Some((_, words)), Some(problem)) = (words, message.strip_prefix(field)) else {
        return error.into();
    };
    let value = match detail("value") {
        // What is long, or blank, or not in their own words says nothing here.
        Some(value)
            if !value.is_empty() && !matches!(field, "prompt" | "title" | "conversation.mode") =>
        {
            format!(": {value}")
        }
        Some(_) | None => String::new(),
    };
    let told = format!("{words}{problem}{value}");
    Failure::new(Failure::from(error).exit(), told)
}

fn no_harness(error: &Error, harness: &str, named: &Setting<Option<String>>) -> Failure {
    let origin = if named.value.as_deref() == Some(harness) {
        format!(" (from {})", named.origin)
    } else {
        String::new()
    };
    Failure::new(
        Exit::NotFound,
        format!("there is no harness {harness:?}{origin}: {error}; `coven harnesses` tells more"),
    )
}

//! Parsing a body into its type, so that errors name the field.
//!
//! A body is parsed straight into what is taken of it: a tree of all its values would take many
//! times its bytes.

use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;

use crate::error::Error;
use crate::limits;

/// A whole body as `T`; a blank one is `{}`.
pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    let text = std::str::from_utf8(bytes)
        .map_err(|_| Error::malformed_body("is not JSON: it is not UTF-8"))?;
    let text = match text.trim_matches(IS_BLANK) {
        "" => "{}",
        text => text,
    };
    if !text.starts_with('{') {
        check(text)?;
        return Err(Error::malformed_body("must be a JSON object"));
    }
    let mut json = serde_json::Deserializer::from_str(text);
    match serde_path_to_error::deserialize(&mut json) {
        Ok(taken) => {
            json.end().map_err(|error| malformed(&error))?;
            Ok(taken)
        }
        Err(error) => {
            // What is passed over is not looked at as closely.
            if !error.inner().is_data() {
                return Err(malformed(error.inner()));
            }
            check(text)?;
            let path = error.path().to_string();
            Err(shape_error(&path, &error.inner().to_string(), text))
        }
    }
}

/// What JSON has as white space.
const IS_BLANK: [char; 4] = [' ', '\t', '\r', '\n'];

/// Whether it is JSON at all.
fn check(text: &str) -> Result<(), Error> {
    let whole: Result<IgnoredAny, _> = serde_json::from_str(text);
    whole.map(|_| ()).map_err(|error| malformed(&error))
}

fn malformed(error: &serde_json::Error) -> Error {
    Error::malformed_body(&format!("is not JSON: {error}"))
}

/// What is wrong with the shape of a body. serde's own words quote the value, which may be a
/// secret, so only what it expected is taken from them.
fn shape_error(path: &str, problem: &str, text: &str) -> Error {
    // Where in the body it is, the path says better.
    let problem = problem
        .rsplit_once(" at line ")
        .map_or(problem, |(problem, _)| problem);
    let field = if path == "." { "body" } else { path };
    if let Some(missing) = between(problem, "missing field `", "`") {
        let field = if path == "." {
            missing.to_owned()
        } else {
            format!("{path}.{missing}")
        };
        return Error::wrong_type(&field, "is required", None);
    }
    if let Some(unknown) = between(problem, "unknown field `", "`") {
        let field = if path == "." { unknown } else { path };
        let value = at(text, field);
        return Error::wrong_type(field, "is not a key that is known here", value.as_ref());
    }
    if let Some(twice) = between(problem, "duplicate field `", "`") {
        return Error::wrong_type(twice, "is given twice", None);
    }
    let expected = problem
        .rsplit_once("expected ")
        .map_or("something else", |(_, expected)| expected);
    let given = at(text, path);
    if expected == "u64" && given.as_ref().is_some_and(is_over_u64) {
        let problem = format!("is too large: it must be at most {}", u64::MAX);
        return Error::wrong_type(field, &problem, given.as_ref());
    }
    let expected = match expected {
        "i64" | "i32" | "u32" => "a whole number",
        "u64" => "a whole number, not negative",
        "a map" => "an object",
        // It goes on with the name of a type of ours.
        name if name.starts_with("struct ") => "an object",
        "a sequence" => "a list",
        other => other,
    };
    let secret = field == "env" || field.starts_with("env.");
    let value = if secret { None } else { given };
    Error::wrong_type(field, &format!("must be {expected}"), value.as_ref())
}

/// A whole number, or one so large that it has no fraction.
fn is_over_u64(value: &Value) -> bool {
    value
        .as_f64()
        .is_some_and(|value| value > 0.0 && value >= u64::MAX as f64)
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(after).map(|(found, _)| found)
}

/// The value at a path such as `conversation.id` or `labels[2]`, in a body that is short.
fn at(text: &str, path: &str) -> Option<Value> {
    if text.len() > limits::MAX_UNCOUNTED_BODY_BYTES {
        return None;
    }
    let json: Value = serde_json::from_str(text).ok()?;
    path.split(['.', '['])
        .filter(|part| !part.is_empty())
        .try_fold(&json, |value, part| match part.strip_suffix(']') {
            Some(index) => value.get(index.parse::<usize>().ok()?),
            None => value.get(part),
        })
        .cloned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{InputBody, LaunchBody, PruneBody, ShutdownBody};

    fn refusal<T: DeserializeOwned>(body: &str) -> String {
        match parse::<T>(body.as_bytes()) {
            Ok(_) => panic!("{body} was taken"),
            Err(error) => error.message().to_owned(),
        }
    }

    #[test]
    fn a_blank_body_is_an_empty_object() {
        for blank in ["", " \r\n\t", "{}"] {
            assert_eq!(
                parse::<LaunchBody>(blank.as_bytes()).unwrap(),
                LaunchBody::default()
            );
        }
    }

    #[test]
    fn what_is_not_a_json_object_is_refused() {
        for bad in [
            "{",
            "[]",
            "1",
            "\"x\"",
            "null",
            "{}x",
            "{\"a\":\u{1}}",
            "{\"prompt\":5,",
            "{\"env\":",
            r#"{"prompt":"\ud800"}"#,
        ] {
            assert!(refusal::<LaunchBody>(bad).starts_with("the body "), "{bad}");
        }
        assert!(parse::<LaunchBody>(b"{\"prompt\":\"\xff\"}").is_err());
        let deep = "[".repeat(100_000);
        assert!(refusal::<LaunchBody>(&format!("{{\"x\":{deep}")).starts_with("the body "));
    }

    #[test]
    fn a_wrong_type_is_told_by_its_field() {
        for (body, message) in [
            (r#"{"prompt":5}"#, "prompt must be a string"),
            (
                r#"{"conversation":{"mode":1}}"#,
                "conversation.mode must be a string",
            ),
            (r#"{"conversation":"zz"}"#, "conversation must be an object"),
            (r#"{"labels":["a",2]}"#, "labels[1] must be a string"),
            (r#"{"cols":"80"}"#, "cols must be a whole number"),
            (r#"{"cols":80.5}"#, "cols must be a whole number"),
            (
                r#"{"launchPolicy":{"approval":"never","sandbox":"workspace-write","x":1}}"#,
                "launchPolicy.x is not a key that is known here",
            ),
        ] {
            assert_eq!(refusal::<LaunchBody>(body), message, "{body}");
        }
        assert_eq!(refusal::<InputBody>("{}"), "data is required");
        assert_eq!(
            refusal::<InputBody>(r#"{"data":null}"#),
            "data must be a string"
        );
        assert_eq!(
            refusal::<ShutdownBody>(r#"{"apiVersion":"x","y":1}"#),
            "y is not a key that is known here"
        );
    }

    #[test]
    fn a_key_that_is_given_twice_is_refused() {
        let twice = refusal::<LaunchBody>(r#"{"prompt":"a","prompt":"b"}"#);
        assert_eq!(twice, "prompt is given twice");
    }

    #[test]
    fn no_value_of_a_long_body_is_told() {
        let body = format!(
            r#"{{"cols":"{}"}}"#,
            "x".repeat(limits::MAX_UNCOUNTED_BODY_BYTES)
        );
        let Err(error) = parse::<LaunchBody>(body.as_bytes()) else {
            panic!("it was taken")
        };
        assert_eq!(error.message(), "cols must be a whole number");
        assert!(!format!("{error:?}").contains("xxx"), "{error:?}");
    }

    #[test]
    fn a_value_of_the_environment_is_never_told() {
        for body in [
            r#"{"env":{"TOKEN":["s3cret"]}}"#,
            r#"{"env":"s3cret"}"#,
            r#"{"env":{"TOKEN":5.3}}"#,
        ] {
            let Err(error) = parse::<LaunchBody>(body.as_bytes()) else {
                panic!("{body} was taken")
            };
            let told = format!("{error:?}");
            assert!(!told.contains("s3cret") && !told.contains("5.3"), "{told}");
            assert!(error.message().starts_with("env"), "{told}");
        }
    }

    #[test]
    fn a_key_that_pruning_does_not_know_is_refused_and_a_budget_too_large_is_told_to_be() {
        for (body, message) in [
            (
                r#"{"dry_run":true,"totalBytes":0}"#,
                "dry_run is not a key that is known here",
            ),
            (
                r#"{"sessionBytes":18446744073709551616}"#,
                "sessionBytes is too large: it must be at most 18446744073709551615",
            ),
            (
                r#"{"maxAge":1e30}"#,
                "maxAge is too large: it must be at most 18446744073709551615",
            ),
            (
                r#"{"totalBytes":-1}"#,
                "totalBytes must be a whole number, not negative",
            ),
            (
                r#"{"totalBytes":0.5}"#,
                "totalBytes must be a whole number, not negative",
            ),
        ] {
            assert_eq!(refusal::<PruneBody>(body), message, "{body}");
        }
        assert!(parse::<PruneBody>(br#"{"sessionBytes":18446744073709551615}"#).is_ok());
    }

    #[test]
    fn unknown_keys_of_a_launch_are_ignored() {
        assert!(parse::<LaunchBody>(br#"{"futureKey":{"a":[1]}}"#).is_ok());
    }
}

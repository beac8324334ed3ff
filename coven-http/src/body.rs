//! Reading a request's body: bounded in bytes and time, and parsed so that errors name the field.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Frame, Incoming};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

use crate::error::Error;
use crate::limits;

/// A request's body, not read yet.
#[derive(Debug)]
pub(crate) struct Body {
    incoming: Incoming,
    patience: Duration,
    bodies: Arc<Semaphore>,
    over: bool,
}

/// A body, read to its end.
struct Whole {
    bytes: Bytes,
    /// What it takes of the room for all bodies, unless it is short.
    room: Option<OwnedSemaphorePermit>,
}

impl Body {
    /// Gives up on a body that has not arrived within `patience`; a long one takes its room of
    /// `bodies`.
    pub(crate) const fn new(
        incoming: Incoming,
        patience: Duration,
        bodies: Arc<Semaphore>,
    ) -> Self {
        Self {
            incoming,
            patience,
            bodies,
            over: false,
        }
    }

    /// The body as `T`; absent or blank it is `{}`.
    pub(crate) async fn json<T: DeserializeOwned + Send + 'static>(
        &mut self,
        max_bytes: usize,
    ) -> Result<T, Error> {
        self.read(max_bytes).await?.parse().await
    }

    /// Reads what was not read, and throws it away, so that a sender that is still writing gets
    /// to read its answer. Gives up on one that sends without end.
    pub(crate) async fn drain(&mut self) {
        if self.over || self.incoming.size_hint().lower() > limits::MAX_DRAINED_BODY_BYTES as u64 {
            return;
        }
        let rest = async {
            let mut drained = 0;
            while let Some(Ok(frame)) = self.incoming.frame().await {
                drained += frame.data_ref().map_or(0, Bytes::len);
                if drained > limits::MAX_DRAINED_BODY_BYTES {
                    return;
                }
            }
        };
        let _ = timeout(self.patience.min(limits::DRAIN_TIMEOUT), rest).await;
        self.over = true;
    }

    async fn read(&mut self, max_bytes: usize) -> Result<Whole, Error> {
        let size = self.incoming.size_hint();
        if size.lower() > max_bytes as u64 {
            return Err(Error::body_too_large(max_bytes));
        }
        let at_most = size.upper().map_or(max_bytes, |upper| {
            usize::try_from(upper).map_or(max_bytes, |upper| upper.min(max_bytes))
        });
        let deadline = Instant::now() + self.patience;
        let mut bytes = BytesMut::new();
        let mut room = None;
        while let Some(data) = self.data(deadline).await? {
            let len_bytes = bytes.len() + data.len();
            if len_bytes > max_bytes {
                return Err(Error::body_too_large(max_bytes));
            }
            if room.is_none() && len_bytes > limits::MAX_UNCOUNTED_BODY_BYTES {
                room = Some(self.room(at_most, deadline).await?);
                bytes.reserve(at_most - bytes.len());
            }
            bytes.extend_from_slice(&data);
        }
        self.over = true;
        Ok(Whole {
            bytes: bytes.freeze(),
            room,
        })
    }

    /// What comes next.
    async fn data(&mut self, deadline: Instant) -> Result<Option<Bytes>, Error> {
        loop {
            let Ok(frame) = timeout_at(deadline, self.incoming.frame()).await else {
                self.over = true;
                return Err(Error::body_stalled());
            };
            match frame.map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => return Ok(Some(data)),
                Some(Ok(Err(_trailers))) => {}
                Some(Err(_)) => {
                    self.over = true;
                    return Err(Error::malformed_body("ended before it was whole"));
                }
                None => return Ok(None),
            }
        }
    }

    /// Room for all of a body at once: two that each hold a part and wait for the rest would wait
    /// for each other.
    async fn room(
        &self,
        len_bytes: usize,
        deadline: Instant,
    ) -> Result<OwnedSemaphorePermit, Error> {
        let permits = u32::try_from(len_bytes).unwrap_or(u32::MAX);
        let room = self.bodies.clone().acquire_many_owned(permits);
        match timeout_at(deadline, room).await {
            Ok(Ok(room)) => Ok(room),
            Ok(Err(_)) | Err(_) => Err(Error::no_room_for_body()),
        }
    }
}

impl Whole {
    async fn parse<T: DeserializeOwned + Send + 'static>(self) -> Result<T, Error> {
        let Self { bytes, room } = self;
        if room.is_none() {
            return parse(&bytes);
        }
        tokio::task::spawn_blocking(move || {
            let _until_parsed = room;
            parse(&bytes)
        })
        .await
        .unwrap_or_else(|_| Err(Error::internal("a body could not be parsed")))
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    let blank = bytes.iter().all(u8::is_ascii_whitespace);
    let json: Value = if blank {
        Value::Object(serde_json::Map::new())
    } else {
        serde_json::from_slice(bytes)
            .map_err(|error| Error::malformed_body(&format!("is not JSON: {error}")))?
    };
    if !json.is_object() {
        return Err(Error::malformed_body("must be a JSON object"));
    }
    serde_path_to_error::deserialize(&json).map_err(|error| {
        let path = error.path().to_string();
        shape_error(&path, &error.inner().to_string(), &json)
    })
}

/// What is wrong with the shape of a body. serde's own words quote the value, which may be a
/// secret, so only what it expected is taken from them.
fn shape_error(path: &str, problem: &str, json: &Value) -> Error {
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
        let problem = format!("has an unknown key: {unknown}");
        return Error::wrong_type(
            field.trim_end_matches(&format!(".{unknown}")),
            &problem,
            None,
        );
    }
    let expected = problem
        .rsplit_once("expected ")
        .map_or("something else", |(_, expected)| expected);
    let expected = match expected {
        "i64" | "i32" | "u32" => "a whole number",
        "a map" => "an object",
        // It goes on with the name of a type of ours.
        name if name.starts_with("struct ") => "an object",
        "a sequence" => "a list",
        other => other,
    };
    let secret = field == "env" || field.starts_with("env.");
    let value = if secret { None } else { at(json, path) };
    Error::wrong_type(field, &format!("must be {expected}"), value)
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(after).map(|(found, _)| found)
}

/// The value at a path such as `conversation.id` or `labels[2]`.
fn at<'a>(json: &'a Value, path: &str) -> Option<&'a Value> {
    path.split(['.', '['])
        .filter(|part| !part.is_empty())
        .try_fold(json, |value, part| match part.strip_suffix(']') {
            Some(index) => value.get(index.parse::<usize>().ok()?),
            None => value.get(part),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{InputBody, LaunchBody, ShutdownBody};

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
        for bad in ["{", "[]", "1", "\"x\"", "null", "{}x", "{\"a\":\u{1}}"] {
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
                "launchPolicy has an unknown key: x",
            ),
        ] {
            assert_eq!(refusal::<LaunchBody>(body), message, "{body}");
        }
        assert_eq!(refusal::<InputBody>("{}"), "data is required");
        assert_eq!(
            refusal::<InputBody>(r#"{"data":null}"#),
            "data must be a string"
        );
        assert!(refusal::<ShutdownBody>(r#"{"apiVersion":"x","y":1}"#).contains("unknown key: y"));
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
    fn unknown_keys_of_a_launch_are_ignored() {
        assert!(parse::<LaunchBody>(br#"{"futureKey":{"a":[1]}}"#).is_ok());
    }
}

//! Errors as HTTP answers: the one place where a [`Code`] gets its status.

use coven::{Code, Refusal, Unavailable};
use hyper::StatusCode;
use serde_json::{Value, json};

use crate::handler::output::Recorded;
use crate::reply::Reply;
use crate::wire::{ErrorBody, ErrorDetail, VERSION};

/// An answer that is not a success.
#[derive(Clone, Debug)]
pub(crate) struct Error {
    status: StatusCode,
    code: Code,
    message: String,
    details: Option<Value>,
}

impl Error {
    fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            status: status(code),
            code,
            message: message.into(),
            details: None,
        }
    }

    fn with(mut self, details: Value) -> Self {
        self.details = Some(details);
        self
    }

    /// No such route.
    pub(crate) fn not_found() -> Self {
        Self::new(Code::NotFound, "no such route")
    }

    /// A version of the API that this daemon does not speak.
    pub(crate) fn unsupported_version(version: &str) -> Self {
        let details = json!({"apiVersion": version, "supportedApiVersions": [VERSION]});
        Self {
            status: StatusCode::NOT_FOUND,
            ..Self::new(Code::InvalidRequest, "this API version is not supported").with(details)
        }
    }

    /// No session has this id; it may not even be one.
    pub(crate) fn no_session(id: &str) -> Self {
        Self::new(Code::SessionNotFound, format!("no session {id}")).with(json!({"sessionId": id}))
    }

    /// A body that is not JSON, or not an object.
    pub(crate) fn malformed_body(problem: &str) -> Self {
        Self::new(Code::InvalidRequest, format!("the body {problem}"))
            .with(json!({"field": "body"}))
    }

    /// A field of the wrong type; `value` is told unless it may be a secret.
    pub(crate) fn wrong_type(field: &str, problem: &str, value: Option<&Value>) -> Self {
        let mut details = json!({"field": field});
        if let Some(value) = value {
            details["value"] = shortened(value).into();
        }
        Self::new(Code::InvalidRequest, format!("{field} {problem}")).with(details)
    }

    /// A body over its limit.
    pub(crate) fn body_too_large(limit_bytes: usize) -> Self {
        Self::new(
            Code::PayloadTooLarge,
            format!("the body is over the limit of {limit_bytes} bytes"),
        )
    }

    /// A body that stopped arriving.
    pub(crate) fn body_stalled() -> Self {
        Self::malformed_body("did not arrive in time")
    }

    /// A body for which there is no room beside the others.
    pub(crate) fn no_room_for_body() -> Self {
        let message = "too many large bodies are being read; try again later";
        Self::new(Code::RuntimeUnavailable, message).with(json!({"reason": "too_many_bodies"}))
    }

    /// Events that do not fit one answer; the one at `seq` would pass the limit.
    pub(crate) fn events_too_large(event_id: &str, seq: u64) -> Self {
        let message = "the events do not fit one answer of 4 MiB; ask for pages with limit";
        Self::new(Code::EventResponseTooLarge, message)
            .with(json!({"eventId": event_id, "seq": seq}))
    }

    /// A request that was meant for another daemon process.
    pub(crate) fn other_daemon() -> Self {
        let message = "another daemon process serves here; ask /health which";
        Self::new(Code::DaemonIdentityMismatch, message)
    }

    /// No more of this can be open at once.
    pub(crate) fn too_many(what: &str) -> Self {
        let message = format!("too many {what} are open; close some and try again");
        Self::new(Code::RuntimeUnavailable, message).with(json!({"reason": "too_many_connections"}))
    }

    /// The daemon stops.
    pub(crate) fn shutting_down() -> Self {
        Self::new(Code::RuntimeUnavailable, "the daemon is shutting down")
            .with(json!({"reason": "shutting_down"}))
    }

    /// A bug of ours.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(Code::InternalError, message)
    }

    /// A range that holds nothing of what is recorded.
    pub(crate) fn range_not_satisfiable(range: &str, output_bytes: u64, told: Recorded) -> Self {
        let details = json!({
            "field": "Range", "value": range, "outputBytes": output_bytes, "complete": told.is_whole(),
        });
        Self {
            status: StatusCode::RANGE_NOT_SATISFIABLE,
            ..Self::new(
                Code::InvalidRequest,
                format!("Range holds nothing of the {output_bytes} bytes recorded"),
            )
            .with(details)
        }
    }

    /// Output that was asked for is gone from the log; what is left begins at `first`.
    pub(crate) fn output_trimmed(session: &str, first: u64) -> Self {
        let message = format!(
            "the first {first} bytes of its output were trimmed; ask for what is left, from byte {first} on"
        );
        Self::new(Code::OutputTrimmed, message)
            .with(json!({"sessionId": session, "firstOffset": first}))
    }

    /// The stable code.
    pub(crate) const fn code(&self) -> Code {
        self.code
    }

    /// For people.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// As an answer.
    pub(crate) fn reply(self) -> Reply {
        Reply::json(self.status, &self.body())
    }

    /// As the bytes of a whole answer, for where no request was read.
    pub(crate) fn raw(self) -> Vec<u8> {
        let body = serde_json::to_string(&self.body()).expect("a wire type has a JSON form");
        format!(
            "HTTP/1.1 {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
             connection: close\r\n\r\n{body}",
            self.status,
            body.len()
        )
        .into_bytes()
    }

    /// As the body of an answer.
    pub(crate) fn body(&self) -> ErrorBody {
        ErrorBody {
            error: ErrorDetail {
                code: self.code.as_str().to_owned(),
                message: self.message.clone(),
                details: self.details.clone(),
            },
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let error = Self::new(refusal.code(), refusal.to_string());
        match &refusal {
            Refusal::Invalid { field, value, .. } if value.is_empty() => {
                error.with(json!({"field": field}))
            }
            Refusal::InputUndelivered {
                session,
                len_bytes,
                written_bytes,
            } => error.with(json!({
                "sessionId": session.as_str(), "bytes": len_bytes, "written": written_bytes,
            })),
            Refusal::Invalid { field, value, .. } => {
                error.with(json!({"field": field, "value": value}))
            }
            other => match other.session() {
                Some(session) => error.with(json!({"sessionId": session.as_str()})),
                None => error,
            },
        }
    }
}

impl From<coven::Error> for Error {
    fn from(error: coven::Error) -> Self {
        let message = error.to_string();
        let code = error.code();
        let details = match error {
            coven::Error::Refused(refusal) => return refusal.into(),
            coven::Error::HarnessNotFound { harness } => json!({"harnessId": harness}),
            coven::Error::Unavailable { reason } => unavailable(&reason),
            other => match other.session() {
                Some(session) => json!({"sessionId": session.as_str()}),
                None => return Self::new(code, message),
            },
        };
        Self::new(code, message).with(details)
    }
}

fn unavailable(reason: &Unavailable) -> Value {
    let mut details = json!({"reason": reason.as_str()});
    if let Unavailable::ShimSilent { why: Some(why) } = reason {
        details["outOfReach"] = why.what.as_str().into();
    }
    details
}

/// The status of a code. Exhaustive: a new code has no status until it is given one here.
pub(crate) const fn status(code: Code) -> StatusCode {
    match code {
        Code::InvalidRequest => StatusCode::BAD_REQUEST,
        Code::NotFound | Code::SessionNotFound | Code::HarnessNotFound => StatusCode::NOT_FOUND,
        Code::SessionNotLive
        | Code::SessionLive
        | Code::SessionIdConflict
        | Code::InputUndelivered
        | Code::DaemonIdentityMismatch => StatusCode::CONFLICT,
        Code::OutputTrimmed => StatusCode::GONE,
        Code::PayloadTooLarge | Code::InputTooLarge | Code::EventResponseTooLarge => {
            StatusCode::PAYLOAD_TOO_LARGE
        }
        Code::ExternalSessionNotKillable | Code::NotExternalSession => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        Code::LaunchFailed | Code::SendInputFailed | Code::KillFailed | Code::InternalError => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
        Code::RuntimeUnavailable => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// A value as details show it, and refusals do: the beginning of a text as it is, of anything else
/// as JSON.
fn shortened(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    text.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_the_status_of_the_contract() {
        let by_status = |wanted: u16| -> Vec<&str> {
            let has = |code: &Code| status(*code).as_u16() == wanted;
            Code::ALL
                .into_iter()
                .filter(has)
                .map(Code::as_str)
                .collect()
        };
        assert_eq!(by_status(400), ["invalid_request"]);
        assert_eq!(
            by_status(404),
            ["not_found", "session_not_found", "harness_not_found"]
        );
        assert_eq!(
            by_status(409),
            [
                "session_not_live",
                "session_live",
                "session_id_conflict",
                "daemon_identity_mismatch",
                "input_undelivered"
            ]
        );
        assert_eq!(by_status(410), ["output_trimmed"]);
        assert_eq!(
            by_status(413),
            [
                "payload_too_large",
                "input_too_large",
                "event_response_too_large"
            ]
        );
        assert_eq!(
            by_status(422),
            ["external_session_not_killable", "not_external_session"]
        );
        assert_eq!(
            by_status(500),
            [
                "launch_failed",
                "send_input_failed",
                "kill_failed",
                "internal_error"
            ]
        );
        assert_eq!(by_status(503), ["runtime_unavailable"]);
    }
}

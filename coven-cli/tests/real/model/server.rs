//! The model's HTTP: two routes that stream, and the one Claude Code knocks at when it starts.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};

use super::pace::Gait;
use super::{Answer, Call, Pace, Script, Turn, anthropic, openai};

pub(super) async fn accept(listener: TcpListener, script: Arc<Script>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve(stream, Arc::clone(&script)));
    }
}

async fn serve(stream: TcpStream, script: Arc<Script>) {
    let service = service_fn(move |request| {
        let script = Arc::clone(&script);
        async move { Ok::<_, Infallible>(respond(request, script).await) }
    });
    // A CLI that is killed breaks its connection; the tests see that in the session.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn respond(
    request: Request<Incoming>,
    script: Arc<Script>,
) -> Response<BoxBody<Bytes, Infallible>> {
    let protocol = match (request.method(), request.uri().path()) {
        (&Method::POST, "/v1/responses") => Protocol::OpenAi,
        (&Method::POST, "/v1/messages") => Protocol::Anthropic,
        (&Method::HEAD, "/") => return plain(StatusCode::OK, &json!({})),
        _ => {
            return plain(
                StatusCode::NOT_FOUND,
                &json!({"error": {"message": "the lab's model has no such route"}}),
            );
        }
    };
    let Ok(body) = request.into_body().collect().await else {
        return plain(
            StatusCode::BAD_REQUEST,
            &json!({"error": {"message": "the body was cut off"}}),
        );
    };
    let Ok(body) = serde_json::from_slice::<Value>(&body.to_bytes()) else {
        return plain(
            StatusCode::BAD_REQUEST,
            &json!({"error": {"message": "the body is not JSON"}}),
        );
    };
    let Some(turn) = protocol.turn(&body) else {
        // The CLIs ask the model on the side for a title of the conversation.
        let title = protocol.answer(r#"{"title": "A title"}"#, None, Pace::AtOnce, 0);
        return events(at_once(title));
    };
    let (answer, turn) = script.next(turn);
    let (saying, call) = match answer {
        Answer::Fail { status } => {
            return plain(
                status,
                &json!({"error": {"type": "lab", "message": "the lab's model refuses"}}),
            );
        }
        Answer::Hang => return events(at_once(protocol.beginning(turn)).chain(stream::pending())),
        Answer::Say { text } => (text, None),
        Answer::Run {
            command,
            permission,
        } => {
            let purpose = "what the test wants".to_owned();
            let call = Call::Run {
                command,
                purpose,
                permission,
            };
            (String::new(), Some(call))
        }
        Answer::Work { saying, call } => (saying, Some(call)),
    };
    let answer = protocol.answer(&saying, call.as_ref(), script.pace, turn);
    events(paced(answer, protocol.gait(), turn, script))
}

#[derive(Clone, Copy)]
enum Protocol {
    OpenAi,
    Anthropic,
}

impl Protocol {
    /// What `body` asks, or `None` when it is a request of the CLI's own that no user caused.
    fn turn(self, body: &Value) -> Option<Turn> {
        match self {
            Self::OpenAi => openai::turn(body),
            Self::Anthropic => anthropic::turn(body),
        }
    }

    fn beginning(self, turn: usize) -> Vec<Value> {
        match self {
            Self::OpenAi => openai::beginning(),
            Self::Anthropic => anthropic::beginning(turn),
        }
    }

    fn answer(self, saying: &str, call: Option<&Call>, pace: Pace, turn: usize) -> Vec<Value> {
        match self {
            Self::OpenAi => openai::answer(saying, call, pace, turn),
            Self::Anthropic => anthropic::answer(saying, call, pace, turn),
        }
    }

    fn gait(self) -> Gait {
        match self {
            Self::OpenAi => openai::GAIT,
            Self::Anthropic => anthropic::GAIT,
        }
    }
}

fn at_once(events: Vec<Value>) -> impl Stream<Item = Value> {
    stream::iter(events)
}

/// The answer to turn `turn`, each of its pieces when its time has come; at the end the turn is answered.
fn paced(
    events: Vec<Value>,
    gait: Gait,
    turn: usize,
    script: Arc<Script>,
) -> impl Stream<Item = Value> {
    let pace = script.pace;
    let mut pieces = 0;
    let waits = events.into_iter().map(move |event| {
        let is_piece = event["type"].as_str().is_some_and(is_piece);
        let wait = is_piece.then(|| pace.wait(turn, pieces, gait));
        pieces += usize::from(is_piece);
        (wait.unwrap_or_default(), event)
    });
    let answered = stream::once(async move {
        script.progress().answered += 1;
        None
    });
    stream::iter(waits)
        .then(|(wait, event)| async move {
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
            Some(event)
        })
        .chain(answered)
        .filter_map(std::future::ready)
}

fn is_piece(event_type: &str) -> bool {
    event_type.ends_with("_delta") && event_type != "message_delta"
        || event_type.ends_with(".delta")
}

/// `events` as a stream of server-sent events, each named by its `type`.
fn events(
    events: impl Stream<Item = Value> + Send + Sync + 'static,
) -> Response<BoxBody<Bytes, Infallible>> {
    let frames = events.map(|event| {
        let name = event["type"].as_str().unwrap_or_default();
        Ok(Frame::data(Bytes::from(format!(
            "event: {name}\ndata: {event}\n\n"
        ))))
    });
    Response::builder()
        .header("content-type", "text/event-stream")
        .body(BoxBody::new(StreamBody::new(frames)))
        .expect("the header is valid")
}

fn plain(status: StatusCode, body: &Value) -> Response<BoxBody<Bytes, Infallible>> {
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(BoxBody::new(Full::from(body.to_string())))
        .expect("the header is valid")
}

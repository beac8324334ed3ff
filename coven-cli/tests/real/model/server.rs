//! The model's HTTP: two routes that stream, and the one Claude Code knocks at when it starts.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};

use super::{Answer, Permission, Script, Turn, anthropic, openai};

pub(super) async fn accept(listener: TcpListener, script: Arc<Script>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve(stream, Arc::clone(&script)));
    }
}

async fn serve(stream: TcpStream, script: Arc<Script>) {
    let service = service_fn(move |request| {
        let script = Arc::clone(&script);
        async move { Ok::<_, Infallible>(respond(request, &script).await) }
    });
    // A CLI that is killed breaks its connection; the tests see that in the session.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn respond(
    request: Request<Incoming>,
    script: &Script,
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
    let answer = match protocol.turn(&body) {
        Some(turn) => script.next(turn),
        // The CLIs ask the model on the side for a title of the conversation.
        None => Answer::Say {
            text: r#"{"title": "A title"}"#.to_owned(),
        },
    };
    match answer {
        Answer::Fail { status } => plain(
            status,
            &json!({"error": {"type": "lab", "message": "the lab's model refuses"}}),
        ),
        Answer::Hang => events(protocol.beginning(), Ending::Never),
        Answer::Say { text } => events(protocol.say(&text), Ending::AtOnce),
        Answer::Run {
            command,
            permission,
        } => events(protocol.run(&command, permission), Ending::AtOnce),
    }
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

    fn beginning(self) -> Vec<Value> {
        match self {
            Self::OpenAi => openai::beginning(),
            Self::Anthropic => anthropic::beginning(),
        }
    }

    fn say(self, text: &str) -> Vec<Value> {
        match self {
            Self::OpenAi => openai::say(text),
            Self::Anthropic => anthropic::say(text),
        }
    }

    fn run(self, command: &str, permission: Permission) -> Vec<Value> {
        match self {
            Self::OpenAi => openai::run(command, permission),
            Self::Anthropic => anthropic::run(command),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    AtOnce,
    Never,
}

/// `events` as a stream of server-sent events, each named by its `type`.
fn events(events: Vec<Value>, ending: Ending) -> Response<BoxBody<Bytes, Infallible>> {
    let frames = events.into_iter().map(|event| {
        let name = event["type"].as_str().unwrap_or_default();
        Ok(Frame::data(Bytes::from(format!(
            "event: {name}\ndata: {event}\n\n"
        ))))
    });
    let frames = stream::iter(frames);
    let body = match ending {
        Ending::AtOnce => BoxBody::new(StreamBody::new(frames)),
        Ending::Never => BoxBody::new(StreamBody::new(frames.chain(stream::pending()))),
    };
    Response::builder()
        .header("content-type", "text/event-stream")
        .body(body)
        .expect("the header is valid")
}

fn plain(status: StatusCode, body: &Value) -> Response<BoxBody<Bytes, Infallible>> {
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(BoxBody::new(Full::from(body.to_string())))
        .expect("the header is valid")
}

//! From a request to its answer: find the route, call its handler, render what it says.

use std::convert::Infallible;
use std::sync::Arc;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::{Request, Response, StatusCode};
use tracing::Instrument as _;

use crate::app::{App, Call};
use crate::body::Body;
use crate::breaking_off::BreaksOff;
use crate::connection::Switch;
use crate::error::Error;
use crate::failing_log;
use crate::limits;
use crate::peer::Peer;
use crate::reply::{Reply, ReplyBody};
use crate::route::{self, Found};

/// What is answered while the daemon stops: that it is there, and more who want it to stop.
const WHILE_STOPPING: [&str; 2] = ["/health", "/internal/lifecycle/shutdown"];

/// Answers one request. An error is an answer like any other.
pub(crate) async fn dispatch(
    app: Arc<App>,
    peer: Peer,
    switch: Arc<Switch>,
    request: Request<Incoming>,
) -> Result<Response<ReplyBody>, Infallible> {
    let span = tracing::debug_span!(
        "request",
        method = %request.method(),
        path = request.uri().path(),
        peer = peer.pid,
    );
    Ok(answer(app, peer, switch, request).instrument(span).await)
}

async fn answer(
    app: Arc<App>,
    peer: Peer,
    switch: Arc<Switch>,
    request: Request<Incoming>,
) -> Response<ReplyBody> {
    let is_too_long = head_bytes(&request) > limits::MAX_HEAD_BYTES;
    let found = route::find(request.method(), request.uri().path());
    let (parts, incoming) = request.into_parts();
    let mut call = Call {
        body: Body::new(incoming, app.timeouts.body, app.room.clone()),
        app,
        peer,
        switch,
        request: Request::from_parts(parts, ()),
        param: None,
    };
    let reply = match found {
        _ if is_too_long => Ok(Reply::bare(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)),
        Ok(found) => handle(found, &mut call).await,
        Err(error) => Err(error),
    }
    .unwrap_or_else(refuse);
    let mut response = reply.into_response();
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        call.body.drain().await;
        // Clients read to the end of the connection: it ends with the answer.
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    let (written, stopping) = (call.switch.written().clone(), call.app.stopping());
    response.map(|body| BreaksOff::new(body, written, stopping).boxed_unsync())
}

/// The length of a request's head as it is commonly written. The parser bounds only what it holds
/// before it has a whole one, which may come all at once.
fn head_bytes<B>(request: &Request<B>) -> usize {
    let first = [request.method().as_str(), " ", " HTTP/1.1\r\n", "\r\n"];
    let first: usize = first.iter().map(|part| part.len()).sum();
    let headers = request.headers().iter();
    let headers: usize = headers
        .map(|(name, value)| name.as_str().len() + ": \r\n".len() + value.len())
        .sum();
    first + request.uri().to_string().len() + headers
}

async fn handle(found: Found, call: &mut Call) -> Result<Reply, Error> {
    if call.app.is_stopping() && !WHILE_STOPPING.contains(&found.route.path) {
        return Err(Error::shutting_down());
    }
    call.param = found.param;
    let refusal = failing_log::refusal(call.app.engine.clone(), found.route);
    tokio::select! {
        biased;
        answer = (found.route.handler)(call) => answer,
        error = refusal => Err(error),
    }
}

fn refuse(error: Error) -> Reply {
    let code = error.code();
    if code == coven::Code::InternalError {
        tracing::error!(%code, message = error.message(), "request failed");
    } else {
        tracing::debug!(%code, message = error.message(), "request refused");
    }
    error.reply()
}

/// The answer when a handler panicked: a bug of ours, which the panic hook has told the log.
pub(crate) fn after_panic() -> Response<ReplyBody> {
    Error::internal("a bug in the daemon; its log says more")
        .reply()
        .into_response()
}

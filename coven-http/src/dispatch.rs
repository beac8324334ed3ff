//! From a request to its answer: find the route, call its handler, render what it says.

use std::convert::Infallible;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::{Request, Response, StatusCode};
use tracing::Instrument as _;

use crate::app::{App, Call};
use crate::body::Body;
use crate::connection::Switch;
use crate::error::Error;
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
    response
}

async fn handle(found: Found, call: &mut Call) -> Result<Reply, Error> {
    if call.app.is_stopping() && !WHILE_STOPPING.contains(&found.route.path) {
        return Err(Error::shutting_down());
    }
    call.param = found.param;
    (found.route.handler)(call).await
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

//! `Reply`: an answer, before it is put on the wire.

use std::io;

use bytes::Bytes;
use futures_util::Stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;

use crate::wire::Accepted;

/// The body of an answer: whole, or a stream.
pub(crate) type ReplyBody = UnsyncBoxBody<Bytes, io::Error>;

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply(Response<ReplyBody>);

impl Reply {
    /// A whole JSON answer. It has a length, so it is never chunked.
    pub(crate) fn json<T: Serialize>(status: StatusCode, body: &T) -> Self {
        let json = serde_json::to_vec(body).expect("a wire type has a JSON form");
        Self::raw_json(status, json)
    }

    /// A whole answer that is JSON already.
    pub(crate) fn raw_json(status: StatusCode, json: impl Into<Bytes>) -> Self {
        Self::whole(status, json.into())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
    }

    /// 200 with a JSON body.
    pub(crate) fn ok<T: Serialize>(body: &T) -> Self {
        Self::json(StatusCode::OK, body)
    }

    /// 202: what was asked is on record and under way.
    pub(crate) fn accepted() -> Self {
        Self::json(StatusCode::ACCEPTED, &Accepted::YES)
    }

    /// 204.
    pub(crate) fn no_content() -> Self {
        Self::bare(StatusCode::NO_CONTENT)
    }

    /// An answer that says no more than its status.
    pub(crate) fn bare(status: StatusCode) -> Self {
        Self::whole(status, Bytes::new())
    }

    /// A stream. Without `len_bytes` it is chunked and ends when it ends.
    pub(crate) fn stream<S>(status: StatusCode, len_bytes: Option<u64>, stream: S) -> Self
    where
        S: Stream<Item = Result<Bytes, io::Error>> + Send + 'static,
    {
        use futures_util::TryStreamExt;
        let body = StreamBody::new(stream.map_ok(Frame::data)).boxed_unsync();
        let reply = Self::with_body(status, body)
            .header(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match len_bytes {
            Some(len_bytes) => reply.header(CONTENT_LENGTH, len_bytes.into()),
            None => reply,
        }
    }

    /// An answer of another maker, with an empty body.
    pub(crate) fn head(response: Response<()>) -> Self {
        Self(response.map(|()| whole_body(Bytes::new())))
    }

    /// The same with a header more.
    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers_mut().insert(name, value);
        self
    }

    /// For the wire.
    pub(crate) fn into_response(self) -> Response<ReplyBody> {
        self.0
    }

    fn whole(status: StatusCode, body: Bytes) -> Self {
        Self::with_body(status, whole_body(body))
    }

    fn with_body(status: StatusCode, body: ReplyBody) -> Self {
        let mut response = Response::new(body);
        *response.status_mut() = status;
        Self(response)
    }
}

fn whole_body(bytes: Bytes) -> ReplyBody {
    Full::new(bytes)
        .map_err(|never| match never {})
        .boxed_unsync()
}

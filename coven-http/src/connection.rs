//! One connection: one request, one answer, then its end.

use std::any::Any;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use hyper::Response;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tokio::time::{Instant, Sleep, sleep};
use tower::ServiceBuilder;
use tower::service_fn;
use tower_http::catch_panic::CatchPanicLayer;

use crate::app::{App, HoldPermit};
use crate::breaking_off::Written;
use crate::dispatch::{after_panic, dispatch};
use crate::limits;
use crate::peer::{self, Peer};
use crate::reply::ReplyBody;

/// What a handler may say of the connection it answers on.
#[derive(Default)]
pub(crate) struct Switch {
    streaming: AtomicBool,
    held: Mutex<Option<HoldPermit>>,
    afterwards: Mutex<Option<Afterwards>>,
    written: Written,
}

/// What becomes of a connection after it was upgraded.
pub(crate) type Afterwards = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Switch {
    /// The answer is a stream: its reader may take its time.
    pub(crate) fn stream(&self) {
        self.streaming.store(true, Ordering::Relaxed);
    }

    /// The connection stays open, past its answer, until the daemon has stopped.
    pub(crate) fn hold(&self, permit: HoldPermit) {
        *lock(&self.held) = Some(permit);
    }

    fn is_held(&self) -> bool {
        lock(&self.held).is_some()
    }

    /// Says when all was written that was given of the answer.
    pub(crate) const fn written(&self) -> &Written {
        &self.written
    }

    /// The connection is upgraded: this goes on with it, in its task.
    pub(crate) fn afterwards(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.stream();
        *lock(&self.afterwards) = Some(Box::pin(task));
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl std::fmt::Debug for Switch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Switch").finish_non_exhaustive()
    }
}

/// Serves one connection to its end. Whatever the peer does, it harms only itself.
pub(crate) async fn serve(app: Arc<App>, stream: UnixStream) {
    let peer = match peer::check(&stream) {
        Ok(peer) => peer,
        Err(stranger) => {
            tracing::warn!(%stranger, "connection refused");
            return;
        }
    };
    let switch = Arc::new(Switch::default());
    let io = Guarded::new(stream, app.clone(), switch.clone());
    if let Err(error) = serve_http(app, peer, switch.clone(), io).await {
        tracing::debug!(%error, peer = peer.pid, "connection ended early");
    }
    let afterwards = lock(&switch.afterwards).take();
    if let Some(task) = afterwards {
        task.await;
    }
}

async fn serve_http(
    app: Arc<App>,
    peer: Peer,
    switch: Arc<Switch>,
    io: Guarded,
) -> hyper::Result<()> {
    let mut stopping = app.stopping();
    let head_timeout = app.timeouts.head;
    let service = ServiceBuilder::new()
        .layer(CatchPanicLayer::custom(render_panic))
        .service(service_fn(move |request| {
            dispatch(app.clone(), peer, switch.clone(), request)
        }));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_timeout)
        .half_close(true)
        .keep_alive(false)
        .max_headers(limits::MAX_HEADERS)
        .max_buf_size(limits::MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(io), TowerToHyperService::new(service))
        .with_upgrades();
    let mut connection = pin!(connection);
    tokio::select! {
        served = connection.as_mut() => return served,
        () = stopping.closing() => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}

#[allow(clippy::needless_pass_by_value)] // the layer's signature
fn render_panic(_: Box<dyn Any + Send>) -> Response<ReplyBody> {
    after_panic()
}

/// A socket that gives up on a reader of a plain answer who takes nothing of it, and that can be
/// held open past its connection.
struct Guarded {
    /// `None` only while it is dropped.
    stream: Option<UnixStream>,
    app: Arc<App>,
    switch: Arc<Switch>,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Guarded {
    fn new(stream: UnixStream, app: Arc<App>, switch: Arc<Switch>) -> Self {
        Self {
            stream: Some(stream),
            app,
            switch,
            stalled: None,
        }
    }

    fn stream(&mut self) -> Pin<&mut UnixStream> {
        Pin::new(
            self.stream
                .as_mut()
                .expect("the stream is taken only in drop"),
        )
    }

    /// What a write came to, unless its reader has stalled for too long.
    fn progress<T>(
        &mut self,
        written: Poll<io::Result<T>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() || self.switch.streaming.load(Ordering::Relaxed) {
            self.stalled = None;
            return written;
        }
        let patience = self.app.timeouts.write_stall;
        let stalled = self
            .stalled
            .get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(stalled.as_mut().poll(cx));
        stalled.as_mut().reset(Instant::now() + patience);
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        if let Some(permit) = lock(&self.switch.held).take()
            && let Some(Ok(stream)) = self.stream.take().map(UnixStream::into_std)
        {
            self.app.hold(OwnedFd::from(stream), permit);
        }
    }
}

impl AsyncRead for Guarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream().poll_read(cx, buf)
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = self.stream().poll_write(cx, buf);
        self.progress(written, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = self.stream().poll_write_vectored(cx, bufs);
        self.progress(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Who calls this has nothing left to write.
        self.switch.written.tell();
        self.stream().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.switch.is_held() {
            return Poll::Ready(Ok(()));
        }
        self.stream().poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use bytes::Bytes;
    use coven::{Engine, Options};
    use futures_util::stream;
    use http_body_util::BodyExt;
    use hyper::StatusCode;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::breaking_off::BreaksOff;
    use crate::reply::Reply;

    #[tokio::test]
    async fn an_answer_that_breaks_off_at_once_gives_all_that_came_before() {
        let dir = tempfile::tempdir().unwrap();
        let engine = Engine::open(Options::at(dir.path().join("home")));
        let app = Arc::new(App::of_process(engine.await.unwrap()));
        let switch = Arc::new(Switch::default());
        let (mut reader, stream) = UnixStream::pair().unwrap();
        let io = Guarded::new(stream, app.clone(), switch.clone());
        let stopping = app.stopping();
        let answer = hyper::service::service_fn(move |_| {
            let given = Bytes::from_static(&[0xff; 20_000]);
            let pieces = stream::iter([Ok(given), Err(io::Error::other("damage"))]);
            let reply = Reply::stream(StatusCode::OK, None, pieces).into_response();
            let (written, stopping) = (switch.written().clone(), stopping.clone());
            let reply = reply.map(|body| BreaksOff::new(body, written, stopping).boxed_unsync());
            async { Ok::<_, Infallible>(reply) }
        });
        let served = tokio::spawn(async move {
            let connection = http1::Builder::new().serve_connection(TokioIo::new(io), answer);
            connection.await
        });
        let request = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";
        reader.write_all(request).await.unwrap();
        let mut read = Vec::new();
        reader.read_to_end(&mut read).await.unwrap();
        assert_eq!(read.iter().filter(|byte| **byte == 0xff).count(), 20_000);
        assert!(!read.ends_with(b"0\r\n\r\n"), "it is told as whole");
        assert!(served.await.unwrap().is_err());
        app.engine.shutdown().await;
    }
}

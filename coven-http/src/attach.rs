//! Attach: a viewer's terminal at a session, over a WebSocket.
//!
//! Two halves run side by side, so that a viewer who reads slowly can still type: [`shown`] tells
//! the viewer what the session writes, [`typed`] gives the session what the viewer types.

mod shown;
mod typed;

use std::time::Duration;

use coven::{Actor, AttachView, Engine, SessionId, TermSize};
use futures_util::StreamExt;
use hyper_tungstenite::HyperWebsocketStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::app::{Stopping, StreamPermit};
use crate::wire::FromDaemon;

/// Control frames that wait for a viewer who does not read. One more is dropped.
const MAX_WAITING_CONTROLS: usize = 64;

/// How long a program gets to see the smaller terminal before it gets its size back. Both at once
/// would look to it as if nothing had changed, and it would not draw anew.
const REDRAW_PAUSE: Duration = Duration::from_millis(50);

/// How long a viewer may take to read the last frames.
const FAREWELL: Duration = Duration::from_secs(2);

/// One viewer's attach.
pub(crate) struct Attached {
    pub(crate) engine: Engine,
    pub(crate) id: SessionId,
    pub(crate) by: Actor,
    pub(crate) stopping: Stopping,
    pub(crate) heartbeat: Duration,
    #[allow(dead_code)] // held for as long as the attach is open
    pub(crate) permit: StreamPermit,
}

/// What the typing half says to the showing half.
enum Note {
    /// For the viewer.
    Tell(FromDaemon),
    /// The viewer leaves.
    Leave,
}

/// Serves one viewer until it leaves or vanishes, the session ends, or the daemon stops.
pub(crate) async fn serve(attached: Attached, view: AttachView, socket: HyperWebsocketStream) {
    let (sink, mut stream) = socket.split();
    let (notes, noted) = mpsc::channel(MAX_WAITING_CONTROLS);
    let redraw = view.live.then_some(view.size);
    let shown = shown::run(&attached, view, noted, sink);
    let typed = typed::run(&attached, redraw, notes, &mut stream);
    // Whichever half ends ends the other: the viewer was told everything, or is gone.
    tokio::select! {
        () = shown => {}
        () = typed => return,
    }
    // A viewer that is still sending must not find the socket closed before it has read the last
    // frames: it is waited for, to say that it has.
    let farewell = async { while let Some(Ok(_)) = stream.next().await {} };
    let _ = timeout(FAREWELL, farewell).await;
}

/// A size that is one row off.
fn other_size(size: TermSize) -> TermSize {
    let rows = match size.rows() {
        1 => 2,
        rows => rows - 1,
    };
    TermSize::parse(size.cols().into(), rows.into()).unwrap_or(size)
}

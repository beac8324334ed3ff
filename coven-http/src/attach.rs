//! Attach: a viewer's terminal at a session, over a WebSocket.
//!
//! Two halves run side by side, so that a viewer who reads slowly can still type: [`shown`] tells
//! the viewer what the session writes, [`typed`] gives the session what the viewer types.

mod shown;
mod typed;

use std::time::Duration;

use coven::{Actor, AttachView, Engine, IdempotencyKey, Seq, SessionId};
use futures_util::StreamExt;
use hyper_tungstenite::HyperWebsocketStream;
use hyper_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use crate::app::{Stopping, StreamPermit};
use crate::wire::FromDaemon;

/// Control frames that wait for a viewer who does not read. One more is dropped.
const MAX_WAITING_CONTROLS: usize = 64;

/// How long a viewer may take to read the last frames.
const FAREWELL: Duration = Duration::from_secs(2);

/// One viewer's attach.
pub(crate) struct Attached {
    pub(crate) engine: Engine,
    pub(crate) named: Option<Named>,
    pub(crate) id: SessionId,
    pub(crate) by: Actor,
    pub(crate) stopping: Stopping,
    pub(crate) heartbeat: Duration,
    #[allow(dead_code)] // held for as long as the attach is open
    pub(crate) permit: StreamPermit,
}

/// A viewer that comes again where its connection breaks.
pub(crate) struct Named {
    /// The same each time.
    pub(crate) key: IdempotencyKey,
    /// What it types is, of all that it typed under this key, what comes after so many bytes.
    pub(crate) typed_bytes: u64,
}

/// What a viewer is shown first.
pub(crate) enum Opening {
    /// All of the view: its terminal is as it came.
    Drawn(AttachView),
    /// Nothing but what comes after the place that it was shown before.
    Resumed {
        /// What it would be shown.
        view: AttachView,
        /// The place: not after the view's.
        after: Seq,
    },
}

/// How a viewer leaves while there is still somebody to answer.
enum Leaves {
    /// As it asked, or because it sent too much at once: its terminal is put in order first.
    InOrder,
    /// It has closed the socket, and takes nothing more but that this is heard.
    Closed,
    /// What it sent is no WebSocket.
    Garbled { code: CloseCode },
}

/// Serves one viewer until it leaves or vanishes, the session ends, or the daemon stops.
pub(crate) async fn serve(attached: Attached, opening: Opening, socket: HyperWebsocketStream) {
    let (sink, mut stream) = socket.split();
    let (tell, controls) = mpsc::channel::<FromDaemon>(MAX_WAITING_CONTROLS);
    let (leave, leaves) = oneshot::channel();
    if matches!(opening, Opening::Drawn(_)) {
        // What it has drawn before the tail is not in the view.
        attached.engine.redraw(&attached.id).await;
    }
    let (take, taken) = watch::channel(0);
    let told = shown::Told { controls, taken };
    let shown = shown::run(&attached, opening, told, leaves, sink);
    let typed = typed::run(
        &attached,
        typed::Tell {
            controls: tell,
            taken: take,
        },
        leave,
        &mut stream,
    );
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

//! What a viewer is shown.

use bytes::Bytes;
use coven::terminal::{Listener, ToViewer};
use coven::{Code, Envelope, Event, Seq, TermSize};
use futures_util::SinkExt;
use futures_util::stream::SplitSink;
use hyper_tungstenite::HyperWebsocketStream;
use hyper_tungstenite::tungstenite::protocol::CloseFrame;
use hyper_tungstenite::tungstenite::{Error as WsError, Message};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, interval_at, sleep};

use super::{Attached, FAREWELL, Leaves, Opening};
use crate::render;
use crate::wire::FromDaemon;

/// The viewer's end of the socket, and the state of its terminal.
struct Screen {
    sink: SplitSink<HyperWebsocketStream, Message>,
    filter: ToViewer,
    /// Hears what the viewer's terminal hears, so that it can be left as it was.
    listener: Listener,
    /// Up to where the listener has heard already what the viewer was shown before.
    heard: u64,
    /// The last place told; 0 before the opening bytes are.
    seq: u64,
}

/// What the typing half has to tell.
pub(super) struct Told {
    pub(super) controls: mpsc::Receiver<FromDaemon>,
    /// How much was taken of what a viewer with a key typed.
    pub(super) taken: watch::Receiver<u64>,
}

/// Why it ends.
enum End {
    /// The session is told whole.
    Over,
    /// The viewer leaves.
    Left { how: Leaves },
    /// The daemon stops.
    Stopped,
    /// It cannot go on.
    Broken { code: Code, message: String },
    /// There is nobody to tell.
    Vanished,
}

impl From<WsError> for End {
    fn from(_: WsError) -> Self {
        Self::Vanished
    }
}

/// Opens the view, then tells what comes, and in the end leaves the viewer's terminal as it was.
pub(super) async fn run(
    attached: &Attached,
    opening: Opening,
    mut told: Told,
    leaves: oneshot::Receiver<Leaves>,
    sink: SplitSink<HyperWebsocketStream, Message>,
) {
    let (view, after) = match opening {
        Opening::Drawn(view) => (view, None),
        Opening::Resumed { view, after } => (view, Some(after)),
    };
    let begins = after.unwrap_or(view.seq);
    let hello = FromDaemon::Hello {
        seq: begins.get(),
        cols: view.size.cols(),
        rows: view.size.rows(),
        live: view.live,
        resumed: after.is_some(),
    };
    let mut screen = Screen {
        sink,
        filter: view.filter,
        listener: Listener::new(),
        heard: 0,
        seq: 0,
    };
    let drawn = if after.is_none() {
        [view.restore, view.tail]
    } else {
        screen.has_shown(&[view.restore, view.tail], view.seq);
        [Bytes::new(), Bytes::new()]
    };
    let mut stopping = attached.stopping.clone();
    let telling = async {
        match screen.open(attached, &hello, drawn, begins).await {
            Ok(()) => screen.live(attached, begins, &mut told).await,
            Err(error) => error.into(),
        }
    };
    // These do not wait for a viewer that does not read.
    let end = tokio::select! {
        biased;
        _ = stopping.wait() => End::Stopped,
        Ok(how) = leaves => End::Left { how },
        end = telling => end,
    };
    let is_over = matches!(end, End::Over);
    let closing = screen.close(attached, end, &mut told);
    let patience = async {
        if is_over {
            // There is a session's end to be read, and all the time for it.
            stopping.wait().await;
        }
        sleep(FAREWELL).await;
    };
    tokio::select! {
        _ = closing => {}
        () = patience => {}
    }
}

impl Screen {
    /// The viewer was shown this before, up to `seq` or a little less.
    fn has_shown(&mut self, drawn: &[Bytes], seq: Seq) {
        for bytes in drawn {
            self.listener.hear(bytes);
        }
        self.heard = seq.get();
        self.filter = ToViewer::new();
    }

    async fn open(
        &mut self,
        attached: &Attached,
        hello: &FromDaemon,
        drawn: [Bytes; 2],
        seq: Seq,
    ) -> Result<(), WsError> {
        self.tell(hello).await?;
        for bytes in drawn {
            self.show(bytes).await?;
        }
        self.seq = seq.get();
        self.mark(attached).await?;
        self.sink.flush().await
    }

    /// Tells a viewer that has a key how far it is, where it can go on from there.
    async fn mark(&mut self, attached: &Attached) -> Result<(), WsError> {
        if attached.named.is_none() || self.filter.holds() {
            return Ok(());
        }
        self.tell(&FromDaemon::Shown { seq: self.seq }).await
    }

    async fn live(&mut self, attached: &Attached, after: Seq, told: &mut Told) -> End {
        let Told { controls, taken } = told;
        let mut follow = attached.engine.follow(&attached.id, after);
        let first_heartbeat = Instant::now() + attached.heartbeat;
        let mut heartbeat = interval_at(first_heartbeat, attached.heartbeat);
        loop {
            let told = tokio::select! {
                control = controls.recv() => match control {
                    Some(control) => self.tell(&control).await,
                    None => return End::Vanished,
                },
                Ok(()) = taken.changed() => {
                    let bytes = *taken.borrow_and_update();
                    self.tell(&FromDaemon::Taken { bytes }).await
                }
                _ = heartbeat.tick() => self.sink.send(Message::Ping(Bytes::new())).await,
                page = follow.next() => match page {
                    Ok(Some(page)) => self.page(attached, page).await,
                    Ok(None) => return End::Over,
                    Err(error) => return End::Broken {
                        code: error.code(),
                        message: error.to_string(),
                    },
                },
            };
            if let Err(error) = told {
                return error.into();
            }
        }
    }

    async fn page(&mut self, attached: &Attached, page: Vec<Envelope>) -> Result<(), WsError> {
        let mut has_shown = false;
        for envelope in page {
            let seq = envelope.seq.get();
            match envelope.event {
                Event::Output { data, .. } => {
                    let shown = self.filter.pass(data);
                    has_shown |= !shown.is_empty();
                    if seq > self.heard {
                        self.show(shown).await?;
                    } else {
                        self.send(shown).await?;
                    }
                }
                Event::Resized { size } => self.resized(seq, size).await?,
                Event::Created { .. }
                | Event::Registered { .. }
                | Event::Started { .. }
                | Event::LaunchFailed { .. }
                | Event::Identified { .. }
                | Event::Input { .. }
                | Event::Titled { .. }
                | Event::Labelled { .. }
                | Event::KillRequested
                | Event::OutputClosed { .. }
                | Event::Exited { .. }
                | Event::Completed { .. }
                | Event::Orphaned { .. }
                | Event::Archived
                | Event::Summoned
                | Event::Deleted
                | Event::Trimmed { .. }
                | Event::Undelivered { .. } => {}
            }
            // Whoever leaves while it waits for its viewer was not shown it.
            self.seq = seq;
        }
        if has_shown {
            self.mark(attached).await?;
        }
        self.sink.flush().await
    }

    async fn resized(&mut self, seq: u64, size: TermSize) -> Result<(), WsError> {
        let resize = FromDaemon::Resize {
            seq,
            cols: size.cols(),
            rows: size.rows(),
        };
        self.tell(&resize).await
    }

    async fn close(
        &mut self,
        attached: &Attached,
        end: End,
        Told { controls, taken }: &mut Told,
    ) -> Result<(), WsError> {
        // A viewer that comes again keeps its screen.
        let comes_again = matches!(end, End::Stopped) && attached.named.is_some();
        let last = match end {
            End::Vanished => return Ok(()),
            End::Left {
                how: Leaves::InOrder,
            } => FromDaemon::Detached { seq: self.seq },
            End::Left {
                how: Leaves::Closed,
            } => return self.sink.close().await,
            End::Left {
                how: Leaves::Garbled { code },
            } => {
                let reason = "".into();
                let close = Message::Close(Some(CloseFrame { code, reason }));
                return self.sink.send(close).await;
            }
            End::Stopped => FromDaemon::Error {
                code: Code::RuntimeUnavailable.as_str().to_owned(),
                message: "the daemon is shutting down".to_owned(),
                reason: Some("shutting_down".to_owned()),
            },
            End::Broken { code, message } => FromDaemon::Error {
                code: code.as_str().to_owned(),
                message,
                reason: None,
            },
            End::Over => self.exit(attached).await,
        };
        while let Ok(control) = controls.try_recv() {
            self.tell(&control).await?;
        }
        if taken.has_changed().unwrap_or_default() {
            let bytes = *taken.borrow_and_update();
            self.tell(&FromDaemon::Taken { bytes }).await?;
        }
        if !comes_again {
            let reset = self.listener.modes().reset();
            self.show(reset.into()).await?;
        }
        self.tell(&last).await?;
        self.sink.close().await
    }

    /// The last frame of a session that is over.
    async fn exit(&self, attached: &Attached) -> FromDaemon {
        match attached.engine.get(&attached.id).await {
            Ok(record) => {
                let record = render::record(&record);
                FromDaemon::Exit {
                    seq: self.seq,
                    status: record.status,
                    exit_code: record.exit_code,
                    signal: record.exit_signal,
                }
            }
            // It was deleted.
            Err(error) => FromDaemon::Error {
                code: error.code().as_str().to_owned(),
                message: error.to_string(),
                reason: None,
            },
        }
    }

    async fn show(&mut self, bytes: Bytes) -> Result<(), WsError> {
        self.listener.hear(&bytes);
        self.send(bytes).await
    }

    async fn send(&mut self, bytes: Bytes) -> Result<(), WsError> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.sink.feed(Message::Binary(bytes)).await
    }

    async fn tell(&mut self, control: &FromDaemon) -> Result<(), WsError> {
        let text = serde_json::to_string(control).expect("a control frame has a JSON form");
        self.sink.feed(Message::Text(text.into())).await?;
        self.sink.flush().await
    }
}

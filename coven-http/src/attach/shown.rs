//! What a viewer is shown.

use bytes::Bytes;
use coven::terminal::{Listener, ToViewer};
use coven::{AttachView, Code, Envelope, Event, TermSize};
use futures_util::SinkExt;
use futures_util::stream::SplitSink;
use hyper_tungstenite::HyperWebsocketStream;
use hyper_tungstenite::tungstenite::protocol::CloseFrame;
use hyper_tungstenite::tungstenite::{Error as WsError, Message};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, interval_at, sleep};

use super::{Attached, FAREWELL, Leaves};
use crate::render;
use crate::wire::FromDaemon;

/// The viewer's end of the socket, and the state of its terminal.
struct Screen {
    sink: SplitSink<HyperWebsocketStream, Message>,
    filter: ToViewer,
    /// Hears what the viewer's terminal hears, so that it can be left as it was.
    listener: Listener,
    /// The last place told; 0 before the opening bytes are.
    seq: u64,
}

/// Why it ends.
enum End {
    /// The session is told whole.
    Over,
    /// The viewer leaves.
    Left { how: Leaves },
    /// The daemon stops, or cannot go on.
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
    view: AttachView,
    mut controls: mpsc::Receiver<FromDaemon>,
    leaves: oneshot::Receiver<Leaves>,
    sink: SplitSink<HyperWebsocketStream, Message>,
) {
    let after = view.seq;
    let mut screen = Screen {
        sink,
        filter: view.filter,
        listener: Listener::new(),
        seq: 0,
    };
    let hello = FromDaemon::Hello {
        seq: after.get(),
        cols: view.size.cols(),
        rows: view.size.rows(),
        live: view.live,
    };
    let mut stopping = attached.stopping.clone();
    let telling = async {
        match screen.open(&hello, view.restore, view.tail).await {
            Ok(()) => {
                screen.seq = after.get();
                screen.live(attached, after, &mut controls).await
            }
            Err(error) => error.into(),
        }
    };
    // These do not wait for a viewer that does not read.
    let end = tokio::select! {
        biased;
        _ = stopping.wait() => End::Broken {
            code: Code::RuntimeUnavailable,
            message: "the daemon is shutting down".to_owned(),
        },
        Ok(how) = leaves => End::Left { how },
        end = telling => end,
    };
    let is_over = matches!(end, End::Over);
    let closing = screen.close(attached, end, &mut controls);
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
    async fn open(
        &mut self,
        hello: &FromDaemon,
        restore: Bytes,
        tail: Bytes,
    ) -> Result<(), WsError> {
        self.tell(hello).await?;
        self.show(restore).await?;
        self.show(tail).await?;
        self.sink.flush().await
    }

    async fn live(
        &mut self,
        attached: &Attached,
        after: coven::Seq,
        controls: &mut mpsc::Receiver<FromDaemon>,
    ) -> End {
        let mut follow = attached.engine.follow(&attached.id, after);
        let first_heartbeat = Instant::now() + attached.heartbeat;
        let mut heartbeat = interval_at(first_heartbeat, attached.heartbeat);
        loop {
            let told = tokio::select! {
                control = controls.recv() => match control {
                    Some(control) => self.tell(&control).await,
                    None => return End::Vanished,
                },
                _ = heartbeat.tick() => self.sink.send(Message::Ping(Bytes::new())).await,
                page = follow.next() => match page {
                    Ok(Some(page)) => self.page(page).await,
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

    async fn page(&mut self, page: Vec<Envelope>) -> Result<(), WsError> {
        for envelope in page {
            let seq = envelope.seq.get();
            match envelope.event {
                Event::Output { data, .. } => {
                    let shown = self.filter.pass(data);
                    self.show(shown).await?;
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
                | Event::Trimmed { .. } => {}
            }
            // Whoever leaves while it waits for its viewer was not shown it.
            self.seq = seq;
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
        controls: &mut mpsc::Receiver<FromDaemon>,
    ) -> Result<(), WsError> {
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
            End::Broken { code, message } => FromDaemon::Error {
                code: code.as_str().to_owned(),
                message,
            },
            End::Over => self.exit(attached).await,
        };
        while let Ok(control) = controls.try_recv() {
            self.tell(&control).await?;
        }
        let reset = self.listener.modes().reset();
        self.show(reset.into()).await?;
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
            },
        }
    }

    async fn show(&mut self, bytes: Bytes) -> Result<(), WsError> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.listener.hear(&bytes);
        self.sink.feed(Message::Binary(bytes)).await
    }

    async fn tell(&mut self, control: &FromDaemon) -> Result<(), WsError> {
        let text = serde_json::to_string(control).expect("a control frame has a JSON form");
        self.sink.feed(Message::Text(text.into())).await?;
        self.sink.flush().await
    }
}

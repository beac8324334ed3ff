//! `Viewer`: a session's terminal, over whatever happens to the connection.

mod typed;

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use coven::Code;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::attach::{Attach, AttachReader, Frame, Place};
use super::away::Away;
use super::error::{Answer, Cursor};
use super::{Client, Error};
use crate::wire::FromDaemon;

use typed::Typed;
pub use typed::{TooMuchTyped, ViewerWriter};

/// A viewer: both halves, to be used from two tasks or one. It attaches by itself, and again.
#[derive(Debug)]
pub struct Viewer {
    /// What the session writes.
    pub reader: ViewerReader,
    /// What the viewer types.
    pub writer: ViewerWriter,
}

/// What the session writes. Dropping it ends the viewer; the session goes on.
#[derive(Debug)]
pub struct ViewerReader {
    frames: mpsc::Receiver<Result<Frame, Error>>,
    task: JoinHandle<()>,
}

impl Drop for ViewerReader {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// How one connection ended.
enum End {
    /// Nothing more comes.
    Over,
    /// The daemon went away, or says that it will.
    Away {
        /// How that showed.
        error: Error,
        /// Since when it may be away.
        since: Instant,
    },
    /// Nobody reads any more.
    Unread,
}

/// How far the viewer has been shown.
#[derive(Debug, Default)]
struct Shown {
    /// The last place that the daemon told.
    seq: Option<u64>,
    /// Bytes shown since.
    since_bytes: usize,
    /// Of what comes now, the bytes that were shown already.
    again_bytes: usize,
}

impl Viewer {
    pub(super) fn open(client: Client, id: String, patience: Duration) -> Self {
        let typed = Arc::new(Typed::default());
        // One frame at a time: whoever does not read has the daemon wait.
        let (tell, frames) = mpsc::channel(1);
        let attaching = Attaching {
            client,
            id,
            away: Away::new(patience),
            shown: Shown::default(),
            typed: Arc::clone(&typed),
            tell,
        };
        Self {
            reader: ViewerReader {
                frames,
                task: tokio::spawn(attaching.run()),
            },
            writer: ViewerWriter::of(typed),
        }
    }
}

impl ViewerReader {
    /// The next frame; `None` once all is told. Can be cancelled and called again.
    ///
    /// The first of each connection is [`FromDaemon::Hello`]. One after the first that says
    /// `resumed` changes nothing; after another the viewer's terminal is to be put in order and
    /// cleared, since everything is drawn on it anew.
    ///
    /// # Errors
    /// - [`Error::Away`]: no daemon answered for as long as was to be waited. Calling again waits
    ///   for as long again.
    /// - Any other is the last: the session is not there any more, or not to be attached to.
    pub async fn next(&mut self) -> Result<Option<Frame>, Error> {
        self.frames.recv().await.transpose()
    }
}

/// The task behind a viewer.
struct Attaching {
    client: Client,
    id: String,
    away: Away,
    shown: Shown,
    typed: Arc<Typed>,
    tell: mpsc::Sender<Result<Frame, Error>>,
}

impl Attaching {
    async fn run(mut self) {
        loop {
            self.away.pause().await;
            let (error, since) = match self.connection().await {
                End::Over | End::Unread => return,
                End::Away { error, since } => (error, since),
            };
            let cursor = match self.shown.seq {
                Some(seq) => Cursor::AfterSeq { seq },
                None => Cursor::Start,
            };
            let socket = self.client.socket();
            if let Err(error) = self.away.failed(error, since, socket, cursor) {
                let is_last = !error.is_passing();
                if self.tell.send(Err(error)).await.is_err() || is_last {
                    return;
                }
            }
        }
    }

    async fn connection(&mut self) -> End {
        let place = Place {
            key: self.typed.key(),
            typed_bytes: self.typed.begin(),
            shown: self.shown.seq,
        };
        let since = Instant::now();
        let attach = Attach::open_at(&self.client, &self.id, place).await;
        let attach = attach.and_then(|attach| {
            let socket = self.client.socket();
            self.away.is_of_same_log(&attach.headers, socket)?;
            Ok(attach)
        });
        let Attach { reader, writer, .. } = match attach {
            Ok(attach) => attach,
            Err(error) => return End::Away { error, since },
        };
        let typed = Arc::clone(&self.typed);
        tokio::select! {
            end = self.read_on(reader) => end,
            // A socket that cannot be written ends its reader too.
            () = typed.send_on(writer) => End::Unread,
        }
    }

    /// Passes on what the daemon sends, to its end.
    async fn read_on(&mut self, mut reader: AttachReader) -> End {
        let mut last = None;
        loop {
            let frame = match reader.next().await {
                Ok(Some(Frame::Bytes(bytes))) => Frame::Bytes(self.shown.new_in(bytes)),
                Ok(Some(Frame::Control(control))) => match self.hear(control) {
                    Heard::Ours => continue,
                    Heard::Told { control } => Frame::Control(control),
                    Heard::Last { control } => {
                        let _ = self.tell.send(Ok(Frame::Control(control))).await;
                        return End::Over;
                    }
                    Heard::Refused { error, control } => {
                        let is_passing = error.is_passing();
                        last = Some(error);
                        if is_passing {
                            continue;
                        }
                        Frame::Control(control)
                    }
                },
                Ok(None) => match last {
                    // It was told.
                    Some(error) if !error.is_passing() => return End::Over,
                    error => return away(error, "the daemon closed the view"),
                },
                Err(error) => return away(last, &error.to_string()),
            };
            let len_bytes = match &frame {
                Frame::Bytes(bytes) if bytes.is_empty() => continue,
                Frame::Bytes(bytes) => bytes.len(),
                Frame::Control(_) => 0,
            };
            if self.tell.send(Ok(frame)).await.is_err() {
                return End::Unread;
            }
            self.shown.since_bytes += len_bytes;
        }
    }

    fn hear(&mut self, control: FromDaemon) -> Heard {
        match control {
            FromDaemon::Hello { resumed, .. } => {
                self.away.is_over();
                self.shown.begin(resumed);
                Heard::Told { control }
            }
            FromDaemon::Taken { bytes } => {
                self.typed.taken(bytes);
                Heard::Ours
            }
            FromDaemon::Shown { seq } => {
                self.shown.reached(seq);
                Heard::Ours
            }
            FromDaemon::Error {
                ref code,
                ref message,
                ref reason,
            } => {
                let details = reason.as_ref().map(|reason| json!({"reason": reason}));
                let answer = Answer {
                    status: 0,
                    code: Code::parse(code),
                    code_text: code.clone(),
                    message: message.clone(),
                    details,
                };
                let error = Error::Answer(Box::new(answer));
                Heard::Refused { error, control }
            }
            FromDaemon::Exit { .. } | FromDaemon::Detached { .. } => Heard::Last { control },
            FromDaemon::Resize { .. } => Heard::Told { control },
        }
    }
}

/// What a control frame means.
enum Heard {
    /// Something between the daemon and this.
    Ours,
    /// Something for who views.
    Told { control: FromDaemon },
    /// The same, and the last.
    Last { control: FromDaemon },
    /// Something was refused, or the view cannot go on.
    Refused { error: Error, control: FromDaemon },
}

fn away(last: Option<Error>, reason: &str) -> End {
    let reason = reason.to_owned();
    End::Away {
        error: last.unwrap_or(Error::Broken { reason }),
        since: Instant::now(),
    }
}

impl Shown {
    /// A connection begins: with what comes after the last place told, or anew.
    fn begin(&mut self, resumed: bool) {
        if resumed {
            self.again_bytes = self.since_bytes;
        } else {
            *self = Self::default();
        }
    }

    /// All up to `seq` was sent. What was shown before and did not come again lies after it.
    fn reached(&mut self, seq: u64) {
        self.seq = Some(seq);
        self.since_bytes = self.again_bytes;
    }

    /// Of `bytes`, those that were not shown yet.
    fn new_in(&mut self, mut bytes: Bytes) -> Bytes {
        let again = self.again_bytes.min(bytes.len());
        self.again_bytes -= again;
        bytes.advance(again);
        bytes
    }
}

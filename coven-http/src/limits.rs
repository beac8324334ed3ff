//! Every bound of the HTTP surface, with its unit and its reason.

use std::time::Duration;

/// Bytes of a request's body: far over any real launch, little enough to hold in memory.
pub(crate) const MAX_BODY_BYTES: usize = 4 << 20;

/// Bytes of the body of a route that is not in the fixed part of the contract and takes no long
/// text: a size, a title, labels.
pub(crate) const MAX_SMALL_BODY_BYTES: usize = 256 << 10;

/// Bytes of each text of an action's request that its answer gives back: an answer is held until its
/// reader takes it.
pub(crate) const MAX_GIVEN_BACK_BYTES: usize = 4 << 10;

/// Bytes up to which a body is read and parsed at once. A longer one is counted in
/// [`MAX_BODIES_BYTES`], parsed where it holds up nobody, one at a time, and of what is wrong in it
/// no value is told.
pub(crate) const MAX_UNCOUNTED_BODY_BYTES: usize = 64 << 10;

/// Bytes of all the longer bodies that are held at once: however many send a large body and stall,
/// memory is bounded, and short requests get in.
pub(crate) const MAX_BODIES_BYTES: usize = 32 << 20;

/// Bytes of the shutdown request's body.
pub(crate) const MAX_SHUTDOWN_BODY_BYTES: usize = 16 << 10;

/// Bytes of a body over its limit that are read and thrown away, so that its sender gets to read
/// why instead of a broken pipe.
pub(crate) const MAX_DRAINED_BODY_BYTES: usize = 32 << 20;

/// Bytes of a request's head, its first line included, and of a read buffer.
pub(crate) const MAX_HEAD_BYTES: usize = 32 << 10;

/// Headers of a request.
pub(crate) const MAX_HEADERS: usize = 64;

/// Connections open at once. A connection over it is told so and closed.
pub(crate) const MAX_CONNECTIONS: usize = 512;

/// Streams (events, output, attach) open at once: fewer than connections, so that however many
/// watch, a kill still gets in.
pub(crate) const MAX_STREAMS: usize = 256;

/// Connections held open for those who asked the daemon to stop, which their end tells them: beside
/// [`MAX_CONNECTIONS`], so that requests get in while it stops.
pub(crate) const MAX_HELD_CONNECTIONS: usize = 64;

/// How long a request's head may take to arrive.
pub(crate) const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a request's body may take to arrive.
pub(crate) const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a body that nobody asked for may take to arrive before its sender is answered.
pub(crate) const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// How long the reader of a plain answer may take nothing of it. Streams have no such bound.
pub(crate) const WRITE_STALL_TIMEOUT: Duration = Duration::from_secs(30);

/// How often a stream with nothing to say says so: it finds readers that are gone.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(15);

/// Bytes of the answers that known clients read no further than 1,000,000 bytes.
pub(crate) const MAX_PLAIN_ANSWER_BYTES: usize = 1_000_000;

/// Bytes of a page of events or sessions: a known client reads no further.
pub(crate) const MAX_PAGE_BYTES: usize = 4 << 20;

/// Bytes of an event's `payload_json`: a known client ignores larger ones.
pub(crate) const MAX_PAYLOAD_BYTES: usize = coven::limits::MAX_OUTPUT_PAYLOAD_BYTES;

/// Events, or sessions, of one page.
pub(crate) const MAX_PAGE_ROWS: usize = 1000;

/// Sessions of a page that names no limit.
pub(crate) const DEFAULT_PAGE_ROWS: usize = 100;

/// Characters of one line of a preview.
pub(crate) const MAX_PREVIEW_CHARS: usize = 240;

/// Bytes of output that a preview looks at: the newest.
pub(crate) const PREVIEW_OUTPUT_BYTES: u64 = 4 << 20;

/// Bytes read from the log at once for a stream: bounds what one watcher holds in memory.
pub(crate) const STREAM_READ_BYTES: usize = 256 << 10;

/// Bytes of one WebSocket message from a viewer: a large paste.
pub(crate) const MAX_VIEWER_MESSAGE_BYTES: usize = coven::limits::MAX_INPUT_BYTES;

/// Bytes read from a viewer at once, held for as long as it is attached: keystrokes are few, and a
/// paste comes in pieces.
pub(crate) const VIEWER_READ_BYTES: usize = 4 << 10;

/// Bytes that wait in a WebSocket for a viewer that does not read; over it the log is not read on.
pub(crate) const MAX_VIEWER_BACKLOG_BYTES: usize = 1 << 20;

//! Text frames of an attach WebSocket. Binary frames are terminal bytes, both ways.

use serde::{Deserialize, Serialize};

/// From the daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
#[non_exhaustive]
pub enum FromDaemon {
    /// The first frame. What follows in binary frames first makes the viewer's terminal right,
    /// then is what the session wrote after `seq`.
    Hello {
        /// Everything up to here is in the opening bytes.
        seq: u64,
        /// Columns of the session's terminal.
        cols: u16,
        /// Rows of the session's terminal.
        rows: u16,
        /// Whether the session runs. If it does not, its output's tail follows, then `exit`.
        live: bool,
        /// Whether nothing is drawn anew, since the viewer was shown everything up to `seq` before:
        /// what follows is what the session wrote from there on.
        #[serde(default)]
        resumed: bool,
    },
    /// The terminal has a new size, by whoever asked.
    Resize {
        /// Its place.
        seq: u64,
        /// Columns.
        cols: u16,
        /// Rows.
        rows: u16,
    },
    /// The session is over. The socket closes after it.
    #[serde(rename_all = "camelCase")]
    Exit {
        /// The last place told.
        seq: u64,
        /// Its final status.
        status: super::Status,
        /// As in its record.
        exit_code: Option<i32>,
        /// As in its record.
        signal: Option<i32>,
    },
    /// A frame of the viewer was refused, or the attach cannot go on (then the socket closes).
    Error {
        /// The stable code.
        code: String,
        /// For people.
        message: String,
        /// What `details.reason` is where the daemon answers that code, such as `shutting_down`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// To a viewer with a key: so many bytes of all that it typed under it were taken.
    Taken {
        /// Since the first under this key.
        bytes: u64,
    },
    /// To a viewer with a key: all up to here was shown. It may attach again from this place.
    Shown {
        /// The place.
        seq: u64,
    },
    /// Leaving, as the viewer asked. The socket closes after it.
    Detached {
        /// The last place told.
        seq: u64,
    },
}

/// From the viewer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum FromViewer {
    /// The viewer's window has this size.
    Resize {
        /// Columns, 1 to 1000.
        cols: i64,
        /// Rows, 1 to 1000.
        rows: i64,
    },
    /// The viewer's screen is not what was drawn on it: have the program draw anew.
    Redraw,
    /// The viewer leaves. The session goes on.
    Detach,
}

//! What the folder is told, and what it owes to who tells it.

use std::sync::mpsc::{self, Sender};

use tokio::sync::oneshot;

use crate::error::AppendError;

/// What the folder is told.
pub(crate) enum Message {
    /// There is enough to fold.
    Fold,
    /// Fold whatever there is, and tell when it is done or cannot be.
    FoldAll { reply: Option<Sender<()>> },
    /// The disk is full: whatever the cold file does not use is to be given back.
    Full,
    /// Something was trimmed or deleted while there is no room: fold that, and take out what it was,
    /// with the reserve's help.
    LetGo,
    /// Write the projections anew from the log.
    Rebuild {
        reply: oneshot::Sender<Result<(), AppendError>>,
    },
    /// Somebody met damage: tell once it was looked whether it is of what can be made anew, and it was.
    Met { reply: Sender<()> },
    /// A read met a fault of this opening of the cold file.
    Alarm { opening: u64 },
    /// The writer could not read the cold file.
    Reopen,
    /// The cache holds something, to be given back when nobody reads.
    Cached,
    /// Fold whatever there is, close the cold file, and tell.
    Close { reply: Sender<()> },
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wanted {
    #[default]
    Nothing,
    /// If there is enough.
    Enough,
    /// Whatever there was when it was asked for: what came since does not keep it going.
    All { up_to: u64 },
}

/// Who is told when the cold file is so far, or cannot get there now.
pub(super) struct Waiting {
    pub(super) up_to: u64,
    pub(super) reply: Sender<()>,
}

/// Asks the folder to fold what there is, and waits until that is done, or cannot be.
pub(crate) fn fold_all(folder: &Sender<Message>) {
    let (reply, answer) = mpsc::channel();
    if folder.send(Message::FoldAll { reply: Some(reply) }).is_ok() {
        let _ = answer.recv();
    }
}

//! A writer that nobody runs: what it does is done by the test that has it.

use std::sync::mpsc::Sender;
use std::sync::{Arc, mpsc};

use coven_core::{Event, Seq};

use super::{Queue, Rooms, State, Writer};
use crate::file::{Disk, OsDisk, Places};
use crate::folder::Mender;
use crate::options::Options;
use crate::tail::SharedTail;
use crate::test_support::{Home, batch, output, running, urgent};
use crate::wake::Wakes;
use crate::{Batch, folder, opening};

/// A writer of a log with a running session `a`, and its callers' end. It tells `folder` what that is to do.
pub(super) async fn writer(home: &Home, folder: Sender<folder::Message>) -> (Writer, Arc<Queue>) {
    let store = home.open();
    running(&store, "a").await;
    store.close().await;
    let disk: Arc<dyn Disk> = Arc::new(OsDisk);
    let options = Options::default();
    let files = opening::open(&disk, &home.path(), options).expect("it opens");
    let (sender, inbox) = mpsc::channel();
    let (meter, rooms) = (Arc::default(), Rooms::new(options.queue_bytes));
    let tail = Arc::new(SharedTail::new(files.tail));
    let mark = tail.look().last();
    let pool = Arc::clone(tail.pool());
    let writer = Writer {
        places: Places {
            cold: files.cold.place().clone(),
            journal: files.journal.place().clone(),
        },
        inbox,
        journal: files.journal,
        cold: Arc::clone(&files.cold.database),
        mark,
        tail,
        mender: Mender::new(folder.clone()),
        folder,
        fold_bytes: options.fold_bytes,
        fold_after: options.fold_after,
        reserve: files.reserve,
        wakes: Arc::new(Wakes::new(Seq::ZERO)),
        meter: Arc::clone(&meter),
        rooms: rooms.clone(),
        at_close: options.at_close,
        state: State::default(),
    };
    let queue = Queue {
        sender,
        rooms,
        meter,
        pool,
    };
    (writer, Arc::new(queue))
}

/// Queues a batch, which nobody answers.
pub(super) fn ask(queue: &Arc<Queue>, batch: Batch) {
    let queue = Arc::clone(queue);
    tokio::spawn(async move { queue.append(batch).await });
}

pub(super) fn said() -> Batch {
    batch("a", None, vec![output(0, "said")])
}

pub(super) fn told(event: Event) -> Batch {
    urgent(batch("a", None, vec![event]))
}

/// Has the writer take in what is queued, until so many batches are.
pub(super) async fn take_in(writer: &mut Writer, batches: usize) {
    while writer.state.pending.len() < batches {
        tokio::task::yield_now().await;
        writer.take_in();
    }
}

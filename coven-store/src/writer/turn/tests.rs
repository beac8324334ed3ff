use std::sync::{Arc, mpsc};

use coven_core::{Event, Seq};

use super::*;
use crate::file::{Disk, OsDisk};
use crate::options::Options;
use crate::tail::SharedTail;
use crate::test_support::{Home, batch, labels, output, running, urgent};
use crate::wake::Wakes;
use crate::writer::{Chore, Queue, Rooms, State, Writer};
use crate::{Batch, opening};

/// A writer that nobody runs, of a log with a running session, and its callers' end.
async fn writer(home: &Home) -> (Writer, Arc<Queue>) {
    let store = home.open();
    running(&store, "a").await;
    store.close().await;
    let disk: Arc<dyn Disk> = Arc::new(OsDisk);
    let options = Options::default();
    let files = opening::open(&disk, &home.path(), options).expect("it opens");
    let (sender, inbox) = mpsc::channel();
    let (meter, rooms) = (Arc::default(), Rooms::new(options.queue_bytes));
    let writer = Writer {
        inbox,
        journal: files.journal,
        cold: Arc::clone(&files.cold.database),
        mark: files.tail.last(),
        tail: Arc::new(SharedTail::new(files.tail)),
        folder: mpsc::channel().0,
        fold_bytes: options.fold_bytes,
        reserve: files.reserve,
        wakes: Arc::new(Wakes::new(Seq::ZERO)),
        meter: Arc::clone(&meter),
        rooms: rooms.clone(),
        state: State::default(),
    };
    let queue = Queue {
        sender,
        rooms,
        meter,
    };
    (writer, Arc::new(queue))
}

/// Queues a batch, which nobody answers.
fn ask(queue: &Arc<Queue>, batch: Batch) {
    let queue = Arc::clone(queue);
    tokio::spawn(async move { queue.append(batch).await });
}

fn said() -> Batch {
    batch("a", None, vec![output(0, "said")])
}

fn told(event: Event) -> Batch {
    urgent(batch("a", None, vec![event]))
}

fn labelled() -> Event {
    Event::Labelled {
        labels: labels(&["one"]),
    }
}

/// Has the writer take in what is queued, so many batches.
async fn take_in(writer: &mut Writer, batches: usize) {
    while writer.state.pending.len() < batches {
        tokio::task::yield_now().await;
        writer.take_in();
    }
}

#[tokio::test]
async fn what_a_session_is_told_ends_the_pause_of_who_writes_too_fast() {
    let home = Home::new();
    let (mut writer, queue) = writer(&home).await;
    ask(&queue, said());
    take_in(&mut writer, 1).await;
    assert_eq!(writer.turn(), Turn::All);
    (writer.state.trimming, writer.state.refill) = (Chore::Done, Chore::Done);
    writer.tail.press(MAX_TAIL_BYTES - 1, 1);
    // However long this test takes, the pause is not over.
    let hour = Duration::from_secs(3600);
    writer.state.pace.begin(Instant::now() + hour);
    writer.state.pace.took(1 << 20);
    let Turn::Nobody { patience } = writer.turn() else {
        panic!("it waits for nothing");
    };
    assert!(patience > hour / 2, "{patience:?}");
    assert_eq!(writer.patience().map(|it| it > hour / 2), Some(true));
    ask(&queue, told(labelled()));
    tokio::task::yield_now().await;
    // It waits there for as long as the pause is, or for somebody.
    take_in(&mut writer, 2).await;
    assert_eq!(writer.turn(), Turn::All);
}

#[tokio::test]
async fn a_full_tail_lets_pass_what_sessions_are_told_to_a_bound_and_what_ends_them_always() {
    let home = Home::new();
    let (mut writer, queue) = writer(&home).await;
    writer.tail.press(MAX_TAIL_BYTES, 1);
    let waits = Turn::Nobody {
        patience: FOLD_PATIENCE,
    };
    ask(&queue, said());
    take_in(&mut writer, 1).await;
    assert_eq!(writer.turn(), waits);
    ask(&queue, told(labelled()));
    take_in(&mut writer, 2).await;
    assert_eq!(writer.turn(), Turn::Control);
    assert_eq!(writer.bring_control_forward(), 1);
    assert!(is_control(&writer.state.pending[0]));
    writer.tail.press(MAX_ENDING_TAIL_BYTES, 1);
    assert_eq!(writer.turn(), waits);
    ask(&queue, told(Event::KillRequested));
    take_in(&mut writer, 3).await;
    assert_eq!(writer.turn(), Turn::Control);
    assert_eq!(writer.bring_control_forward(), 1);
    assert_eq!(
        writer.state.pending[0].events[0].event,
        Event::KillRequested
    );
}

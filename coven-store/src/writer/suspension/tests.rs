use std::sync::{Arc, mpsc};

use coven_core::{Event, SessionId};

use super::*;
use crate::Batch;
use crate::batch::Appended;
use crate::test_support::{Home, batch, created, id, output, urgent};
use crate::writer::by_hand::{take_in, writer};
use crate::writer::{Queue, span};

type Asked = tokio::task::JoinHandle<Result<Appended, AppendError>>;

/// Queues a batch behind all others.
async fn ask(writer: &mut Writer, queue: &Arc<Queue>, batch: Batch) -> Asked {
    let queue = Arc::clone(queue);
    let asked = tokio::spawn(async move { queue.append(batch).await });
    let before = writer.state.pending.len();
    take_in(writer, before + 1).await;
    asked
}

fn said(offset: u64, text: &'static str) -> Batch {
    batch("a", None, vec![output(offset, text)])
}

fn pending(writer: &Writer) -> Vec<(&SessionId, Option<u64>)> {
    let jobs = writer.state.pending.iter();
    let offset = |job: &Job| span(&job.events[0]).map(|it| it.offset);
    jobs.map(|job| (&job.session, offset(job))).collect()
}

#[tokio::test]
async fn what_is_written_to_a_journal_that_was_opened_anew_can_be_told_from_what_it_may_have_let_go_of()
 {
    let home = Home::new();
    let (mut writer, queue) = writer(&home, mpsc::channel().0).await;
    let mut openings = Vec::new();
    for offset in [0, 3] {
        let said = ask(&mut writer, &queue, said(offset, "one")).await;
        writer.write_group();
        said.await.expect("no panic").expect("it follows");
        openings.push(writer.state.opened.expect("it wrote"));
    }
    assert_eq!(openings[0], openings[1]);
    writer.lose(&Fault::Stale);
    writer.hurry();
    writer.while_suspended();
    let said = ask(&mut writer, &queue, said(6, "one")).await;
    writer.write_group();
    said.await.expect("no panic").expect("it follows");
    let anew = writer.state.opened.expect("it wrote");
    assert_eq!(anew.began, openings[0].began + 2);
    assert_ne!(anew.by, openings[0].by);
}

#[tokio::test]
async fn what_was_observed_of_a_session_keeps_its_order_while_nobody_knows_where_it_stands() {
    let home = Home::new();
    let (mut writer, queue) = writer(&home, mpsc::channel().0).await;
    // The writer knows of this one without the cold file.
    let known = batch("b", None, vec![created()]);
    let known = ask(&mut writer, &queue, known).await;
    writer.write_group();
    known.await.expect("no panic").expect("it is new");

    let first = ask(&mut writer, &queue, said(0, "one")).await;
    let second = ask(&mut writer, &queue, said(3, "two")).await;
    let kill = urgent(batch("b", None, vec![Event::KillRequested]));
    let kill = ask(&mut writer, &queue, kill).await;
    writer.rooms.ends(&id("a"));
    // The disk is full, and the cold file is being opened again.
    writer.suspend(StorageFault::Full);
    writer.cold.take_away();
    writer.let_endings_through();
    assert_eq!(
        pending(&writer),
        [(&id("a"), Some(0)), (&id("a"), Some(3))],
        "and whatever is put back keeps back no other session"
    );
    kill.await.expect("no panic").expect("it is told to end");

    let cold = redb::Database::open(home.path()).expect("it opens");
    writer.cold.put(cold, None);
    writer.let_endings_through();
    assert_eq!(pending(&writer), []);
    let first = first.await.expect("no panic").expect("it follows");
    let second = second.await.expect("no panic").expect("it follows");
    assert!(first.last < second.first, "{first:?} {second:?}");
}

use std::sync::mpsc::{self, Receiver};

use super::*;
use crate::Batch;
use crate::stored::Mark;
use crate::tail::{NewGroup, SharedTail};
use crate::test_support::{Home, batch, output};
use crate::writer::by_hand::{ask, said, take_in, writer};

const SECOND: Duration = Duration::from_secs(1);

/// As it is by default.
const AFTER: Duration = Duration::from_secs(2);

/// How long anything waits then.
const BEFORE: Duration = Duration::from_secs(60);

#[test]
fn what_is_written_is_folded_once_nobody_writes_and_once_it_is_old_whoever_goes_on_writing() {
    let (begun, mut folding) = (Instant::now(), Folding::default());
    assert_eq!(folding.until_due(begun, AFTER), None);
    for second in 0..=60 {
        let now = begun + second * SECOND;
        folding.written(now, Does::Add);
        let due = AFTER.min(BEFORE - second * SECOND);
        assert_eq!(folding.until_due(now, AFTER), Some(due));
        // Long after that it is due, and no longer ago.
        assert_eq!(folding.until_due(now + BEFORE, AFTER), Some(Duration::ZERO));
    }
}

#[test]
fn what_is_let_go_of_in_one_go_is_folded_together_soon_after_the_first_of_it() {
    let (begun, mut folding) = (Instant::now(), Folding::default());
    folding.written(begun, Does::Add);
    let first = begun + SECOND / 2;
    for n in 0..10 {
        folding.written(first + n * SECOND / 10, Does::LetGo);
        folding.written(first + n * SECOND / 10, Does::Add);
    }
    let last = first + SECOND;
    folding.written(last, Does::Add);
    assert_eq!(folding.until_due(last, AFTER), Some(AFTER - SECOND));
}

#[test]
fn what_waits_after_a_fold_is_as_old_as_that_and_where_nothing_does_none_is_due() {
    let (begun, mut folding) = (Instant::now(), Folding::default());
    folding.written(begun, Does::LetGo);
    folding.written(begun + SECOND, Does::Add);
    let (tail, mark) = (SharedTail::new(Tail::default()), Mark::default());
    tail.push(mark, 0, NewGroup::of(Vec::new()));
    folding.folded(begun + SECOND, &tail.look());
    assert_eq!(folding.until_due(begun + SECOND, AFTER), Some(AFTER));
    for second in 1..60 {
        folding.written(begun + second * SECOND, Does::Add);
    }
    let now = begun + 60 * SECOND;
    assert_eq!(folding.until_due(now, AFTER), Some(SECOND));
    folding.folded(now, &Tail::after(mark));
    assert_eq!(folding.until_due(now, AFTER), None);
}

#[test]
fn nothing_is_folded_for_the_time_that_passed_where_that_is_never_due() {
    let (begun, mut folding) = (Instant::now(), Folding::default());
    folding.written(begun, Does::LetGo);
    let due = folding.until_due(begun + 60 * BEFORE, Duration::MAX);
    assert!(due.expect("something waits") > Duration::MAX / 2);
}

/// A writer to which those were written at that time before, one by one, and what it told the folder.
async fn wrote(
    home: &Home,
    before: (Duration, Does),
    batches: impl IntoIterator<Item = Batch>,
) -> (Writer, Receiver<folder::Message>) {
    let (sender, told) = mpsc::channel();
    let (mut writer, queue) = writer(home, sender).await;
    let (ago, does) = before;
    writer.state.folding.written(Instant::now() - ago, does);
    for batch in batches {
        ask(&queue, batch);
        take_in(&mut writer, 1).await;
        writer.work();
    }
    (writer, told)
}

fn folds_asked_for(told: &Receiver<folder::Message>) -> usize {
    let is_one = |message: &_| matches!(message, folder::Message::FoldAll { .. });
    told.try_iter().filter(is_one).count()
}

#[tokio::test]
async fn who_goes_on_writing_has_what_is_old_folded_once_and_an_idle_writer_waits_for_nothing() {
    let home = Home::new();
    let batches = [said(), batch("a", None, vec![output(4, "more")])];
    let (mut writer, told) = wrote(&home, (BEFORE, Does::Add), batches).await;
    assert_eq!(folds_asked_for(&told), 1);
    // The second of them waits yet, as long as what is written into silence.
    let patience = writer.patience().expect("something waits");
    assert!(!patience.is_zero() && patience <= AFTER);
    writer.tail.forget(writer.mark, None);
    writer.there_was_a_fold();
    writer.work();
    assert_eq!(writer.patience(), None);
}

#[tokio::test]
async fn what_was_let_go_of_is_folded_soon_whoever_goes_on_writing() {
    let home = Home::new();
    let batches = [said()];
    let (_, told) = wrote(&home, (AFTER, Does::LetGo), batches).await;
    assert_eq!(folds_asked_for(&told), 1);
}

mod first_page;
mod rest;
mod room;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::mpsc;

use coven_core::{Event, Seq};
use redb::TableHandle;

use super::*;
use crate::Store;
use crate::fault::damage;
use crate::file::{Disk, OsDisk};
use crate::inspect::widths;
use crate::layout::{META, RECORDS, SEGMENTS, meta};
use crate::opening;
use crate::options::Options;
use crate::raw::{RawFile, Snapshot};
use crate::read::OfSession;
use crate::stored::Mark;
use crate::tail::{Bounds, NewGroup, NewRows, replay_some};
use crate::test_support::{
    Home, NEVER, all_output, append, events_of, exited, id, output, output_closed, running,
};

/// A folder that nobody tells anything, of a log with a session in its cold file whose end is in its
/// journal alone.
async fn folder_with_an_end_to_fold(home: &Home) -> Folder {
    let end = vec![output(0, "done"), output_closed(), exited(0)];
    folder_with(home, [end]).await
}

/// The same with `groups` of that session in the journal.
async fn folder_with(home: &Home, groups: impl IntoIterator<Item = Vec<Event>>) -> Folder {
    let groups = groups.into_iter();
    let folded = async |store: &Store| drop(running(store, "a").await);
    let waiting = async |store: &Store| {
        for group in groups {
            append(store, "a", group).await.expect("it runs");
        }
    };
    folder_between(home, folded, waiting).await
}

/// A folder that nobody tells anything, of a log in whose cold file is what came first, and in whose
/// journal what came then.
async fn folder_between(
    home: &Home,
    folded: impl AsyncFnOnce(&Store),
    waiting: impl AsyncFnOnce(&Store),
) -> Folder {
    let lived = Home::new();
    let options = Options {
        // Nothing more is folded than what is to be.
        fold_bytes: u64::MAX,
        fold_after: NEVER,
        // What is read of it is read in the file.
        cache_bytes: 0,
        ..Options::default()
    };
    let store = Store::open(&lived.path(), options).expect("it opens");
    folded(&store).await;
    store.fold();
    waiting(&store).await;
    // As a process that is killed leaves them.
    for name in ["coven.redb", "coven.redb.journal"] {
        std::fs::copy(lived.dir().join(name), home.dir().join(name)).expect("a copy");
    }
    let disk: Arc<dyn Disk> = Arc::new(OsDisk);
    let files = opening::open(&disk, &home.path(), options).expect("it opens");
    let tail = Arc::new(SharedTail::new(files.tail));
    Folder {
        inbox: mpsc::channel().1,
        writer: mpsc::channel().0,
        cold: files.cold,
        journal: Arc::clone(&files.journal.database),
        rest: Rest::new(options.at_rest, tail.pool()),
        tail,
        cache: Arc::new(Cache::new(options.segment_cache_bytes)),
        meter: Arc::default(),
        fold_bytes: 0,
        compaction: Compaction::new(u64::MAX),
        reserve: files.reserve,
        state: State::default(),
    }
}

#[tokio::test]
async fn a_folder_with_nothing_to_do_wakes_up_to_give_the_cache_back_and_never_else() {
    let home = Home::new();
    let mut folder = folder_with_an_end_to_fold(&home).await;
    folder.take_in(Message::FoldAll { reply: None });
    while folder.patience() == Some(Duration::ZERO) {
        folder.work();
    }
    assert_eq!(folder.patience(), None);
    read_all_of_a(&folder);
    let patience = folder.patience().expect("there is something to give back");
    assert!(!patience.is_zero());
    // As if that long nobody had read.
    folder.cache.rest(Instant::now() + patience);
    assert_eq!(folder.patience(), None);
}

/// Reads what is folded of the session, so that the cache keeps it.
fn read_all_of_a(folder: &Folder) {
    let look = folder.cache.look(folder.cold.database.opening());
    let read = folder.cold.database.read_once(|txn| {
        let tail = SharedTail::new(crate::tail::Tail::after(crate::read::folded(txn)?));
        let limit = crate::ReadLimit::default();
        OfSession::begin(&tail, &id("a"), Seq::ZERO, limit).read(txn, &look)
    });
    assert_eq!(read.expect("a read").len(), 5);
}

fn assert_is_there_once(store: &Store) {
    let events = events_of(store, "a");
    let kinds: Vec<_> = events.iter().map(|it| it.event.kind()).collect();
    assert_eq!(events.len(), 5, "{kinds:?}");
    assert_eq!(all_output(store, "a"), b"done");
    assert!(matches!(events[4].event, Event::Exited { .. }));
    assert_eq!(store.verify().expect("a read").problems, Vec::new());
}

#[tokio::test]
async fn what_is_folded_already_is_not_folded_again() {
    let home = Home::new();
    let folder = folder_with_an_end_to_fold(&home).await;
    let what = folder.tail.look().fold().expect("an end");
    folder.write(&what).expect("it is folded");
    let Err(Fault::Damage(damage)) = folder.write(&what) else {
        panic!("it is folded twice");
    };
    assert!(
        damage.problem.contains("where the last fold left it"),
        "{damage}"
    );
    drop(folder);
    assert_is_there_once(&home.open());
}

#[tokio::test]
async fn nothing_is_let_go_of_for_a_cold_file_that_says_it_has_what_was_never_folded() {
    let home = Home::new();
    let mut folder = folder_with_an_end_to_fold(&home).await;
    let last = folder.tail.look().last();
    let of_another = Mark {
        last_seq: last.last_seq + 1,
        ..last
    };
    let told = folder.cold.database.commit_cold(|txn| {
        let mark = of_another.seal(meta::FOLDED);
        txn.open_table(META)?
            .insert(meta::FOLDED, mark.as_slice())?;
        Ok(())
    });
    told.expect("it says so");
    folder.lose(read_failed());
    folder.try_again();
    assert!(folder.state.trouble.is_some());
    assert!(!folder.tail.look().is_folded());
}

#[tokio::test]
async fn a_record_that_was_damaged_is_written_anew_by_the_next_fold_and_so_is_what_leads_to_it() {
    let home = Home::new();
    let folder = folder_with_an_end_to_fold(&home).await;
    let damaged = folder.cold.database.commit_cold(|txn| {
        txn.open_table(RECORDS)?.insert(1, b"damaged".as_slice())?;
        Ok(())
    });
    damaged.expect("it is damaged");
    let what = folder.tail.look().fold().expect("an end");
    folder.write(&what).expect("it is folded");
    drop(folder);
    let store = home.open();
    let record = store.record(&id("a")).expect("a read").expect("a session");
    assert!(record.session.phase.has_ended());
    assert_eq!(store.live().expect("a read"), Vec::new());
    assert_is_there_once(&store);
}

#[tokio::test]
async fn a_part_has_no_group_that_the_journal_has_and_the_log_does_not_yet() {
    let home = Home::new();
    let groups = [vec![output(0, "done")], vec![output_closed(), exited(0)]];
    let mut folder = folder_with(&home, groups).await;
    let all = fall_a_group_behind(&mut folder);
    let first = folder.tail.look().last();
    let part = folder.part_of(4 << 20).expect("a read");
    let (part, _) = part.expect("there is room");
    assert_eq!(part.mark, first);
    folder.write(&part).expect("it is folded");
    folder.tail.forget(part.mark, None);
    catch_up(&folder, all);
    let rest = folder.tail.look().fold().expect("the other group");
    folder.write(&rest).expect("it is folded");
    drop(folder);
    assert_is_there_once(&home.open());
}

#[tokio::test]
async fn who_waits_for_a_fold_does_not_wait_for_what_comes_during_it() {
    let home = Home::new();
    let groups = [vec![output(0, "done")], vec![output_closed(), exited(0)]];
    let mut folder = folder_with(&home, groups).await;
    let all = fall_a_group_behind(&mut folder);
    let (reply, answer) = mpsc::channel();
    folder.take_in(Message::FoldAll { reply: Some(reply) });
    let first = folder.tail.look().fold().expect("a group");
    catch_up(&folder, all);
    folder.fold_this(&first);
    folder.answer_waiting();
    assert_eq!(answer.try_recv(), Ok(()));
    // That there is enough may have been told during it.
    assert_eq!(folder.state.fold, Wanted::Enough);
    folder.work();
    drop(folder);
    assert_is_there_once(&home.open());
}

/// Has the tail lack the second of two groups, as between a commit of the writer and what it tells of
/// it; what it had.
fn fall_a_group_behind(folder: &mut Folder) -> Fold {
    let all = folder.tail.look().fold().expect("two groups");
    let behind = |journal: &_, cold: &_| {
        let last = Mark {
            position: all.mark.position - 1,
            ..all.mark
        };
        let bytes = u64::MAX;
        replay_some(journal, cold, Bounds { last, bytes })
    };
    let read = folder.journal.read_once(|journal| {
        let read = |cold: &_| behind(journal, cold);
        folder.cold.database.read_once(read)
    });
    folder.tail = Arc::new(SharedTail::new(read.expect("a read")));
    all
}

/// Has the tail told of the second group after all.
fn catch_up(folder: &Folder, all: Fold) {
    let rest = all.slots.into_iter().map(|slot| NewRows {
        slot: slot.slot,
        id: slot.id,
        rows: slot.rows.into_iter().skip(1).collect(),
        standing: slot.standing,
        lets_go: None,
    });
    folder.tail.push(all.mark, 0, NewGroup::of(rest.collect()));
}

#[tokio::test]
async fn what_a_session_has_already_is_not_put_behind_it_again() {
    let home = Home::new();
    let folder = folder_with_an_end_to_fold(&home).await;
    let what = folder.tail.look().fold().expect("an end");
    folder.write(&what).expect("it is folded");
    folder.tail.forget(what.mark, None);
    let Err(Fault::Damage(damage)) = folder.write(&what) else {
        panic!("it is folded twice");
    };
    assert!(damage.problem.contains("go up to 5"), "{damage}");
    drop(folder);
    assert_is_there_once(&home.open());
}

#[tokio::test]
async fn which_projections_are_damaged_is_looked_at_once_until_a_fold_goes_through() {
    let home = Home::new();
    let mut folder = folder_with_an_end_to_fold(&home).await;
    let met = damage("a page of something else");
    for _ in 0..3 {
        folder.lose_or_mend(&met);
        assert!(matches!(folder.state.mending, mend::Mending::Tried));
    }
    folder.take_in(Message::FoldAll { reply: None });
    let trouble = folder.state.trouble.as_mut();
    trouble.expect("there is trouble").next_try = Instant::now();
    while folder.patience() == Some(Duration::ZERO) {
        folder.work();
    }
    assert!(folder.tail.look().is_folded());
    assert!(matches!(folder.state.mending, mend::Mending::Untried));
}

#[tokio::test]
async fn who_meets_a_fault_again_and_again_has_the_file_opened_no_more_often_and_nothing_put_off() {
    let home = Home::new();
    let mut folder = folder_with_an_end_to_fold(&home).await;
    let alarm = |folder: &mut Folder| {
        let opening = folder.cold.database.opening().expect("it is open");
        folder.take_in(Message::Alarm { opening });
        let opened = folder.cold.database.opening() != Some(opening);
        (opened, folder.state.trouble.as_ref().map(|it| it.next_try))
    };
    let (opened, next_try) = alarm(&mut folder);
    assert!(opened && next_try.is_some());
    for _ in 0..9 {
        assert_eq!(alarm(&mut folder), (false, next_try));
    }
    // As if it were time.
    let pass = |folder: &mut Folder| {
        let trouble = folder.state.trouble.as_mut();
        trouble.expect("there is trouble").next_try = Instant::now();
        folder.take_in(Message::FoldAll { reply: None });
        folder.work();
        assert!(folder.state.trouble.is_none());
        assert!(folder.tail.look().is_folded());
    };
    pass(&mut folder);
    let (opened, next_try) = alarm(&mut folder);
    assert!(!opened, "it was opened just now");
    let next_try = next_try.expect("it is opened again");
    assert!(next_try <= Instant::now() + crate::limits::MAX_REOPEN_BACKOFF);
    let opening = folder.cold.database.opening();
    pass(&mut folder);
    assert_ne!(folder.cold.database.opening(), opening);
}

#[tokio::test]
async fn for_damage_that_stays_the_file_is_not_opened_again_soon_and_without_that_it_is_looked_at()
{
    let home = Home::new();
    let mut folder = folder_with_an_end_to_fold(&home).await;
    let wait = |folder: &Folder| {
        let trouble = folder.state.trouble.as_ref().expect("there is trouble");
        trouble.next_try.saturating_duration_since(Instant::now())
    };
    folder.wait(damage("a page of it").reason());
    assert!(wait(&folder) <= crate::limits::MAX_BACKOFF);
    folder.state.mending = mend::Mending::Tried;
    folder.lose_or_mend(&damage("a page of it"));
    // Whatever is deleted meanwhile: room is of no help.
    folder.take_in(Message::LetGo);
    assert!(wait(&folder) > 5 * crate::limits::MAX_BACKOFF);
    // Who met another fault is not to wait for that.
    let opening = folder.cold.database.opening().expect("it is open");
    folder.take_in(Message::Alarm { opening });
    assert!(wait(&folder) < 5 * crate::limits::MAX_BACKOFF);
    folder.state.trouble = None;
    folder.lose_or_mend(&damage("a page of it"));
    folder.take_in(Message::Reopen);
    assert!(wait(&folder) < 5 * crate::limits::MAX_BACKOFF);
}

#[tokio::test]
async fn what_was_refused_before_a_transaction_is_not_taken_for_what_befell_it() {
    let home = Home::new();
    let mut folder = folder_with_an_end_to_fold(&home).await;
    let what = folder.tail.look().fold().expect("an end");
    let file = RawFile::open_unlocked(&OsDisk, &home.path()).expect("a file");
    let snapshot = Snapshot::at_last(file);
    let segment = snapshot.rows(SEGMENTS.name(), widths(&SEGMENTS)).next();
    let segment = segment.expect("a session");
    let put = |byte: u8| {
        let file = File::options().write(true).open(home.path());
        let file = file.expect("the file is there");
        file.write_all_at(&[byte], segment.at).expect("a write");
    };
    put(!segment.value[0]);
    folder.write(&what).expect_err("a page is damaged");
    put(segment.value[0]);
    folder.lose(read_failed());
    let befell = folder.commit(&Touched::All, |_| Err(Fault::Disk(StorageFault::Full)));
    let befell = folder.cold.what_befell(befell.expect_err("it fails"));
    assert_eq!(befell.reason(), StorageFault::Full);
}

//! Sectors that the disk does not give of a long leaf: of what it has, and of the rest of its pages, which has nothing.

use std::ops::Range;
use std::path::Path;

use redb::{Database, TableDefinition};

use super::*;
use crate::file::journal_path;
use crate::inspect::Findings;
use crate::layout::JOURNAL;
use crate::raw::{Order, Widths, leaf_end, pages};
use crate::test_support::{ALL, noise};
use crate::{LogFile, Loss};

/// How many sessions there are.
const LONG: usize = 3;

const DEAD_END: &str = "the disk does not give the unused end of it";

/// A log of sessions with one long leaf of segments each, closed, and where those are, by session.
async fn long() -> (Home, Vec<Range<usize>>) {
    let home = Home::new();
    let store = home.open();
    for number in 0..LONG {
        running(&store, &name(number)).await;
        let said = output(0, noise(number as u64, 9000));
        append(&store, &name(number), vec![said])
            .await
            .expect("it runs");
    }
    store.fold();
    store.close().await;
    let mut leaves = pages(&home.path(), "segments");
    leaves.retain(|it| it.place.len() > PAGE as usize && !it.keys.is_empty());
    leaves.sort_by_key(|it| it.keys[0]);
    assert!(leaves.iter().all(|it| it.keys.len() == 1));
    assert_eq!(leaves.len(), LONG);
    (home, leaves.into_iter().map(|it| it.place).collect())
}

/// The same with more of the first session in its journal alone, as if who had it open had been killed.
async fn killed(home: &Home) -> Home {
    let store = home.open();
    // One group, the last part of which does not fill its pages.
    let said = vec![
        output(9000, noise(9, 200_000)),
        output(209_000, noise(10, 106_000)),
    ];
    append(&store, &name(0), said).await.expect("it runs");
    let left = copy(home);
    store.close().await;
    left
}

/// Where the pages of a leaf begin that have nothing of it.
fn unused_from(path: &Path, leaf: &Range<usize>, widths: Widths) -> usize {
    let file = std::fs::read(path).expect("a file");
    let end = leaf_end(&file[leaf.clone()], widths).expect("a leaf");
    leaf.start + end.next_multiple_of(PAGE as usize)
}

/// What is given of each session and its output, and of all, and which of those are told to be lost.
#[derive(Debug, PartialEq)]
struct Given {
    sessions: Vec<Option<(usize, usize)>>,
    all: usize,
    lost: Vec<(Seq, Seq)>,
}

fn given(store: &Store) -> Given {
    let page = store.page_of_all(Seq::ZERO, ALL).expect("a page");
    let of = |number| {
        let id = id(&name(number));
        let read = store.read(&id, Seq::ZERO, ALL);
        let output = store.output(&id, 0, 1 << 20);
        assert_eq!(read.is_ok(), output.is_ok(), "{number}");
        let output = output.ok()?;
        let bytes = output.iter().map(|it| it.data.len()).sum();
        Some((read.ok()?.len(), bytes))
    };
    Given {
        sessions: (0..LONG).map(of).collect(),
        all: page.events.len(),
        lost: page.lost.iter().map(|it| (it.first, it.last)).collect(),
    }
}

fn look(home: &Home, disk: &FailingDisk) -> Findings {
    inspect::closed(disk, &home.path(), &mut |_| {}).expect("a look")
}

#[tokio::test]
async fn what_a_long_leaf_has_is_read_whole_though_the_disk_does_not_give_what_is_behind_it() {
    let (home, leaves) = long().await;
    let disk = FailingDisk::default();
    let store = open(&home, &disk, UNCACHED);
    let whole = given(&store);
    store.close().await;
    assert_eq!(whole.sessions, [Some((3, 9000)); LONG]);
    for leaf in leaves {
        let unused = (unused_from(&home.path(), &leaf, inspect::widths(&SEGMENTS))..leaf.end)
            .step_by(PAGE as usize);
        assert!(unused.len() > 0, "{leaf:?}");
        for at in unused {
            kill(&home, &disk, at as u64);
            let store = open(&home, &disk, UNCACHED);
            assert_eq!(given(&store), whole, "at {at}");
            store.close().await;
        }
    }
}

#[tokio::test]
async fn a_log_that_was_killed_opens_and_is_whole_though_the_end_of_a_long_leaf_is_dead() {
    let (home, leaves) = long().await;
    let left = killed(&home).await;
    let disk = FailingDisk::default();
    for leaf in &leaves {
        kill(&left, &disk, leaf.end as u64 - PAGE);
        let store = open(&left, &disk, UNCACHED);
        let given = given(&store);
        assert_eq!(given.sessions[0], Some((5, 315_000)), "{leaf:?}");
        assert_eq!((given.all, given.lost), (11, vec![]), "{leaf:?}");
        store.close().await;
    }
}

#[tokio::test]
async fn no_events_are_told_of_a_dead_end_though_the_leaf_is_one_of_many_of_its_session() {
    let (home, _) = long().await;
    let left = killed(&home).await;
    let store = left.open();
    store.fold();
    store.close().await;
    let disk = FailingDisk::default();
    let widths = inspect::widths(&SEGMENTS);
    let mut leaves = pages(&left.path(), "segments");
    leaves.retain(|it| it.keys.first().is_some_and(|(slot, _)| *slot == 1));
    leaves.retain(|it| unused_from(&left.path(), &it.place, widths) < it.place.end);
    assert!(leaves.len() > 1, "{leaves:?}");
    for leaf in leaves {
        kill(&left, &disk, leaf.place.end as u64 - PAGE);
        let problems = look(&left, &disk).problems;
        let told: Vec<_> = problems.iter().map(|it| (it.loss, it.seqs)).collect();
        assert_eq!(told, [(Loss::Unfolded, None)], "{leaf:?}");
    }
}

#[tokio::test]
async fn a_dead_end_of_a_long_leaf_of_the_journal_is_named_and_keeps_the_log_from_opening() {
    let (home, _) = long().await;
    let left = killed(&home).await;
    let journal = journal_path(&left.path());
    let mut leaves = pages(&journal, "journal").into_iter().map(|it| it.place);
    let widths = inspect::widths(&JOURNAL);
    let leaf =
        leaves.find(|it| it.len() > PAGE as usize && unused_from(&journal, it, widths) < it.end);
    let leaf = leaf.expect("the last part of a group");
    let disk = FailingDisk::default();
    let inode = std::fs::metadata(&journal).expect("a file").ino();
    disk.plan(|plan| plan.dead = vec![(inode, leaf.end as u64 - PAGE..leaf.end as u64)]);
    let findings = look(&left, &disk);
    let place = Some(format!("page at byte {}", leaf.start));
    let [found] = &findings.problems[..] else {
        panic!("{findings:?}");
    };
    assert_eq!((found.file, &found.place), (LogFile::Journal, &place));
    assert_eq!(
        (found.problem.as_str(), found.loss),
        (DEAD_END, Loss::Unopened)
    );
    assert!(findings.unreadable.is_empty());
    let opened = Store::open_on(&disk.shared(), &left.path(), UNCACHED);
    assert!(matches!(opened, Err(OpenError::Io { .. })), "{opened:?}");
    let new = Home::new();
    let pace = Pace::default();
    let salvaged = salvage_on(&disk.shared(), &left.path(), &new.path(), pace, &mut |_| {});
    assert_eq!(salvaged.expect("it is salvaged").changed, []);
    assert_eq!(events_of(&new.open(), &name(0)).len(), 5);
}

#[tokio::test]
async fn a_dead_end_of_a_long_leaf_is_named_and_costs_nothing_but_a_fold_that_needs_it() {
    let (home, leaves) = long().await;
    let disk = FailingDisk::default();
    let leaf = &leaves[1];
    kill(&home, &disk, leaf.end as u64 - PAGE);
    let findings = look(&home, &disk);
    let [found] = &findings.problems[..] else {
        panic!("{findings:?}");
    };
    assert_eq!(found.place, Some(format!("page at byte {}", leaf.start)));
    assert_eq!(found.problem, "the disk does not give the unused end of it");
    assert_eq!(
        (found.table, found.loss),
        (Some("segments"), Loss::Unfolded)
    );
    assert!(findings.unreadable.is_empty());
    let new = Home::new();
    let pace = Pace::default();
    let salvaged = salvage_on(&disk.shared(), &home.path(), &new.path(), pace, &mut |_| {});
    assert_eq!(salvaged.expect("it is salvaged").changed, []);
    let store = open(&home, &disk, UNCACHED);
    append(&store, &name(1), vec![output(9000, noise(9, 9000))])
        .await
        .expect("it runs");
    let folding = store.clone();
    let folded = tokio::task::spawn_blocking(move || folding.fold());
    in_time("a fold", folded).await.expect("no panic");
    let stuck = store.health().stuck.expect("it needs that leaf");
    assert!(stuck.to_string().contains("the disk does not give"));
    assert_eq!(given(&store).sessions[1], Some((4, 18000)));
    revive(&disk);
    store.fold();
    store.close().await;
    assert_eq!(look(&home, &disk).problems, []);
}

#[tokio::test]
async fn a_dead_sector_within_what_a_long_leaf_has_costs_its_session_and_names_it() {
    let (home, leaves) = long().await;
    let disk = FailingDisk::default();
    for (number, leaf) in leaves.iter().enumerate() {
        for at in (leaf.start..unused_from(&home.path(), leaf, inspect::widths(&SEGMENTS)))
            .step_by(PAGE as usize)
        {
            kill(&home, &disk, at as u64);
            let findings = look(&home, &disk);
            let place = Some(format!("page at byte {}", leaf.start));
            let found = findings.problems.iter().find(|it| it.place == place);
            let found = found.map(|it| (it.problem.as_str(), it.loss));
            let expected = ("the disk does not give all of it", Loss::Events);
            assert_eq!(found, Some(expected), "at {at}: {:?}", findings.problems);
            let named: Vec<_> = findings.unreadable.into_keys().collect();
            assert_eq!(named, [id(&name(number))], "at {at}");
            let store = open(&home, &disk, UNCACHED);
            let given = given(&store);
            let mut expected = [Some((3, 9000)); LONG];
            expected[number] = None;
            assert_eq!(given.sessions, expected, "at {at}");
            assert_eq!((given.all, given.lost.is_empty()), (3 * (LONG - 1), false));
            store.close().await;
        }
    }
}

#[test]
fn zeros_that_stand_for_what_the_disk_does_not_give_are_not_believed_though_they_are_right() {
    const TABLE: TableDefinition<'static, (u64, u64), &[u8]> = TableDefinition::new("segments");
    let home = Home::new();
    let file = Database::create(home.path()).expect("a file");
    let txn = file.begin_write().expect("a transaction");
    let mut table = txn.open_table(TABLE).expect("a table");
    table.insert((1, 1), [0; 9000].as_slice()).expect("a row");
    drop(table);
    txn.commit().expect("a commit");
    drop(file);
    let disk = FailingDisk::default();
    let leaf = pages(&home.path(), "segments").remove(0).place;
    kill(&home, &disk, leaf.start as u64 + PAGE);
    let file = RawFile::open(&disk, &home.path()).expect("it can be read");
    let snapshot = Snapshot::open(file);
    let rows = snapshot.rows("segments", inspect::widths(&SEGMENTS));
    assert!(rows.map(|it| it.is_sound).eq([false]));
    assert_eq!(snapshot.take_bad().len(), 1);
    assert!(snapshot.take_cut_short().is_empty());
    let asked = ((1, 1), (1, 1));
    let mut leaves = snapshot.reach(
        "segments",
        inspect::widths(&SEGMENTS),
        asked,
        Order::Forward,
    );
    assert!(!leaves.next().expect("a leaf").is_current());
}

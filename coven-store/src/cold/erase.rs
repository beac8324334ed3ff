//! Erasing the events of deleted sessions, a bounded number of segments in each transaction.
//!
//! The list of what is to be erased has no checksum. So nothing is erased but what the row of its slot,
//! which has one, says was deleted there.

use coven_core::Seq;
use redb::{ReadableTable, Table, WriteTransaction};

use super::spared::{Spared, Task};
use crate::fault::{Fault, damage};
use crate::layout::Tables;
use crate::limits::ERASE_SEGMENTS;
use crate::read::slot_row;

/// Erases some of one deleted session; `false` when there is nothing left of any. `at` is told
/// which slot it is about to touch. What contradicts its slot stays as it is.
pub(crate) fn some(
    txn: &WriteTransaction,
    spared: &mut Spared,
    at: &mut Option<Task>,
) -> Result<bool, Fault> {
    let mut tables = Tables::open(txn)?;
    while let Some(task) = spared.next_of(&tables.erasing, at)? {
        let (slot, deleted_at) = task;
        if was_deleted(&tables, task)? {
            step(&mut tables, slot, deleted_at)?;
            return Ok(true);
        }
        tracing::error!(
            slot,
            deleted_at,
            "what is to be erased was not deleted there"
        );
        spared.add(task);
    }
    Ok(false)
}

/// Whether a slot's own row says the same as the list.
fn was_deleted(tables: &Tables<'_>, (slot, deleted_at): Task) -> Result<bool, Fault> {
    match slot_row(&tables.slots, slot) {
        Ok((_, known)) => Ok(known.map(Seq::get) == Some(deleted_at)),
        Err(Fault::Damage(damage)) => {
            tracing::error!(%damage, "nothing of a slot is erased");
            Ok(false)
        }
        Err(fault) => Err(fault),
    }
}

/// Erases some rows of a deleted session. What was erased stays erased after a crash, and the rest
/// goes on from there.
fn step(tables: &mut Tables<'_>, slot: u64, deleted_at: u64) -> Result<(), Fault> {
    let segments = remove_some(&mut tables.segments, (slot, 0), (slot, deleted_at))?;
    let outputs = remove_some(&mut tables.output, (slot, 0), (slot, u64::MAX))?;
    if segments + outputs == 0 && tables.erasing.remove(slot)?.is_none() {
        return Err(out_of_order());
    }
    Ok(())
}

/// Removes at most [`ERASE_SEGMENTS`] rows, from `start` to before `end`; gives how many.
fn remove_some<V: redb::Value>(
    table: &mut Table<'_, (u64, u64), V>,
    start: (u64, u64),
    end: (u64, u64),
) -> Result<usize, Fault> {
    let keys = table.range(start..end)?.take(ERASE_SEGMENTS);
    let keys: Vec<(u64, u64)> = keys
        .map(|row| Ok(row?.0.value()))
        .collect::<Result<_, Fault>>()?;
    for key in &keys {
        // Where keys are not in their order, what is met there may be another's, or not be found again.
        if !(start..end).contains(key) || table.remove(key)?.is_none() {
            return Err(out_of_order());
        }
    }
    Ok(keys.len())
}

/// Who would go on would come to no end. It stays as it is.
fn out_of_order() -> Fault {
    damage("what is to be erased is out of its order")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::time::{Duration, Instant};

    use coven_core::Event;
    use redb::{ReadableDatabase, ReadableTable, ReadableTableMetadata};

    use super::{Spared, some};
    use crate::Store;
    use crate::cold::ending::comes_to_an_end;
    use crate::layout::{ERASING, OUTPUT, SEGMENTS, Tables};
    use crate::raw::{orders, reorder, swap_leaves};
    use crate::stored::{SlotRow, sealed};
    use crate::test_support::{
        Home, append, events_of, exited, noise, output, output_closed, running,
    };

    /// Rows that are left: (segments, output, erasing).
    fn rows(store: &Store) -> (u64, u64, u64) {
        store
            .run(|txn| {
                Ok((
                    txn.open_table(SEGMENTS)?.len()?,
                    txn.open_table(OUTPUT)?.len()?,
                    txn.open_table(ERASING)?.len()?,
                ))
            })
            .expect("a read")
    }

    /// Waits until what there is to erase is erased.
    fn wait_until_erased(store: &Store) {
        // With that, what was deleted is folded.
        store.verify().expect("a read");
        let deadline = Instant::now() + Duration::from_secs(60);
        while rows(store).2 > 0 {
            assert!(
                Instant::now() < deadline,
                "still erasing: {:?}",
                rows(store)
            );
            std::thread::yield_now();
        }
    }

    /// A session that has ended, in so many segments at least.
    async fn long(store: &Store, session: &str, segments: u64) {
        const LEN: usize = 256 << 10;
        running(store, session).await;
        for n in 0..segments {
            let batch = append(store, session, vec![output(n * LEN as u64, noise(n, LEN))]);
            batch.await.expect("it follows");
        }
        let end = append(store, session, vec![output_closed(), exited(0)]);
        end.await.expect("it follows");
    }

    async fn delete(store: &Store, session: &str) {
        let deleted = append(store, session, vec![Event::Deleted]).await;
        deleted.expect("it has ended");
    }

    #[tokio::test]
    async fn of_a_deleted_session_one_row_is_left_whatever_it_had() {
        let home = Home::new();
        let store = home.open();
        long(&store, "kept", 3).await;
        store.verify().expect("a read");
        let before = rows(&store);
        long(&store, "a", 150).await;
        delete(&store, "a").await;
        wait_until_erased(&store);
        // The event itself.
        assert_eq!(rows(&store), (before.0 + 1, before.1, 0));
    }

    #[tokio::test]
    async fn what_is_damaged_is_passed_over_and_the_rest_is_erased() {
        let home = Home::new();
        home.open().close().await;
        let db = redb::Database::open(home.path()).expect("it is closed");
        let txn = db.begin_write().expect("a transaction");
        let mut tables = Tables::open(&txn).expect("tables");
        for slot in [1, 2] {
            tables.erasing.insert(slot, slot + 10).expect("a row");
        }
        let mut spared = Spared::default();
        assert_eq!(spared.first_of(&tables.erasing), Ok(Some((1, 11))));
        spared.add((1, 11));
        assert_eq!(spared.first_of(&tables.erasing), Ok(Some((2, 12))));
        spared.add((2, 12));
        assert_eq!(spared.first_of(&tables.erasing), Ok(None));
        let mut spared = Spared::default();
        spared.add_all();
        assert_eq!(spared.first_of(&tables.erasing), Ok(None));
    }

    #[tokio::test]
    async fn erasing_comes_to_an_end_whatever_order_its_list_and_what_is_erased_are_in() {
        let home = Home::new();
        home.open().close().await;
        let deleted = (1..=4).map(|slot| (slot, Some(10)));
        put_sessions(&home, deleted, &[1], b"it is looked at by nobody");
        let whole = fs::read(home.path()).expect("a file");
        for table in ["erasing", "segments"] {
            for order in orders(4) {
                fs::write(home.path(), &whole).expect("a write");
                reorder(&home.path(), table, &order);
                assert!(comes_to_an_end(&home.path(), some), "{table}: {order:?}");
            }
        }
    }

    #[tokio::test]
    async fn erasing_comes_to_an_end_where_nothing_that_is_to_be_erased_is_in_its_leaf() {
        let home = Home::new();
        home.open().close().await;
        // One of them fills a leaf.
        let long = [7; 3000];
        put_sessions(&home, [(1, Some(10))], &[1, 2], &long);
        swap_leaves(&home.path(), "segments", 0, 1);
        assert!(comes_to_an_end(&home.path(), some));
    }

    #[tokio::test]
    async fn nobody_elses_segments_are_erased_whatever_order_they_are_in() {
        let home = Home::new();
        home.open().close().await;
        let sessions = [(1, None), (2, Some(10)), (3, None)];
        let segment = b"it is looked at by nobody";
        put_sessions(&home, sessions, &[1, 2, 3], segment);
        let whole = fs::read(home.path()).expect("a file");
        // In one of them a row of the third is met among those of the second, and found by its key once two of these
        // are gone.
        for order in orders(9) {
            fs::write(home.path(), &whole).expect("a write");
            reorder(&home.path(), "segments", &order);
            assert!(comes_to_an_end(&home.path(), some), "{order:?}");
            let left = places(&home).into_iter();
            let of_others: BTreeSet<_> = left.filter(|(slot, _)| *slot != 2).collect();
            let all = [1, 3].map(|slot| [1, 2, 3].map(|first| (slot, first)));
            assert_eq!(of_others, all.concat().into_iter().collect(), "{order:?}");
        }
    }

    /// Where the segments are.
    fn places(home: &Home) -> Vec<(u64, u64)> {
        let db = redb::Database::open(home.path()).expect("it is closed");
        let txn = db.begin_read().expect("a transaction");
        let segments = txn.open_table(SEGMENTS).expect("a table");
        let rows = segments.iter().expect("rows");
        rows.map(|row| row.expect("a row").0.value()).collect()
    }

    /// Puts sessions into a log, each with segments at such places; those that are deleted are to be erased.
    fn put_sessions(
        home: &Home,
        sessions: impl IntoIterator<Item = (u64, Option<u64>)>,
        firsts: &[u64],
        segment: &[u8],
    ) {
        let db = redb::Database::open(home.path()).expect("it is closed");
        let txn = db.begin_write().expect("a transaction");
        let mut tables = Tables::open(&txn).expect("tables");
        for (slot, deleted_at) in sessions {
            let row = SlotRow {
                id: format!("s{slot}"),
                deleted_at,
            };
            let row = sealed::seal(&row, &slot.to_be_bytes());
            tables.slots.insert(slot, row.as_slice()).expect("a row");
            if let Some(at) = deleted_at {
                tables.erasing.insert(slot, at).expect("a row");
            }
            for &first in firsts {
                let place = (slot, first);
                tables.segments.insert(place, segment).expect("a row");
            }
        }
        drop(tables);
        txn.commit().expect("a commit");
    }

    #[tokio::test]
    async fn what_is_on_the_list_and_was_not_deleted_there_is_not_erased() {
        let home = Home::new();
        let store = home.open();
        long(&store, "deleted", 1).await;
        long(&store, "kept", 3).await;
        delete(&store, "deleted").await;
        wait_until_erased(&store);
        let before = (rows(&store), events_of(&store, "kept"));
        store.close().await;
        let db = redb::Database::open(home.path()).expect("it is closed");
        let txn = db.begin_write().expect("a transaction");
        {
            let mut erasing = txn.open_table(ERASING).expect("a table");
            // The deleted one from elsewhere on, one that lives, and one that never was.
            for (slot, at) in [(1, 1), (2, u64::MAX), (99, 5)] {
                erasing.insert(slot, at).expect("a row");
            }
        }
        txn.commit().expect("a commit");
        drop(db);

        let store = home.open();
        // Whoever is answered twice was answered once after something was to be erased.
        for _ in 0..2 {
            let problems = store.verify().expect("a read").problems;
            let tables: Vec<_> = problems.iter().map(|found| found.table).collect();
            assert_eq!(tables, [Some("erasing"); 3], "{problems:?}");
        }
        let (segments, outputs, _) = before.0;
        assert_eq!(rows(&store), (segments, outputs, 3));
        assert_eq!(events_of(&store, "kept"), before.1);
        // It keeps nothing else from being erased.
        delete(&store, "kept").await;
        store.verify().expect("a read");
        let deadline = Instant::now() + Duration::from_secs(60);
        while rows(&store).0 > 2 {
            assert!(Instant::now() < deadline, "it is not erased");
            std::thread::yield_now();
        }
    }

    #[tokio::test]
    async fn erasing_goes_on_after_the_store_was_closed_in_the_middle() {
        let home = Home::new();
        let store = home.open();
        long(&store, "a", 150).await;
        delete(&store, "a").await;
        store.close().await;
        let store = home.open();
        wait_until_erased(&store);
        assert_eq!(rows(&store), (1, 0, 0));
    }
}

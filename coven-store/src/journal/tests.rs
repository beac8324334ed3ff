use super::*;
use crate::file::journal_path;
use crate::raw::reorder;
use crate::test_support::Home;

fn rows(rows: &[&[u8]]) -> Rows {
    Rows::new(
        rows.concat().into(),
        rows.iter().map(|row| row.len() as u32).collect(),
    )
}

fn whole(group: &Group) -> Bytes {
    group.0.concat().into()
}

/// Batches of `(slot, id, first seq, rows)`, and their group at `mark`.
fn group(batches: &[(u64, &str, u64, &Rows)], mark: &Mark) -> (Group, Vec<JournalBatch>) {
    let mut draft = Draft::with_room_for(batches.iter().map(|batch| batch.3), &Arc::default());
    let id = |text| SessionId::parse(text).expect("an id");
    let places: Vec<Vec<Place>> = batches
        .iter()
        .map(|&(slot, text, first, rows)| {
            let places = draft.push(slot, &id(text), Seq::new(first), rows);
            places.collect()
        })
        .collect();
    let group = draft.finish(mark, OPENED);
    let batches = batches
        .iter()
        .zip(places)
        .map(|(&(slot, text, first, _), places)| JournalBatch {
            slot,
            id: id(text),
            rows: (first..)
                .map(Seq::new)
                .zip(places.into_iter().map(|place| group.row(place)))
                .collect(),
        });
    let batches = batches.collect();
    (group, batches)
}

const MARK: Mark = Mark {
    position: 4,
    last_seq: 9,
    last_slot: 300,
};

const OPENED: Opened = Opened {
    began: 3,
    by: *b"made so.",
};

fn small_and_large() -> (Bytes, Vec<JournalBatch>) {
    let (few, long) = (rows(&[b"one", b""]), rows(&[&[0xff; 70_000]]));
    let (group, batches) = group(&[(1, "a", 7, &few), (300, "b", 9, &long)], &MARK);
    (whole(&group), batches)
}

#[test]
fn a_group_is_written_to_the_bytes_it_always_was() {
    let mark = Mark {
        last_seq: 8,
        ..MARK
    };
    let (group, _) = group(&[(300, "a", 7, &rows(&[b"one", b""]))], &mark);
    let hex: String = whole(&group)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(
        hex,
        "0208000000000000002c0100000000000003000000000000006d61646520736f2e\
         ac020701610203006f6e65"
            .to_owned()
            + "bbc2df40"
    );
    assert_eq!(opened(&whole(&group)), Some(OPENED));
}

#[test]
fn an_opening_is_written_to_the_bytes_it_always_was() {
    let sealed = OPENED.seal();
    assert_eq!(sealed[..sealed.len() - 4], *b"\x01\x03made so.");
    assert_eq!(Opened::unseal(&sealed), Ok(OPENED));
}

#[test]
fn a_group_that_does_not_say_which_opening_wrote_it_is_read_as_it_always_was() {
    let first = unhex("0108000000000000002c01000000000000ac020701610203006f6e658d7d2d22");
    let mark = Mark {
        last_seq: 8,
        ..MARK
    };
    let (_, batches) = group(&[(300, "a", 7, &rows(&[b"one", b""]))], &mark);
    assert_eq!(opened(&first), None);
    assert_eq!(read(4, &first.into()), Ok((mark, batches)));
}

fn unhex(text: &str) -> Vec<u8> {
    let bytes = (0..text.len()).step_by(2);
    bytes
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex"))
        .collect()
}

#[test]
fn a_group_is_cut_into_parts_anywhere() {
    let large = rows(&[&[1; 20_000]]);
    let small = rows(&[b"small"]);
    let batches = [
        (1, "a", 7, &large),
        (1, "a", 8, &small),
        (1, "a", 9, &large),
    ];
    let (group, batches) = group(&batches, &MARK);
    for part_bytes in [1, 7, 19_999, 20_020, 50_000] {
        let len = group.len_bytes();
        let parts = (0..len).step_by(part_bytes);
        let parts = parts.map(|start| group.part(start, part_bytes.min(len - start)));
        let whole = parts.collect::<Vec<_>>().concat();
        assert_eq!(read(4, &whole.into()), Ok((MARK, batches.clone())));
    }
}

#[test]
fn a_group_is_read_back_as_it_was_written() {
    let (row, batches) = small_and_large();
    assert_eq!(read(4, &row), Ok((MARK, batches)));
}

#[test]
fn a_bit_that_turned_anywhere_is_seen_and_so_is_another_place() {
    let (row, _) = small_and_large();
    for at in (0..200).chain(row.len() - 50..row.len()) {
        let mut bad = row.to_vec();
        bad[at] ^= 4;
        assert_eq!(read(4, &bad.into()), Err(Malformed::Checksum), "{at}");
    }
    assert_eq!(read(5, &row), Err(Malformed::Checksum));
}

#[tokio::test]
async fn taking_groups_out_comes_to_an_end_whatever_order_they_are_in() {
    let home = Home::new();
    home.open().close().await;
    let path = journal_path(&home.path());
    let db = redb::Database::open(&path).expect("it is closed");
    let txn = db.begin_write().expect("a transaction");
    for position in 1..=4 {
        insert(&txn, position, &group(&[], &MARK).0).expect("a group");
    }
    txn.commit().expect("a commit");
    drop(db);
    reorder(&path, "journal", &[3, 1, 2, 0]);
    let db = redb::Database::open(&path).expect("it is closed");
    let txn = db.begin_write().expect("a transaction");
    let mut steps = 0..100;
    assert!(
        steps.any(|_| remove(&txn, 4, 1).expect("a step").is_all),
        "it comes to no end"
    );
}

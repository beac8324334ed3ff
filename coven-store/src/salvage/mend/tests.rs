use super::*;
use crate::limits::MAX_BATCH_BYTES;
use crate::test_support::*;

fn left(seq: u64, event: Event) -> Left {
    let envelope = Envelope {
        seq: Seq::new(seq),
        session: id("a"),
        at: at(1),
        actor: None,
        event,
    };
    let bytes = encode(&EventRow::from(&envelope)).into();
    Left {
        envelope,
        bytes,
        is_read: true,
    }
}

/// What a session is mended to out of events, with so many free places between two; and how many bytes
/// each of its rows has.
fn mended(kept: Option<Record>, free: usize, events: &[(u64, Event)]) -> (Mending, Vec<usize>) {
    let mut mending = Mending::new(id("a"), 1, kept, 0);
    let mut places = |after: u64, before: u64, count: usize| -> Vec<u64> {
        let first = before.min(after + 1 + count.min(free) as u64) - count.min(free) as u64;
        (first..).take(count.min(free)).collect()
    };
    let mut rows = Vec::new();
    let mut put = |_: &Record, row: Row| {
        rows.push(row.bytes.len());
        Ok(())
    };
    for (seq, event) in events {
        let taken = mending.take(left(*seq, event.clone()), &mut places, &mut put);
        taken.expect("nothing is written");
    }
    let finished = mending.finish(&mut places, &mut put);
    finished.expect("nothing is written");
    (mending, rows)
}

const FAR: u64 = u64::MAX - 10;

#[test]
fn an_event_that_claims_to_come_after_more_output_than_can_be_stood_for_is_left_out() {
    for free in [0, 1, usize::MAX >> 1] {
        let events = [
            (1, created()),
            (2, started()),
            (3, output(0, "said")),
            (1 << 40, output(FAR, "far away")),
            ((1 << 40) + 1, output(4, "more")),
        ];
        let (mending, rows) = mended(None, free, &events);
        assert_eq!(mending.done.left_out, 1, "{free}");
        assert_eq!((mending.done.events, rows.len()), (4, 4), "{free}");
        let record = mending.record().expect("it is there");
        assert_eq!(record.session.output_bytes, 8);
    }
}

#[test]
fn what_stands_for_a_long_stretch_of_output_is_in_pieces_that_a_batch_has_room_for() {
    const LOST: u64 = 128 << 20;
    let events = [
        (1, created()),
        (2, started()),
        (3, output(0, "said")),
        (1 << 40, output(4 + LOST, "after it")),
    ];
    let (mending, rows) = mended(None, 75, &events);
    assert_eq!(mending.done.left_out, 0);
    assert_eq!(mending.done.lost_output_bytes, LOST);
    assert!((64..=75).contains(&(rows.len() - 4)), "{}", rows.len());
    let longest = rows.iter().max().expect("some");
    assert!(*longest <= MAX_BATCH_BYTES / 2, "{longest}");
}

/// A record whose session wrote more than there is room for anywhere, and has ended.
fn boasting() -> Record {
    let events = [
        created(),
        started(),
        output(FAR, "far"),
        output_closed(),
        exited(3),
    ];
    let replay = (1..)
        .zip(events)
        .fold(Replay::default(), |replay, (seq, event)| {
            replay.fold(&left(seq, event).envelope).expect("it follows")
        });
    replay.so_far().expect("there are events").clone()
}

#[test]
fn a_record_that_claims_more_output_than_can_be_stood_for_says_only_how_the_session_ended() {
    let events = [(1, created()), (2, started()), (3, output(0, "said"))];
    let (mending, rows) = mended(Some(boasting()), usize::MAX >> 1, &events);
    let record = mending.record().expect("it is there");
    assert_eq!(record.session.phase, boasting().session.phase);
    assert_eq!(record.session.output_bytes, 4);
    assert_eq!(rows.len(), 3 + 2, "its output was closed, and it exited");
}

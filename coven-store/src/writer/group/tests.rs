use std::sync::mpsc;

use coven_core::{Event, Seq};

use crate::test_support::{ALL, Home, batch, id, output, registered};
use crate::writer::by_hand::{ask, take_in, writer};

#[tokio::test]
async fn a_group_keeps_apart_who_is_deleted_in_it_and_who_takes_the_id_and_the_order_of_all() {
    let home = Home::new();
    let (mut writer, queue) = writer(&home, mpsc::channel().0).await;
    let complete = Event::Completed { exit_code: None };
    ask(&queue, batch("a", None, vec![output(0, "said")]));
    let life = vec![registered("x"), complete, Event::Deleted];
    ask(&queue, batch("x", None, life));
    ask(&queue, batch("x", None, vec![registered("x")]));
    ask(&queue, batch("a", None, vec![output(4, "more")]));
    take_in(&mut writer, 4).await;
    writer.write_group();
    let told = [(3, "a"), (6, "x"), (7, "x"), (8, "a")].map(|(seq, of)| (Seq::new(seq), id(of)));

    let rows = writer.tail.look().all_rows(Seq::new(2), ALL).rows;
    let found = rows.into_iter().map(|(of, row)| (row.seq, of));
    assert!(found.eq(told.clone()), "in the tail");
    drop(writer);
    let store = home.open();
    let all = store.read_all(Seq::new(2), ALL).expect("a read");
    let found = all.iter().map(|it| (it.seq, it.session.clone()));
    assert!(found.eq(told), "in the journal");
    let record = store.record(&id("x")).expect("a read");
    assert_eq!(record.map(|record| record.first_seq), Some(Seq::new(7)));
}

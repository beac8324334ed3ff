use std::sync::mpsc;
use std::thread;

use super::*;
use crate::test_support::{batch, created};

#[tokio::test]
async fn who_asked_a_writer_that_dies_without_an_answer_is_not_told_that_nothing_is_on_record() {
    let (sender, inbox) = mpsc::channel();
    let queue = Queue {
        sender,
        rooms: Rooms::new(1000),
        meter: Arc::default(),
        pool: Arc::default(),
    };
    let ask = || queue.append(batch("a", None, vec![created()]));
    let writer = thread::spawn(move || {
        let taken = inbox.recv();
        drop(taken);
    });
    assert_eq!(ask().await.err(), Some(AppendError::Unsettled));
    writer.join().expect("no panic");
    // Who comes later asks nobody.
    assert_eq!(ask().await.err(), Some(AppendError::Closed));
}

#[tokio::test]
async fn who_comes_after_the_last_that_was_taken_in_is_told_that_the_log_is_closed() {
    let (sender, inbox) = mpsc::channel();
    let rooms = Rooms::new(1000);
    let queue = Queue {
        sender,
        rooms: rooms.clone(),
        meter: Arc::default(),
        pool: Arc::default(),
    };
    let writer = thread::spawn(move || {
        let taken = inbox.recv();
        rooms.close();
        drop(taken);
    });
    let answer = queue.append(batch("a", None, vec![created()])).await;
    assert_eq!(answer.err(), Some(AppendError::Closed));
    writer.join().expect("no panic");
}

mod astray;
mod damaged_branch;
mod damaged_leaf;
mod deleted;
mod first_page;
mod logs;
mod output;
mod torn_twice;

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use coven_core::{Event, Seq};

use crate::test_support::{ALL, Home, append, id, noise, output, running};

/// Another log with the same bytes.
fn copy(home: &Home) -> Home {
    let copy = Home::new();
    fs::copy(home.path(), copy.path()).expect("a copy");
    fs::copy(home.journal(), copy.journal()).expect("a copy");
    copy
}

#[tokio::test]
async fn what_is_read_page_by_page_beside_folds_and_trims_is_all_there_is() {
    const LEN: u64 = 9_000;
    let home = Home::new();
    let store = home.open();
    running(&store, "a").await;
    let written = Arc::new(AtomicUsize::new(0));
    let is_over = Arc::new(AtomicBool::new(false));
    let reader = thread::spawn({
        let (store, written, is_over) = (store.clone(), written.clone(), is_over.clone());
        move || {
            let mut reads = 0;
            while !is_over.load(Ordering::SeqCst) {
                let least = written.load(Ordering::SeqCst) as u64;
                let events = store.read_as_past_damage(&id("a"), Seq::ZERO, ALL);
                let events = events.expect("a read");
                let output: Vec<u64> = events
                    .iter()
                    .filter_map(|envelope| match envelope.event {
                        Event::Output { offset, .. } => Some(offset / LEN),
                        _ => None,
                    })
                    .collect();
                let first = output.first().copied().unwrap_or(0);
                let expected: Vec<u64> = (first..first + output.len() as u64).collect();
                assert_eq!(output, expected);
                assert!(first + output.len() as u64 >= least);
                reads += 1;
            }
            reads
        }
    });
    for number in 0..300 {
        let said = output(number * LEN, noise(number, 9_000));
        append(&store, "a", vec![said]).await.expect("it follows");
        written.store(
            usize::try_from(number).expect("small") + 1,
            Ordering::SeqCst,
        );
        if number % 10 == 9 {
            let (offset, len_bytes) = ((number - 9) * LEN, 7 * LEN);
            let offset = if number == 9 {
                offset
            } else {
                offset - 3 * LEN
            };
            let len_bytes = if number == 9 { len_bytes } else { 10 * LEN };
            let sha256 = [7; 32];
            let trimmed = Event::Trimmed {
                offset,
                len_bytes,
                sha256,
            };
            append(&store, "a", vec![trimmed])
                .await
                .expect("it follows");
        }
        store.fold();
    }
    is_over.store(true, Ordering::SeqCst);
    let reads: u32 = reader.join().expect("it reads on");
    assert!(reads > 10, "{reads}");
    store.close().await;
}

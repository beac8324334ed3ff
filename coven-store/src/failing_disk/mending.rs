//! A disk without room for the projections that are to be made anew.

use std::os::unix::fs::FileExt;

use futures_util::future::join_all;

use super::*;
use crate::layout::RECORDS;
use crate::raw::{RawFile, Snapshot};
use crate::{Archived, Page};

const SESSIONS: usize = 4000;

/// A log of many sessions, closed; the page of their records that the next session's goes into is damaged.
async fn many_with_a_damaged_page_of_records() -> Home {
    let home = Home::new();
    let store = home.open();
    let new = (0..SESSIONS).map(async |number| {
        let appended = append(&store, &format!("s{number}"), vec![created()]).await;
        appended.expect("a new session");
    });
    join_all(new).await;
    store.close().await;
    let file = Snapshot::open(RawFile::open(&OsDisk, &home.path()).expect("a file"));
    let rows = file.rows("records", crate::inspect::widths(&RECORDS));
    let last = rows.last().expect("rows").at;
    let file = std::fs::OpenOptions::new().write(true).open(home.path());
    file.expect("a file")
        .write_all_at(&[1, 0, 0x7f, 0x7f], last / 4096 * 4096)
        .expect("a write");
    home
}

#[tokio::test]
async fn projections_are_made_anew_once_there_is_room_for_all_of_them() {
    let home = many_with_a_damaged_page_of_records().await;
    let disk = FailingDisk::default();
    disk.plan(|plan| plan.left = Left::Bytes(3 << 20));
    let store = open(&home, &disk, LEFT);
    append(&store, "fresh", vec![created()])
        .await
        .expect("a new session");
    let folding = store.clone();
    tokio::task::spawn_blocking(move || folding.fold())
        .await
        .expect("no panic");
    until(&store, |health| health.stuck == Some(StorageFault::Full)).await;
    disk.plan(|plan| plan.left = Left::TheTruth);
    until(&store, |health| health.stuck.is_none()).await;
    store.fold();
    let page = Page {
        before: None,
        limit: SESSIONS + 2,
        archived: Archived::Included,
    };
    let listing = store.list(&page).expect("a read");
    assert_eq!((listing.records.len(), listing.damaged), (SESSIONS + 1, 0));
}

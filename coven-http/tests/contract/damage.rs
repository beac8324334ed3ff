//! A damaged log: it is told, and nobody else's is kept from anybody.

use std::fs;
use std::path::Path;

use coven_http::Timeouts;

use crate::support::{Daemon, within};

#[tokio::test]
async fn damage_is_told_by_the_session_it_is_of_and_passed_over_by_who_follows_all() {
    let daemon = Daemon::start().await;
    let (broken, _) = daemon.run("head -c 3000 /dev/urandom").await;
    let (whole, _) = daemon.run("echo whole").await;
    let output = format!("/sessions/{}/output", broken.id);
    let written = daemon.get(&output).await.body;
    let dir = daemon.stop().await;
    turn_two_bits(dir.path(), &written[1000..1016]);

    let daemon = Daemon::in_dir(dir, Timeouts::default()).await;
    let told = daemon.get(&output).await;
    told.is_error(500, "internal_error");
    let message = told.json()["error"]["message"].to_string();
    assert!(
        message.contains(&format!("session {}", broken.id)),
        "{message}"
    );
    daemon
        .get(&format!("/sessions/{}/events", broken.id))
        .await
        .is_error(500, "internal_error");

    let mut all = daemon.client.follow_all(Some(0));
    let last = within(async {
        loop {
            let event = all.next().await.expect("it goes on").expect("an event");
            if event.session_id == whole.id && event.kind == "exit" {
                return event.seq;
            }
        }
    });
    assert!(last.await > 0);
    let damaged = all.take_damaged();
    assert_eq!(damaged.len(), 1, "{damaged:?}");
    assert_eq!(damaged[0].session_id.as_ref(), Some(&broken.id));
    assert!(damaged[0].first_seq <= damaged[0].last_seq);
}

#[tokio::test]
async fn who_follows_all_hears_on_past_an_order_that_cannot_be_read() {
    let daemon = Daemon::start().await;
    daemon.run("echo before").await;
    let dir = daemon.stop().await;
    damage_order(&dir.path().join("home/coven.redb"));

    let daemon = Daemon::in_dir(dir, Timeouts::default()).await;
    let mut all = daemon.client.follow_all(Some(0));
    let (after, _) = daemon.run("echo after").await;
    let heard = within(async {
        loop {
            let event = all.next().await.expect("it goes on").expect("an event");
            if event.session_id == after.id && event.kind == "exit" {
                return event.seq;
            }
        }
    });
    assert!(heard.await > 0);
    let damaged = all.take_damaged();
    assert!(!damaged.is_empty());
    assert!(
        damaged.iter().all(|it| it.session_id.is_none()),
        "{damaged:?}"
    );
    assert_eq!(damaged[0].first_seq, 1);
}

#[tokio::test]
async fn events_before_damage_are_told_and_then_it_is_by_pages_and_by_an_export() {
    let daemon = Daemon::start().await;
    let noise = "stty -echo -opost; head -c 1500000 /dev/urandom";
    let (broken, _) = daemon.run(noise).await;
    let output = format!("/sessions/{}/output", broken.id);
    let written = daemon.get(&output).await.body;
    let dir = daemon.stop().await;
    turn_two_bits(dir.path(), &written[900_000..900_200]);

    let daemon = Daemon::in_dir(dir, Timeouts::default()).await;
    let (mut after, mut told) = (0, 0);
    let broken_off = loop {
        let path = format!("/sessions/{}/events?afterSeq={after}", broken.id);
        let answer = daemon.get(&path).await;
        if answer.status != 200 {
            break answer;
        }
        let page = answer.json();
        assert_eq!(page["hasMore"], true);
        told += page["events"].as_array().expect("a list").len();
        after = page["nextCursor"]["afterSeq"].as_u64().expect("a place");
    };
    broken_off.is_error(500, "internal_error");
    assert!(told > 3, "{told}");

    let export = daemon.client.export(&broken.id).await;
    let (mut export, mut lines) = (export.expect("it begins"), Vec::new());
    within(async {
        while let Ok(piece) = export.next().await {
            lines.extend_from_slice(&piece.expect("it does not end"));
        }
    })
    .await;
    let lines: Vec<serde_json::Value> = String::from_utf8(lines)
        .expect("text")
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let events = lines[0]["header"]["events"].as_u64().expect("a number");
    assert_eq!(lines.len() as u64, 1 + events);
    assert!(events > 3, "{events}");
}

/// Turns two bits in the log where it has some of this noise, not all of which may lie in one place.
fn turn_two_bits(dir: &Path, noise: &[u8]) {
    let path = dir.join("home/coven.redb");
    let mut bytes = fs::read(&path).expect("the log");
    let at = noise
        .chunks_exact(16)
        .find_map(|part| bytes.windows(16).position(|window| window == part));
    bytes[at.expect("noise is not compressed")] ^= 3;
    fs::write(&path, bytes).expect("a write");
}

/// Writes over the page that has the order of all events, and over what that was before.
fn damage_order(path: &Path) {
    let mut bytes = fs::read(path).expect("the log");
    let mut hit = 0;
    for page in bytes.chunks_exact_mut(4096).skip(1) {
        if begins_the_order(page).unwrap_or(false) {
            page.fill(0x77);
            hit += 1;
        }
    }
    assert!(hit > 0, "it is nowhere");
    fs::write(path, bytes).expect("a write");
}

/// Whether a page is a leaf whose first row is at the place 1 and a list of threes (docs/log-format.md).
fn begins_the_order(page: &[u8]) -> Option<bool> {
    let rows = usize::from(u16::from_le_bytes([page[2], page[3]]));
    let keys = 4 + 4 * rows;
    let end = u32::from_le_bytes(page[4..8].try_into().ok()?) as usize;
    let is_first = page[0] == 1 && page.get(keys..keys + 8)? == 1_u64.to_le_bytes();
    let row = page.get(keys + 8 * rows..end)?;
    let (row, _sum) = row.split_last_chunk::<4>()?;
    let &[1, runs, ref row @ ..] = row else {
        return None;
    };
    let numbers = row.iter().filter(|byte| **byte < 0x80).count();
    Some(is_first && runs > 0 && numbers == 3 * usize::from(runs) && row.last()? < &0x80)
}

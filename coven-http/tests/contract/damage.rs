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
    turn_a_bit(dir.path(), &written[1000..1016]);

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
async fn events_before_damage_are_told_and_then_it_is_by_pages_and_by_an_export() {
    let daemon = Daemon::start().await;
    let noise = "stty -echo -opost; head -c 1500000 /dev/urandom";
    let (broken, _) = daemon.run(noise).await;
    let output = format!("/sessions/{}/output", broken.id);
    let written = daemon.get(&output).await.body;
    let dir = daemon.stop().await;
    turn_a_bit(dir.path(), &written[900_000..900_200]);

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

/// Turns a bit in the log where it has some of this noise, not all of which may lie in one place.
fn turn_a_bit(dir: &Path, noise: &[u8]) {
    let path = dir.join("home/coven.redb");
    let mut bytes = fs::read(&path).expect("the log");
    let at = noise
        .chunks_exact(16)
        .find_map(|part| bytes.windows(16).position(|window| window == part));
    bytes[at.expect("noise is not compressed")] ^= 1;
    fs::write(&path, bytes).expect("a write");
}

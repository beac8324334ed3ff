//! A damaged log: it is told, and nobody else's is kept from anybody.

use std::fs;

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
    let path = dir.path().join("home/coven.redb");
    let mut bytes = fs::read(&path).expect("the log");
    let wanted = &written[1000..1016];
    let at = bytes.windows(16).position(|window| window == wanted);
    bytes[at.expect("noise is not compressed")] ^= 1;
    fs::write(&path, bytes).expect("a write");

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

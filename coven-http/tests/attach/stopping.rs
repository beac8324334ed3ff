//! A viewer that types while the daemon stops.

use coven_http::client::{Frame, Viewer, ViewerReader};

use crate::support::{self, Daemon, within};
use crate::viewer::typed;

/// What a viewer is shown, read by a task of its own, until that has this in it.
async fn until(reader: &mut ViewerReader, text: &str) {
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains(text) {
        // That no daemon answers is told, too.
        if let Ok(frame) = within(reader.next()).await
            && let Frame::Bytes(bytes) = frame.expect("it goes on")
        {
            seen.extend_from_slice(&bytes);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_viewer_types_while_the_daemon_leaves_its_session_is_typed_once_by_the_next() {
    const KEYS: usize = 200;
    let daemon = Daemon::in_shims(Daemon::new_dir()).await;
    let script = format!(
        "stty raw -echo; printf ready; head -c {KEYS} > keys; printf taken; head -c 1 >/dev/null"
    );
    let live = daemon.launch(&script).await;
    let Viewer { mut reader, writer } = daemon.client.viewer(&live.id, support::PATIENCE);
    until(&mut reader, "ready").await;
    let alphabet = (b'a'..=b'z').map(char::from).cycle();
    let keys: String = alphabet.take(KEYS).collect();
    for key in keys.chars() {
        writer.type_bytes(typed(&key.to_string())).unwrap();
    }
    let reading = tokio::spawn(async move {
        until(&mut reader, "taken").await;
        reader
    });
    // Some are taken, and most are not: each is on record before the next is looked at.
    while writer.untaken_bytes() > KEYS - 5 {
        tokio::task::yield_now().await;
    }
    within(daemon.engine.leave()).await;
    assert!(
        writer.untaken_bytes() > 0,
        "what was not typed is told to be taken"
    );
    let pasted = daemon.path("keys");
    let daemon = Daemon::in_shims(daemon.stop().await).await;
    let mut reader = within(reading).await.unwrap();
    assert_eq!(std::fs::read_to_string(pasted).unwrap(), keys);
    writer.type_bytes(typed("q")).unwrap();
    while within(reader.next()).await.unwrap().is_some() {}
    daemon.stop().await;
}

//! How an attach ends.

use std::time::Duration;

use bytes::Bytes;
use coven_http::client::Frame;
use coven_http::wire::{FromDaemon, Payload, Status};

use tokio::io::AsyncWriteExt;

use crate::support::{self, Daemon, within};
use crate::viewer::{attach, typed};

#[tokio::test]
async fn a_viewer_that_has_stopped_reading_may_leave() {
    let daemon = Daemon::start().await;
    let script = "stty raw -echo; printf up; head -c 1 >/dev/null; \
                  head -c 3000000 /dev/zero | tr '\\0' z; printf done; exec sleep 600";
    let live = daemon.launch(script).await;
    daemon.until(&live.id, "up").await;
    let (mut stuck, _) = attach(&daemon, &live.id).await;
    stuck.writer.type_bytes(typed("g")).await.unwrap();
    daemon.until(&live.id, "done").await;
    stuck.writer.detach().await.unwrap();
    // A daemon that waits for nobody closes the socket, however much is unread.
    let left = async {
        while stuck.writer.detach().await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    within(left).await;
    daemon.stop().await;
}

#[tokio::test]
async fn a_viewer_that_leaves_is_told_no_place_that_it_was_not_shown() {
    let daemon = Daemon::start().await;
    let script = "stty raw -echo; printf up; head -c 1 >/dev/null; \
                  head -c 3000000 /dev/zero | tr '\\0' z; printf done; exec sleep 600";
    let live = daemon.launch(script).await;
    daemon.until(&live.id, "up").await;
    let (mut slow, mut seen) = attach(&daemon, &live.id).await;
    slow.writer.type_bytes(typed("g")).await.unwrap();
    // It reads nothing until all is on record, and no more of it than fits on the way.
    daemon.until(&live.id, "done").await;
    slow.writer.detach().await.unwrap();
    seen.read_out(&mut slow.reader).await;
    let Some(FromDaemon::Detached { seq }) = seen.controls.last() else {
        panic!("{:?}", seen.controls)
    };
    let mut told = 0;
    for event in daemon.to_the_place(&live.id, *seq).await {
        if let Payload::Output(output) = event.payload() {
            told += output.data.matches('z').count();
        }
    }
    let shown = seen.bytes.iter().filter(|byte| **byte == b'z').count();
    assert!(shown < 3_000_000, "it was shown all before it left");
    assert_eq!(shown, told);
    daemon.stop().await;
}

#[tokio::test]
async fn a_viewer_that_vanishes_leaves_the_session_running() {
    let daemon = Daemon::start().await;
    let live = daemon.launch("printf up; read x; printf over").await;
    daemon.until(&live.id, "up").await;
    let (one, _) = attach(&daemon, &live.id).await;
    drop(one);
    let (mut two, mut seen) = attach(&daemon, &live.id).await;
    two.writer.type_bytes(typed("\r")).await.unwrap();
    seen.until(&mut two.reader, "over").await;
}

#[tokio::test]
async fn a_message_over_the_limit_ends_the_attach_and_not_the_session() {
    let daemon = Daemon::start().await;
    let live = daemon
        .launch("stty raw -echo; printf up; exec sleep 600")
        .await;
    daemon.until(&live.id, "up").await;
    let (mut attach, mut seen) = attach(&daemon, &live.id).await;
    // It may be cut off while it still writes.
    let large = Bytes::from(vec![b'x'; 3 << 20]);
    let _ = within(attach.writer.type_bytes(large)).await;
    while let Ok(Some(frame)) = within(attach.reader.next()).await {
        if let Frame::Control(control) = frame {
            seen.controls.push(control);
        }
    }
    let record = daemon.client.session(&live.id).await.unwrap();
    assert_eq!(record.status, Status::Running);
    let events = daemon
        .client
        .events(&live.id, Default::default())
        .await
        .unwrap();
    assert!(events.events.iter().all(|event| event.kind != "input"));
    daemon.stop().await;
}

#[tokio::test]
async fn an_attach_ends_when_the_daemon_stops() {
    let daemon = Daemon::start().await;
    let live = daemon.launch("printf up; exec sleep 600").await;
    daemon.until(&live.id, "up").await;
    let (mut attach, mut seen) = attach(&daemon, &live.id).await;
    let reading = tokio::spawn(async move {
        seen.read_out(&mut attach.reader).await;
        seen
    });
    daemon.stop().await;
    let seen = tokio::time::timeout(Duration::from_secs(20), reading)
        .await
        .unwrap()
        .unwrap();
    assert!(matches!(
        seen.controls.last(),
        Some(FromDaemon::Error { code, .. }) if code == "runtime_unavailable"
    ));
}

/// What the daemon sends after `sent`, to the end of the connection.
async fn answer_to(daemon: &Daemon, id: &str, sent: &[u8]) -> Vec<u8> {
    let mut stream = daemon.connect().await;
    let head = format!(
        "GET /sessions/{id}/attach HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\n\
         upgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(sent).await.unwrap();
    support::read_to_end(&mut stream).await
}

#[tokio::test]
async fn a_viewer_that_closes_or_talks_nonsense_is_answered_with_the_close() {
    let daemon = Daemon::start().await;
    let live = daemon.launch("printf up; exec sleep 600").await;
    daemon.until(&live.id, "up").await;
    // Every frame of a viewer is masked, here with zeros.
    for (what, sent, close) in [
        (
            "a close that says 1000",
            &[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xE8][..],
            &[0x88, 0x02, 0x03, 0xE8][..],
        ),
        (
            "a frame without its mask",
            &[0x82, 0x01, b'x'],
            &[0x88, 0x02, 0x03, 0xEA],
        ),
        (
            "a kind of frame that there is not",
            &[0x83, 0x81, 0, 0, 0, 0, b'x'],
            &[0x88, 0x02, 0x03, 0xEA],
        ),
        (
            "text that is none",
            &[0x81, 0x81, 0, 0, 0, 0, 0xFF],
            &[0x88, 0x02, 0x03, 0xEF],
        ),
    ] {
        let answer = answer_to(&daemon, &live.id, sent).await;
        assert!(answer.starts_with(b"HTTP/1.1 101"), "{what}");
        assert!(answer.ends_with(close), "{what}: {answer:02X?}");
    }
    let record = daemon.client.session(&live.id).await.unwrap();
    assert_eq!(record.status, Status::Running);
    daemon.stop().await;
}

//! What a viewer types.

use bytes::Bytes;
use coven_http::wire::{FromDaemon, Payload, Status};

use crate::support::{self, Daemon, within};
use crate::viewer::{attach, typed};

#[tokio::test]
async fn queries_never_reach_a_viewer_nor_its_stray_answers_the_program() {
    let daemon = Daemon::start().await;
    let script = "stty raw -echo; printf 'a\\033[6nb'; head -c 6 >/dev/null; \
                  printf ready; head -c 6 | od -An -c; printf '\\033[5nend'; exec sleep 600";
    let live = daemon.launch(script).await;
    // The daemon has answered it itself: that is what is read first.
    daemon.until(&live.id, "ready").await;
    let (mut attach, mut seen) = attach(&daemon, &live.id).await;
    seen.until(&mut attach.reader, "ready").await;
    assert!(seen.text().contains("ab"), "{:?}", seen.text());
    assert!(!seen.text().contains("\x1b[6n"));
    attach
        .writer
        .type_bytes(typed(
            "x\x1b[?62;22c\x1b[12;40Ry\x1b]10;rgb:ff/ff/ff\x07\x1b[Az",
        ))
        .await
        .unwrap();
    seen.until(&mut attach.reader, "end").await;
    assert!(!seen.text().contains("\x1b[5n"));
    // Letters and the arrow key arrive; what its terminal answered does not.
    let read: String = seen
        .text()
        .split("ready")
        .nth(1)
        .unwrap()
        .split_whitespace()
        .collect();
    assert!(read.contains("xy033[Az"), "{read}");
    daemon.stop().await;
}

#[tokio::test]
async fn the_escape_key_alone_arrives() {
    let daemon = Daemon::start().await;
    let live = daemon
        .launch("stty raw -echo; printf ready; head -c 1 | od -An -b; exec sleep 600")
        .await;
    daemon.until(&live.id, "ready").await;
    let (mut attach, mut seen) = attach(&daemon, &live.id).await;
    attach.writer.type_bytes(typed("\x1b")).await.unwrap();
    seen.until(&mut attach.reader, "033").await;
    daemon.stop().await;
}

#[tokio::test]
async fn what_a_viewer_may_not_is_told_and_the_attach_goes_on() {
    let daemon = Daemon::start().await;
    let body = coven_http::wire::LaunchBody {
        launch_mode: Some("nonInteractive".to_owned()),
        ..daemon.body("printf up; exec sleep 600")
    };
    let live = within(daemon.client.launch(&body)).await.unwrap();
    daemon.until(&live.id, "up").await;
    let (mut attach, mut seen) = attach(&daemon, &live.id).await;
    attach.writer.type_bytes(typed("x")).await.unwrap();
    seen.until_told(
        &mut attach.reader,
        |control| matches!(control, FromDaemon::Error { code, .. } if code == "session_not_live"),
    )
    .await;
    attach.writer.resize(0, 5).await.unwrap();
    seen.until_told(&mut attach.reader, |control| {
        matches!(control, FromDaemon::Error { code, message, .. } if code == "invalid_request" && message.contains("cols"))
    })
    .await;
    // Another's kill ends it for this viewer too.
    daemon.client.kill(&live.id).await.unwrap();
    seen.read_out(&mut attach.reader).await;
    assert!(matches!(
        seen.controls.last(),
        Some(FromDaemon::Exit {
            status: Status::Killed,
            ..
        })
    ));
}

#[tokio::test]
async fn a_viewer_that_does_not_read_can_still_type_and_slows_nobody() {
    let daemon = Daemon::start().await;
    let script = "stty raw -echo; printf ready; head -c 1 >/dev/null; \
                  head -c 3000000 /dev/zero | tr '\\0' z; head -c 1 >/dev/null; exit 0";
    let live = daemon.launch(script).await;
    daemon.until(&live.id, "ready").await;
    let (mut stuck, mut seen) = attach(&daemon, &live.id).await;
    stuck.writer.type_bytes(typed("g")).await.unwrap();
    // It reads nothing while all of this is written, and then ends the session by a key.
    let mut follow = daemon.client.follow(&live.id, None);
    let mut written = 0;
    while written < 3_000_005 {
        let event = within(follow.next()).await.unwrap().unwrap();
        if let Payload::Output(output) = event.payload() {
            written += output.bytes;
        }
    }
    stuck.writer.type_bytes(typed("q")).await.unwrap();
    while within(follow.next()).await.unwrap().is_some() {}
    let record = daemon.client.session(&live.id).await.unwrap();
    assert_eq!(record.exit_code, Some(0));
    // And nothing was lost for it.
    seen.read_out(&mut stuck.reader).await;
    let shown = seen.bytes.iter().filter(|byte| **byte == b'z').count();
    assert_eq!(shown, 3_000_000);
    assert!(matches!(
        seen.controls.last(),
        Some(FromDaemon::Exit { .. })
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paste_larger_than_what_a_slow_program_can_be_sent_arrives_whole_and_in_order() {
    const PIECE_BYTES: usize = 64 << 10;
    const PASTE_BYTES: usize = 40 * PIECE_BYTES;
    let daemon = Daemon::start().await;
    let script = format!(
        "stty raw -echo; printf ready; while [ ! -e go ]; do sleep 0.02; done; \
         head -c {PASTE_BYTES} > pasted; printf taken; exec sleep 600"
    );
    let live = daemon.launch(&script).await;
    daemon.until(&live.id, "ready").await;
    let (mut attach, mut seen) = attach(&daemon, &live.id).await;
    let noise = support::noise(14, PASTE_BYTES);
    let paste: Vec<u8> = noise.iter().map(|byte| b'a' + byte % 26).collect();
    let (sent, mut far_enough) = tokio::sync::watch::channel(0);
    let pieces = Bytes::from(paste.clone());
    let typing = tokio::spawn(async move {
        for start in (0..PASTE_BYTES).step_by(PIECE_BYTES) {
            let piece = pieces.slice(start..start + PIECE_BYTES);
            attach.writer.type_bytes(piece).await.unwrap();
            sent.send_replace(start + PIECE_BYTES);
        }
        attach.writer
    });
    // More than the daemon queues for a program.
    let more_than_fits = 28 * PIECE_BYTES;
    within(far_enough.wait_for(|sent| *sent >= more_than_fits))
        .await
        .unwrap();
    std::fs::write(daemon.path("go"), "").unwrap();
    seen.until(&mut attach.reader, "taken").await;
    within(typing).await.unwrap();
    assert!(std::fs::read(daemon.path("pasted")).unwrap() == paste);
    let refused = |control: &FromDaemon| matches!(control, FromDaemon::Error { .. });
    assert!(!seen.controls.iter().any(refused), "{:?}", seen.controls);
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_held_back_and_the_largest_message_after_it_arrive_whole() {
    const MESSAGE_BYTES: usize = 1 << 20;
    let daemon = Daemon::start().await;
    let script = format!(
        "stty raw -echo; printf ready; head -c {} > pasted; printf taken; exec sleep 600",
        MESSAGE_BYTES + 1
    );
    let live = daemon.launch(&script).await;
    daemon.until(&live.id, "ready").await;
    let (mut attach, mut seen) = attach(&daemon, &live.id).await;
    attach.writer.type_bytes(typed("\x1b")).await.unwrap();
    let message = Bytes::from(vec![b'a'; MESSAGE_BYTES]);
    attach.writer.type_bytes(message).await.unwrap();
    while !seen.text().contains("taken") {
        assert!(seen.read(&mut attach.reader).await);
        let refused = |control: &FromDaemon| matches!(control, FromDaemon::Error { .. });
        assert!(!seen.controls.iter().any(refused), "{:?}", seen.controls);
    }
    let pasted = std::fs::read(daemon.path("pasted")).unwrap();
    assert!(pasted.len() == MESSAGE_BYTES + 1 && pasted[..2] == *b"\x1ba");
    daemon.stop().await;
}

//! A viewer's terminal at a session.

mod support;

use std::time::Duration;

use bytes::Bytes;
use coven::Code;
use coven_http::client::{Attach, AttachReader, Frame};
use coven_http::wire::{FromDaemon, Payload, Status};
use support::{Daemon, within};

/// What a viewer got so far.
#[derive(Default)]
struct Seen {
    bytes: Vec<u8>,
    controls: Vec<FromDaemon>,
}

impl Seen {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// Reads on until `text` was shown.
    async fn until(&mut self, reader: &mut AttachReader, text: &str) {
        while !self.text().contains(text) {
            assert!(self.read(reader).await, "no {text:?} in {:?}", self.text());
        }
    }

    /// Reads on until a control frame is as wanted.
    async fn until_told(
        &mut self,
        reader: &mut AttachReader,
        wanted: impl Fn(&FromDaemon) -> bool,
    ) {
        while !self.controls.iter().any(&wanted) {
            assert!(
                self.read(reader).await,
                "it ended after {:?}",
                self.controls
            );
        }
    }

    async fn read_out(&mut self, reader: &mut AttachReader) {
        while self.read(reader).await {}
    }

    async fn read(&mut self, reader: &mut AttachReader) -> bool {
        match within(reader.next()).await.unwrap() {
            Some(Frame::Bytes(bytes)) => self.bytes.extend_from_slice(&bytes),
            Some(Frame::Control(control)) => self.controls.push(control),
            None => return false,
        }
        true
    }
}

async fn attach(daemon: &Daemon, id: &str) -> (Attach, Seen) {
    let mut attach = within(daemon.client.attach(id)).await.unwrap();
    let mut seen = Seen::default();
    assert!(seen.read(&mut attach.reader).await);
    assert!(matches!(seen.controls[..], [FromDaemon::Hello { .. }]));
    (attach, seen)
}

fn typed(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

#[tokio::test]
async fn a_viewer_sees_what_was_and_what_comes_and_types() {
    let daemon = Daemon::start().await;
    let live = daemon
        .launch("printf 'earlier\\n'; read x; printf \"got <$x>\\n\"; exit 7")
        .await;
    daemon.until(&live.id, "earlier").await;
    let (mut attach, mut seen) = attach(&daemon, &live.id).await;
    let FromDaemon::Hello {
        seq,
        cols,
        rows,
        live: is_live,
    } = seen.controls[0]
    else {
        unreachable!()
    };
    assert_eq!((cols, rows, is_live), (80, 24, true));
    assert!(seq > 0);
    seen.until(&mut attach.reader, "earlier\r\n").await;
    attach.writer.type_bytes(typed("hi there\r")).await.unwrap();
    seen.until(&mut attach.reader, "got <hi there>").await;
    seen.read_out(&mut attach.reader).await;
    let record = daemon.client.session(&live.id).await.unwrap();
    match seen.controls.last().unwrap() {
        FromDaemon::Exit {
            seq,
            status,
            exit_code,
            signal,
        } => {
            assert_eq!(*seq, record.last_seq);
            assert_eq!(
                (*status, *exit_code, *signal),
                (Status::Failed, Some(7), None)
            );
        }
        other => panic!("{other:?}"),
    }
    // Every byte was shown once.
    let mut output = daemon.client.output(&live.id, 0).await.unwrap();
    let mut written = Vec::new();
    while let Some(bytes) = output.next().await.unwrap() {
        written.extend_from_slice(&bytes);
    }
    assert!(
        seen.text().starts_with(&*String::from_utf8_lossy(&written)),
        "{:?}",
        seen.text()
    );
}

#[tokio::test]
async fn opening_makes_the_program_draw_anew_and_keeps_its_size() {
    let daemon = Daemon::start().await;
    let live = daemon.launch(WATCHES_ITS_SIZE).await;
    daemon.until(&live.id, "up").await;
    let (mut attach, mut seen) = attach(&daemon, &live.id).await;
    // A program that was busy may see one change only; it draws anew all the same.
    seen.until(&mut attach.reader, "24 80").await;
    // Nobody asked for another size, so nobody is told of one.
    assert!(matches!(seen.controls[..], [FromDaemon::Hello { .. }]));
    let record = daemon.client.session(&live.id).await.unwrap();
    assert_eq!((record.cols, record.rows), (Some(80), Some(24)));

    attach.writer.resize(101, 33).await.unwrap();
    seen.until(&mut attach.reader, "33 101").await;
    seen.until_told(&mut attach.reader, |control| {
        matches!(
            control,
            FromDaemon::Resize {
                cols: 101,
                rows: 33,
                ..
            }
        )
    })
    .await;
    daemon.stop().await;
}

/// Says its terminal's size whenever that changes.
const WATCHES_ITS_SIZE: &str = "trap 'stty size' WINCH; printf up; while :; do sleep 0.02; done";

#[tokio::test]
async fn a_viewer_that_leaves_at_once_leaves_the_size_as_it_was() {
    let daemon = Daemon::start().await;
    let live = daemon.launch(WATCHES_ITS_SIZE).await;
    daemon.until(&live.id, "up").await;
    drop(attach(&daemon, &live.id).await);
    daemon.until(&live.id, "24 80").await;
    daemon.stop().await;
}

#[tokio::test]
async fn a_size_told_while_the_program_draws_anew_is_the_one_it_keeps() {
    let daemon = Daemon::start().await;
    let live = daemon.launch(WATCHES_ITS_SIZE).await;
    daemon.until(&live.id, "up").await;
    let (mut attach, mut seen) = attach(&daemon, &live.id).await;
    attach.writer.resize(101, 33).await.unwrap();
    seen.until(&mut attach.reader, "33 101").await;
    // Asked for by the viewer, it is drawn anew too.
    let before = seen.text().matches("33 101").count();
    attach.writer.redraw().await.unwrap();
    while seen.text().matches("33 101").count() == before {
        assert!(seen.read(&mut attach.reader).await);
    }
    daemon.stop().await;
}

#[tokio::test]
async fn a_program_that_has_drawn_nothing_yet_is_not_made_to_draw_anew() {
    let daemon = Daemon::start().await;
    let script = "trap 'printf changed' WINCH; while [ ! -e go ]; do sleep 0.01; done; \
                  stty size; exec sleep 600";
    let live = daemon.launch(script).await;
    let (mut attach, mut seen) = attach(&daemon, &live.id).await;
    std::fs::write(daemon.path("go"), "").unwrap();
    seen.until(&mut attach.reader, " 80\r\n").await;
    assert_eq!(seen.text(), "24 80\r\n");
    daemon.stop().await;
}

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
async fn modes_are_restored_when_it_opens_and_undone_when_it_closes() {
    let daemon = Daemon::start().await;
    let script = "printf '\\033[?1049h\\033[?2004h\\033[?25l'; head -c 200000 /dev/zero | tr '\\0' '\\n'; \
                  printf drawn; exec sleep 600";
    let live = daemon.launch(script).await;
    daemon.until(&live.id, "drawn").await;
    let (mut attach, mut seen) = attach(&daemon, &live.id).await;
    seen.until(&mut attach.reader, "drawn").await;
    let opened = seen.text();
    assert!(opened.len() < 100_000, "the whole history was replayed");
    for mode in ["\x1b[?1049h", "\x1b[?2004h", "\x1b[?25l"] {
        assert!(opened.contains(mode), "{mode:?} is not restored");
    }
    let before = seen.bytes.len();
    attach.writer.detach().await.unwrap();
    seen.read_out(&mut attach.reader).await;
    let undone = String::from_utf8_lossy(&seen.bytes[before..]).into_owned();
    for mode in ["\x1b[?1049l", "\x1b[?2004l", "\x1b[?25h"] {
        assert!(undone.contains(mode), "{mode:?} is not in {undone:?}");
    }
    assert!(matches!(
        seen.controls.last(),
        Some(FromDaemon::Detached { .. })
    ));
    let record = daemon.client.session(&live.id).await.unwrap();
    assert_eq!(record.status, Status::Running);
    daemon.stop().await;
}

#[tokio::test]
async fn a_session_that_has_ended_shows_its_end() {
    let daemon = Daemon::start().await;
    let (record, _) = daemon.run("printf 'the end\\n'; exit 2").await;
    let (mut attach, mut seen) = attach(&daemon, &record.id).await;
    seen.read_out(&mut attach.reader).await;
    assert!(seen.text().contains("the end"));
    assert!(matches!(
        seen.controls[..],
        [
            FromDaemon::Hello { live: false, .. },
            FromDaemon::Exit {
                exit_code: Some(2),
                ..
            }
        ]
    ));
    let same = daemon.client.session(&record.id).await.unwrap();
    assert_eq!(
        same.last_seq, record.last_seq,
        "looking at it left an event"
    );
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
        matches!(control, FromDaemon::Error { code, message } if code == "invalid_request" && message.contains("cols"))
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
async fn what_is_no_attach_is_refused() {
    let daemon = Daemon::start().await;
    let unknown = within(daemon.client.attach("nobody")).await.unwrap_err();
    assert_eq!(unknown.code(), Some(Code::SessionNotFound));
    let (record, _) = daemon.run("true").await;
    let path = format!("/sessions/{}/attach", record.id);
    let plain = daemon.get(&path).await;
    plain.is_error(400, "invalid_request");
    let old = format!(
        "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 8\r\nsec-websocket-key: eHh4\r\n\r\n"
    );
    let old = support::Raw::parse(&daemon.raw(old.as_bytes()).await);
    old.is_error(400, "invalid_request");
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

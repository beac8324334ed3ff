//! What a viewer is shown, from the first frame on.

use coven::Code;
use coven_http::wire::{FromDaemon, Status};

use crate::support::{self, Daemon, within};
use crate::viewer::{attach, typed};

/// Says its terminal's size whenever that changes.
const WATCHES_ITS_SIZE: &str = "trap 'stty size' WINCH; printf up; while :; do sleep 0.02; done";

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
        resumed: false,
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
async fn what_is_no_attach_is_refused() {
    let daemon = Daemon::start().await;
    let unknown = within(daemon.client.attach("nobody")).await.unwrap_err();
    assert_eq!(unknown.code(), Some(Code::SessionNotFound));
    let (record, _) = daemon.run("true").await;
    let path = format!("/sessions/{}/attach", record.id);
    let plain = daemon.get(&path).await;
    plain.is_error(400, "invalid_request");
    // It is refused before anything is looked for, let alone read.
    let plain = daemon.get("/sessions/nobody/attach").await;
    plain.is_error(400, "invalid_request");
    for (field, headers) in [
        (
            "Sec-WebSocket-Version",
            "sec-websocket-version: 8\r\nsec-websocket-key: eHh4",
        ),
        ("Sec-WebSocket-Key", "sec-websocket-version: 13"),
    ] {
        let unfit = format!(
            "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             {headers}\r\n\r\n"
        );
        let answer = support::Raw::parse(&daemon.raw(unfit.as_bytes()).await);
        answer.is_error(400, "invalid_request");
        assert_eq!(answer.json()["error"]["details"]["field"], field);
    }
}

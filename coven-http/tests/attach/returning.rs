//! A viewer whose connection breaks, and that comes again.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use coven_http::Timeouts;
use coven_http::client::{Client, Departure, Error, Frame, Viewer};
use coven_http::wire::{FromDaemon, Status};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

use crate::support::{self, Daemon, within};
use crate::viewer::typed;

/// How long the other direction goes on where one has broken.
const LAST_WORDS: Duration = Duration::from_millis(30);

/// A way to a daemon on which connections break.
struct BadWay {
    dir: tempfile::TempDir,
    connections: Arc<AtomicUsize>,
}

impl BadWay {
    /// The n-th connection breaks once `carries(n)` bytes have gone one way or the other.
    fn to(daemon: &Path, carries: impl Fn(usize) -> (usize, usize) + Send + 'static) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("coven.sock")).unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let (counted, daemon) = (Arc::clone(&connections), daemon.to_owned());
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let (there, back) = carries(counted.fetch_add(1, Ordering::SeqCst));
                let far = UnixStream::connect(&daemon).await.unwrap();
                tokio::spawn(async move {
                    let (near_reads, near_writes) = near.into_split();
                    let (far_reads, far_writes) = far.into_split();
                    let mut back = std::pin::pin!(carry(far_reads, near_writes, back));
                    tokio::select! {
                        () = carry(near_reads, far_writes, there) => {
                            // What comes back to that still gets through, as a rule.
                            let _ = tokio::time::timeout(LAST_WORDS, back).await;
                        }
                        () = &mut back => {}
                    }
                });
            }
        });
        Self { dir, connections }
    }

    fn client(&self) -> Client {
        Client::at_home(self.dir.path())
    }
}

/// Carries at most so many bytes.
async fn carry(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, mut left: usize) {
    let mut buffer = vec![0; 4096];
    while left > 0 {
        let most = left.min(buffer.len());
        let Ok(len @ 1..) = from.read(&mut buffer[..most]).await else {
            return;
        };
        if to.write_all(&buffer[..len]).await.is_err() {
            return;
        }
        left -= len;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_connections_that_break_anywhere_all_is_shown_once_and_all_typed_bytes_arrive_once() {
    const FRAMES: usize = 600;
    const FRAME_BYTES: usize = 40;
    let daemon = Daemon::start().await;
    let script = format!(
        "stty raw -echo; printf '\\033[?2004hready'; head -c 1 > first; \
         (i=0; while [ $i -lt 1500 ]; do printf \"line $i é🙂\\033[3$((i % 8))m\\r\\n\"; \
         i=$((i+1)); [ $((i % 10)) = 0 ] && sleep 0.01; done) & head -c {} > pasted; wait; printf taken; exec sleep 600",
        FRAMES * FRAME_BYTES - 1
    );
    let live = daemon.launch(&script).await;
    daemon.until(&live.id, "ready").await;
    // The opening is carried, and more than one event of what comes slowly.
    let way = BadWay::to(&daemon.socket(), |nth| {
        (700 + nth * 131 % 1900, 2500 + nth * 977 % 6000)
    });
    let Viewer { mut reader, writer } = way.client().viewer(&live.id, support::PATIENCE);
    let noise = support::noise(21, FRAMES * FRAME_BYTES);
    let text: Vec<u8> = noise.iter().map(|byte| b'a' + byte % 26).collect();
    for piece in text.chunks(FRAME_BYTES) {
        writer.type_bytes(Bytes::copy_from_slice(piece)).unwrap();
    }
    let mut seen = Vec::new();
    let mut drawn = 0;
    while !String::from_utf8_lossy(&seen).contains("taken") {
        match within(reader.next()).await.unwrap().unwrap() {
            Frame::Bytes(bytes) => seen.extend_from_slice(&bytes),
            Frame::Control(FromDaemon::Hello { resumed: false, .. }) => {
                // A terminal that is cleared.
                seen.clear();
                drawn += 1;
            }
            Frame::Control(FromDaemon::Error { message, .. }) => panic!("{message}"),
            Frame::Control(_) => {}
        }
    }
    let id = coven::SessionId::parse(&live.id).unwrap();
    let output = daemon.engine.output(&id, 0, usize::MAX);
    let output: Vec<u8> = output
        .await
        .unwrap()
        .iter()
        .flat_map(|chunk| chunk.data.to_vec())
        .collect();
    assert!(seen == output, "{} of {} bytes", seen.len(), output.len());
    assert!(std::fs::read(daemon.path("pasted")).unwrap() == text[1..]);
    let connections = way.connections.load(Ordering::SeqCst);
    assert!(connections > 10, "{connections}");
    assert!(drawn < connections / 2, "{drawn} of {connections}");
    daemon.stop().await;
}

#[tokio::test]
async fn a_viewer_that_is_cut_off_in_the_middle_of_its_first_view_has_it_drawn_anew() {
    let daemon = Daemon::start().await;
    let live = daemon
        .launch("printf '\\033[?1049h'; head -c 20000 /dev/zero | tr '\\0' z; printf up; exec sleep 600")
        .await;
    daemon.until(&live.id, "up").await;
    let way = BadWay::to(&daemon.socket(), |nth| match nth {
        0 | 1 => (4000, 9000),
        _ => (usize::MAX, usize::MAX),
    });
    let Viewer { mut reader, writer } = way.client().viewer(&live.id, support::PATIENCE);
    let mut seen = Vec::new();
    let mut hellos = 0;
    while !seen.ends_with(b"up") {
        match within(reader.next()).await.unwrap().unwrap() {
            Frame::Bytes(bytes) => seen.extend_from_slice(&bytes),
            Frame::Control(FromDaemon::Hello { resumed, .. }) => {
                assert!(!resumed);
                seen.clear();
                hellos += 1;
            }
            Frame::Control(_) => {}
        }
    }
    assert!(hellos > 1);
    assert!(seen.starts_with(b"\x1b[?1049hzzz"));
    assert_eq!(seen.len(), 20_010);
    writer.detach();
    while let Some(frame) = within(reader.next()).await.unwrap() {
        if let Frame::Bytes(bytes) = frame {
            seen.extend_from_slice(&bytes);
        }
    }
    assert!(seen.ends_with(b"\x1b[?1049l"));
    assert_eq!(writer.untaken_bytes(), 0);
    daemon.stop().await;
}

#[tokio::test]
async fn a_viewer_keeps_its_screen_while_the_daemon_restarts_and_is_told_how_it_left() {
    let daemon = Daemon::start().await;
    let live = daemon
        .launch("printf '\\033[?1049hup'; exec sleep 600")
        .await;
    daemon.until(&live.id, "up").await;
    let soon = Duration::from_millis(200);
    let Viewer { mut reader, writer } = daemon.client.viewer(&live.id, soon);
    let mut seen = Vec::new();
    while !seen.ends_with(b"up") {
        if let Frame::Bytes(bytes) = within(reader.next()).await.unwrap().unwrap() {
            seen.extend_from_slice(&bytes);
        }
    }
    writer.type_bytes(typed("x")).unwrap();
    while writer.untaken_bytes() > 0 {
        tokio::task::yield_now().await;
    }
    let dir = daemon.stop().await;
    let error = loop {
        match within(reader.next()).await {
            Ok(frame) => match frame.unwrap() {
                Frame::Bytes(bytes) => seen.extend_from_slice(&bytes),
                Frame::Control(control) => panic!("{control:?}"),
            },
            Err(error) => break error,
        }
    };
    assert!(
        matches!(
            error,
            Error::Away {
                departure: Departure::Stopped,
                served: true,
                ..
            }
        ),
        "{error:?}"
    );
    // Nothing of it was undone.
    assert!(!String::from_utf8_lossy(&seen).contains("\x1b[?1049l"));
    writer.type_bytes(typed("late")).unwrap();
    let daemon = Daemon::in_dir(dir, Timeouts::default()).await;
    let mut controls = Vec::new();
    loop {
        match within(reader.next()).await {
            Ok(Some(Frame::Control(control))) => controls.push(control),
            Ok(Some(Frame::Bytes(bytes))) => seen.extend_from_slice(&bytes),
            Ok(None) => break,
            Err(error) => assert!(error.is_passing(), "{error:?}"),
        }
    }
    let [
        FromDaemon::Hello { resumed: true, .. },
        ..,
        FromDaemon::Exit { status, .. },
    ] = &controls[..]
    else {
        panic!("{controls:?}")
    };
    assert!(matches!(status, Status::Killed | Status::Orphaned));
    assert_eq!(seen.iter().filter(|byte| **byte == b'p').count(), 1);
    daemon.stop().await;
}

#[tokio::test]
async fn a_session_that_is_not_there_is_the_end_of_its_viewer() {
    let daemon = Daemon::start().await;
    let Viewer { mut reader, .. } = daemon.client.viewer("nobody", support::PATIENCE);
    let error = within(reader.next()).await.unwrap_err();
    assert_eq!(error.code(), Some(coven::Code::SessionNotFound));
    assert!(within(reader.next()).await.unwrap().is_none());
    daemon.stop().await;
}

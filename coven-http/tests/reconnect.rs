//! A client whose daemon goes away: it goes on by itself, and nothing is missing or comes twice.

mod support;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use coven::Code;
use coven_http::Timeouts;
use coven_http::client::{Client, Cursor, Departure, Error};
use coven_http::wire::Event;
use support::{Daemon, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

/// Bytes that a stand-in for a daemon gives in one answer at least: then it breaks off.
const LEAST_BYTES: usize = 40;

/// What stands in for a daemon whose connections all break.
struct Broken {
    dir: tempfile::TempDir,
    connections: Arc<AtomicUsize>,
}

impl Broken {
    /// It answers every request with what `answer` makes of the head, and breaks off.
    fn serve(answer: impl Fn(usize, &str) -> Vec<u8> + Send + 'static) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("coven.sock")).unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let nth = counted.fetch_add(1, Ordering::SeqCst);
                let head = head(&mut stream).await;
                let _ = stream.write_all(&answer(nth, &head)).await;
            }
        });
        Self { dir, connections }
    }

    fn client(&self) -> Client {
        Client::at_home(self.dir.path())
    }
}

async fn head(stream: &mut UnixStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).await.unwrap_or(0) == 1 {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap().to_lowercase()
}

fn header(head: &str, name: &str) -> Option<String> {
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    let mut found = lines.filter(|(found, _)| *found == name);
    found.next().map(|(_, value)| value.to_owned())
}

fn told(seq: u64) -> String {
    let json = format!(
        "{{\"seq\":{seq},\"id\":\"ev-{seq}\",\"session_id\":\"s\",\"kind\":\"output\",\
         \"payload_json\":\"{{}}\",\"created_at\":\"2026-01-01T00:00:00Z\"}}"
    );
    format!("id: {seq}\nevent: output\ndata: {json}\n\n")
}

#[tokio::test]
async fn a_stream_that_is_cut_at_every_byte_is_told_whole_and_once() {
    const LAST: u64 = 12;
    let broken = Broken::serve(|nth, head| {
        let after = header(head, "last-event-id").map_or(0, |after| after.parse().unwrap());
        let mut stream: String = (after + 1..=LAST).map(told).collect();
        stream.push_str(": end\n\n");
        let mut answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_vec();
        let whole = told(after + 1).len();
        // Every place within an event, the next connection one byte further: some tell nothing.
        let len = (LEAST_BYTES + nth * 7 % (2 * whole)).min(stream.len());
        answer.extend_from_slice(&stream.as_bytes()[..len]);
        answer
    });
    let mut follow = broken.client().follow("s", None);
    let mut seqs = Vec::new();
    while let Some(Event { seq, .. }) = within(follow.next()).await.unwrap() {
        seqs.push(seq);
    }
    assert_eq!(seqs, (1..=LAST).collect::<Vec<_>>());
    assert!(broken.connections.load(Ordering::SeqCst) > 6);
}

#[tokio::test]
async fn output_that_is_cut_anywhere_comes_whole_and_once() {
    let output = support::noise(44, 3000);
    let recorded = output.clone();
    let broken = Broken::serve(move |nth, head| {
        let range = header(head, "range").unwrap();
        let (start, end) = range
            .strip_prefix("bytes=")
            .unwrap()
            .split_once('-')
            .unwrap();
        let start: usize = start.parse().unwrap();
        let end = end.parse().map_or(recorded.len(), |last: usize| last + 1);
        let len = end - start;
        let mut answer = format!(
            "HTTP/1.1 206 Partial Content\r\nconnection: close\r\ncontent-length: {len}\r\n\
             x-coven-output-complete: true\r\n\r\n"
        )
        .into_bytes();
        answer.extend_from_slice(&recorded[start..(start + nth * 37 % 300).min(end)]);
        answer
    });
    let client = broken.client();
    let mut read = client.output("s", 17).await.unwrap();
    let mut bytes = Vec::new();
    while let Some(more) = within(read.next()).await.unwrap() {
        bytes.extend_from_slice(&more);
    }
    assert!(bytes == output[17..]);
    let last = std::num::NonZeroU64::new(500).unwrap();
    let mut read = client.output_part("s", 1000, last).await.unwrap();
    bytes.clear();
    while let Some(more) = within(read.next()).await.unwrap() {
        bytes.extend_from_slice(&more);
    }
    assert!(bytes == output[1000..1500]);
}

#[tokio::test]
async fn a_follower_of_all_goes_on_over_daemons_that_come_and_go() {
    let mut daemon = Daemon::start().await;
    let socket = daemon.socket();
    let (tell, mut said) = tokio::sync::mpsc::unbounded_channel();
    let mut follow = daemon.client.follow_all(Some(0));
    let following = tokio::spawn(async move {
        let mut events = Vec::new();
        loop {
            let event = within(follow.next()).await.unwrap().unwrap();
            let session = event.session_id.clone();
            let is_over = event.kind == "exit";
            events.push(event);
            if is_over && tell.send(session).is_err() {
                return events;
            }
        }
    });
    let mut sessions = Vec::new();
    for _ in 0..4 {
        let (record, _) = daemon.run("printf 'a\\377b'; printf c").await;
        // One that is cut off while it may still be telling this one.
        let dir = daemon.stop().await;
        assert!(!socket.exists());
        daemon = Daemon::in_dir(dir, Timeouts::default()).await;
        assert_eq!(within(said.recv()).await, Some(record.id.clone()));
        sessions.push(record);
    }
    drop(said);
    let (last, _) = daemon.run("true").await;
    sessions.push(last);
    let events = within(following).await.unwrap();
    let mut all = Vec::new();
    for record in &sessions {
        let page = daemon.client.events(&record.id, Default::default());
        all.extend(page.await.unwrap().events);
    }
    all.sort_by_key(|event| event.seq);
    assert_eq!(events, all);
    daemon.stop().await;
}

#[tokio::test]
async fn a_daemon_that_stays_away_is_told_with_how_it_left_and_where_to_go_on() {
    let daemon = Daemon::start().await;
    let (record, events) = daemon.run("printf one").await;
    let soon = Duration::from_millis(100);
    let mut follow = daemon.client.follow_all(Some(0)).patience(soon);
    let last = events.last().unwrap().seq;
    while within(follow.next()).await.unwrap().unwrap().seq < last {}
    let dir = daemon.stop().await;
    let error = within(follow.next()).await.unwrap_err();
    let Error::Away {
        departure,
        cursor,
        served: true,
        ..
    } = &error
    else {
        panic!("{error:?}")
    };
    assert_eq!(*departure, Departure::Stopped);
    assert_eq!(*cursor, Cursor::AfterSeq { seq: last });
    assert!(error.to_string().contains(&format!("event {last} ")));
    // Whoever asks again is told the rest by the next one.
    let daemon = Daemon::in_dir(dir, Timeouts::default()).await;
    within(daemon.client.archive(&record.id)).await.unwrap();
    let next = within(follow.next()).await.unwrap().unwrap();
    assert_eq!((next.seq, next.kind.as_str()), (last + 1, "archived"));
    daemon.stop().await;
}

#[tokio::test]
async fn a_question_whose_connection_breaks_is_asked_again_and_a_request_for_something_is_not() {
    let breaks_twice = Broken::serve(|nth, _| match nth {
        0 => Vec::new(),
        1 => b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{".to_vec(),
        _ => b"HTTP/1.1 200 OK\r\ncontent-length: 49\r\n\r\n\
               {\"apiVersion\":\"v1\",\"supportedApiVersions\":[\"v1\"]}"
            .to_vec(),
    });
    within(breaks_twice.client().api_version()).await.unwrap();
    let broken = Broken::serve(|_, _| Vec::new());
    let error = within(broken.client().api_version()).await.unwrap_err();
    assert!(matches!(error, Error::Broken { .. }), "{error:?}");
    let asked = broken.connections.swap(0, Ordering::SeqCst);
    assert_eq!(asked, 3, "and no more");
    let error = within(broken.client().archive("id")).await.unwrap_err();
    assert!(matches!(error, Error::Broken { .. }), "{error:?}");
    assert_eq!(broken.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn nobody_connects_in_a_busy_loop_to_a_daemon_that_is_not_well() {
    let broken = Broken::serve(|_, _| Vec::new());
    let patience = Duration::from_secs(2);
    let mut follow = broken.client().follow_all(None).patience(patience);
    within(follow.next()).await.unwrap_err();
    let connections = broken.connections.load(Ordering::SeqCst);
    // 20 ms, doubled each time.
    assert!((3..10).contains(&connections), "{connections}");
}

#[tokio::test]
async fn a_daemon_that_kept_a_silent_stream_open_has_served_and_one_that_broke_it_off_has_not() {
    let dir = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(dir.path().join("coven.sock")).unwrap();
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            head(&mut stream).await;
            let answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";
            stream.write_all(answer).await.unwrap();
            if told.try_recv().is_ok() {
                // Over what counts as nothing.
                tokio::time::sleep(Duration::from_millis(1100)).await;
            }
        }
    });
    let patience = Duration::from_millis(100);
    let client = Client::at_home(dir.path());
    let mut follow = client.follow_all(None).patience(patience);
    for stays in [false, true, false] {
        if stays {
            tell.send(()).unwrap();
        }
        let error = within(follow.next()).await.unwrap_err();
        assert!(
            matches!(error, Error::Away { served, .. } if served == stays),
            "{stays}: {error:?}"
        );
    }
}

#[tokio::test]
async fn a_session_that_the_next_daemon_does_not_know_is_an_error_and_no_end() {
    let daemon = Daemon::start().await;
    let live = daemon.launch("printf up; exec sleep 600").await;
    let mut follow = daemon.client.follow(&live.id, None);
    within(follow.next()).await.unwrap().unwrap();
    let mut of_all = daemon.client.follow_all(Some(0));
    within(of_all.next()).await.unwrap().unwrap();
    let other = Daemon::start().await;
    for _ in 0..5 {
        // Its log has come as far.
        other.run("true").await;
    }
    let home: PathBuf = daemon.home();
    let _dir = daemon.stop().await;
    // Another home is put in place of the first.
    let aside = home.with_file_name("aside");
    std::fs::rename(&home, &aside).unwrap();
    let other_home = other.home();
    let other_dir = other.stop().await;
    std::fs::rename(&other_home, &home).unwrap();
    let engine = coven::Engine::open(coven::Options::at(&home))
        .await
        .unwrap();
    let server = coven_http::Server::bind(engine, coven_http::ServeOptions::default()).unwrap();
    let stopper = server.stopper();
    let running = tokio::spawn(server.run());
    let gone = loop {
        // What it was still told by the first.
        match within(follow.next()).await {
            Ok(event) => assert!(event.is_some(), "it ended"),
            Err(error) => break error,
        }
    };
    assert_eq!(gone.code(), Some(Code::SessionNotFound));
    // Its log has come as far, and further, and is another all the same.
    let other = loop {
        match within(of_all.next()).await {
            Ok(event) => assert_eq!(event.unwrap().session_id, live.id),
            Err(error) => break error,
        }
    };
    assert!(matches!(other, Error::OtherLog { .. }), "{other:?}");
    stopper.stop();
    drop(within(running).await.unwrap());
    drop(other_dir);
}

//! What the client says when the other side is not as it should be.

mod support;

use std::path::PathBuf;
use std::time::Duration;

use coven::Code;
use coven_http::client::{Client, Cursor, Departure, Error};
use coven_http::wire::LaunchBody;
use support::{Daemon, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

/// Something that takes connections, reads a little, says `answer`, and then closes or waits.
fn stranger(answer: &'static [u8], closes: bool) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer).await;
            if !closes {
                kept.push(stream);
            }
        }
    });
    (dir, path)
}

#[tokio::test]
async fn nobody_at_the_socket_is_told_apart_from_everything_else() {
    let dir = tempfile::tempdir().unwrap();
    let missing = within(Client::at_home(dir.path()).health())
        .await
        .unwrap_err();
    assert!(
        matches!(&missing, Error::Unreachable { socket, .. } if *socket == dir.path().join("coven.sock"))
    );
    assert_eq!(missing.code(), None);
    let dead = dir.path().join("coven.sock");
    drop(UnixListener::bind(&dead).unwrap());
    let dead = within(Client::at_home(dir.path()).health())
        .await
        .unwrap_err();
    assert!(matches!(dead, Error::Unreachable { .. }));
}

#[tokio::test]
async fn an_answer_that_does_not_begin_is_given_up_before_one_that_may_take_its_time() {
    let (_dir, path) = stranger(b"", false);
    let soon = Duration::from_millis(50);
    let client = Client::new(path).patience(soon);
    let asked = within(client.session("x")).await.unwrap_err();
    let followed = within(client.output("x", 0)).await.err().unwrap();
    for error in [asked, followed] {
        assert!(
            matches!(&error, Error::Timeout { after, .. } if *after == soon),
            "{error:?}"
        );
    }
    let late = Duration::from_millis(100);
    let client = client.timeout(late);
    let launched = within(client.launch(&LaunchBody::default())).await;
    for error in [
        launched.unwrap_err(),
        within(client.kill("x")).await.unwrap_err(),
        within(client.delete("x")).await.unwrap_err(),
        within(client.harnesses()).await.unwrap_err(),
    ] {
        assert!(
            matches!(&error, Error::Timeout { after, .. } if *after == late),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_silent_daemon_is_given_up_in_time() {
    for beginning in [&b""[..], b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{"] {
        let (_dir, path) = stranger(beginning, false);
        let client = Client::new(path).timeout(Duration::from_millis(100));
        let error = within(client.health()).await.unwrap_err();
        assert!(matches!(error, Error::Timeout { .. }), "{error:?}");
    }
    let (_dir, path) = stranger(b"", false);
    let client = Client::new(path).timeout(Duration::from_millis(100));
    let mut follow = client.follow_all(None).patience(Duration::ZERO);
    let error = within(follow.next()).await.unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error:?}");
}

#[tokio::test]
async fn a_stream_that_breaks_off_at_once_time_and_again_is_given_up() {
    let (_dir, path) = stranger(
        b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nid: 7\n\n",
        true,
    );
    let patience = Duration::from_millis(300);
    let mut follow = Client::new(path).follow_all(None).patience(patience);
    let error = within(follow.next()).await.unwrap_err();
    let Error::Away {
        departure: Departure::Vanished,
        cursor: Cursor::AfterSeq { seq: 7 },
        last,
        waited,
        served: false,
    } = error
    else {
        panic!("{error:?}")
    };
    assert!(matches!(*last, Error::Broken { .. }), "{last:?}");
    assert!(waited >= patience);
    assert_eq!(follow.after(), Some(7));
}

#[tokio::test]
async fn why_the_daemon_breaks_a_stream_off_is_told_after_what_it_gave() {
    let (_dir, path) = stranger(
        b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nid: 8\nevent: output\n\
          data: {\"seq\":8,\"id\":\"ev-8\",\"session_id\":\"s\",\"kind\":\"output\",\
          \"payload_json\":\"{}\",\"created_at\":\"2026-01-01T00:00:00Z\"}\n\n\
          : error {\"error\":{\"code\":\"internal_error\",\"message\":\"damaged\"}}\n\n",
        true,
    );
    let mut follow = Client::new(path).follow("s", None);
    assert_eq!(within(follow.next()).await.unwrap().unwrap().seq, 8);
    let error = within(follow.next()).await.unwrap_err();
    assert_eq!(error.code(), Some(Code::InternalError));
}

#[tokio::test]
async fn an_answer_that_breaks_off_or_is_none_is_told_as_that() {
    let (_dir, path) = stranger(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{", true);
    let broken = within(Client::new(path).health()).await.unwrap_err();
    assert!(matches!(broken, Error::Broken { .. }), "{broken:?}");
    let (_dir, path) = stranger(b"hello, this is no HTTP\r\n\r\n", true);
    let garbage = within(Client::new(path).health()).await.unwrap_err();
    assert!(
        matches!(garbage, Error::Broken { .. } | Error::Garbled { .. }),
        "{garbage:?}"
    );
    for answer in [
        &b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"[..],
        b"HTTP/1.1 500 Oh\r\ncontent-length: 4\r\n\r\noops",
    ] {
        let (_dir, path) = stranger(answer, true);
        let garbled = within(Client::new(path).health()).await.unwrap_err();
        assert!(matches!(garbled, Error::Garbled { .. }), "{garbled:?}");
    }
}

#[tokio::test]
async fn a_code_of_a_newer_daemon_is_kept_as_text() {
    let answer = b"HTTP/1.1 418 Tea\r\ncontent-length: 54\r\n\r\n{\"error\":{\"code\":\"too_hot\",\"message\":\"wait a little\"}}";
    let (_dir, path) = stranger(answer, true);
    let error = within(Client::new(path).health()).await.unwrap_err();
    assert_eq!(error.code(), None);
    let answer = error.answer().unwrap();
    assert_eq!((answer.status, answer.code_text.as_str()), (418, "too_hot"));
    assert_eq!(error.to_string(), "wait a little");
}

#[tokio::test]
async fn what_the_daemon_refuses_carries_its_code_and_details() {
    let daemon = Daemon::start().await;
    let unknown = daemon.client.session("nobody").await.unwrap_err();
    assert_eq!(unknown.code(), Some(Code::SessionNotFound));
    assert_eq!(
        unknown.answer().unwrap().details.as_ref().unwrap()["sessionId"],
        "nobody"
    );
    let refused = daemon
        .client
        .launch(&LaunchBody::default())
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Some(Code::InvalidRequest));
    // A session that never was is refused at once, however patient the follower.
    let follow = within(daemon.client.follow("nobody", None).next())
        .await
        .unwrap_err();
    assert_eq!(follow.code(), Some(Code::SessionNotFound));
    // An id that cannot stand in a request is an error, not a panic.
    let strange = daemon.client.session("a b\r\nx: y").await.unwrap_err();
    assert!(matches!(strange, Error::Garbled { .. }), "{strange:?}");
}

#[tokio::test]
async fn what_a_client_does_is_recorded_under_its_name() {
    let daemon = Daemon::start().await;
    let client = daemon.client.clone().named("cockpit/2");
    let id = within(client.launch(&daemon.body("true")))
        .await
        .unwrap()
        .id;
    let id = coven::SessionId::parse(&id).unwrap();
    let events = daemon
        .engine
        .read(&id, coven::Seq::ZERO, coven::ReadLimit::default())
        .await
        .unwrap();
    let actor = events[0].actor.as_ref().unwrap();
    assert_eq!(actor.client.as_deref(), Some("cockpit/2"));
    assert_eq!(actor.pid, Some(std::process::id()));
    assert_eq!(actor.uid, rustix::process::geteuid().as_raw());
}

#[tokio::test]
async fn a_burst_of_clients_is_served_to_the_last() {
    let daemon = Daemon::start().await;
    let calls = (0..300).map(|_| {
        let client = daemon.client.clone();
        tokio::spawn(async move { client.health().await.map(|health| health.ok) })
    });
    for call in calls.collect::<Vec<_>>() {
        assert!(within(call).await.unwrap().unwrap());
    }
}

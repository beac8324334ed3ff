//! Output, byte for byte.

use coven_http::wire::Payload;

use crate::support::{Daemon, Raw, noise, within};

#[tokio::test]
async fn output_is_given_byte_for_byte_whole_and_in_ranges() {
    let daemon = Daemon::start().await;
    let bytes = noise(7, 700_001);
    std::fs::write(daemon.path("noise"), &bytes).unwrap();
    let (record, events) = daemon.run("stty raw -echo; cat noise").await;
    let path = format!("/sessions/{}/output", record.id);
    let whole = daemon.get(&path).await;
    assert_eq!(whole.status, 200);
    assert_eq!(whole.body, bytes);
    assert_eq!(whole.headers("x-coven-output-complete"), ["true"]);
    assert_eq!(whole.headers("content-type"), ["application/octet-stream"]);
    assert_eq!(whole.headers("accept-ranges"), ["bytes"]);
    // The events tell the same, but for what is not UTF-8.
    let mut offset = 0;
    for event in &events {
        if let Payload::Output(output) = event.payload() {
            assert_eq!(output.offset, offset);
            let exact = &bytes[offset as usize..][..output.bytes as usize];
            assert_eq!(output.data, String::from_utf8_lossy(exact));
            offset += output.bytes;
        }
    }
    assert_eq!(offset, bytes.len() as u64);

    let ranged = |range: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nrange: {range}\r\n\r\n");
        let daemon = &daemon;
        async move { Raw::parse(&daemon.raw(request.as_bytes()).await) }
    };
    for (range, from, to) in [
        ("bytes=0-0", 0, 1),
        ("bytes=100-299999", 100, 300_000),
        ("bytes=699999-", 699_999, 700_001),
        ("bytes=-5", 699_996, 700_001),
        ("bytes=5-99999999", 5, 700_001),
        ("Bytes=5-99999999999999999999", 5, 700_001),
    ] {
        let part = ranged(range).await;
        assert_eq!(part.status, 206, "{range}");
        assert_eq!(part.body, &bytes[from..to], "{range}");
        let content_range = format!("bytes {from}-{}/700001", to - 1);
        assert_eq!(part.headers("content-range"), [content_range]);
    }
    for range in ["bytes=0-1,5-6", "bytes=9-2", "pages=1-2"] {
        let part = ranged(range).await;
        assert_eq!(
            (part.status, part.body.len()),
            (200, bytes.len()),
            "{range}"
        );
    }
    let past = ranged("bytes=700001-").await;
    past.is_error(416, "invalid_request");
    let details = &past.json()["error"]["details"];
    assert_eq!(details["outputBytes"], 700_001);
    assert_eq!(details["complete"], true);
    assert_eq!(past.headers("content-range"), ["bytes */700001"]);
    assert_eq!(past.headers("x-coven-output-complete"), ["true"]);
    daemon
        .get("/sessions/nobody/output")
        .await
        .is_error(404, "session_not_found");
}

#[tokio::test]
async fn output_of_a_live_session_says_that_more_may_come() {
    let daemon = Daemon::start().await;
    let live = daemon.launch("printf begun; read x; printf ' done'").await;
    daemon.until(&live.id, "begun").await;
    let mut output = daemon.client.output(&live.id, 0).await.unwrap();
    assert!(!output.is_complete());
    let mut read = Vec::new();
    while let Some(bytes) = within(output.next()).await.unwrap() {
        read.extend_from_slice(&bytes);
    }
    assert_eq!(read, b"begun");
    let mut more = daemon
        .client
        .output(&live.id, read.len() as u64)
        .await
        .unwrap();
    assert!(!more.is_complete());
    assert_eq!(within(more.next()).await.unwrap(), None);
    daemon.client.input(&live.id, "\r").await.unwrap();
    daemon.to_the_end(&live.id).await;
    let mut rest = daemon
        .client
        .output(&live.id, read.len() as u64)
        .await
        .unwrap();
    assert!(rest.is_complete());
    while let Some(bytes) = within(rest.next()).await.unwrap() {
        read.extend_from_slice(&bytes);
    }
    assert_eq!(read, b"begun\r\n done");
    let mut past = daemon.client.output(&live.id, 10_000).await.unwrap();
    assert!(past.is_complete());
    assert_eq!(within(past.next()).await.unwrap(), None);
}

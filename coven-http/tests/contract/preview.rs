//! The preview for people.

use crate::shape::is_time;
use crate::support::Daemon;

#[tokio::test]
async fn the_preview_is_redacted_and_input_is_marked() {
    let daemon = Daemon::start().await;
    let secret = format!("sk-{}", "aB3dE6".repeat(6));
    let script = format!("read x; printf '\\033[31mkey {secret}\\033[0m\\n'; printf 'second\\n'");
    let live = daemon.launch(&script).await;
    daemon.client.input(&live.id, "hello\r").await.unwrap();
    daemon.to_the_end(&live.id).await;
    let log = daemon.get(&format!("/sessions/{}/log", live.id)).await;
    let text = String::from_utf8(log.body.clone()).unwrap();
    assert!(!text.contains(&secret), "{text}");
    let lines = log.json();
    let messages: Vec<&str> = lines
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["message"].as_str().unwrap())
        .collect();
    assert!(messages.contains(&"> hello"), "{messages:?}");
    assert!(messages.contains(&"key [redacted]"), "{messages:?}");
    assert!(messages.contains(&"second"), "{messages:?}");
    for line in lines.as_array().unwrap() {
        is_time(&line["ts"]);
        assert!(["info", "tool", "error"].contains(&line["level"].as_str().unwrap()));
    }
}

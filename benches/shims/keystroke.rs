//! From a key to its echo, in a terminal that is attached to: what is typed is on record before it is
//! typed, and what comes back is on record before it is shown.

use std::time::{Duration, Instant};

use bytes::Bytes;
use coven_http::client::{Attach, Frame};
use tokio::time::sleep;

use crate::bare::Bare;
use crate::daemon::Daemon;
use crate::figures::{line, median, millis};
use crate::here::Here;

const KEYS: usize = 300;

/// From one key to the next: as a keyboard repeats one that is held, faster than anybody types.
const PACE: Duration = Duration::from_millis(33);

/// What is typed comes back as it is, and once.
const ECHO: &str = "stty raw -echo; printf ready; exec cat";
const READY: &str = "ready";

/// A session that writes as fast as it is read.
const FLOOD: &str = "exec yes 'a line of some neighbour that never ends'";

pub(crate) async fn run(daemon: &mut Daemon, here: &Here) {
    measure(daemon, here, "alone").await;
    let neighbour = daemon.place.launch(&daemon.client, FLOOD).await;
    measure(daemon, here, "beside a flood").await;
    let killed = daemon.client.kill(&neighbour.id).await;
    killed.expect("it is killed");
}

async fn measure(daemon: &Daemon, here: &Here, when: &str) {
    let mut bare = Bare::open(ECHO, READY);
    let echo = daemon.place.launch(&daemon.client, ECHO).await;
    let acked = here.place.launch(&here.client, "exec sleep 600").await;
    let mut attach = daemon.client.attach(&echo.id).await.expect("attached");
    let mut shown = Vec::new();
    while !shown.ends_with(READY.as_bytes()) {
        shown.extend_from_slice(&bytes(&mut attach).await);
    }
    let (mut alone, mut acks, mut through) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..KEYS {
        let key = b'a' + u8::try_from(number % 26).expect("a letter");
        alone.push(millis(bare.echo(key)));
        acks.push(millis(here.ack(&acked.id, number).await));
        through.push(millis(typed(&mut attach, key).await));
        sleep(PACE).await;
    }
    for (client, id) in [(&daemon.client, echo.id), (&here.client, acked.id)] {
        client.kill(&id).await.expect("it is killed");
    }
    let [bare, ack, through] = [alone, acks, through].map(|times| median(&times));
    let bound = bare + 2.0 * ack + 1.0;
    line(
        &format!("keystroke to echo through attach, p50, {when}"),
        &format!("{through:.2} ms (bare {bare:.2}, an append {ack:.2})"),
        &format!("of bare + 2 appends + 1 ms = {bound:.2} ms"),
    );
}

async fn typed(attach: &mut Attach, key: u8) -> Duration {
    let started = Instant::now();
    let sent = attach.writer.type_bytes(Bytes::from(vec![key])).await;
    sent.expect("it is taken");
    while !bytes(attach).await.contains(&key) {}
    started.elapsed()
}

async fn bytes(attach: &mut Attach) -> Bytes {
    loop {
        let frame = attach.reader.next().await.expect("attached");
        if let Frame::Bytes(bytes) = frame.expect("it goes on") {
            return bytes;
        }
    }
}

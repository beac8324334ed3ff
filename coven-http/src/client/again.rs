//! Asking again: what only reads is asked once more where its connection breaks.

use std::time::Duration;

use bytes::Bytes;
use hyper::{Method, StatusCode};

use super::Error;
use super::exchange::{self, Ask, Peer};

/// How often a question is asked whose connection breaks: of a daemon that dies with a connection that it
/// has, of one that has a last one in its queue, and of the next.
const MOST_ASKED: usize = 3;

/// Sends a request and reads the whole answer, within `timeout`, and its head within `head`. One that
/// only reads is sent again where the connection breaks: that of a daemon that dies breaks once, and
/// then there is no daemon, or the next.
pub(super) async fn whole(
    peer: &Peer,
    client: &str,
    timeout: Duration,
    head: Duration,
    ask: Ask,
) -> Result<(StatusCode, Bytes), Error> {
    let what = ask.what();
    let exchange = async {
        let mut asked = 1;
        loop {
            match exchange::once(peer, client, head, ask.clone()).await {
                Err(Error::Broken { .. }) if only_reads(&ask) && asked < MOST_ASKED => asked += 1,
                answer => return answer,
            }
        }
    };
    exchange::in_time(timeout, peer, what, exchange).await
}

/// Whether nothing comes of it but an answer.
fn only_reads(ask: &Ask) -> bool {
    ask.method == Method::GET
}

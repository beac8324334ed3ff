//! From the request to a session that runs.

use std::time::Instant;

use coven_http::client::Client;

use crate::daemon::Daemon;
use crate::ended;
use crate::figures::{line, median, millis};
use crate::here::Here;
use crate::place::Place;

const LAUNCHES: usize = 60;

pub(crate) async fn run(daemon: &mut Daemon, here: &Here) {
    let (mut shimmed, mut own) = (Vec::new(), Vec::new());
    // The first finds nothing warm, and is not counted.
    for number in 0..=LAUNCHES {
        let times = [
            launch(&daemon.place, &daemon.client).await,
            launch(&here.place, &here.client).await,
        ];
        if number > 0 {
            shimmed.push(times[0]);
            own.push(times[1]);
        }
    }
    let (shimmed, own) = (median(&shimmed), median(&own));
    line(
        "launch through a shim, p50",
        &format!("{shimmed:.1} ms (in process {own:.1})"),
        &format!("+ {:.1} ms (4)", shimmed - own),
    );
}

async fn launch(place: &Place, client: &Client) -> f64 {
    let started = Instant::now();
    let record = place.launch(client, "exec sleep 600").await;
    let time = millis(started.elapsed());
    client.kill(&record.id).await.expect("it is killed");
    ended(client, &record.id).await;
    time
}

//! 64 MiB through a terminal into the log until the recorded end.

use std::fs;
use std::time::{Duration, Instant};

use coven_http::client::Client;
use tokio::time::sleep;

use crate::daemon::Daemon;
use crate::figures::{line, median};
use crate::here::Here;
use crate::payload;
use crate::place::Place;

const FLOOD_BYTES: usize = 64 << 20;
const PAIRS: usize = 7;

/// A look so often takes less part in it than a stream that is read.
const LOOK: Duration = Duration::from_millis(5);

pub(crate) async fn run(daemon: &mut Daemon, here: &Here) {
    let file = daemon.place.path("flood");
    fs::write(&file, payload::agent_output(64, FLOOD_BYTES)).expect("written");
    for (mode, setting) in [("raw", "stty raw -echo; "), ("cooked", "")] {
        let script = format!("{setting}exec cat {}", file.display());
        let (mut ratios, mut shimmed, mut own) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..PAIRS {
            let (there, bytes) = flood(&daemon.place, &daemon.client, &script).await;
            let (in_process, same) = flood(&here.place, &here.client, &script).await;
            assert_eq!(bytes, same, "all of it");
            ratios.push(there / in_process);
            shimmed.push(there);
            own.push(in_process);
        }
        line(
            &format!("flood of 64 MiB through a shim and the log, {mode}"),
            &format!(
                "{:.0} MB/s (in process {:.0})",
                median(&shimmed),
                median(&own)
            ),
            &format!("{:.2} × in process (0.85)", median(&ratios)),
        );
    }
}

/// MB a second, and the bytes on record.
async fn flood(place: &Place, client: &Client, script: &str) -> (f64, u64) {
    let started = Instant::now();
    let launched = place.launch(client, script).await;
    let record = loop {
        sleep(LOOK).await;
        let record = client.session(&launched.id).await.expect("its record");
        if record.ended_at.is_some() {
            break record;
        }
    };
    let took = started.elapsed();
    let bytes = record.output_bytes;
    (bytes as f64 / 1e6 / took.as_secs_f64(), bytes)
}

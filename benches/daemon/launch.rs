//! From the request to a session that runs, beside a fork and exec in a terminal.

use std::time::Instant;

use crate::bare;
use crate::figures::{line, median, millis, quantile};
use crate::home::Home;

const LAUNCHES: usize = 60;

pub(crate) fn run() {
    let home = Home::open();
    let (mut ours, mut bare_ms) = (Vec::new(), Vec::new());
    // The first finds nothing warm, and is not counted.
    for number in 0..=LAUNCHES {
        let started = Instant::now();
        let (terminal, mut child) = bare::start("/bin/sh", &["-c", "exec sleep \"$0\"", "600"]);
        let bare_time = millis(started.elapsed());
        child.kill().expect("killed");
        child.wait().expect("its end");
        drop(terminal);

        let started = Instant::now();
        let record = home.launch("idle", "600");
        let time = millis(started.elapsed());
        assert_eq!(record["status"], "running", "{record}");
        home.kill(record["id"].as_str().expect("an id"));
        if number > 0 {
            ours.push(time);
            bare_ms.push(bare_time);
        }
    }
    let (p50, bare_p50) = (median(&ours), median(&bare_ms));
    line(
        "launch: request → running, p50",
        &format!("{p50:.1} ms"),
        &format!("bare {bare_p50:.1} ms + {:.1} ms", p50 - bare_p50),
    );
    line(
        "launch: request → running, p95",
        &format!("{:.1} ms", quantile(&ours, 0.95)),
        &format!("bare {:.1} ms", quantile(&bare_ms, 0.95)),
    );
}

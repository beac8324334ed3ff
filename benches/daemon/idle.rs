//! What the daemon costs while nothing happens: memory, wake-ups, and the time of a request.

use std::collections::HashMap;
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::figures::{line, median, millis, quantile};
use crate::home::Home;
use crate::http;

const SESSIONS: usize = 100;
const WINDOW: Duration = Duration::from_secs(10);
/// Longer than a thread without work is kept (10 s).
const SETTLE: Duration = Duration::from_secs(12);
const REQUESTS: usize = 500;

pub(crate) fn run() {
    let home = Home::open();
    requests(&home, "/api/v1/health", "GET /health, no session");
    line(
        "daemon, no session",
        &format!("{:.1} MB resident", resident_mb(home.pid())),
        "",
    );

    let ids: Vec<String> = (0..SESSIONS)
        .map(|_| {
            home.launch("idle", "600")["id"]
                .as_str()
                .expect("an id")
                .to_owned()
        })
        .collect();
    // What is measured is a quiet daemon: let the threads that the launches needed come to an end.
    sleep(SETTLE);
    let before = voluntary_switches(home.pid());
    sleep(WINDOW);
    let after = voluntary_switches(home.pid());
    let switches: u64 = after
        .iter()
        .map(|(thread, count)| count - before.get(thread).unwrap_or(&0))
        .sum();
    line(
        "daemon, 100 live idle sessions",
        &format!("{:.1} MB resident", resident_mb(home.pid())),
        &format!("{switches} wake-ups in 10 s"),
    );
    requests(&home, "/api/v1/health", "GET /health, 100 live sessions");
    requests(
        &home,
        &format!("/api/v1/sessions/{}", ids[0]),
        "GET /sessions/{id}, 100 live sessions",
    );
    requests(
        &home,
        "/api/v1/sessions",
        "GET /sessions, 100 live sessions",
    );
}

fn requests(home: &Home, path: &str, what: &str) {
    let times: Vec<f64> = (0..REQUESTS)
        .map(|_| {
            let started = Instant::now();
            http::json(home.socket(), "GET", path, None);
            millis(started.elapsed())
        })
        .collect();
    let (p50, p99) = (median(&times), quantile(&times, 0.99));
    line(
        what,
        &format!("{p50:.2} ms p50"),
        &format!("{p99:.2} ms p99"),
    );
}

fn resident_mb(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the daemon runs");
    field(&status, "VmRSS:") as f64 * 1024.0 / 1e6
}

/// Of each of its threads.
fn voluntary_switches(pid: u32) -> HashMap<String, u64> {
    fs::read_dir(format!("/proc/{pid}/task"))
        .expect("the daemon runs")
        .filter_map(|task| {
            let task = task.ok()?;
            let status = fs::read_to_string(task.path().join("status")).ok()?;
            let thread = task.file_name().to_string_lossy().into_owned();
            Some((thread, field(&status, "voluntary_ctxt_switches:")))
        })
        .collect()
}

fn field(status: &str, name: &str) -> u64 {
    let line = status
        .lines()
        .find(|line| line.starts_with(name))
        .expect("the field is there");
    line.split_whitespace()
        .nth(1)
        .and_then(|word| word.parse().ok())
        .expect("a number")
}

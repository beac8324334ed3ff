//! The daemon dies again and again, at random, under sessions that write and are typed into: not a
//! byte is lost or doubled, and nothing is left behind.
//!
//! `cargo test -p coven-cli --test chaos` does it in little; `COVEN_CHAOS_KILLS=200` makes it as many
//! kills, `COVEN_CHAOS_SEED=N` draws other lots.
#![forbid(unsafe_code)]

mod agent;
#[path = "../cli/home.rs"]
#[allow(dead_code)] // what other tests need of it
mod home;
#[path = "../../../tests/shared/leftovers.rs"]
mod leftovers;
mod lot;
#[path = "../../../tests/shared/power_cut.rs"]
#[allow(dead_code)] // what other tests need of it
mod power_cut;
mod typing;

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use coven_http::client::Client;

use crate::agent::Told;
use crate::home::{Home, eventually};
use crate::lot::Lot;

const SESSIONS: u64 = 20;

/// The word by which this program is an agent.
const AGENT: &str = "be-the-agent";

/// How an agent asks its terminal where the cursor is, and the answer of one without a screen.
const ASKS: &[u8] = b"\x1b[6n";
const ANSWER: &str = "\x1b[1;1R";

const NAME: &str =
    "daemons_killed_at_random_under_twenty_sessions_cost_no_byte_no_input_and_leave_nothing";

fn main() {
    let mut args = std::env::args().skip(1);
    match args.next() {
        Some(word) if word == AGENT => agent::run(&args.next().expect("a prompt")),
        Some(word) if word == "--list" => println!("{NAME}: test"),
        _ => {
            let kills = number("COVEN_CHAOS_KILLS").unwrap_or(30);
            let seed = number("COVEN_CHAOS_SEED").unwrap_or(1);
            println!("\nrunning 1 test, with {kills} kills and seed {seed}");
            let doubled = chaos(kills, seed);
            println!("test {NAME} ... ok ({doubled})\n");
        }
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().expect("a number"))
}

/// A session, and what its agent was told.
struct One {
    id: String,
    told: Told,
}

fn chaos(kills: u64, seed: u64) -> String {
    let home = Home::new();
    let program = std::env::current_exe().expect("this program");
    home.declare(
        "agent",
        &format!("[\"{AGENT}\", \"{{prompt}}\"]"),
        program.to_str().expect("a path"),
    );
    home.text(["daemon", "start"]);
    let sessions: Vec<One> = (0..SESSIONS).map(|n| launch(&home, n, kills)).collect();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let is_over = Arc::new(AtomicBool::new(false));
    let typing: Vec<_> = sessions
        .iter()
        .map(|one| {
            let client = Client::at_home(&home.dir());
            runtime.spawn(typing::type_lines(
                client,
                one.id.clone(),
                Arc::clone(&is_over),
            ))
        })
        .collect();
    let mut lot = Lot::of(seed);
    let mut short = Vec::new();
    for round in 0..kills {
        // The lot is when.
        thread::sleep(Duration::from_millis(lot.below(120)));
        let launched = thread::scope(|scope| {
            // Something is always being launched, killed, archived or deleted.
            let beside = scope.spawn(|| typing::meddle(&home, round, &short));
            // And at what step of it the daemon dies is by lot, too.
            thread::sleep(Duration::from_millis(lot.below(30)));
            home.kill_daemon();
            home.text(["daemon", "start"]);
            beside.join().expect("it ends")
        });
        short.extend(launched);
    }
    is_over.store(true, Ordering::Relaxed);
    let lines: Vec<u64> = typing
        .into_iter()
        .map(|typing| runtime.block_on(typing).expect("it ends"))
        .collect();
    for (one, lines) in sessions.iter().zip(&lines) {
        check(&home, one, *lines);
    }
    for id in &short {
        check_short(&home, id);
    }
    let spools = home.dir().join("spools");
    eventually("every spool gone", || {
        (fs::read_dir(&spools).expect("it is there").count() == 0).then_some(())
    });
    format!("{} lines typed", lines.iter().sum::<u64>())
}

fn launch(home: &Home, number: u64, kills: u64) -> One {
    let told = Told {
        number,
        // Agents write for about as long as daemons are killed.
        len_bytes: 20_000 * kills.max(10),
        dir: home.project(),
    };
    let prompt = told.prompt();
    let id = home.text(["run", "--mode", "interactive", "--detach", "agent", &prompt]);
    let id = id.trim_end().to_owned();
    One { id, told }
}

/// What the agent wrote is on record, byte for byte; it was typed each line once, in order.
fn check(home: &Home, One { id, told }: &One, lines: u64) {
    home.wait_for_end(id);
    let record = home.record(id);
    assert_eq!(
        (&record["status"], &record["exit_code"]),
        (&"completed".into(), &0.into())
    );
    let wrote = fs::read(told.wrote()).expect("a file");
    let output = home.output(["log", "--raw", id]).stdout;
    let differs = wrote.iter().zip(&output).position(|(a, b)| a != b);
    assert!(
        wrote == output,
        "session {}: {} bytes written, {} on record, the first other one at {differs:?}",
        told.number,
        wrote.len(),
        output.len()
    );
    let typed = fs::read_to_string(told.typed()).expect("a file");
    // Each question was answered once at most: more would have been typed twice.
    let asked = wrote.windows(ASKS.len()).filter(|bytes| *bytes == ASKS);
    assert!(typed.matches(ANSWER).count() <= asked.count());
    let typed = typed.replace(ANSWER, "");
    let expected: String = (0..lines).map(|line| format!("line {line}\n")).collect();
    assert_eq!(typed, expected, "session {}", told.number);
    let events = home.text(["events", "--json", id]);
    let inputs = events.matches("\"kind\":\"input\"").count() as u64;
    // The last ends it.
    assert_eq!(inputs, lines + 1, "session {}", told.number);
}

/// A short one is as it should be after whatever was done to it.
fn check_short(home: &Home, id: &str) {
    let shown = home.output(["show", "--json", id]);
    if shown.status.code() == Some(123) {
        // It was deleted.
        return;
    }
    home.wait_for_end(id);
    let record = home.record(id);
    let status = record["status"].as_str().expect("a status");
    // Its daemon may have died between the launch on record and the shim.
    let is_interrupted = record["orphan_reason"] == "launch_interrupted";
    assert!(
        ["completed", "killed"].contains(&status) || is_interrupted,
        "{record}"
    );
}

//! The daemon, or a shim, is stopped for a while.

use std::thread;
use std::time::Duration;

use crate::agent::Manner;
use crate::home::{Home, eventually};
use crate::left::Base;
use crate::number;
use crate::sessions::{One, declare, launch};
use crate::stopped::Stopped;
use crate::typing::Typists;

/// More than terminals and sockets hold.
const LEN_BYTES: u64 = 4 << 20;

pub(crate) fn a_daemon_that_stands_still_stalls_no_agent_before_the_spools_bound_and_loses_nothing()
-> String {
    let seconds = number("COVEN_CHAOS_FREEZE_SECONDS").unwrap_or(0);
    let home = Home::new();
    declare(&home);
    let base = Base::of(&home);
    let typed_into: Vec<One> = (0..4)
        .map(|number| launch(&home, number, Manner::Pauses, 50_000 + 10_000 * seconds))
        .collect();
    let floods = [5, 6].map(|number| launch(&home, number, Manner::FloodsWhenTold, LEN_BYTES));
    let typists = Typists::begin(&home, &typed_into);
    for one in &floods {
        one.tell(&home, "go");
    }
    let daemon = Stopped::process(home.daemon_pid().expect("it runs"));
    // As long as it is asked for, and until all agents have written all of it.
    thread::sleep(Duration::from_secs(seconds));
    for one in typed_into.iter().chain(&floods) {
        is_written(one);
    }
    daemon.goes_on();
    for one in &floods {
        one.tell(&home, "end");
    }
    let typed = typists.end();
    for (one, typed) in typed_into.iter().zip(typed) {
        one.is_whole(&home);
        one.was_typed(&home, typed.in_all());
    }
    for one in &floods {
        one.is_whole(&home);
    }
    let all = typed_into.iter().chain(&floods);
    base.nothing_is_left(&home, all.map(|one| one.id.as_str()));
    format!("stopped for {seconds} s and as long as all wrote on")
}

pub(crate) fn a_shim_that_stands_still_stalls_its_own_agent_alone_and_loses_nothing() -> String {
    let home = Home::new();
    declare(&home);
    let base = Base::of(&home);
    let [stalled, other] =
        [1, 2].map(|number| launch(&home, number, Manner::FloodsWhenTold, LEN_BYTES));
    let shim = home.shim_of(&stalled.id);
    stalled.tell(&home, "go");
    let shim = Stopped::process(shim);
    other.tell(&home, "go");
    is_written(&other);
    // The next daemon has the others at once, too.
    home.kill_daemon();
    other.tell(&home, "end");
    other.is_whole(&home);
    assert!(!stalled.told.is_written().exists());
    assert_eq!(stalled.record(&home)["status"], "running");
    shim.goes_on();
    is_written(&stalled);
    stalled.tell(&home, "end");
    stalled.is_whole(&home);
    base.nothing_is_left(&home, [stalled.id.as_str(), &other.id]);
    "stopped over the death of a daemon".to_owned()
}

fn is_written(one: &One) {
    eventually("all written", || {
        one.told.is_written().exists().then_some(())
    });
}

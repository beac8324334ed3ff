//! Nobody takes from a spool what an agent writes into it, until it is full: the agent waits, and goes on
//! when there is a daemon again.

use crate::agent::Manner;
use crate::home::{Home, eventually, parent_of};
use crate::left::Base;
use crate::sessions::{One, home_with_small_spools, launch};
use crate::spool;
use crate::stopped::{Stopped, state};

/// What a spool may take.
const BOUND_BYTES: u64 = 1 << 20;

/// A spool with more in it takes no output: the rest is kept for its end, and for one more read.
const FULL_BYTES: u64 = BOUND_BYTES - (256 << 10) - (128 << 10);

/// So many in a row that find all asleep.
const MANY_LOOKS: u32 = 1000;

/// More than fits into one and is on record before there is no daemon.
const LEN_BYTES: u64 = 6 << 20;

pub(crate) fn at_its_bound_a_spool_has_its_agent_wait_and_nothing_is_lost() -> String {
    let home = home_with_small_spools();
    let base = Base::of(&home);
    let sessions = [1, 2].map(|number| launch(&home, number, Manner::FloodsWhenTold, LEN_BYTES));
    for one in &sessions {
        let agent = agent_of(&home, one);
        one.tell(&home, "go");
        home.kill_daemon();
        waits(&home, one, agent);
        home.text(["daemon", "start"]);
        eventually("all written", || {
            one.told.is_written().exists().then_some(())
        });
    }
    let stopped = launch(&home, 3, Manner::FloodsWhenTold, LEN_BYTES);
    let agent = agent_of(&home, &stopped);
    stopped.tell(&home, "go");
    let daemon = Stopped::process(home.daemon_pid().expect("it runs"));
    waits(&home, &stopped, agent);
    daemon.goes_on();
    let sessions: Vec<One> = sessions.into_iter().chain([stopped]).collect();
    for one in &sessions {
        eventually("all written", || {
            one.told.is_written().exists().then_some(())
        });
        one.tell(&home, "end");
        one.is_whole(&home);
    }
    base.nothing_is_left(&home, sessions.iter().map(|one| one.id.as_str()));
    format!("{} agents waited", sessions.len())
}

fn agent_of(home: &Home, one: &One) -> u64 {
    one.record(home)["pid"].as_u64().expect("it runs")
}

/// Its spool becomes full and no more, and then it waits.
fn waits(home: &Home, one: &One, agent: u64) {
    eventually("the spool full", || {
        (spool::len_bytes(home, &one.id) > FULL_BYTES).then_some(())
    });
    let shim = parent_of(agent);
    // Of an agent that writes and a shim that reads there is nearly always one that runs.
    let mut looks = 0;
    eventually("the agent waiting", || {
        let sleep = state(agent) == 'S' && state(shim) == 'S';
        looks = if sleep { looks + 1 } else { 0 };
        (looks == MANY_LOOKS).then_some(())
    });
    let taken = spool::len_bytes(home, &one.id);
    assert!(taken <= BOUND_BYTES, "{taken}");
    assert!(!one.told.is_written().exists());
}

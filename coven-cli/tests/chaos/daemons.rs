//! The daemon dies at random under sessions that write and are typed into, while others are launched,
//! killed, archived and deleted.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use crate::agent::Manner;
use crate::home::Home;
use crate::left::Base;
use crate::lot::Lot;
use crate::moment::Moments;
use crate::sessions::{One, declare, launch};
use crate::typing::{self, Typists};
use crate::{number, seed};

const SESSIONS: u64 = 20;

pub(crate) fn daemons_killed_at_random_under_twenty_sessions_cost_no_byte_no_input_and_leave_nothing()
-> String {
    let kills = number("COVEN_CHAOS_KILLS").unwrap_or(30);
    let home = Home::new();
    declare(&home);
    let base = Base::of(&home);
    // Agents write for about as long as daemons are killed.
    let len_bytes = 20_000 * kills.max(10);
    let sessions: Vec<One> = (0..SESSIONS)
        .map(|number| launch(&home, number, Manner::Pauses, len_bytes))
        .collect();
    let typists = Typists::begin(&home, &sessions);
    let moments = kill_daemons(&home, kills);
    let typed = typists.end();
    for (one, typed) in sessions.iter().zip(&typed) {
        one.is_whole(&home);
        one.was_typed(&home, typed.in_all());
    }
    let ids: BTreeSet<&str> = sessions.iter().map(|one| one.id.as_str()).collect();
    let others = moments.check(&home, &ids);
    let all = ids.into_iter().chain(others.iter().map(String::as_str));
    base.nothing_is_left(&home, all);
    let lines = typed.iter().map(typing::Typed::in_all).sum::<u64>();
    format!("{kills} kills, {lines} lines typed")
}

/// Gives what was launched meanwhile.
fn kill_daemons(home: &Home, kills: u64) -> Moments {
    let mut lot = Lot::of(seed());
    let mut moments = Moments::default();
    for round in 0..kills {
        // The lot is when.
        thread::sleep(Duration::from_millis(lot.below(120)));
        thread::scope(|scope| {
            // Something is always being launched, killed, archived or deleted.
            let beside = scope.spawn(|| moments.meddle(home, round));
            // And at what step of it the daemon dies is by lot, too.
            thread::sleep(Duration::from_millis(lot.below(30)));
            home.kill_daemon();
            home.text(["daemon", "start"]);
            beside.join().expect("it ends");
        });
    }
    moments
}

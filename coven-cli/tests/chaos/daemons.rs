//! The daemon dies at random under sessions that write and are typed into, while others are launched,
//! killed, archived and deleted, and while it folds its log.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use crate::agent::Manner;
use crate::asking::{Asked, Asking};
use crate::folding;
use crate::home::Home;
use crate::left::Base;
use crate::lot::Lot;
use crate::moment::{Moments, Put};
use crate::sessions::{One, declare, launch};
use crate::typing::{Typed, Typists};
use crate::{number, seed};

const SESSIONS: u64 = 20;

/// What a daemon is to die in the middle of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Amid {
    /// What it was asked, and has not answered.
    Asked(Asked),
    Fold,
}

/// In turn.
const ALL: [Amid; 5] = [
    Amid::Asked(Asked::Launch),
    Amid::Asked(Asked::Kill),
    Amid::Asked(Asked::Archive),
    Amid::Asked(Asked::Delete),
    Amid::Fold,
];

/// How many more daemons are killed than was asked for until each of these was met: it may be over just
/// before.
const MORE_KILLS: u64 = 50;

pub(crate) fn daemons_killed_at_random_under_twenty_sessions_cost_no_byte_no_input_and_leave_nothing()
-> String {
    let kills = number("COVEN_CHAOS_KILLS").unwrap_or(30);
    let home = Home::new();
    declare(&home);
    folding::have_folds_told(&home);
    let base = Base::of(&home);
    // Agents write for about as long as daemons are killed.
    let len_bytes = 20_000 * kills.max(10);
    let sessions: Vec<One> = (0..SESSIONS)
        .map(|number| launch(&home, number, Manner::Pauses, len_bytes))
        .collect();
    let typists = Typists::begin(&home, &sessions);
    let mut killing = Killing::of(&home);
    killing.run(kills);
    let typed = typists.end();
    let told = of_what_was_typed(&home, &sessions, &typed);
    let ids: BTreeSet<&str> = sessions.iter().map(|one| one.id.as_str()).collect();
    let others = killing.moments.check(&home, &ids);
    base.nothing_is_left(&home, ids.into_iter().chain(others));
    format!("{killing}, {told}")
}

/// All is whole, and was typed once; and daemons died that had a line on record and had not said so.
fn of_what_was_typed(home: &Home, sessions: &[One], typed: &[Typed]) -> String {
    let (mut lines, mut met, mut met_on_record) = (0, 0, 0);
    for (one, typed) in sessions.iter().zip(typed) {
        one.is_whole(home);
        let on_record = one.was_typed(home, typed.in_all());
        lines += typed.in_all();
        met += typed.met().len();
        let since = |line: u64| on_record[usize::try_from(line).expect("it is there")];
        let deaths = typed.met().iter();
        met_on_record += deaths.filter(|met| since(met.line) < met.at).count();
    }
    assert!(
        met_on_record > 0,
        "of {lines} lines {met} met a death, and none on record"
    );
    format!(
        "{lines} lines typed, {met} times a daemon died of one it had not answered, {met_on_record} \
         times of one on record"
    )
}

/// Kills daemons, one after the other.
struct Killing<'a> {
    home: &'a Home,
    lot: Lot,
    /// What they are asked meanwhile.
    moments: Moments,
    kills: u64,
    /// Those in the middle of a fold.
    amid_folds: usize,
}

impl<'a> Killing<'a> {
    fn of(home: &'a Home) -> Self {
        Self {
            home,
            lot: Lot::of(seed()),
            moments: Moments::of(home),
            kills: 0,
            amid_folds: 0,
        }
    }

    /// So many, and until there was one amid each of all.
    fn run(&mut self, kills: u64) {
        let mut in_turn = ALL.iter().cycle();
        while self.kills < kills {
            self.kill(*in_turn.next().expect("it goes on"));
        }
        while let Some(amid) = ALL.into_iter().find(|amid| self.met(*amid) == 0) {
            assert!(
                self.kills < kills + MORE_KILLS,
                "none amid {amid:?}: {self}"
            );
            self.kill(amid);
        }
    }

    fn kill(&mut self, amid: Amid) {
        // The lot is when.
        thread::sleep(Duration::from_millis(self.lot.below(120)));
        let put = match amid {
            Amid::Asked(Asked::Launch | Asked::Archive) => Put::Away,
            Amid::Asked(Asked::Kill | Asked::Delete) | Amid::Fold => Put::Out,
        };
        // And at what step of it the daemon dies is by lot, too.
        let most_us = match amid {
            Amid::Asked(Asked::Launch) => 30_000,
            Amid::Asked(Asked::Kill | Asked::Archive | Asked::Delete) => 6_000,
            Amid::Fold => 2_000,
        };
        let a_while = Duration::from_micros(self.lot.below(most_us));
        let (home, moments) = (self.home, &mut self.moments);
        let asking = Asking::default();
        thread::scope(|scope| {
            let beside = scope.spawn(|| moments.meddle(&asking, put));
            match amid {
                Amid::Asked(asked) => {
                    asking.wait_for(asked);
                    thread::sleep(a_while);
                    home.kill_daemon();
                }
                Amid::Fold => {
                    home.kill_daemon();
                    let is_met = folding::start_and_kill(home, || thread::sleep(a_while));
                    self.amid_folds += usize::from(is_met);
                    self.kills += 1;
                }
            }
            self.kills += 1;
            home.text(["daemon", "start"]);
            beside.join().expect("it ends");
        });
    }

    fn met(&self, amid: Amid) -> usize {
        match amid {
            Amid::Asked(asked) => self.moments.met(asked),
            Amid::Fold => self.amid_folds,
        }
    }
}

impl std::fmt::Display for Killing<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} kills", self.kills)?;
        for amid in ALL {
            match amid {
                Amid::Asked(asked) => write!(f, ", {} amid {asked:?}", self.met(amid))?,
                Amid::Fold => write!(f, ", {} amid a fold", self.met(amid))?,
            }
        }
        Ok(())
    }
}

//! Shims die at random, alone and with the daemon. Their sessions are lost, and say why; what the shims
//! had put into their spools is on record; what was typed reached the agent or is told not to have, but for what
//! may have been in the terminal; and no other session is affected.

use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::agent::{self, Manner};
use crate::home::{Home, end_at_once, eventually};
use crate::left::Base;
use crate::lot::Lot;
use crate::sessions::{Input, One, declare, launch, numbered};
use crate::spool::{self, InSpool};
use crate::stopped::Stopped;
use crate::typing::{Typed, Typists};
use crate::{number, seed};

/// Sessions whose shims live.
const SPARED: u64 = 5;

/// What a program may read at once of what its terminal was typed: the room for that is a page, less the byte that
/// tells full from empty (`N_TTY_BUF_SIZE` of Linux). What more a terminal takes waits before that, and does so only
/// where its program reads nothing: these do, and are typed a line of ten bytes each 20 ms at most.
const READABLE_BYTES: usize = 4095;

/// What a terminal takes of what nobody reads from it, on Linux 6.18: up to 22,096 bytes raw and 19,936 cooked, by how
/// much is written at once. All of it goes with whoever held the terminal.
const TERMINAL_BYTES: usize = 22_096;

/// What is typed to an agent that stands still, so often: more than any terminal takes.
const PASTE: &str = "much\n";
const PASTED: usize = 10_000;

/// What dies, and in which order.
#[derive(Clone, Copy, Debug)]
enum Death {
    Shim,
    /// While the daemon stands still, so that it finds the spool as the shim left it.
    ShimUnseen,
    DaemonThenShim,
    ShimThenDaemon,
}

const DEATHS: [Death; 4] = [
    Death::Shim,
    Death::ShimUnseen,
    Death::DaemonThenShim,
    Death::ShimThenDaemon,
];

/// Whether an agent that loses its shim reads what it is typed by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reads {
    Yes,
    /// It stands still, and was typed more than its terminal takes.
    No,
}

/// A session's processes.
struct Processes {
    agent: OwnedFd,
    agent_pid: u64,
    shim: u64,
}

/// A session whose shim was killed.
struct Lost {
    /// Its place among all.
    place: usize,
    death: Death,
    reads: Reads,
    in_spool: Option<InSpool>,
    /// How much of its output was on record before.
    recorded_bytes: u64,
}

pub(crate) fn shims_killed_at_random_lose_their_sessions_and_nothing_that_was_in_a_spool() -> String
{
    let kills = number("COVEN_CHAOS_SHIM_KILLS").unwrap_or(12);
    let home = Home::new();
    declare(&home);
    let base = Base::of(&home);
    let sessions: Vec<One> = (0..kills + SPARED)
        .map(|number| launch(&home, number, Manner::HasATool, 20_000 * kills))
        .collect();
    let processes: Vec<Processes> = sessions.iter().map(|one| processes(&home, one)).collect();
    let typists = Typists::begin(&home, &sessions);
    let lost = kill_shims(&home, kills, &sessions, &processes);
    let typed = typists.end();
    for (place, (one, typed)) in sessions.iter().zip(&typed).enumerate() {
        match lost.iter().find(|lost| lost.place == place) {
            Some(lost) => is_lost(&home, one, &processes[place], typed, lost),
            None => {
                one.is_whole(&home);
                one.was_typed(&home, typed.in_all());
            }
        }
    }
    base.nothing_is_left(&home, sessions.iter().map(|one| one.id.as_str()));
    let read = lost.iter().filter(|lost| lost.in_spool.is_some()).count();
    format!("{kills} shims killed, {read} spools compared")
}

fn processes(home: &Home, one: &One) -> Processes {
    let agent_pid = one.record(home)["pid"].as_u64().expect("it runs");
    let pid = Pid::from_raw(i32::try_from(agent_pid).expect("an id")).expect("an id");
    Processes {
        agent: pidfd_open(pid, PidfdFlags::empty()).expect("it runs"),
        agent_pid,
        shim: home.shim_of(&one.id),
    }
}

fn kill_shims(home: &Home, kills: u64, sessions: &[One], processes: &[Processes]) -> Vec<Lost> {
    let mut lot = Lot::of(seed());
    let mut left: Vec<usize> = (0..sessions.len()).collect();
    let lost = (0..kills).map(|round| {
        thread::sleep(Duration::from_millis(lot.below(120)));
        let place = left.swap_remove(draw(&mut lot, left.len()));
        let (one, processes) = (&sessions[place], &processes[place]);
        eventually("what it is typed", || {
            one.typed().contains('\n').then_some(())
        });
        // Each way has its turn, with agents that read and with such as do not.
        let death = DEATHS[usize::try_from(round % 4).expect("it is small")];
        let reads = if round / 4 % 2 == 0 {
            Reads::Yes
        } else {
            Reads::No
        };
        let recorded = one.record(home)["output_bytes"].as_u64();
        let standing = (reads == Reads::No).then(|| Stopped::process(processes.agent_pid));
        if standing.is_some() {
            home.text(["input", "--raw", &one.id, &PASTE.repeat(PASTED)]);
        }
        Lost {
            place,
            death,
            reads,
            recorded_bytes: recorded.expect("a number"),
            in_spool: kill(home, &one.id, processes.shim, death),
        }
    });
    lost.collect()
}

fn draw(lot: &mut Lot, below: usize) -> usize {
    let below = u64::try_from(below).expect("a length");
    usize::try_from(lot.below(below)).expect("one of them")
}

/// Has a session's shim die; gives what was in its spool, where nobody else takes that at once.
fn kill(home: &Home, id: &str, shim: u64, death: Death) -> Option<InSpool> {
    let daemon = || home.daemon_pid().expect("it runs");
    match death {
        Death::Shim => {
            end_at_once(shim);
            None
        }
        Death::ShimUnseen => {
            let daemon = Stopped::process(daemon());
            end_at_once(shim);
            let in_spool = spool::read(home, id);
            daemon.goes_on();
            in_spool
        }
        Death::DaemonThenShim => {
            home.kill_daemon();
            end_at_once(shim);
            let in_spool = spool::read(home, id);
            home.text(["daemon", "start"]);
            in_spool
        }
        Death::ShimThenDaemon => {
            end_at_once(shim);
            home.kill_daemon();
            // All may be on record, and nothing left.
            let in_spool = spool::read(home, id);
            home.text(["daemon", "start"]);
            in_spool
        }
    }
}

/// It is lost, and says why; nobody of it runs; what it had written is on record as far as its shim had
/// read it, and it was typed nothing twice.
fn is_lost(home: &Home, one: &One, processes: &Processes, typed: &Typed, lost: &Lost) {
    home.wait_for_end(&one.id);
    let record = one.record(home);
    assert_eq!(
        (&record["status"], &record["orphan_reason"]),
        (&"orphaned".into(), &"shim_died".into()),
        "{:?}: {record}",
        lost.death
    );
    let now = Timespec::try_from(Duration::ZERO).expect("it is short");
    let ended = poll(
        &mut [PollFd::new(&processes.agent, PollFlags::IN)],
        Some(&now),
    );
    assert_eq!(ended, Ok(1), "{:?}: its agent runs", lost.death);
    let (wrote, output) = (one.wrote(), one.output(home));
    assert!(
        wrote.starts_with(&output) && output.len() as u64 >= lost.recorded_bytes,
        "{:?}: {} bytes written, {} on record, {} of them before",
        lost.death,
        wrote.len(),
        output.len(),
        lost.recorded_bytes
    );
    // One read may not have been put down yet, and the agent may be about to write what it has put down.
    let may_be_lost = TERMINAL_BYTES + READABLE_BYTES + agent::MAX_WRITE_BYTES;
    assert!(
        wrote.len() - output.len() <= may_be_lost,
        "{:?}: {} bytes written, {} on record",
        lost.death,
        wrote.len(),
        output.len()
    );
    let must_be_there = matches!(lost.death, Death::ShimUnseen | Death::DaemonThenShim);
    assert!(
        lost.in_spool.is_some() || !must_be_there,
        "{:?}",
        lost.death
    );
    if let Some(in_spool) = &lost.in_spool {
        assert_eq!(in_spool.shim, processes.shim);
        in_spool.is_in(&output);
    }
    was_typed_or_told(home, one, typed, lost);
}

/// What it was typed is a start of what was accepted; all else of that is told not to have reached it, but for what
/// it could have read when its terminal was hung up.
fn was_typed_or_told(home: &Home, one: &One, typed: &Typed, lost: &Lost) {
    let (death, reads) = (lost.death, lost.reads);
    let Typed::Refused { lines } = typed else {
        panic!("{death:?}: the line that ends it was taken");
    };
    // The one that was refused may have been typed before its daemon died.
    let (reached, tried) = (one.typed(), numbered(lines + 1));
    assert!(
        tried.starts_with(&reached) && !reached.is_empty(),
        "{death:?}: {reached}"
    );
    let read = reached.matches('\n').count();
    let mut inputs = one.inputs(home);
    let is_paste = |input: &Input| input.len_bytes == (PASTE.len() * PASTED) as u64;
    if let Some(pasted) = inputs.iter().position(is_paste) {
        let untold = inputs[pasted..].iter().filter(|it| !it.is_undelivered);
        assert_eq!(
            untold.count(),
            0,
            "{death:?}: behind what no terminal takes"
        );
        inputs.remove(pasted);
    } else {
        assert_eq!(
            reads,
            Reads::Yes,
            "{death:?}: what was accepted is not on record"
        );
    }
    let accepted = usize::try_from(*lines).expect("they are few");
    let unread = inputs[..accepted].iter().skip(read);
    let untold = unread.filter(|input| !input.is_undelivered);
    let untold_bytes: u64 = untold.map(|input| input.len_bytes).sum();
    assert!(
        untold_bytes <= READABLE_BYTES as u64,
        "{death:?}: of {accepted} lines {read} were read, and of the others {untold_bytes} bytes are not told of"
    );
}

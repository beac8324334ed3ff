//! Who belongs to a session: one look at all processes.

use std::collections::{HashMap, HashSet};
use std::io;
use std::time::{Duration, Instant};

use coven_core::{ProcessFacts, SessionId};

use super::table::{self, Mark, Seen};
use crate::platform::{self, Handle, NoHandle, Stat};

/// One process and no other, as long as this machine is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Identity {
    pub(super) pid: u32,
    pub(super) start_time: u64,
}

/// A process found to belong to the session.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) identity: Identity,
    pub(super) program: Program,
    pub(super) handle: Handle,
}

/// What a process runs; another after an exec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Program {
    pub(super) name: String,
    image: u64,
}

/// What one look found.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// Members not held before.
    pub(super) new: Vec<Member>,
    /// Held members that run another program than before.
    pub(super) changed: Vec<(Identity, Program)>,
    /// Somebody is there who cannot be told or held yet: look again before believing that nobody
    /// is left.
    pub(super) unsure: bool,
}

/// Looks for a session's members.
#[derive(Debug)]
pub(super) struct Searcher {
    session: Session,
    is_this_boot: bool,
    /// Who was there last time, as far as they could be told.
    known: HashSet<u32>,
    /// Since when each cannot be told.
    doubtful: HashMap<Identity, Instant>,
}

/// By what members are recognised.
#[derive(Clone, Debug)]
struct Session {
    leader: Identity,
    mark: Mark,
    /// The process that looks; it never belongs to the session, nor does anybody by being its
    /// child, unless it is the session's shim.
    own_pid: u32,
    is_shim: bool,
}

/// How long an exec may take, from when a process loses its old environment until it has its new
/// one: an instant, but for the wait for a processor and the disk.
const DOUBT_LIMIT: Duration = Duration::from_secs(2);

/// Members held at once. Each takes a file descriptor, of which a program may have a thousand, and
/// needs them for other things too. The rest of a larger session comes after these.
const MAX_HELD: usize = 256;

type Processes = HashMap<u32, Seen>;

impl Searcher {
    pub(super) fn new(leader: &ProcessFacts, session: &SessionId) -> io::Result<Self> {
        let own_pid = std::process::id();
        let session = Session {
            leader: Identity {
                pid: leader.pid,
                start_time: leader.start_time,
            },
            mark: Mark::Session(session.as_str().as_bytes().into()),
            own_pid,
            is_shim: leader.shim_pid == Some(own_pid),
        };
        let is_this_boot = platform::boot_id()? == leader.boot_id;
        Ok(Self {
            session,
            is_this_boot,
            known: HashSet::new(),
            doubtful: HashMap::new(),
        })
    }

    /// Members, and of those not yet in `held` a handle. Blocks for a look at all processes.
    pub(super) fn look(&mut self, held: &HashMap<Identity, Program>) -> io::Result<Look> {
        if !self.is_this_boot {
            return Ok(Look::default());
        }
        let table = table::read()?;
        let processes = &table.processes;
        let members = self
            .session
            .choose(processes, |member| held.contains_key(member));
        self.known = processes.keys().copied().collect();
        let mut look = Look {
            unsure: self.doubts(processes, &members) || !table.is_whole,
            ..Look::default()
        };
        let (known, mut new): (Vec<Identity>, Vec<Identity>) =
            members.iter().partition(|member| held.contains_key(member));
        for member in known {
            let program = Program::of(&processes[&member.pid].stat);
            if program.differs(&held[&member]) {
                look.changed.push((member, program));
            }
        }
        // First those that could not be found again once their parents have ended.
        new.sort_by_key(|member| processes[&member.pid].mark == self.session.mark);
        for member in new {
            if held.len() + look.new.len() >= MAX_HELD {
                look.unsure = true;
                break;
            }
            match hold(member) {
                Ok(member) => look.new.push(member),
                // Who has ended since it was seen may have left a child behind.
                Err(NoHandle::Gone | NoHandle::NoRoom) => look.unsure = true,
            }
        }
        Ok(look)
    }

    /// A quick look at who has come since the last one: members by their mark or their parent.
    ///
    /// A look takes as long as there are processes, and some stay for a shorter time before they
    /// hand over to a child. This finds those; that nobody is left only a whole look can tell.
    pub(super) fn glance(&mut self, held: &HashMap<Identity, Program>) -> io::Result<Look> {
        let mut look = Look::default();
        if !self.is_this_boot {
            return Ok(look);
        }
        let there: HashSet<u32> = platform::pids()?.into_iter().collect();
        let mut new: Vec<u32> = there.difference(&self.known).copied().collect();
        self.known = there;
        // The newest is the least likely to be gone already.
        new.sort_unstable_by(|a, b| b.cmp(a));
        for pid in new {
            let Some(seen) = table::read_one(pid)? else {
                continue;
            };
            let is_child = held.keys().any(|member| member.pid == seen.stat.parent);
            if !self.session.may_be_member(&seen.stat) || pid == self.session.own_pid {
                continue;
            }
            if is_child || seen.mark == self.session.mark {
                match hold(identity(pid, &seen.stat)) {
                    Ok(member) => look.new.push(member),
                    Err(NoHandle::Gone | NoHandle::NoRoom) => look.unsure = true,
                }
            } else if seen.mark == Mark::Blank {
                self.known.remove(&pid);
                look.unsure = true;
            }
        }
        Ok(look)
    }

    /// Whether there is one who may yet turn out to be a member. Who cannot be told for long is
    /// stuck, and no exec is under way.
    fn doubts(&mut self, processes: &Processes, members: &HashSet<Identity>) -> bool {
        let now = Instant::now();
        let mut doubtful = HashMap::new();
        for (&pid, seen) in processes {
            let who = identity(pid, &seen.stat);
            if seen.mark == Mark::Blank
                && self.session.may_be_member(&seen.stat)
                && !members.contains(&who)
            {
                doubtful.insert(who, self.doubtful.get(&who).copied().unwrap_or(now));
            }
        }
        self.doubtful = doubtful;
        self.doubtful
            .values()
            .any(|since| now.duration_since(*since) < DOUBT_LIMIT)
    }
}

impl Session {
    /// The members among `processes`. Those held are members for certain, from an earlier look.
    fn choose(
        &self,
        processes: &Processes,
        is_held: impl Fn(&Identity) -> bool,
    ) -> HashSet<Identity> {
        let trusts_session = self.trusts_session_number(processes, &is_held);
        let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
        let mut found = Vec::new();
        for (&pid, seen) in processes {
            let stat = &seen.stat;
            if !self.may_be_member(stat) {
                continue;
            }
            children.entry(stat.parent).or_default().push(pid);
            if identity(pid, stat) == self.leader
                || is_held(&identity(pid, stat))
                || (trusts_session && stat.session == self.leader.pid)
                || (self.is_shim && stat.parent == self.own_pid)
                || seen.mark == self.mark
            {
                found.push(pid);
            }
        }
        let mut members = HashSet::new();
        while let Some(pid) = found.pop() {
            if pid != self.own_pid && members.insert(identity(pid, &processes[&pid].stat)) {
                found.extend(children.get(&pid).into_iter().flatten());
            }
        }
        members.retain(|member| processes[&member.pid].stat.is_running());
        members
    }

    /// Nobody of the session started before its leader.
    fn may_be_member(&self, stat: &Stat) -> bool {
        stat.start_time >= self.leader.start_time
    }

    /// A session's number is its leader's pid, which the kernel gives to nobody else while a
    /// process of the session lives. So it is still ours if the leader is there, be it as a
    /// zombie, or a known member is in it. Else it may be another session's by now.
    fn trusts_session_number(
        &self,
        processes: &Processes,
        is_held: &impl Fn(&Identity) -> bool,
    ) -> bool {
        processes.iter().any(|(&pid, seen)| {
            let this = identity(pid, &seen.stat);
            this == self.leader || (seen.stat.session == self.leader.pid && is_held(&this))
        })
    }
}

impl Program {
    fn of(stat: &Stat) -> Self {
        Self {
            name: stat.name.clone(),
            image: stat.image,
        }
    }

    /// Whether an exec lies between the two. Where the system hides it, none is assumed.
    fn differs(&self, earlier: &Self) -> bool {
        self.image != earlier.image && self.image != 0 && earlier.image != 0
    }
}

fn identity(pid: u32, stat: &Stat) -> Identity {
    Identity {
        pid,
        start_time: stat.start_time,
    }
}

/// A hold on the very process recognised. It had this start time before it was taken hold of and
/// has it after, so it is the one that is held.
fn hold(identity: Identity) -> Result<Member, NoHandle> {
    let handle = Handle::open(identity.pid)?;
    let stat = Stat::read(identity.pid).map_err(|error| match error.raw_os_error() {
        Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM) => NoHandle::NoRoom,
        _ => NoHandle::Gone,
    })?;
    if stat.start_time != identity.start_time || !stat.is_running() {
        return Err(NoHandle::Gone);
    }
    Ok(Member {
        identity,
        program: Program::of(&stat),
        handle,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEADER: Identity = Identity {
        pid: 100,
        start_time: 1000,
    };
    const OWN_PID: u32 = 50;

    fn ours() -> Mark {
        Mark::Session(Box::from(*b"a"))
    }

    fn session() -> Session {
        Session {
            leader: LEADER,
            mark: ours(),
            own_pid: OWN_PID,
            is_shim: false,
        }
    }

    /// A table of `(pid, state, parent, session, start time)`.
    fn table(rows: &[(u32, char, u32, u32, u64)], marked: &[u32]) -> Processes {
        let seen = |&(pid, state, parent, session, start): &(u32, char, u32, u32, u64)| {
            let line = format!(
                "{pid} (x) {state} {parent} 1 {session} 0 0 0 0 0 0 0 0 0 0 0 0 0 1 0 {start} 0"
            );
            let mark = if marked.contains(&pid) {
                ours()
            } else {
                Mark::None
            };
            (
                pid,
                Seen {
                    stat: Stat::parse(line.as_bytes()).unwrap(),
                    mark,
                },
            )
        };
        rows.iter().map(seen).collect()
    }

    fn chosen(
        session: &Session,
        rows: &[(u32, char, u32, u32, u64)],
        held: &[Identity],
        marked: &[u32],
    ) -> Vec<u32> {
        let members = session.choose(&table(rows, marked), |member| held.contains(member));
        let mut pids: Vec<u32> = members.iter().map(|member| member.pid).collect();
        pids.sort_unstable();
        pids
    }

    #[test]
    fn the_leader_its_terminal_session_the_marked_and_all_descendants_are_members() {
        let rows = [
            (1, 'S', 0, 1, 1),
            (50, 'S', 1, 50, 900),
            (100, 'S', 50, 100, 1000), // the leader
            (101, 'S', 1, 100, 1001),  // in its session, parent gone
            (102, 'S', 1, 102, 1002),  // marked, in a session of its own
            (103, 'S', 102, 103, 1003),
            (104, 'S', 103, 104, 1004),
            (105, 'Z', 100, 100, 1005), // a zombie has ended
            (106, 'S', 50, 106, 1006),  // another session's leader
            (107, 'S', 1, 107, 1007),
        ];
        assert_eq!(
            chosen(&session(), &rows, &[], &[102]),
            [100, 101, 102, 103, 104]
        );
    }

    #[test]
    fn who_started_before_the_leader_is_no_member_whatever_it_claims() {
        let rows = [(100, 'S', 50, 100, 1000), (90, 'S', 100, 100, 999)];
        assert_eq!(chosen(&session(), &rows, &[], &[90]), [100]);
    }

    #[test]
    fn a_recycled_leader_and_the_session_it_leads_are_left_alone() {
        let rows = [
            (100, 'S', 1, 100, 2000),
            (101, 'S', 100, 100, 2001),
            (102, 'S', 1, 7, 1500),
        ];
        assert_eq!(chosen(&session(), &rows, &[], &[102]), [102]);
    }

    #[test]
    fn without_its_leader_a_session_number_counts_only_while_a_known_member_is_in_it() {
        let rows = [(101, 'S', 1, 100, 1001), (102, 'S', 1, 100, 1002)];
        assert_eq!(chosen(&session(), &rows, &[], &[]), [0; 0]);
        let held = [Identity {
            pid: 101,
            start_time: 1001,
        }];
        assert_eq!(chosen(&session(), &rows, &held, &[]), [101, 102]);
        let another = [Identity {
            pid: 101,
            start_time: 1000,
        }];
        assert_eq!(chosen(&session(), &rows, &another, &[]), [0; 0]);
    }

    #[test]
    fn a_leader_that_is_a_zombie_still_vouches_for_its_session() {
        let rows = [(100, 'Z', 50, 100, 1000), (101, 'S', 1, 100, 1001)];
        assert_eq!(chosen(&session(), &rows, &[], &[]), [101]);
    }

    #[test]
    fn the_process_that_looks_and_its_other_children_are_never_members() {
        // A daemon started by an agent carries that agent's mark, and runs other sessions.
        let rows = [
            (50, 'S', 100, 100, 1500),
            (60, 'S', 50, 60, 1600),
            (100, 'S', 1, 100, 1000),
        ];
        assert_eq!(chosen(&session(), &rows, &[], &[50]), [100]);
    }

    #[test]
    fn a_shims_children_are_members() {
        let shim = Session {
            is_shim: true,
            ..session()
        };
        let rows = [
            (50, 'S', 1, 50, 900),
            (60, 'S', 50, 60, 1600),
            (61, 'S', 60, 61, 1601),
        ];
        assert_eq!(chosen(&shim, &rows, &[], &[]), [60, 61]);
    }

    #[test]
    fn who_cannot_be_told_yet_is_doubtful_unless_a_member_or_too_old_or_stuck() {
        let mut searcher = Searcher {
            session: session(),
            is_this_boot: true,
            known: HashSet::new(),
            doubtful: HashMap::new(),
        };
        let mut doubts = |rows| {
            let mut processes = table(rows, &[]);
            for seen in processes.values_mut() {
                seen.mark = Mark::Blank;
            }
            let members = searcher.session.choose(&processes, |_| false);
            let doubts = searcher.doubts(&processes, &members);
            for since in searcher.doubtful.values_mut() {
                *since -= DOUBT_LIMIT;
            }
            doubts
        };
        assert!(!doubts(&[(102, 'S', 1, 7, 999)]));
        assert!(!doubts(&[
            (100, 'S', 1, 100, 1000),
            (102, 'S', 100, 7, 1001)
        ]));
        assert!(doubts(&[(102, 'S', 1, 7, 1001)]));
        assert!(!doubts(&[(102, 'S', 1, 7, 1001)]), "it is stuck");
        assert!(doubts(&[(102, 'S', 1, 7, 1002)]), "it is another");
    }
}

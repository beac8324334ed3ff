//! Looking for a session's members, and taking hold of them.

use std::collections::{HashMap, HashSet};
use std::io;
use std::time::{Duration, Instant};

use coven_core::{ProcessFacts, SessionId};

use super::Signalled;
use super::members::{Identity, Processes, Session};
use super::shim;
use super::table::{self, Mark};
use crate::platform::{self, Handle, NoHandle, Stat};

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
    /// Why somebody who was found could not be held, whatever happens to be tried later.
    pub(super) refused: Option<io::Error>,
}

impl Look {
    fn add(&mut self, held: Result<Member, NoHandle>) {
        match held {
            Ok(member) => self.new.push(member),
            // Who has ended since it was seen may have left a child behind.
            Err(NoHandle::Gone) => self.unsure = true,
            Err(NoHandle::Refused(error)) => {
                self.unsure = true;
                self.refused = Some(error);
            }
        }
    }
}

/// Looks for a session's members.
#[derive(Debug)]
pub(super) struct Searcher {
    session: Session,
    /// Of what is told of another boot nobody is left.
    is_this_boot: bool,
    /// Who was there last time, as far as they could be told.
    known: HashSet<u32>,
    /// Since when each cannot be told.
    doubtful: HashMap<Identity, Instant>,
}

/// How long an exec may take, from when a process loses its old environment until it has its new
/// one: an instant, but for the wait for a processor and the disk.
const DOUBT_LIMIT: Duration = Duration::from_secs(2);

/// Members held at once. Each takes a file descriptor, of which a program may have a thousand, and
/// needs them for other things too. The rest of a larger session comes after these.
const MAX_HELD: usize = 256;

impl Searcher {
    pub(super) fn new(
        leader: &ProcessFacts,
        session: &SessionId,
        survivors: &[Signalled],
    ) -> io::Result<Self> {
        let here = match shim::in_this_boot(leader, session)? {
            // They were found in this boot.
            None if !survivors.is_empty() => Some(shim::leader_of(session)?),
            here => here,
        };
        Ok(Self {
            session: Session::new(here.as_ref().unwrap_or(leader), session, survivors),
            is_this_boot: here.is_some(),
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
            look.add(hold(member));
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
        let shim = |pid| Stat::read(pid).ok().map(|stat| stat.start_time);
        let shim = self.session.shim(shim);
        let mut new: Vec<u32> = there.difference(&self.known).copied().collect();
        self.known = there;
        // The newest is the least likely to be gone already.
        new.sort_unstable_by(|a, b| b.cmp(a));
        for pid in new {
            if held.len() + look.new.len() >= MAX_HELD {
                look.unsure = true;
                break;
            }
            let Some(seen) = table::read_one(pid)? else {
                continue;
            };
            let is_nobody = pid == self.session.own_pid || Some(pid) == shim;
            if !self.session.may_be_member(&seen.stat) || is_nobody {
                continue;
            }
            let is_shims = self.session.is_shims_child(&seen, shim);
            if is_shims || seen.mark == self.session.mark || is_held(seen.stat.parent, held) {
                look.add(hold(Identity::of(pid, &seen.stat)));
            } else if seen.mark == Mark::Blank {
                self.known.remove(&pid);
                look.unsure = true;
            }
        }
        Ok(look)
    }

    /// A hold on the session's shim, as long as that lives.
    pub(super) fn shim(&self) -> Option<Handle> {
        let start_time = |pid| {
            let stat = Stat::read(pid).ok();
            Some(stat.filter(Stat::is_running)?.start_time)
        };
        let pid = self
            .session
            .shim(start_time)
            .filter(|_| self.is_this_boot)?;
        let handle = Handle::open(pid).ok()?;
        // It is looked at once it is held: another may have got its id before.
        self.session.shim(start_time).map(|_| handle)
    }

    /// Whether there is one who may yet turn out to be a member. Who cannot be told for long is
    /// stuck, and no exec is under way.
    fn doubts(&mut self, processes: &Processes, members: &HashSet<Identity>) -> bool {
        let now = Instant::now();
        let mut doubtful = HashMap::new();
        for (&pid, seen) in processes {
            let who = Identity::of(pid, &seen.stat);
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

/// Whether the process that has this id now is held: an id alone is soon somebody else's.
fn is_held(pid: u32, held: &HashMap<Identity, Program>) -> bool {
    held.keys().any(|member| member.pid == pid)
        && Stat::read(pid).is_ok_and(|stat| held.contains_key(&Identity::of(pid, &stat)))
}

/// A hold on the very process recognised. It had this start time before it was taken hold of and
/// has it after, so it is the one that is held.
pub(super) fn hold(identity: Identity) -> Result<Member, NoHandle> {
    let handle = Handle::open(identity.pid)?;
    let stat = table::unless_short(Stat::read(identity.pid)).map_err(NoHandle::Refused)?;
    let stat = stat.ok_or(NoHandle::Gone)?;
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
    use crate::process::kill::members::tests::{session, table};

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

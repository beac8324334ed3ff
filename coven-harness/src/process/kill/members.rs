//! Who belongs to a session: one look at `/proc`.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;

use coven_core::{ProcessFacts, SessionId};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::environment::SESSION_VARIABLE;
use crate::process::facts::boot_id;
use crate::process::stat::Stat;

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
    pub(super) name: String,
    pub(super) pidfd: OwnedFd,
}

/// What one look found.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// Members not held before.
    pub(super) new: Vec<Member>,
    /// Somebody is there of whom it cannot be told yet: look again before believing that nobody
    /// is left.
    pub(super) unsure: bool,
}

/// Looks for a session's members.
#[derive(Debug)]
pub(super) struct Searcher {
    session: Session,
    is_this_boot: bool,
    /// How often each process has been seen without any environment.
    blank: HashMap<Identity, usize>,
}

/// By what members are recognised.
#[derive(Clone, Debug)]
struct Session {
    leader: Identity,
    /// `COVEN_SESSION_ID=…`, as it stands in an environment.
    mark: Vec<u8>,
    /// The process that looks; it never belongs to the session, nor does anybody by being its
    /// child, unless it is the session's shim.
    own_pid: u32,
    is_shim: bool,
}

/// A process as it was when it was looked at.
#[derive(Debug)]
struct Seen {
    stat: Stat,
    mark: Mark,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    /// It carries the session's mark.
    Ours,
    /// It does not, or it cannot be seen.
    None,
    /// It has no environment at all: cleared, or not there yet, in the midst of an exec.
    Blank,
}

/// How often a process is looked at before an empty environment is believed to be its own.
const BLANK_LOOKS: usize = 5;

/// Processes that start during a look are looked at too, this many times over.
const MAX_PASSES: usize = 50;

impl Searcher {
    pub(super) fn new(leader: &ProcessFacts, session: &SessionId) -> io::Result<Self> {
        let own_pid = std::process::id();
        let session = Session {
            leader: Identity {
                pid: leader.pid,
                start_time: leader.start_time,
            },
            mark: format!("{SESSION_VARIABLE}={session}").into_bytes(),
            own_pid,
            is_shim: leader.shim_pid == Some(own_pid),
        };
        let is_this_boot = boot_id()? == leader.boot_id;
        Ok(Self {
            session,
            is_this_boot,
            blank: HashMap::new(),
        })
    }

    /// Members not yet in `held`, each with its pidfd. Blocks for a read of all of `/proc`.
    /// Where file descriptors run out, the rest waits for the next look.
    pub(super) fn look(&mut self, held: &HashSet<Identity>) -> io::Result<Look> {
        if !self.is_this_boot {
            return Ok(Look::default());
        }
        let table = self.session.read_table()?;
        let members = self.session.choose(&table, held);
        let unsure = self.count_blanks(&table, &members);
        let new = members
            .difference(held)
            .filter_map(|member| hold(*member))
            .collect();
        Ok(Look { new, unsure })
    }

    /// Whether there is one with an empty environment that has not been looked at often enough.
    fn count_blanks(&mut self, table: &Table, members: &HashSet<Identity>) -> bool {
        let blank = table.iter().filter(|(_, seen)| seen.mark == Mark::Blank);
        let blank = blank.map(|(&pid, seen)| identity(pid, &seen.stat));
        let mut counted = HashMap::new();
        for who in blank.filter(|who| !members.contains(who)) {
            counted.insert(who, self.blank.get(&who).copied().unwrap_or(0) + 1);
        }
        self.blank = counted;
        self.blank.values().any(|looks| *looks < BLANK_LOOKS)
    }
}

type Table = HashMap<u32, Seen>;

impl Session {
    /// All processes that are there to be seen.
    ///
    /// One that forks and ends while the others are read would slip through a single pass: its
    /// child is listed too late, and itself read too late. So passes follow until one lists
    /// nobody new: then all that were alive at its beginning have been read.
    fn read_table(&self) -> io::Result<Table> {
        let mut listed = HashSet::new();
        let mut table = Table::new();
        for _ in 0..MAX_PASSES {
            let mut nobody_new = true;
            for entry in fs::read_dir("/proc")? {
                let name = entry?.file_name();
                let pid = name.to_str().and_then(|name| name.parse().ok());
                let Some(pid) = pid.filter(|pid| listed.insert(*pid)) else {
                    continue;
                };
                nobody_new = false;
                // One that has ended meanwhile is nobody to signal.
                if let Ok(stat) = Stat::read(pid) {
                    let mark = self.mark_of(pid, &stat);
                    table.insert(pid, Seen { stat, mark });
                }
            }
            if nobody_new {
                break;
            }
        }
        Ok(table)
    }

    fn mark_of(&self, pid: u32, stat: &Stat) -> Mark {
        if !self.may_be_member(stat) || !stat.is_running() || stat.is_kernel_thread() {
            return Mark::None;
        }
        match fs::read(format!("/proc/{pid}/environ")) {
            Ok(environment) if environment.is_empty() => Mark::Blank,
            Ok(environment) if self.marks(&environment) => Mark::Ours,
            Ok(_) | Err(_) => Mark::None,
        }
    }

    /// Whether an environment is one of this session's.
    fn marks(&self, environment: &[u8]) -> bool {
        environment
            .split(|&byte| byte == 0)
            .any(|variable| variable == self.mark)
    }

    /// The members among `table`. `held` are members for certain, from an earlier look.
    fn choose(&self, table: &Table, held: &HashSet<Identity>) -> HashSet<Identity> {
        let trusts_session = self.trusts_session_number(table, held);
        let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
        let mut found = Vec::new();
        for (&pid, Seen { stat, mark }) in table {
            if !self.may_be_member(stat) {
                continue;
            }
            children.entry(stat.parent).or_default().push(pid);
            if identity(pid, stat) == self.leader
                || held.contains(&identity(pid, stat))
                || (trusts_session && stat.session == self.leader.pid)
                || (self.is_shim && stat.parent == self.own_pid)
                || *mark == Mark::Ours
            {
                found.push(pid);
            }
        }
        let mut members = HashSet::new();
        while let Some(pid) = found.pop() {
            if pid != self.own_pid && members.insert(identity(pid, &table[&pid].stat)) {
                found.extend(children.get(&pid).into_iter().flatten());
            }
        }
        members.retain(|member| table[&member.pid].stat.is_running());
        members
    }

    /// Nobody of the session started before its leader.
    fn may_be_member(&self, stat: &Stat) -> bool {
        stat.start_time >= self.leader.start_time
    }

    /// A session's number is its leader's pid, which the kernel gives to nobody else while a
    /// process of the session lives. So it is still ours if the leader is there, be it as a
    /// zombie, or a known member is in it. Else it may be another session's by now.
    fn trusts_session_number(&self, table: &Table, held: &HashSet<Identity>) -> bool {
        table.iter().any(|(&pid, Seen { stat, .. })| {
            let this = identity(pid, stat);
            this == self.leader || (stat.session == self.leader.pid && held.contains(&this))
        })
    }
}

fn identity(pid: u32, stat: &Stat) -> Identity {
    Identity {
        pid,
        start_time: stat.start_time,
    }
}

/// A pidfd of the very process recognised, or nothing if it has ended. The process had this start
/// time before the pidfd was opened and has it after, so it is the one the pidfd means.
fn hold(identity: Identity) -> Option<Member> {
    let pid = i32::try_from(identity.pid).ok().and_then(Pid::from_raw)?;
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).ok()?;
    let stat = Stat::read(identity.pid).ok()?;
    let same = stat.start_time == identity.start_time && stat.is_running();
    same.then_some(Member {
        identity,
        name: stat.name,
        pidfd,
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

    fn session() -> Session {
        Session {
            leader: LEADER,
            mark: b"COVEN_SESSION_ID=a".to_vec(),
            own_pid: OWN_PID,
            is_shim: false,
        }
    }

    /// A table of `(pid, state, parent, session, start time)`.
    fn table(rows: &[(u32, char, u32, u32, u64)], marked: &[u32]) -> Table {
        let seen = |&(pid, state, parent, session, start): &(u32, char, u32, u32, u64)| {
            let line = format!(
                "{pid} (x) {state} {parent} 1 {session} 0 0 0 0 0 0 0 0 0 0 0 0 0 1 0 {start} 0"
            );
            let mark = if marked.contains(&pid) {
                Mark::Ours
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
        let held = held.iter().copied().collect();
        let members = session.choose(&table(rows, marked), &held);
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
    fn only_the_whole_variable_is_a_mark() {
        let session = session();
        assert!(session.marks(b"X=1\0COVEN_SESSION_ID=a\0"));
        for other in [
            &b""[..],
            b"COVEN_SESSION_ID=ab\0",
            b"X=COVEN_SESSION_ID=a\0",
            b"\0\0",
        ] {
            assert!(!session.marks(other));
        }
    }

    #[test]
    fn an_empty_environment_is_believed_only_after_several_looks() {
        let mut searcher = Searcher {
            session: session(),
            is_this_boot: true,
            blank: HashMap::new(),
        };
        let mut table = table(&[(101, 'S', 1, 7, 1001)], &[]);
        table.get_mut(&101).unwrap().mark = Mark::Blank;
        for look in 1..=BLANK_LOOKS {
            assert_eq!(
                searcher.count_blanks(&table, &HashSet::new()),
                look < BLANK_LOOKS
            );
        }
        assert!(!searcher.count_blanks(&table, &HashSet::new()));
        let held = HashSet::from([Identity {
            pid: 101,
            start_time: 1001,
        }]);
        searcher.blank.clear();
        assert!(
            !searcher.count_blanks(&table, &held),
            "a member is no doubt"
        );
    }
}

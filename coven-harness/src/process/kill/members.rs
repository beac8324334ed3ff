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

/// By what members are recognised.
#[derive(Clone, Debug)]
pub(super) struct Session {
    leader: Identity,
    /// `COVEN_SESSION_ID=…`, as it stands in an environment.
    mark: Vec<u8>,
    /// The process that looks; it never belongs to the session, nor does anybody by being its
    /// child, unless it is the session's shim.
    own_pid: u32,
    is_shim: bool,
    is_this_boot: bool,
}

impl Session {
    pub(super) fn new(leader: &ProcessFacts, session: &SessionId) -> io::Result<Self> {
        let own_pid = std::process::id();
        Ok(Self {
            leader: Identity {
                pid: leader.pid,
                start_time: leader.start_time,
            },
            mark: format!("{SESSION_VARIABLE}={session}").into_bytes(),
            own_pid,
            is_shim: leader.shim_pid == Some(own_pid),
            is_this_boot: boot_id()? == leader.boot_id,
        })
    }

    /// Members not yet in `held`, each with its pidfd. Blocks for a read of all of `/proc`.
    /// Where file descriptors run out, the rest waits for the next look.
    pub(super) fn new_members(&self, held: &HashSet<Identity>) -> io::Result<Vec<Member>> {
        if !self.is_this_boot {
            return Ok(Vec::new());
        }
        let table = read_table()?;
        let marked = |pid| fs::read(format!("/proc/{pid}/environ")).is_ok_and(|e| self.marks(&e));
        let members = self.choose(&table, held, marked);
        Ok(members
            .into_iter()
            .filter(|identity| !held.contains(identity))
            .filter_map(hold)
            .collect())
    }

    /// Whether an environment is one of this session's.
    fn marks(&self, environment: &[u8]) -> bool {
        environment
            .split(|&byte| byte == 0)
            .any(|variable| variable == self.mark)
    }

    /// The members among `table`. `held` are members for certain, from an earlier look.
    fn choose(
        &self,
        table: &HashMap<u32, Stat>,
        held: &HashSet<Identity>,
        marked: impl Fn(u32) -> bool,
    ) -> HashSet<Identity> {
        let trusts_session = self.trusts_session_number(table, held);
        let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
        let mut found = Vec::new();
        for (&pid, stat) in table.iter().filter(|(_, stat)| self.may_be_member(stat)) {
            children.entry(stat.parent).or_default().push(pid);
            if identity(pid, stat) == self.leader
                || held.contains(&identity(pid, stat))
                || (trusts_session && stat.session == self.leader.pid)
                || (self.is_shim && stat.parent == self.own_pid)
                || marked(pid)
            {
                found.push(pid);
            }
        }
        let mut members = HashSet::new();
        while let Some(pid) = found.pop() {
            if pid != self.own_pid && members.insert(identity(pid, &table[&pid])) {
                found.extend(children.get(&pid).into_iter().flatten());
            }
        }
        members.retain(|member| table[&member.pid].is_running());
        members
    }

    /// Nobody of the session started before its leader.
    fn may_be_member(&self, stat: &Stat) -> bool {
        stat.start_time >= self.leader.start_time
    }

    /// A session's number is its leader's pid, which the kernel gives to nobody else while a
    /// process of the session lives. So it is still ours if the leader is there, be it as a
    /// zombie, or a known member is in it. Else it may be another session's by now.
    fn trusts_session_number(&self, table: &HashMap<u32, Stat>, held: &HashSet<Identity>) -> bool {
        table.iter().any(|(&pid, stat)| {
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

/// All processes that are there to be seen. Those that end meanwhile are left out.
fn read_table() -> io::Result<HashMap<u32, Stat>> {
    let mut table = HashMap::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        if let Ok(stat) = Stat::read(pid) {
            table.insert(pid, stat);
        }
    }
    Ok(table)
}

/// A pidfd of the very process recognised, or nothing if it has ended. The process had this start
/// time before the pidfd was opened and has it after, so it is the one the pidfd means.
fn hold(identity: Identity) -> Option<Member> {
    let pid = i32::try_from(identity.pid).ok().and_then(Pid::from_raw)?;
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).ok()?;
    let stat = Stat::read(identity.pid).ok()?;
    let same = stat.start_time == identity.start_time && stat.is_running();
    same.then(|| Member {
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
            is_this_boot: true,
        }
    }

    /// A table of `(pid, state, parent, session, start time)`.
    fn table(rows: &[(u32, char, u32, u32, u64)]) -> HashMap<u32, Stat> {
        let stat = |&(pid, state, parent, session, start): &(u32, char, u32, u32, u64)| {
            let line = format!(
                "{pid} (x) {state} {parent} 1 {session} 0 0 0 0 0 0 0 0 0 0 0 0 0 1 0 {start} 0"
            );
            (pid, Stat::parse(line.as_bytes()).unwrap())
        };
        rows.iter().map(stat).collect()
    }

    fn chosen(
        session: &Session,
        rows: &[(u32, char, u32, u32, u64)],
        held: &[Identity],
        marked: &[u32],
    ) -> Vec<u32> {
        let held = held.iter().copied().collect();
        let members = session.choose(&table(rows), &held, |pid| marked.contains(&pid));
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
}

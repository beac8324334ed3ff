//! Who belongs to a session, among all processes.

use std::collections::{HashMap, HashSet};

use coven_core::{ProcessFacts, SessionId};

use super::Signalled;
use super::table::{Mark, Seen};
use crate::platform::Stat;

/// One process and no other, as long as this machine is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Identity {
    pub(super) pid: u32,
    pub(super) start_time: u64,
}

impl Identity {
    pub(super) fn of(pid: u32, stat: &Stat) -> Self {
        let start_time = stat.start_time;
        Self { pid, start_time }
    }
}

impl From<&Signalled> for Identity {
    fn from(process: &Signalled) -> Self {
        Self {
            pid: process.pid,
            start_time: process.start_time,
        }
    }
}

/// By what members are recognised.
#[derive(Clone, Debug)]
pub(super) struct Session {
    leader: Identity,
    /// Members from earlier kills, by whatever they were recognised then.
    survivors: HashSet<Identity>,
    pub(super) mark: Mark,
    /// The process that looks; it never belongs to the session, nor does anybody by being its
    /// child.
    pub(super) own_pid: u32,
    /// The process that holds the session's terminal, if there is one: it never belongs to the
    /// session, and all its children do that are not known to belong elsewhere.
    shim_pid: Option<u32>,
}

/// Processes by their ids.
pub(super) type Processes = HashMap<u32, Seen>;

impl Session {
    /// The session of `leader`, as this process sees it.
    pub(super) fn new(leader: &ProcessFacts, id: &SessionId, survivors: &[Signalled]) -> Self {
        Self {
            leader: Identity {
                pid: leader.pid,
                start_time: leader.start_time,
            },
            survivors: survivors.iter().map(Identity::from).collect(),
            mark: Mark::Session(id.as_str().as_bytes().into()),
            own_pid: std::process::id(),
            shim_pid: leader.shim_pid,
        }
    }

    /// The members among `processes`. Those held are members for certain, from an earlier look.
    pub(super) fn choose(
        &self,
        processes: &Processes,
        is_held: impl Fn(&Identity) -> bool,
    ) -> HashSet<Identity> {
        let trusts_session = self.trusts_session_number(processes, &is_held);
        let shim = self.shim(|pid| Some(processes.get(&pid)?.stat.start_time));
        let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
        let mut found = Vec::new();
        for (&pid, seen) in processes {
            let stat = &seen.stat;
            if !self.may_be_member(stat) || Some(pid) == shim {
                continue;
            }
            children.entry(stat.parent).or_default().push(pid);
            if Identity::of(pid, stat) == self.leader
                || self.survivors.contains(&Identity::of(pid, stat))
                || is_held(&Identity::of(pid, stat))
                || (trusts_session && stat.session == self.leader.pid)
                || self.is_shims_child(seen, shim)
                || seen.mark == self.mark
            {
                found.push(pid);
            }
        }
        let mut members = HashSet::new();
        while let Some(pid) = found.pop() {
            if pid != self.own_pid && members.insert(Identity::of(pid, &processes[&pid].stat)) {
                found.extend(children.get(&pid).into_iter().flatten());
            }
        }
        members.retain(|member| processes[&member.pid].stat.is_running());
        members
    }

    /// Whether this is one that the session's shim was given as its child, and that does not say of
    /// itself that it belongs elsewhere, as a daemon does that an agent started.
    pub(super) fn is_shims_child(&self, seen: &Seen, shim: Option<u32>) -> bool {
        let is_elsewhere = matches!(&seen.mark, Mark::Session(_)) && seen.mark != self.mark;
        shim == Some(seen.stat.parent) && !is_elsewhere
    }

    /// The pid of the session's shim, as long as that has it: another process that got it since
    /// started after the leader, and the shim, which started the leader, did not.
    pub(super) fn shim(&self, start_time: impl FnOnce(u32) -> Option<u64>) -> Option<u32> {
        let pid = self.shim_pid.filter(|pid| *pid != self.leader.pid)?;
        (start_time(pid)? <= self.leader.start_time).then_some(pid)
    }

    /// Nobody of the session started before its leader.
    pub(super) fn may_be_member(&self, stat: &Stat) -> bool {
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
            let this = Identity::of(pid, &seen.stat);
            this == self.leader || (seen.stat.session == self.leader.pid && is_held(&this))
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const LEADER: Identity = Identity {
        pid: 100,
        start_time: 1000,
    };
    const OWN_PID: u32 = 50;

    fn ours() -> Mark {
        Mark::Session(Box::from(*b"a"))
    }

    pub(in crate::process::kill) fn session() -> Session {
        Session {
            leader: LEADER,
            survivors: HashSet::new(),
            mark: ours(),
            own_pid: OWN_PID,
            shim_pid: None,
        }
    }

    /// A table of `(pid, state, parent, session, start time)`.
    pub(in crate::process::kill) fn table(
        rows: &[(u32, char, u32, u32, u64)],
        marked: &[u32],
    ) -> Processes {
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
    fn a_shims_children_are_members_whoever_looks_and_the_shim_is_none() {
        let held = Session {
            shim_pid: Some(40),
            ..session()
        };
        // It bears the mark, as it may where an agent started the engine.
        let rows = [
            (40, 'S', 50, 40, 1000),
            (50, 'S', 1, 50, 900),
            (60, 'S', 40, 60, 1600),
            (61, 'S', 60, 61, 1601),
            (62, 'S', 50, 62, 1602),
        ];
        assert_eq!(chosen(&held, &rows, &[], &[40]), [60, 61]);
    }

    #[test]
    fn a_child_of_the_shim_that_says_it_is_of_another_session_or_none_is_left_alone() {
        let held = Session {
            shim_pid: Some(40),
            ..session()
        };
        let rows = [
            (40, 'S', 50, 40, 1000),
            (60, 'S', 40, 60, 1600),
            (61, 'S', 60, 61, 1601),
            (70, 'S', 40, 70, 1700),
        ];
        let mut processes = table(&rows, &[]);
        processes.get_mut(&60).unwrap().mark = Mark::Session(b"none"[..].into());
        let members = held.choose(&processes, |_| false);
        let pids: Vec<u32> = members.iter().map(|member| member.pid).collect();
        assert_eq!(pids, [70]);
    }

    #[test]
    fn the_children_of_who_got_a_dead_shims_pid_are_left_alone() {
        let held = Session {
            shim_pid: Some(40),
            ..session()
        };
        let rows = [(40, 'S', 1, 40, 1001), (60, 'S', 40, 60, 1600)];
        assert_eq!(chosen(&held, &rows, &[], &[]), [0; 0]);
    }
}

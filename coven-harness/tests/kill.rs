//! Killing whole sessions, with tools that try to get away.

mod support;

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use coven_core::{Exit, SessionId};
use coven_harness::process::{Child, KillReport, Signalled, Wiring, spawn};
use coven_harness::process::{kill, kill_again, kill_marked, until_ended};
use support::{all, exit, in_terminal, session, shell_in, until, within};

/// Long enough for who listens to end, and no time for who does not.
const GRACE: Duration = Duration::from_secs(20);
const SHORT_GRACE: Duration = Duration::from_millis(300);

struct Running {
    session: SessionId,
    child: Child,
}

/// Runs `script` in a terminal until it has said `ready`; the numbers it said are pids.
async fn start(script: &str) -> (Running, Vec<u32>) {
    let session = session();
    let mut child = spawn(shell_in(&session, script, &[], in_terminal())).unwrap();
    let said = until(&mut child.output, "ready").await;
    let pids = said
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    (Running { session, child }, pids)
}

impl Running {
    async fn kill(&self, grace: Duration) -> KillReport {
        within(kill(&self.child.facts, &self.session, grace))
            .await
            .unwrap()
    }
}

fn is_there(pid: u32) -> bool {
    // A zombie that an idle pid 1 has not reaped is dead all the same.
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap().starts_with(" Z"))
}

/// All processes that carry the session's mark.
fn marked(session: &SessionId) -> Vec<String> {
    let mark = format!("COVEN_SESSION_ID={session}");
    let has_mark = |path: &Path| {
        let environment = std::fs::read(path.join("environ")).unwrap_or_default();
        environment
            .split(|&byte| byte == 0)
            .any(|variable| variable == mark.as_bytes())
    };
    let processes = std::fs::read_dir("/proc")
        .unwrap()
        .map(|entry| entry.unwrap().path());
    processes
        .filter(|path| has_mark(path))
        .map(|path| path.display().to_string())
        .collect()
}

#[tokio::test]
async fn a_tool_double_forked_into_a_session_of_its_own_dies_too() {
    let (mut running, mut pids) =
        start("(setsid sh -c 'echo $$; sleep 600 & echo $!; echo ready; wait' &); read x").await;
    assert_eq!(pids.len(), 2);
    pids.push(running.child.facts.pid);
    assert!(pids.iter().all(|pid| is_there(*pid)));
    let report = running.kill(GRACE).await;
    assert_eq!(report.survivors, []);
    let ended: HashSet<u32> = report.ended.iter().map(|who| who.pid).collect();
    assert!(
        pids.iter().all(|pid| ended.contains(pid)),
        "{pids:?} {report:?}"
    );
    assert!(!pids.iter().any(|pid| is_there(*pid)));
    assert!(matches!(
        exit(&mut running.child).await,
        Exit::Signal { .. }
    ));
}

#[tokio::test]
async fn a_session_whose_first_process_is_not_known_is_ended_by_its_mark() {
    let (mut running, mut pids) = start(
        "(setsid sh -c 'echo $$; setsid env -i sleep 600 & echo $!; echo ready; wait' &); read x",
    )
    .await;
    let (stranger, _) = start("echo ready; read x").await;
    pids.push(running.child.facts.pid);
    let report = within(kill_marked(&running.session, GRACE)).await.unwrap();
    assert_eq!(report.survivors, []);
    assert!(pids.len() == 3 && !pids.iter().any(|pid| is_there(*pid)));
    assert!(matches!(
        exit(&mut running.child).await,
        Exit::Signal { .. }
    ));
    assert!(is_there(stranger.child.facts.pid));
    assert_eq!(stranger.kill(GRACE).await.survivors, []);
}

#[tokio::test]
async fn a_tool_without_the_mark_dies_by_its_parent_or_its_terminal() {
    let (running, pids) = start(
        "setsid env -i sleep 600 & echo $!; (env -i sleep 601 & echo $!); echo ready; read x",
    )
    .await;
    assert_eq!(running.kill(GRACE).await.survivors, []);
    assert!(pids.len() == 2 && !pids.iter().any(|pid| is_there(*pid)));
}

#[tokio::test]
async fn a_grace_without_end_is_one_all_the_same() {
    let (running, _) = start("echo ready; read x").await;
    assert_eq!(running.kill(Duration::MAX).await.survivors, []);
}

#[tokio::test]
async fn who_ignores_hangup_and_termination_is_forced_after_the_grace() {
    let (mut running, _) = start("trap '' HUP TERM; echo ready; while :; do sleep 600; done").await;
    let report = running.kill(SHORT_GRACE).await;
    assert_eq!(report.survivors, []);
    assert!(
        report
            .forced
            .iter()
            .any(|who| who.pid == running.child.facts.pid),
        "{report:?}"
    );
    assert_eq!(exit(&mut running.child).await, Exit::Signal { signal: 9 });
}

#[tokio::test]
async fn who_cleans_up_within_the_grace_may_do_so() {
    // The background process says when it is ready: before its exec, it would take a signal by
    // the trap it has from its parent.
    let (mut running, _) = start(
        "trap 'echo cleaned; exit 7' TERM; trap '' HUP; \
         sh -c 'echo ready; exec sleep 600' & while :; do wait; done",
    )
    .await;
    let report = running.kill(GRACE).await;
    assert_eq!((report.survivors, report.forced), (vec![], vec![]));
    assert_eq!(exit(&mut running.child).await, Exit::Code { code: 7 });
    until(&mut running.child.output, "cleaned").await;
}

#[tokio::test]
async fn a_stopped_process_dies_within_the_grace() {
    let (running, pids) = start("sh -c 'kill -STOP $$' & echo $!; echo ready; read x").await;
    assert_eq!(running.kill(GRACE).await.forced, []);
    assert!(!is_there(pids[0]));
}

#[tokio::test]
async fn who_forks_while_being_killed_does_not_get_away() {
    let (mut running, _) = start(
        "trap '' HUP TERM; (while :; do setsid sleep 600 & sleep 0.01; done) & echo ready; wait",
    )
    .await;
    let report = running.kill(SHORT_GRACE).await;
    assert_eq!(report.survivors, []);
    assert_eq!(marked(&running.session), [""; 0]);
    exit(&mut running.child).await;
}

#[tokio::test]
async fn who_hops_from_process_to_process_does_not_get_away() {
    let hop = r#"sleep 0.02; setsid sh -c "$0" "$0" & exit"#;
    let script = format!("trap '' HUP TERM; setsid sh -c '{hop}' '{hop}' & echo ready; wait");
    let (mut running, _) = start(&script).await;
    let report = running.kill(SHORT_GRACE).await;
    assert_eq!(report.survivors, []);
    assert_eq!(marked(&running.session), [""; 0]);
    exit(&mut running.child).await;
}

#[tokio::test]
async fn what_a_dead_leader_left_behind_dies() {
    let (mut running, pids) =
        start("trap '' HUP; setsid sleep 600 & echo $!; sleep 601 & echo $!; echo ready").await;
    assert_eq!(exit(&mut running.child).await, Exit::Code { code: 0 });
    assert!(
        pids.iter().all(|pid| is_there(*pid)),
        "a natural exit kills nobody"
    );
    assert_eq!(running.kill(SHORT_GRACE).await.survivors, []);
    assert!(pids.len() == 2 && !pids.iter().any(|pid| is_there(*pid)));
}

#[tokio::test]
async fn other_sessions_and_strangers_are_left_alone() {
    let (victim, _) = start("sleep 600 & echo ready; wait").await;
    let (other, pids) = start("setsid sleep 600 & echo $!; echo $$; echo ready; wait").await;
    let mut stranger = std::process::Command::new("sleep")
        .arg("600")
        .spawn()
        .unwrap();
    assert_eq!(victim.kill(GRACE).await.survivors, []);
    assert!(pids.len() == 2 && pids.iter().all(|pid| is_there(*pid)));
    assert!(stranger.try_wait().unwrap().is_none());
    stranger.kill().unwrap();
    stranger.wait().unwrap();
    assert_eq!(other.kill(GRACE).await.survivors, []);
}

#[tokio::test]
async fn a_process_of_another_start_or_boot_is_not_touched() {
    let (mut running, _) = start("echo ready; read x; exit 4").await;
    let nobody = session();
    let mut facts = running.child.facts.clone();
    facts.start_time -= 1;
    assert_eq!(
        within(kill(&facts, &nobody, GRACE)).await.unwrap(),
        KillReport::default()
    );
    facts = running.child.facts.clone();
    facts.boot_id.push('x');
    assert_eq!(
        within(kill(&facts, &running.session, GRACE)).await.unwrap(),
        KillReport::default()
    );
    running
        .child
        .input
        .as_mut()
        .unwrap()
        .write(b"\n")
        .await
        .unwrap();
    assert_eq!(exit(&mut running.child).await, Exit::Code { code: 4 });
}

/// The signal comes to the shell; the program it becomes has never heard of it.
#[tokio::test]
async fn who_runs_another_program_instead_of_ending_is_asked_again() {
    let (running, pids) =
        start("trap '' HUP; trap 'exec sleep 600' TERM; echo $$; echo ready; read x").await;
    let report = running.kill(GRACE).await;
    assert_eq!((report.forced, report.survivors), (vec![], vec![]));
    let names: Vec<_> = report
        .ended
        .iter()
        .map(|who| (who.pid, who.name.as_str()))
        .collect();
    assert_eq!(names, [(pids[0], "sleep")]);
}

#[tokio::test]
async fn who_cleans_up_hears_the_signal_once() {
    let script = "heard() { echo heard; i=0; while [ $i -lt 8 ]; do sleep 0.1; i=$((i+1)); done
                            echo cleaned; exit 7; }
                  trap '' HUP; trap heard TERM; echo ready; read x";
    let (mut running, _) = start(script).await;
    assert_eq!(running.kill(GRACE).await.forced, []);
    let said = String::from_utf8(all(&mut running.child).await).unwrap();
    assert_eq!(said.matches("heard").count(), 1, "{said:?}");
    assert_eq!(exit(&mut running.child).await, Exit::Code { code: 7 });
}

/// Whether this is the run with few file descriptors; if not, makes that run, of one test.
fn has_few_descriptors(test: &str) -> bool {
    let has_few = std::env::var_os("FEW_DESCRIPTORS").is_some();
    if !has_few {
        let status = std::process::Command::new("/bin/sh")
            .args(["-c", r#"ulimit -n 40; exec "$0" --exact "$1""#])
            .arg(std::env::current_exe().unwrap())
            .arg(test)
            .env("FEW_DESCRIPTORS", "1")
            .status();
        assert!(status.unwrap().success());
    }
    has_few
}

/// With one descriptor, every process can be seen and none held.
#[tokio::test]
async fn a_session_of_which_nobody_can_be_held_is_not_told_dead() {
    if !has_few_descriptors("a_session_of_which_nobody_can_be_held_is_not_told_dead") {
        return;
    }
    let (mut running, _) = start("trap '' HUP; echo ready; read x").await;
    let mut others: Vec<_> = std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect();
    others.pop();
    let kill = kill(&running.child.facts, &running.session, SHORT_GRACE);
    let error = within(kill).await.unwrap_err();
    assert_eq!(error.source.raw_os_error(), Some(libc::EMFILE), "{error}");
    drop(others);
    assert!(is_there(running.child.facts.pid));
    assert_eq!(running.kill(GRACE).await.survivors, []);
    exit(&mut running.child).await;
}

/// Of each process found, one descriptor would be held.
#[tokio::test]
async fn a_session_with_more_processes_than_there_are_file_descriptors_dies() {
    if !has_few_descriptors("a_session_with_more_processes_than_there_are_file_descriptors_dies") {
        return;
    }
    let script =
        "i=0; while [ $i -lt 120 ]; do setsid sleep 600 & i=$((i+1)); done; echo ready; wait";
    let (running, _) = start(script).await;
    let report = running.kill(GRACE).await;
    assert_eq!(report.survivors, []);
    // Who was not in a session of its own yet may have ended with the terminal, before it was signalled.
    assert!(report.ended.len() + report.forced.len() > 40, "{report:?}");
    assert_eq!(marked(&running.session), [""; 0]);
}

#[tokio::test]
async fn sessions_killed_at_once_die_each_with_its_own_and_nobody_elses() {
    let mut sessions = Vec::new();
    for _ in 0..20 {
        sessions.push(start("setsid sleep 600 & echo $!; echo $$; echo ready; wait").await);
    }
    let spared = sessions.split_off(15);
    let kills: Vec<_> = sessions
        .into_iter()
        .map(|(running, pids)| tokio::spawn(async move { (running.kill(GRACE).await, pids) }))
        .collect();
    for kill in kills {
        let (report, pids) = within(kill).await.unwrap();
        let ended: HashSet<u32> = report.ended.iter().map(|who| who.pid).collect();
        assert_eq!(ended, HashSet::from_iter(pids));
        assert_eq!((report.forced, report.survivors), (vec![], vec![]));
    }
    for (running, pids) in spared {
        assert!(pids.iter().all(|pid| is_there(*pid)));
        running.kill(GRACE).await;
    }
}

/// It left the terminal, hides its environment, and its parent has ended: nothing shows that it
/// belongs to the session.
#[tokio::test]
async fn who_survived_an_earlier_kill_dies_with_all_that_came_of_it_whatever_hides_it() {
    let (running, pids) =
        start("(setsid env -i sh -c 'echo $$; sleep 600 & echo $!; echo ready; wait' &); read x")
            .await;
    assert_eq!(running.kill(GRACE).await.survivors, []);
    assert!(pids.len() == 2 && pids.iter().all(|pid| is_there(*pid)));
    let survivors = [survivor(pids[0])];
    let ended = until_ended(&survivors);
    tokio::pin!(ended);
    assert!(is_pending(&mut ended).await, "it is not over");
    let (leader, session) = (&running.child.facts, &running.session);
    let report = within(kill_again(leader, session, &survivors, GRACE)).await;
    assert_eq!(report.unwrap().survivors, []);
    within(ended).await.unwrap();
    assert!(!pids.iter().any(|pid| is_there(*pid)));
    within(until_ended(&survivors)).await.unwrap();
}

fn survivor(pid: u32) -> Signalled {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let start_time = stat.rsplit(')').next().unwrap().split(' ').nth(20).unwrap();
    Signalled {
        pid,
        start_time: start_time.parse().unwrap(),
        name: "sh".to_owned(),
    }
}

async fn is_pending(future: &mut (impl Future + Unpin)) -> bool {
    tokio::select! {
        biased;
        _ = future => false,
        () = tokio::task::yield_now() => true,
    }
}

#[tokio::test]
async fn a_session_on_pipes_dies_as_well() {
    let session = session();
    let script = "trap '' HUP TERM; setsid sleep 600 & echo ready; cat";
    let mut child = spawn(shell_in(&session, script, &[], Wiring::Pipes)).unwrap();
    until(&mut child.output, "ready").await;
    let report = within(kill(&child.facts, &session, SHORT_GRACE))
        .await
        .unwrap();
    assert_eq!(report.survivors, []);
    assert_eq!(marked(&session), [""; 0]);
    exit(&mut child).await;
}

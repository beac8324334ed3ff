//! The machine goes down and comes back, as far as a home can tell: everything of it ends at once, and the
//! boot that the system names is another one. And that name alone is no proof: it is another one, and all lives on.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::agent::Manner;
use crate::home::{Home, Running, end_at_once, eventually};
use crate::left::{Base, marked};
use crate::sessions::{One, declare, launch};
use crate::spool::{self, InSpool};
use crate::stopped::Stopped;
use crate::{AGENT, small_disk};

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
const OTHER_BOOT: &str = "5a5a5a5a-0000-4000-8000-00000000cafe\n";

/// What each agent writes that no daemon takes before the end.
const UNSEEN_BYTES: usize = 20_000;

pub(crate) fn what_was_live_at_a_reboot_is_orphaned_with_its_spool_on_record_and_is_offered()
-> String {
    let name = "what_was_live_at_a_reboot_is_orphaned_with_its_spool_on_record_and_is_offered";
    // For its namespace, in which another boot can be named.
    let Some(disk) = small_disk::of_its_own(name, 1 << 20) else {
        return "in a namespace of its own".to_owned();
    };
    let home = Home::new();
    declare_with_conversations(&home);
    let base = Base::of(&home);
    let ended = launch(&home, 0, Manner::Pauses, 1000);
    ended.tell(&home, "end");
    ended.is_whole(&home);
    let sessions = [1, 2, 3, 4].map(|number| launch(&home, number, Manner::HasATool, 1 << 30));
    let in_spools = go_down(&home, &sessions);

    name_another_boot(&disk);
    home.text(["daemon", "start"]);
    for (one, in_spool) in sessions.iter().zip(&in_spools) {
        home.wait_for_end(&one.id);
        let record = one.record(&home);
        assert_eq!(
            (&record["status"], &record["orphan_reason"]),
            (&"orphaned".into(), &"reboot".into())
        );
        let output = one.output(&home);
        in_spool.is_in(&output);
        assert!(one.wrote().starts_with(&output));
    }
    ended.is_whole(&home);
    let offered = home.json(["resume", "--all", "--json"]);
    let offered = offered.as_array().expect("a list").iter();
    let mut offered: Vec<&str> = offered.filter_map(|one| one["id"].as_str()).collect();
    let mut expected: Vec<&str> = sessions.iter().map(|one| one.id.as_str()).collect();
    offered.sort_unstable();
    expected.sort_unstable();
    assert_eq!(offered, expected);
    // And it goes on.
    let new = launch(&home, 5, Manner::Pauses, 1000);
    new.tell(&home, "end");
    new.is_whole(&home);
    base.nothing_is_left(&home, expected);
    format!("{} sessions", sessions.len())
}

pub(crate) fn under_another_boot_id_what_lives_is_taken_over_typed_to_and_ended_with_proof()
-> String {
    let name = "under_another_boot_id_what_lives_is_taken_over_typed_to_and_ended_with_proof";
    let Some(disk) = small_disk::of_its_own(name, 1 << 20) else {
        return "in a namespace of its own".to_owned();
    };
    let home = home_of_the_impatient();
    let base = Base::of(&home);
    let typed = launch(&home, 0, Manner::Pauses, 1000);
    let [killed, of_dead_shim, stopped, left] =
        [1, 2, 3, 4].map(|number| launch(&home, number, Manner::HasATool, 1 << 30));
    let _stopped = Stopped::process(home.shim_of(&stopped.id));
    home.kill_daemon();
    name_another_boot(&disk);
    home.text(["daemon", "start"]);

    typed.tell(&home, "end");
    typed.is_whole(&home);
    // In time, or it is ended: a kill that waits for ever fails.
    for one in [&killed, &stopped] {
        let kill = Running::start(home.coven(["kill", &one.id]));
        let (code, said) = kill.ends_in_time("a kill");
        assert_eq!(code, 0, "{said}");
        assert_ended(&home, one, "killed");
    }
    // What its daemon has connected to lived in this boot: its end is none of the machine's.
    left.tell(&home, "line");
    of_dead_shim.tell(&home, "line");
    end_at_once(home.shim_of(&of_dead_shim.id));
    home.wait_for_end(&of_dead_shim.id);
    assert_ended(&home, &of_dead_shim, "orphaned");
    let record = of_dead_shim.record(&home);
    assert_eq!(record["orphan_reason"], "shim_died");
    let stop = Running::start(home.coven(["daemon", "stop", "--kill"]));
    let (code, said) = stop.ends_in_time("a stop");
    assert_eq!(code, 0, "{said}");
    assert_eq!(marked([&*left.id]), Vec::<PathBuf>::new());
    home.text(["daemon", "start"]);
    assert_ended(&home, &left, "killed");
    let all = [&typed, &killed, &of_dead_shim, &stopped, &left];
    base.nothing_is_left(&home, all.map(|one| &*one.id));
    format!("{} sessions", all.len())
}

pub(crate) fn a_kill_that_cannot_see_a_shim_which_lives_fails_and_the_next_daemon_ends_it() -> String
{
    let name = "a_kill_that_cannot_see_a_shim_which_lives_fails_and_the_next_daemon_ends_it";
    let Some(_disk) = small_disk::of_its_own(name, 1 << 20) else {
        return "in a namespace of its own".to_owned();
    };
    if !within_pids_of_its_own(&Command::new("true"))
        .status()
        .is_ok_and(|it| it.success())
    {
        return "not run: no processes of its own can be had here".to_owned();
    }
    let home = home_of_the_impatient();
    let base = Base::of(&home);
    let one = launch(&home, 0, Manner::Pauses, 1 << 30);
    home.kill_daemon();
    let blind = within_pids_of_its_own(&home.coven(["daemon", "serve"]));
    let mut blind = Running::start(blind);
    blind.wait_for_stderr("ready");

    one.tell(&home, "line");
    let kill = Running::start(home.coven(["kill", &one.id]));
    let (code, said) = kill.ends_in_time("a kill");
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("its shim lives"), "{said}");
    let record = one.record(&home);
    assert_eq!(
        (&record["status"], record["ended_at"].is_null()),
        (&"killed".into(), true)
    );
    assert!(!marked([&*one.id]).is_empty(), "it was to be out of reach");
    drop(blind);

    home.text(["daemon", "start"]);
    home.wait_for_end(&one.id);
    assert_ended(&home, &one, "killed");
    base.nothing_is_left(&home, [&*one.id]);
    "1 session".to_owned()
}

/// A home that knows of the agent, and gives nobody long to end.
fn home_of_the_impatient() -> Home {
    let home = Home::new();
    declare(&home);
    fs::write(home.dir().join("config.toml"), "kill_grace_ms = 200\n").expect("a file");
    home
}

/// A command that sees no process but those that come of it, and ends with what is returned.
fn within_pids_of_its_own(command: &Command) -> Command {
    let mut within = Command::new("unshare");
    within
        .args(["--pid", "--fork", "--kill-child", "--mount-proc"])
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        within.env(name, value.expect("it is set"));
    }
    within
}

/// It has ended on record, and nobody of it is left.
fn assert_ended(home: &Home, one: &One, status: &str) {
    let record = one.record(home);
    assert_eq!(record["status"], status);
    assert!(!record["ended_at"].is_null(), "{record}");
    assert_eq!(marked([&*one.id]), Vec::<PathBuf>::new());
}

/// Has the system name another boot from now on, in this namespace.
fn name_another_boot(disk: &Path) {
    let other = disk.join("boot_id");
    fs::write(&other, OTHER_BOOT).expect("a file");
    let mut mount = Command::new("mount");
    let mounted = mount.arg("--bind").arg(&other).arg(BOOT_ID).status();
    assert!(mounted.expect("mount runs").success());
}

/// Has a home know of the agent, and that it can go on with a conversation.
fn declare_with_conversations(home: &Home) {
    let program = std::env::current_exe().expect("this program");
    let program = program.to_str().expect("a path");
    home.declare("agent", "[]", program);
    let args = format!(r#"["{AGENT}", "{{prompt}}", "{{conversation}}"]"#);
    let manifest = format!(
        "id = \"agent\"\nexecutable = \"{program}\"\ninstall_hint = \"install it\"\n\
         [interactive]\nargs = {args}\nresume = {args}\n"
    );
    fs::write(home.dir().join("harnesses/agent.toml"), manifest).expect("a file");
}

/// Ends all of a home at once, its agents and their tools too, after a while in which the daemon took
/// nothing.
fn go_down(home: &Home, sessions: &[One]) -> Vec<InSpool> {
    let daemon = Stopped::process(home.daemon_pid().expect("it runs"));
    let before: Vec<usize> = sessions.iter().map(|one| one.wrote().len()).collect();
    for (one, before) in sessions.iter().zip(before) {
        eventually("more written", || {
            (one.wrote().len() > before + UNSEEN_BYTES).then_some(())
        });
    }
    home.power_cut();
    drop(daemon);
    let ids = sessions.iter().map(|one| one.id.as_str());
    for process in marked(ids) {
        let pid = process
            .file_name()
            .and_then(|name| name.to_str()?.parse().ok());
        // Those that its terminal's end has ended meanwhile are gone.
        let _ = rustix::process::kill_process(
            rustix::process::Pid::from_raw(pid.expect("an id")).expect("an id"),
            rustix::process::Signal::KILL,
        );
    }
    let ids = sessions.iter().map(|one| one.id.as_str());
    eventually("every process gone", || {
        marked(ids.clone()).is_empty().then_some(())
    });
    let in_spool = |one: &One| spool::read(home, &one.id).expect("it is there");
    sessions.iter().map(in_spool).collect()
}

//! The machine goes down and comes back, as far as a home can tell: everything of it ends at once, and the
//! boot that the system names is another one.

use std::fs;
use std::process::Command;

use crate::agent::Manner;
use crate::home::{Home, eventually};
use crate::left::{Base, marked};
use crate::sessions::{One, launch};
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

    let other = disk.join("boot_id");
    fs::write(&other, OTHER_BOOT).expect("a file");
    let mut mount = Command::new("mount");
    let mounted = mount.arg("--bind").arg(&other).arg(BOOT_ID).status();
    assert!(mounted.expect("mount runs").success());
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

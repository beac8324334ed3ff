//! What is amiss with a session that runs is told where people look: its folder is away, its shim stopped.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::Output;

use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::LocalModes;

use crate::home::{ENDLESS, Home, Running, eventually};
use crate::permissions::coven_bound_by_modes;
use crate::terminal::Terminal;

fn launch(home: &Home) -> String {
    let id = home.launch(ENDLESS);
    home.wait_for_output(&id, "begun");
    id
}

fn spools(home: &Home) -> PathBuf {
    home.dir().join("spools")
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

/// What `coven doctor` says.
fn doctor(home: &Home) -> String {
    let Output { stdout, .. } = home.output(["doctor"]);
    text(stdout)
}

/// All that say what a session is like say this of it.
#[track_caller]
pub(crate) fn is_told_everywhere(home: &Home, id: &str, what: &str) {
    for said in [home.text(["show", id]), doctor(home)] {
        assert!(said.contains(what), "{said}");
    }
    let record = home.record(id);
    let why = record["out_of_reach"].as_str().unwrap();
    assert!(why.contains(what), "{record}");
    let mut follow = Running::start(home.coven(["log", "--follow", id]));
    follow.wait_for_stderr(what);
    let mut terminal = Terminal::run(&home.coven(["attach", id]));
    terminal.wait_for(what);
    // Before, the first of the keys would be a signal.
    eventually("it is raw", || {
        let is_raw = !terminal.settings().local_modes.contains(LocalModes::ISIG);
        is_raw.then_some(())
    });
    terminal.press(b"\x1cd");
    assert_eq!(terminal.end(), 120);
}

#[track_caller]
pub(crate) fn is_told_nowhere(home: &Home, id: &str) {
    let shown = home.text(["show", id]);
    assert!(!shown.contains("out of reach"), "{shown}");
    let record = home.record(id);
    assert!(record["out_of_reach"].is_null(), "{record}");
    assert!(record["out_of_reach_reason"].is_null(), "{record}");
    let said = doctor(home);
    assert!(!said.contains(id), "{said}");
}

#[test]
fn a_session_whose_folder_was_moved_away_is_told_to_be_out_of_reach_until_it_is_back() {
    let home = Home::new();
    let id = launch(&home);
    is_told_nowhere(&home, &id);
    let away = home.dir().join("away");
    fs::rename(spools(&home).join(&id), &away).unwrap();
    // Its daemon is connected as before; the next one would not be.
    for restart in [false, true] {
        if restart {
            home.text(["daemon", "restart"]);
        }
        is_told_everywhere(&home, &id, "put it back");
    }
    fs::rename(&away, spools(&home).join(&id)).unwrap();
    is_told_nowhere(&home, &id);
}

#[test]
fn a_session_whose_shim_is_stopped_is_told_to_be_out_of_reach_and_how_to_wake_it() {
    let home = Home::new();
    let id = launch(&home);
    let shim = home.shim_of(&id);
    let pid = Pid::from_raw(i32::try_from(shim).unwrap()).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    let wakes = format!("kill -CONT {shim}");
    eventually("it stands still", || {
        home.text(["show", &id]).contains(&wakes).then_some(())
    });
    is_told_everywhere(&home, &id, &wakes);
    kill_process(pid, Signal::CONT).unwrap();
    eventually("it goes on", || {
        home.record(&id)["out_of_reach"].is_null().then_some(())
    });
    is_told_nowhere(&home, &id);
}

#[test]
fn a_socket_that_is_none_and_a_spool_that_is_gone_or_no_file_are_told_with_their_reason() {
    let home = Home::new();
    let id = launch(&home);
    let folder = spools(&home).join(&id);
    let part = || {
        let parts = fs::read_dir(&folder).unwrap();
        let mut parts = parts.map(|part| part.unwrap().path());
        let is_part = |path: &PathBuf| path.extension().is_some_and(|it| it == "spool");
        parts.find(is_part).unwrap()
    };
    let away = home.dir().join("away");
    for (file, stands_in, what) in [
        (folder.join("socket"), true, "is no socket"),
        (part(), false, "the spool of its shim"),
        (part(), true, "is no file"),
    ] {
        fs::rename(&file, &away).unwrap();
        if stands_in {
            fs::create_dir(&file).unwrap();
        }
        for said in [home.text(["show", &id]), doctor(&home)] {
            assert!(said.contains(what), "{said}");
        }
        if stands_in {
            fs::remove_dir(&file).unwrap();
        }
        fs::rename(&away, &file).unwrap();
        is_told_nowhere(&home, &id);
    }
}

#[test]
fn doctor_says_that_the_spools_are_a_link_or_a_file_and_what_to_do() {
    let home = Home::new();
    home.text(["daemon", "start"]);
    for is_link in [true, false] {
        if is_link {
            symlink(home.project(), spools(&home)).unwrap();
        } else {
            fs::write(spools(&home), "").unwrap();
        }
        for is_stopped in [false, true] {
            if is_stopped {
                home.text(["daemon", "stop"]);
            }
            let ended = home.output(["doctor"]);
            assert_eq!(ended.status.code(), Some(1), "{ended:?}");
            let said = text(ended.stdout);
            assert!(said.contains(spools(&home).to_str().unwrap()), "{said}");
            assert!(said.contains("move it away"), "{said}");
        }
        fs::remove_file(spools(&home)).unwrap();
        home.text(["daemon", "start"]);
        assert!(!doctor(&home).contains("move it away"));
    }
}

#[test]
fn spools_that_may_not_be_looked_into_are_told_with_what_to_do() {
    let Some((_directory, program)) = coven_bound_by_modes() else {
        return;
    };
    let home = Home::of(program);
    let id = launch(&home);
    let mode = |mode| fs::set_permissions(spools(&home), fs::Permissions::from_mode(mode)).unwrap();
    mode(0o000);
    let launch = ["run", "--mode", "interactive", "--detach", "sh", ENDLESS];
    for said in [home.refused(125, launch), doctor(&home)] {
        assert!(said.contains("chmod 700"), "{said}");
        assert!(said.contains(spools(&home).to_str().unwrap()), "{said}");
    }
    let shown = home.text(["show", &id]);
    assert!(shown.contains("cannot be looked at"), "{shown}");
    mode(0o700);
    is_told_nowhere(&home, &id);
}

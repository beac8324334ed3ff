//! `coven daemon stop --kill` where the daemon is dead: it ends all sessions of the home, whatever
//! became of its `spools`.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::fake_daemon::FakeDaemon;
use crate::home::{ENDLESS, Home, PATIENCE};
use crate::permissions::coven_bound_by_modes;

/// A session that runs, and its agent and shim.
struct Session {
    id: String,
    agent: OwnedFd,
    shim: OwnedFd,
}

fn handle(pid: u64) -> OwnedFd {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    pidfd_open(pid, PidfdFlags::empty()).unwrap()
}

fn has_ended(process: &OwnedFd, within: Duration) -> bool {
    let limit = Timespec::try_from(within).unwrap();
    poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&limit)) == Ok(1)
}

impl Session {
    fn launch(home: &Home) -> Self {
        let id = home.launch(ENDLESS);
        home.wait_for_output(&id, "begun");
        Self {
            agent: handle(home.record(&id)["pid"].as_u64().unwrap()),
            shim: handle(home.shim_of(&id)),
            id,
        }
    }

    fn lives(&self) -> bool {
        !has_ended(&self.agent, Duration::ZERO)
    }

    /// It is dead by now, and that is on record; its shim ends with it.
    #[track_caller]
    fn was_ended(&self, home: &Home) {
        assert!(!self.lives());
        assert!(has_ended(&self.shim, PATIENCE));
        let record = home.json(["show", "--json", "--offline", &self.id]);
        assert!(!record["ended_at"].is_null(), "{record}");
        assert!(home.daemon_pid().is_none(), "no daemon was started for it");
    }
}

fn spools(home: &Home) -> PathBuf {
    home.dir().join("spools")
}

#[track_caller]
fn stop_kill(home: &Home) -> String {
    let stopped = home.output(["daemon", "stop", "--kill"]);
    assert!(stopped.status.success(), "{stopped:?}");
    assert!(stopped.stdout.ends_with(b"no daemon runs\n"), "{stopped:?}");
    String::from_utf8(stopped.stderr).unwrap()
}

#[test]
fn sessions_are_ended_whose_daemon_is_dead_and_whose_spools_are_missing_empty_or_elsewhere() {
    for what in ["missing", "empty", "away"] {
        let home = Home::new();
        let sessions = [Session::launch(&home), Session::launch(&home)];
        home.kill_daemon();
        match what {
            "away" => fs::rename(spools(&home), home.dir().join("away")).unwrap(),
            _ => fs::remove_dir_all(spools(&home)).unwrap(),
        }
        if what == "empty" {
            fs::create_dir(spools(&home)).unwrap();
        }
        assert_eq!(stop_kill(&home), "", "{what}");
        for session in &sessions {
            session.was_ended(&home);
        }
    }
}

#[test]
fn sessions_are_ended_whose_spools_are_a_link_or_a_file_and_it_is_said_where_their_last_words_are()
{
    for what in ["a link", "a file"] {
        let home = Home::new();
        let session = Session::launch(&home);
        home.kill_daemon();
        let away = home.dir().join("away");
        fs::rename(spools(&home), &away).unwrap();
        if what == "a link" {
            symlink(&away, spools(&home)).unwrap();
        } else {
            fs::write(spools(&home), "").unwrap();
        }
        let said = stop_kill(&home);
        assert!(said.contains(spools(&home).to_str().unwrap()), "{said}");
        assert!(said.contains("move it away"), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        session.was_ended(&home);
        // What is there by now is nobody's business.
        assert_eq!(fs::read_dir(&away).unwrap().count(), 1, "{what}");
    }
}

#[test]
fn sessions_are_ended_whose_spools_may_not_be_looked_into_and_the_next_daemon_says_what_to_do() {
    let Some((_directory, program)) = coven_bound_by_modes() else {
        return;
    };
    let home = Home::of(program);
    let session = Session::launch(&home);
    home.kill_daemon();
    let mode = |mode| fs::set_permissions(spools(&home), fs::Permissions::from_mode(mode)).unwrap();
    mode(0o000);
    let refused = home.refused(122, ["daemon", "start"]);
    let said = stop_kill(&home);
    for said in [refused, said] {
        assert!(said.contains(spools(&home).to_str().unwrap()), "{said}");
        assert!(said.contains("chmod 700"), "{said}");
    }
    session.was_ended(&home);
    mode(0o700);
    assert_eq!(home.record(&session.id)["orphan_reason"], "engine_died");
}

#[test]
fn sessions_are_ended_whose_daemon_was_killed_as_soon_as_it_had_started() {
    let home = Home::new();
    home.text(["daemon", "start"]);
    home.kill_daemon();
    fs::remove_file(home.dir().join("daemon.json")).unwrap();
    assert_eq!(stop_kill(&home), "", "nothing ever ran");

    let sessions = [Session::launch(&home), Session::launch(&home)];
    for gone in [false, true] {
        home.kill_daemon();
        if gone {
            fs::remove_dir_all(spools(&home)).unwrap();
        }
        home.text(["daemon", "start"]);
    }
    home.kill_daemon();
    assert_eq!(stop_kill(&home), "");
    for session in &sessions {
        session.was_ended(&home);
    }
}

#[test]
fn a_stop_that_kills_says_which_sessions_have_ended_be_their_daemon_alive_or_dead() {
    for (dies, last) in [
        (false, "the daemon has stopped\n"),
        (true, "no daemon runs\n"),
    ] {
        let home = Home::new();
        home.text(["run", "sh", "echo over"]);
        let mut ids = [home.launch(ENDLESS), home.launch(ENDLESS)];
        ids.sort();
        if dies {
            home.kill_daemon();
        }
        let [first, second] = &ids;
        let told = format!("{first} has ended\n{second} has ended\n{last}");
        assert_eq!(home.text(["daemon", "stop", "--kill"]), told);
    }
}

#[test]
fn a_stop_that_does_not_kill_says_that_no_daemon_runs_and_ends_nothing() {
    let home = Home::new();
    let session = Session::launch(&home);
    home.kill_daemon();
    fs::remove_dir_all(spools(&home)).unwrap();
    assert_eq!(home.text(["daemon", "stop"]), "no daemon runs\n");
    assert_eq!(home.text(["daemon", "stop", "--keep"]), "no daemon runs\n");
    assert!(session.lives());
}

#[test]
fn where_the_log_is_away_it_is_not_said_that_all_sessions_have_ended() {
    let home = Home::new();
    let session = Session::launch(&home);
    home.kill_daemon();
    let files = ["coven.redb", "coven.redb.journal"].map(|name| home.dir().join(name));
    let away = files.each_ref().map(|file| file.with_extension("away"));
    for (file, away) in files.iter().zip(&away) {
        fs::rename(file, away).unwrap();
    }
    let said = home.refused(1, ["daemon", "stop", "--kill"]);
    assert!(said.contains("is gone"), "{said}");
    assert!(said.contains(&session.id), "{said}");
    assert!(session.lives());
    for (file, away) in files.iter().zip(&away) {
        fs::rename(away, file).unwrap();
    }
    stop_kill(&home);
    session.was_ended(&home);
}

#[test]
fn a_stop_that_is_to_end_all_waits_little_for_which_sessions_there_are() {
    let (home, before) = (Home::new(), Home::new());
    let session = Session::launch(&home);
    let daemon = FakeDaemon::listing_nothing(&before.dir(), &home.dir());
    // A quarter of that for what is only told.
    let stop = ["daemon", "stop", "--kill", "--timeout", "8"];
    assert_eq!(before.text(stop), "the daemon has stopped\n");
    daemon.wait();
    session.was_ended(&home);
}

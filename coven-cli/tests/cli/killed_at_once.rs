//! Daemons that are killed as soon as they are there, one after the other, under who waits for them.

use std::os::unix::net::UnixListener;
use std::process::Stdio;

use crate::home::{Home, end_at_once, eventually};
use crate::live::ECHO;
use crate::terminal::Terminal;

/// Daemons that are killed in a row: over what comes to be by chance.
const KILLS: usize = 6;

/// Kills one daemon after the other, each where it first says that it is there.
struct Killer<'a> {
    home: &'a Home,
    last: Option<u64>,
}

impl<'a> Killer<'a> {
    /// From the one that runs on.
    fn of(home: &'a Home) -> Self {
        home.kill_daemon();
        let last = home.daemon_pid();
        Self { home, last }
    }

    /// Kills another one, if there is one.
    fn kill(&mut self) -> Option<()> {
        let next = self.home.daemon_pid();
        let pid = next.filter(|_| next != self.last)?;
        end_at_once(pid);
        self.last = next;
        Some(())
    }
}

#[test]
fn a_viewer_goes_on_over_daemons_that_are_killed_as_soon_as_they_are_there() {
    let home = Home::new();
    let mut terminal = Terminal::run(&home.coven(["run", "sh", ECHO]));
    terminal.wait_for("ready");
    let mut killer = Killer::of(&home);
    terminal.press(b"meanwhile\r");
    for _ in 0..KILLS {
        eventually("the next daemon", || killer.kill());
    }
    terminal.wait_for("<meanwhile>");
    terminal.press(b"leave\r");
    terminal.wait_for("<leave>");
    assert_eq!(terminal.end(), 5);
}

#[test]
fn a_viewer_goes_on_over_a_daemon_that_is_killed_as_soon_as_it_is_there_after_one_was_stopped() {
    let home = Home::new();
    let mut terminal = Terminal::run(&home.coven(["run", "sh", ECHO]));
    terminal.wait_for("ready");
    home.text(["daemon", "stop"]);
    // What one leaves that was killed before anybody asked it for anything.
    drop(UnixListener::bind(home.dir().join("coven.sock")).unwrap());
    terminal.press(b"meanwhile\r");
    terminal.wait_for("<meanwhile>");
    terminal.press(b"leave\r");
    assert_eq!(terminal.end(), 5);
}

#[test]
fn a_command_outlasts_daemons_that_are_killed_as_soon_as_they_are_there() {
    for args in [
        &["sessions"][..],
        &["log", "@last"],
        &["archive", "@last"],
        &["daemon", "start"],
    ] {
        let home = Home::new();
        home.text(["run", "sh", "echo before"]);
        let mut killer = Killer::of(&home);
        let mut command = home.coven(args.iter().copied());
        let asking = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut asking = asking.spawn().unwrap();
        let mut killed = 0;
        eventually("its end, or as many deaths", || {
            killed += usize::from(killer.kill().is_some());
            (killed == KILLS || asking.try_wait().unwrap().is_some()).then_some(())
        });
        let output = asking.wait_with_output().unwrap();
        assert!(
            output.status.success(),
            "{args:?} after {killed}: {output:?}"
        );
    }
}

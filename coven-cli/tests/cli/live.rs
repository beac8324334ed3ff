//! Sessions live in a terminal.

use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::home::{ENDLESS, Home};
use crate::terminal::{Terminal, same_settings};

/// Echoes each line it is given, in capitals around it, until it is told to leave.
pub(crate) const ECHO: &str = "echo ready; while read line; do echo \"<$line>\"; \
                    if [ \"$line\" = leave ]; then exit 5; fi; done";

pub(crate) fn attach(home: &Home) -> Terminal {
    Terminal::run(&home.coven(["attach", "@last"]))
}

#[test]
fn a_session_in_a_terminal_is_live_until_it_ends_with_its_status() {
    let home = Home::new();
    let mut terminal = Terminal::run(&home.coven(["run", "sh", ECHO]));
    let before = terminal.settings();
    terminal.wait_for("ctrl-\\ d detaches");
    terminal.wait_for("ready");
    terminal.press(b"hello\r");
    terminal.wait_for("<hello>");
    assert!(
        !same_settings(&before, &terminal.settings()),
        "it is raw meanwhile"
    );
    terminal.press(b"leave\r");
    assert_eq!(terminal.end(), 5);
    assert!(
        same_settings(&before, &terminal.settings()),
        "it is given back"
    );
    assert_eq!(home.record("@last")["launch_mode"], "interactive");
}

#[test]
fn the_detach_keys_leave_it_running_in_every_encoding() {
    let home = Home::new();
    let id = home.launch(ECHO);
    for keys in [
        &b"\x1cd"[..],
        b"\x1b[92;5u\x1b[100u",
        b"\x1b[27;5;92~d",
        b"\x1b[57442;5:1u\x1b[92;5:1u\x1b[92;5:3u\x1b[57442;1:3u\x1b[100;1:1u",
    ] {
        let mut terminal = attach(&home);
        let before = terminal.settings();
        terminal.wait_for("ready");
        for byte in keys {
            terminal.press(&[*byte]);
        }
        terminal.wait_for("detached");
        assert_eq!(terminal.end(), 120, "{keys:?}");
        assert!(same_settings(&before, &terminal.settings()));
    }
    assert_eq!(home.record(&id)["status"], "running");
}

#[test]
fn the_detach_keys_are_heard_though_a_slow_line_takes_them_apart() {
    let home = Home::new();
    home.launch(ECHO);
    let (mut terminal, mut other) = (attach(&home), attach(&home));
    terminal.wait_for("ready");
    other.wait_for("ready");
    // An Escape typed at the other tells when the time that a lone one has is over. That of a
    // sequence is much longer; a machine too busy to keep well under it is asked again.
    loop {
        let mut longest = Duration::ZERO;
        terminal.press(b"\x1b[9");
        for part in [&b"2;5"[..], b"u"] {
            let since = Instant::now();
            other.press(b"\x1b");
            other.wait_for("^[");
            terminal.press(part);
            longest = longest.max(since.elapsed());
        }
        terminal.press(b"d");
        if longest < Duration::from_millis(150) {
            break;
        }
    }
    terminal.wait_for("detached");
    assert_eq!(terminal.end(), 120);
}

#[test]
fn the_detach_keys_are_heard_in_a_flood() {
    let home = Home::new();
    home.launch("echo ready; while :; do echo flood; done");
    let mut terminal = attach(&home);
    terminal.wait_for("flood");
    terminal.press(b"\x1cd");
    assert_eq!(terminal.end(), 120);
    home.text(["kill", "@last"]);
}

#[test]
fn a_terminal_that_is_full_is_given_back_all_the_same() {
    let home = Home::new();
    home.launch(r"printf '\033[?1049h\033[?2004h'; while :; do echo flood; done");
    let mut terminal = attach(&home);
    let before = terminal.settings();
    terminal.wait_for("flood");
    terminal.fill();
    terminal.press(b"\x1cd");
    terminal.read_on();
    assert_eq!(terminal.end(), 120);
    terminal.wait_for("\x1b[?1049l");
    assert!(same_settings(&before, &terminal.settings()));
    home.text(["kill", "@last"]);
}

#[test]
fn a_viewer_of_a_daemon_that_stands_still_hears_the_detach_keys_and_signals() {
    let home = Home::new();
    home.launch("stty -icanon -echo; echo ready; tail -f /dev/null");
    for signal in [None, Some(Signal::TERM)] {
        let mut terminal = attach(&home);
        let before = terminal.settings();
        terminal.wait_for("ready");
        let still = StandsStill::now(&home);
        // More than the socket between the two takes, and a large paste more.
        terminal.press(&vec![b'x'; 4 << 20]);
        let status = match signal {
            Some(signal) => {
                kill_process(terminal.pid(), signal).unwrap();
                143
            }
            None => {
                terminal.press(b"\x1cd");
                120
            }
        };
        assert_eq!(terminal.end(), status);
        assert!(same_settings(&before, &terminal.settings()));
        drop(still);
    }
    home.text(["kill", "@last"]);
}

#[test]
fn a_daemon_that_stands_still_is_soon_told_to_hang_and_what_to_do() {
    let home = Home::new();
    home.text(["daemon", "start"]);
    let pid = home.daemon_pid().unwrap();
    let still = StandsStill::now(&home);
    let begun = Instant::now();
    let asked = [
        &["daemon", "status"][..],
        &["doctor"],
        &["sessions"],
        &["run", "sh", "true"],
        &["daemon", "stop"],
    ];
    let asked = asked.map(|args| {
        let mut command = home.coven(args.iter().copied());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        (args, command.spawn().unwrap())
    });
    for (args, asked) in asked {
        let output = asked.wait_with_output().unwrap();
        let (status, said) = match args {
            ["doctor"] => (1, output.stdout),
            _ => (122, output.stderr),
        };
        let said = String::from_utf8(said).unwrap();
        // Far under the minute that a launch may take.
        assert!(begun.elapsed() < Duration::from_secs(50), "{args:?}");
        assert_eq!(output.status.code(), Some(status), "{args:?}: {said}");
        assert!(said.contains(&format!("(process {pid}) hangs")), "{said}");
        assert!(said.contains(&format!("`kill -KILL {pid}`")), "{said}");
    }
    drop(still);
    home.text(["daemon", "status"]);
}

/// A home's daemon, stopped until this is dropped.
struct StandsStill {
    daemon: Pid,
}

impl StandsStill {
    fn now(home: &Home) -> Self {
        let daemon = i32::try_from(home.daemon_pid().unwrap()).unwrap();
        let daemon = Pid::from_raw(daemon).unwrap();
        kill_process(daemon, Signal::STOP).unwrap();
        Self { daemon }
    }
}

impl Drop for StandsStill {
    fn drop(&mut self) {
        kill_process(self.daemon, Signal::CONT).unwrap();
    }
}

#[test]
fn the_agents_modes_are_undone_when_the_viewer_leaves() {
    let home = Home::new();
    let modes = r"printf '\033[?1049h\033[?2004h\033[>1u\033[?25lready'; read line";
    home.launch(modes);
    let mut terminal = attach(&home);
    terminal.wait_for("ready");
    terminal.press(b"\x1cd");
    for undone in ["\x1b[?2004l", "\x1b[?1049l"] {
        let mut again = Terminal::run(&home.coven(["attach", "@last"]));
        again.wait_for("ready");
        again.press(b"\x1cd");
        again.wait_for(undone);
        assert_eq!(again.end(), 120);
    }
    assert_eq!(terminal.end(), 120);
}

#[test]
fn a_terminated_viewer_gives_the_terminal_back() {
    let home = Home::new();
    home.launch(ECHO);
    for (signal, status) in [(Signal::TERM, 143), (Signal::HUP, 129), (Signal::INT, 120)] {
        let mut terminal = attach(&home);
        let before = terminal.settings();
        terminal.wait_for("ready");
        kill_process(terminal.pid(), signal).unwrap();
        assert_eq!(terminal.end(), status);
        assert!(same_settings(&before, &terminal.settings()), "{signal:?}");
    }
    assert_eq!(home.record("@last")["status"], "running");
}

#[test]
fn ctrl_c_and_other_keys_reach_the_agent() {
    let home = Home::new();
    let script = "trap 'echo interrupted' INT; trap 'echo quit' QUIT; echo ready; \
                  while :; do read line && echo \"<$line>\"; done";
    let mut terminal = Terminal::run(&home.coven(["run", "sh", script]));
    terminal.wait_for("ready");
    terminal.press(b"\x03");
    terminal.wait_for("interrupted");
    // The second of two is the agent's, whose terminal takes it for Quit; the d is only a d.
    terminal.press(b"\x1c\x1c");
    terminal.wait_for("quit");
    terminal.press(b"d\r");
    terminal.wait_for("<d>");
    home.text(["kill", "@last"]);
    assert!(terminal.end() > 128);
}

#[test]
fn the_agents_terminal_takes_the_size_of_the_viewers() {
    let home = Home::new();
    let script = "trap 'stty size' WINCH; echo ready; while :; do read line; stty size; done";
    let mut terminal = Terminal::run(&home.coven(["run", "sh", script]));
    terminal.wait_for("ready");
    terminal.press(b"\r");
    terminal.wait_for("24 80");
    terminal.resize(101, 31);
    terminal.wait_for("31 101");
    terminal.press(b"\x1cd");
    assert_eq!(terminal.end(), 120);
}

#[test]
fn a_session_that_has_ended_shows_its_end_and_its_status() {
    let home = Home::new();
    let id = home.launch("echo over; exit 4");
    home.wait_for_end(&id);
    let mut terminal = attach(&home);
    terminal.wait_for("over");
    assert_eq!(terminal.end(), 4);
}

#[test]
fn a_viewer_whose_daemon_is_killed_goes_on_with_the_next_which_it_starts() {
    let home = Home::new();
    let script = "printf '\\033[?1049hready\\r\\n'; n=0; while read line; do n=$((n+1)); \
                  echo \"$n<$line>\"; [ \"$line\" = leave ] && exit 5; done";
    home.launch(script);
    let mut terminal = attach(&home);
    let before = terminal.settings();
    terminal.wait_for("ready");
    for n in 1..=3 {
        terminal.press(format!("early {n}\r").as_bytes());
        terminal.wait_for(&format!("<early {n}>"));
        home.kill_daemon();
        // Nobody else starts the next one; what is typed while there is none arrives once.
        terminal.press(format!("late {n}\r").as_bytes());
        let shown = terminal.shown_up_to(&format!("{}<late {n}>", 2 * n));
        // Nothing is drawn anew, and nothing undone.
        for again in ["ready", "early", "\x1b[?1049l", "\x1b[2J"] {
            assert!(!shown.contains(again), "{shown:?}");
        }
    }
    terminal.press(b"leave\r");
    terminal.wait_for("7<leave>");
    terminal.wait_for("\x1b[?1049l");
    assert_eq!(terminal.end(), 5);
    assert!(same_settings(&before, &terminal.settings()));
}

#[test]
fn a_viewer_goes_on_over_a_restart_and_hardly_shows_it() {
    let home = Home::new();
    let mut terminal = Terminal::run(&home.coven(["run", "sh", ECHO]));
    terminal.wait_for("ready");
    for n in 1..=3 {
        let begun = Instant::now();
        home.text(["daemon", "restart"]);
        terminal.press(format!("line {n}\r").as_bytes());
        let shown = terminal.shown_up_to(&format!("<line {n}>"));
        assert!(!shown.contains("ready"), "{shown:?}");
        // On a busy machine it may take long enough to be said.
        let may_say_so = begun.elapsed() >= Duration::from_secs(1);
        assert!(may_say_so || !shown.contains("waiting"), "{shown:?}");
    }
    terminal.press(b"leave\r");
    assert_eq!(terminal.end(), 5);
}

#[test]
fn a_viewer_whose_daemon_was_stopped_says_so_beside_the_screen_and_can_be_left() {
    let home = Home::new();
    home.launch(r"printf '\033[?1049hready'; tail -f /dev/null");
    let mut terminal = attach(&home);
    let before = terminal.settings();
    terminal.wait_for("ready");
    home.text(["daemon", "stop"]);
    terminal.wait_for("\x1b]2;coven: waiting for the daemon\x07");
    terminal.press(b"typed in vain");
    terminal.press(b"\x1cd");
    terminal.wait_for("\x1b[23;2t");
    terminal.wait_for("\x1b[?1049l");
    terminal.wait_for("of what was typed, the last 13 bytes may not have arrived");
    terminal.wait_for("detached");
    assert_eq!(terminal.end(), 120);
    assert!(same_settings(&before, &terminal.settings()));
    assert_eq!(home.output(["daemon", "status"]).status.code(), Some(122));
}

#[test]
fn without_driving_it_a_terminal_is_spared_queries_and_put_back() {
    let home = Home::new();
    let script = r"printf 'a\033[6nb\033[?1049h\033[cready\n'; kill -KILL $$";
    let mut terminal =
        Terminal::run(&home.coven(["run", "--mode", "noninteractive", "sh", script]));
    terminal.wait_for("ab\x1b[?1049hready\r\n");
    terminal.wait_for("\x1b[?1049l");
    assert_eq!(terminal.end(), 137);
}

#[test]
fn a_session_that_takes_no_keys_says_so_and_can_be_watched_and_left() {
    let home = Home::new();
    home.text(["run", "--detach", "sh", ENDLESS]);
    let mut terminal = attach(&home);
    terminal.wait_for("takes no keys; ctrl-\\ d detaches");
    terminal.wait_for("begun");
    terminal.press(b"ignored\r\x1cd");
    assert_eq!(terminal.end(), 120);
    home.text(["kill", "@last"]);
}

#[test]
fn attach_without_a_terminal_says_what_to_use_instead() {
    let home = Home::new();
    let said = home.refused(2, ["attach", "@last"]);
    assert!(said.contains("coven log --follow"), "{said}");
}

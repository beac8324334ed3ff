//! Whose home it is: before anything in it is trusted, a daemon that runs there among it.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};

use rustix::process::geteuid;

use crate::fake_daemon::FakeDaemon;
use crate::home::Home;

/// One of each kind.
const COMMANDS: [&[&str]; 7] = [
    &["sessions"],
    &["kill", "x"],
    &["harnesses"],
    &["run", "sh", "true"],
    &["daemon", "start"],
    &["daemon", "status"],
    &["daemon", "stop"],
];

#[test]
fn a_home_that_is_a_symlink_is_refused_though_a_daemon_runs_there() {
    let home = Home::new();
    home.text(["daemon", "start"]);
    let link = home.project().join("link");
    symlink(home.dir(), &link).unwrap();
    // With a slash or a dot at its end, it is the same link.
    for link in [link.clone(), link.join(""), link.join(".")] {
        for command in COMMANDS {
            let args = ["--home", link.to_str().unwrap()];
            let said = home.refused(1, args.into_iter().chain(command.iter().copied()));
            assert!(said.contains("symbolic link"), "{command:?}: {said}");
        }
    }
    assert!(home.daemon_pid().is_some());
}

#[test]
fn a_socket_that_is_a_symlink_is_not_followed_to_another_homes_daemon() {
    let (home, other) = (Home::new(), Home::new());
    other.text(["daemon", "start"]);
    let socket = home.dir().join("coven.sock");
    symlink(other.dir().join("coven.sock"), &socket).unwrap();
    for command in COMMANDS
        .iter()
        .filter(|command| **command != ["daemon", "stop"])
    {
        let said = home.refused(122, command.iter().copied());
        assert!(said.contains("a symbolic link"), "{command:?}: {said}");
        assert!(said.contains("remove it"), "{command:?}: {said}");
    }
    assert_eq!(home.text(["daemon", "stop"]), "no daemon runs\n");
    let doctor = home.output(["doctor"]);
    assert_eq!(doctor.status.code(), Some(1), "{doctor:?}");
    assert!(other.daemon_pid().is_some());
    assert_eq!(other.json(["sessions", "--json"]), serde_json::json!([]));
    fs::remove_file(&socket).unwrap();
    fs::write(&socket, "").unwrap();
    let said = home.refused(122, ["sessions"]);
    assert!(said.contains("another file"), "{said}");
    fs::remove_file(&socket).unwrap();
    assert_eq!(home.text(["run", "sh", "echo own"]), "own\n");
}

#[test]
fn a_home_of_another_user_is_refused_though_a_daemon_runs_there() {
    if !geteuid().is_root() {
        // Only root can give a directory away.
        return;
    }
    let home = Home::new();
    let fake = FakeDaemon::start(&home.dir(), env!("CARGO_PKG_VERSION"));
    chown(home.dir(), Some(65_534), None).unwrap();
    for command in COMMANDS {
        let said = home.refused(1, command.iter().copied());
        assert!(said.contains("another user"), "{command:?}: {said}");
    }
    let doctor = home.output(["doctor"]);
    assert_eq!(doctor.status.code(), Some(1), "{doctor:?}");
    chown(home.dir(), Some(0), None).unwrap();
    fake.stop();
}

#[test]
fn a_home_that_its_group_can_write_to_is_closed_to_it_before_it_is_used() {
    let home = Home::new();
    home.text(["daemon", "start"]);
    fs::set_permissions(home.dir(), fs::Permissions::from_mode(0o770)).unwrap();
    let output = home.output(["sessions", "--json"]);
    assert_eq!(output.stdout, b"[]\n");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("open to other users"), "{said}");
    assert_eq!(fs::metadata(home.dir()).unwrap().mode() & 0o7777, 0o700);
    let again = home.output(["sessions", "--json"]);
    assert!(again.stderr.is_empty(), "told once");
}

#[test]
fn a_directory_that_holds_another_programs_file_of_the_logs_name_is_left_as_it_is() {
    let home = Home::new();
    let names = || {
        let entries = fs::read_dir(home.dir()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    for content in ["not a database", ""] {
        fs::write(home.dir().join("coven.redb"), content).unwrap();
        let before = names();
        for command in [
            &["sessions"][..],
            &["run", "sh", "true"],
            &["daemon", "start"],
            &["daemon", "serve"],
        ] {
            let said = home.refused(1, command.iter().copied());
            assert!(said.contains("coven.redb"), "{command:?}: {said}");
            assert_eq!(names(), before, "{command:?}");
        }
    }
    fs::remove_file(home.dir().join("coven.redb")).unwrap();
}

//! `--offline`: a home that no daemon has open, read by the command itself.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::{Command, Output};

use rustix::process::{Pid, Signal, geteuid, kill_process};

use crate::home::{ENDLESS, Home, eventually};
use crate::not_run::not_run;

/// One of each, of the newest session.
const READING: [&[&str]; 11] = [
    &["sessions", "--all"],
    &["sessions", "--all", "--json"],
    &["sessions", "--status", "failed", "--json"],
    &["show", "@last"],
    &["show", "--json", "@last"],
    &["log", "@last"],
    &["log", "--json", "@last"],
    &["log", "--raw", "@last"],
    &["events", "@last"],
    &["events", "--json", "@last"],
    &["events", "--after", "3", "@last"],
];

#[test]
fn what_is_read_offline_is_what_the_daemon_says_to_the_byte() {
    let home = Home::new();
    let archived = home.launch("echo away");
    home.wait_for_end(&archived);
    home.text(["archive", &archived]);
    let killed = home.launch(ENDLESS);
    home.wait_for_output(&killed, "begun");
    home.text(["kill", &killed]);
    home.output(["run", "--title", "söme", "--label", "blue", "sh", "exit 9"]);
    home.output([
        "run",
        "sh",
        r"printf 'bad \377\033[31m red'; printf '\033'; exit 7",
    ]);
    let start = &killed[..killed.len() - 2];
    let mut commands: Vec<Vec<&str>> = READING.iter().map(|command| command.to_vec()).collect();
    for id in [&archived, &killed, start, "nobody", "not an id"] {
        commands.push(vec!["show", id]);
        commands.push(vec!["events", "--json", id]);
    }
    let all = || -> Vec<Said> { commands.iter().map(|args| said(&home, args)).collect() };
    let with_daemon = all();
    home.text(["daemon", "stop"]);
    for (args, daemon) in commands.iter().zip(with_daemon) {
        let mut args = args.clone();
        args.push("--offline");
        assert_eq!(said(&home, &args), daemon, "{args:?}");
    }
    assert!(home.daemon_pid().is_none());
    // Whatever names the home.
    let dir = home.dir();
    let named = ["--home", dir.to_str().unwrap(), "log", "@last", "--offline"];
    let mut elsewhere = home.coven(named);
    elsewhere.env("COVEN_HOME", home.project());
    assert!(elsewhere.output().unwrap().stdout.starts_with(b"bad "));
}

#[test]
fn after_kill_9_a_session_that_looks_live_is_shown_as_recorded_and_nothing_is_changed() {
    let home = Home::new();
    let id = killed_with_a_live_session(&home);
    let before = files(&home.dir());
    for args in READING {
        let output = home.output(args.iter().copied().chain(["--offline"]));
        assert!(output.status.success(), "{args:?}: {output:?}");
        assert_eq!(files(&home.dir()), before, "{args:?}");
    }
    let record = home.json(["show", "--json", "--offline", &id]);
    assert_eq!(record["status"], "running");
    assert!(home.text(["log", "--offline", &id]).contains("begun"));
    // The next daemon finds all as it was left, and takes the session over.
    assert_eq!(home.record(&id)["status"], "running");
}

#[test]
fn what_waits_in_a_spool_of_a_dead_daemon_is_told_with_how_much_it_is_and_comes_with_the_next() {
    let home = Home::new();
    let id = home
        .launch("echo begun; until [ -e go ]; do sleep 0.05; done; printf 'since then'; exit 3");
    home.wait_for_output(&id, "begun");
    kill_its_daemon(&home);
    let one = |command: &'static str| [command, id.as_str(), "--offline"];
    let nothing_waits = home.output(one("log"));
    assert!(nothing_waits.stderr.is_empty(), "{nothing_waits:?}");
    fs::write(home.project().join("go"), "").unwrap();
    let told = |command| {
        let output = home.output(one(command));
        assert!(output.status.success(), "{output:?}");
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (text(&output.stdout), text(&output.stderr))
    };
    let whole = "10 bytes of its output and its end are in its spool";
    eventually("its end in its spool", || {
        told("show").1.contains(whole).then_some(())
    });
    assert_eq!(told("log").0, "begun\n", "it is not in the log");
    for command in ["log", "show", "events", "export"] {
        let (_, said) = told(command);
        assert!(
            said.contains(whole) && said.lines().count() == 1,
            "{command}: {said}"
        );
    }
    home.wait_for_end(&id);
    assert_eq!(home.text(["log", &id]), "begun\nsince then\n");
    home.text(["daemon", "stop"]);
    let (log, said) = told("log");
    assert_eq!((&*log, &*said), ("begun\nsince then\n", ""));
}

#[test]
fn a_home_whose_daemon_lives_is_refused_and_the_daemon_named() {
    let home = Home::new();
    let id = home.launch(ENDLESS);
    let pid = format!("process {} ", home.daemon_pid().unwrap());
    for args in READING {
        let said = home.refused(122, args.iter().copied().chain(["--offline"]));
        assert!(said.contains(&pid), "{args:?}: {said}");
        assert!(said.contains("without --offline"), "{args:?}: {said}");
    }
    assert_eq!(home.record(&id)["status"], "running");
}

#[test]
fn a_read_only_copy_is_read_whole_whether_or_not_it_was_closed() {
    let clean = Home::new();
    clean.text(["run", "sh", "echo one; echo two"]);
    clean.text(["daemon", "stop"]);
    let unclean = Home::new();
    killed_with_a_live_session(&unclean);
    for home in [clean, unclean] {
        let before = files(&home.dir());
        for args in READING {
            let args: Vec<&str> = args.iter().copied().chain(["--offline"]).collect();
            let Some(output) = read_only(&home, &args) else {
                return;
            };
            assert!(output.status.success(), "{args:?}: {output:?}");
            assert_eq!(said_by(output), said(&home, &args), "{args:?}");
        }
        // So is one whose lock was not copied, and one that may not be written to.
        fs::remove_file(home.dir().join("lock")).unwrap();
        let log = ["log", "@last", "--offline"];
        let output = read_only(&home, &log).unwrap();
        assert!(output.status.success(), "{output:?}");
        for name in ["coven.redb", "coven.redb.journal", "format"] {
            let read_only = fs::Permissions::from_mode(0o400);
            fs::set_permissions(home.dir().join(name), read_only).unwrap();
        }
        fs::set_permissions(home.dir(), fs::Permissions::from_mode(0o500)).unwrap();
        home.text(log);
        fs::set_permissions(home.dir(), fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(files(&home.dir()), before);
        for name in ["coven.redb", "coven.redb.journal", "format"] {
            let writable = fs::Permissions::from_mode(0o600);
            fs::set_permissions(home.dir().join(name), writable).unwrap();
        }
    }
}

#[test]
fn a_read_only_copy_that_is_open_to_others_is_refused_with_what_to_do() {
    let home = Home::new();
    home.text(["run", "sh", "echo one"]);
    home.text(["daemon", "stop"]);
    fs::set_permissions(home.dir(), fs::Permissions::from_mode(0o770)).unwrap();
    let Some(output) = read_only(&home, &["log", "@last", "--offline"]) else {
        return;
    };
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot be closed to them"), "{said}");
    assert!(said.contains("`cp -r`"), "{said}");
    // Where it can be written to, it is closed as by any other command.
    assert_eq!(home.text(["log", "@last", "--offline"]), "one\n");
    assert_eq!(fs::metadata(home.dir()).unwrap().mode() & 0o7777, 0o700);
}

#[test]
fn who_reads_a_home_that_may_not_be_written_to_is_told_how() {
    let home = Home::new();
    home.text(["run", "sh", "echo one"]);
    home.text(["daemon", "stop"]);
    let Some(output) = read_only(&home, &["log", "@last"]) else {
        return;
    };
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(122), "{said}");
    assert!(said.contains("is read with `--offline`"), "{said}");
}

#[test]
fn a_home_that_is_not_our_own_is_refused_offline_too() {
    let home = Home::new();
    home.text(["run", "sh", "echo one"]);
    home.text(["daemon", "stop"]);
    let link = home.project().join("link");
    symlink(home.dir(), &link).unwrap();
    for args in READING {
        let at = ["--home", link.to_str().unwrap()];
        let at = at.into_iter().chain(args.iter().copied());
        let said = home.refused(1, at.chain(["--offline"]));
        assert!(said.contains("symbolic link"), "{args:?}: {said}");
    }
    if !geteuid().is_root() {
        return not_run("only root can give a directory away");
    }
    chown(home.dir(), Some(65_534), None).unwrap();
    for args in READING {
        let said = home.refused(1, args.iter().copied().chain(["--offline"]));
        assert!(said.contains("another user"), "{args:?}: {said}");
    }
    chown(home.dir(), Some(0), None).unwrap();
}

#[test]
fn offline_makes_nothing_where_nothing_ever_ran() {
    let home = Home::new();
    let before = files(&home.dir());
    for exists in [true, false] {
        assert_eq!(home.text(["sessions", "--json", "--offline"]), "[]\n");
        let said = home.refused(123, ["show", "@last", "--offline"]);
        assert!(said.contains("no sessions yet"), "{said}");
        if exists {
            assert_eq!(files(&home.dir()), before);
            fs::remove_dir_all(home.dir()).unwrap();
        }
    }
    assert!(!home.dir().exists());
}

#[test]
fn what_is_read_offline_cannot_be_followed() {
    let home = Home::new();
    for args in [
        &["log", "--follow", "--offline", "@last"][..],
        &["events", "--follow", "--offline"],
    ] {
        let said = home.refused(2, args.iter().copied());
        assert!(said.contains("'--offline'"), "{said}");
    }
}

/// A home whose daemon was ended by force while a session ran; gives the session's id.
fn killed_with_a_live_session(home: &Home) -> String {
    home.output(["run", "sh", "echo before; exit 3"]);
    let id = home.launch(ENDLESS);
    home.wait_for_output(&id, "begun");
    kill_its_daemon(home);
    id
}

/// Ends the home's daemon by force, and waits until it has ended.
fn kill_its_daemon(home: &Home) {
    let pid = i32::try_from(home.daemon_pid().unwrap()).unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    // Its socket hears nobody once it has ended, and its lock is free.
    let mut free = Command::new("flock");
    free.arg(home.dir().join("lock")).arg("true");
    assert!(free.status().unwrap().success());
}

/// `coven` with these arguments, to which the home is on a file system that takes no writes.
fn read_only(home: &Home, args: &[&str]) -> Option<Output> {
    let script = "mount --bind \"$COVEN_HOME\" \"$COVEN_HOME\" &&
        mount -o remount,bind,ro \"$COVEN_HOME\" || exit 77; exec \"$@\"";
    let coven = home.coven(args.iter().copied());
    let mut shell = Command::new("unshare");
    shell
        .args([
            "--user",
            "--map-root-user",
            "--mount",
            "--",
            "sh",
            "-c",
            script,
            "sh",
        ])
        .arg(coven.get_program())
        .args(args)
        .env_clear()
        .envs(
            coven
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .current_dir(home.project());
    let output = shell.output().ok()?;
    let told = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(77) || told.starts_with("unshare:") {
        not_run(format_args!("nothing can be mounted here: {told}"));
        return None;
    }
    Some(output)
}

/// What a command said, and how it ended.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    status: Option<i32>,
    stdout: String,
    stderr: String,
}

fn said(home: &Home, args: &[&str]) -> Said {
    said_by(home.output(args.iter().copied()))
}

fn said_by(output: Output) -> Said {
    let stdout = String::from_utf8_lossy(&output.stdout);
    // How old a session is now is the one thing that changes.
    let is_age = |word: &str| word.ends_with('s') && word[..word.len() - 1].parse::<u64>().is_ok();
    let words = stdout
        .split(' ')
        .map(|word| if is_age(word) { "AGE" } else { word });
    Said {
        status: output.status.code(),
        stdout: words.collect::<Vec<_>>().join(" "),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Every file of a home but its lock, with its content and when it was last written to.
fn files(dir: &Path) -> BTreeMap<String, (Vec<u8>, i64, i64)> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    entries
        .filter(|entry| entry.file_type().unwrap().is_file() && entry.file_name() != "lock")
        .map(|entry| {
            let of = entry.metadata().unwrap();
            let content = fs::read(entry.path()).unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, (content, of.mtime(), of.mtime_nsec()))
        })
        .collect()
}

#[test]
fn a_last_commit_that_is_let_go_is_told_of_offline_too() {
    let home = Home::new();
    let id = home.launch(ENDLESS);
    home.wait_for_output(&id, "begun");
    home.text(["input", &id, "the newest word"]);
    home.kill_daemon();
    let journal = fs::read(home.dir().join("coven.redb.journal")).unwrap();
    let places: Vec<usize> = (0..journal.len())
        .filter(|at| journal[*at..].starts_with(b"the newest word"))
        .collect();
    assert!(!places.is_empty(), "it is in the journal");
    let said_of = |journal: &[u8]| {
        let copy = home.project().join("copy");
        let _ = fs::remove_dir_all(&copy);
        fs::create_dir(&copy).unwrap();
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o700)).unwrap();
        for file in ["format", "coven.redb"] {
            fs::copy(home.dir().join(file), copy.join(file)).unwrap();
        }
        fs::write(copy.join("coven.redb.journal"), journal).unwrap();
        let output = home.output(["--home", copy.to_str().unwrap(), "sessions", "--offline"]);
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(!said_of(&journal).contains("let go"));
    let is_told = |at: &usize| {
        let mut journal = journal.clone();
        journal[*at] ^= 3;
        said_of(&journal).contains("coven: its last commit is not whole and was let go")
    };
    assert!(places.iter().any(is_told));
}

//! What a spawned process has, and nothing else: its session, descriptors, signals, directory,
//! arguments and environment; and why a process cannot be spawned.

mod support;

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use bytes::Bytes;
use coven_core::Exit;
use coven_harness::process::{Spawn, SpawnError, Stdin, Wiring, spawn};
use support::{SUCCESS, all, directory, exit, in_terminal, shell, terminal_output, told, within};

#[tokio::test]
async fn each_wiring_gives_a_session_of_its_own_and_its_terminal_is_the_controlling_one() {
    let session = "read pid name state parent group session rest < /proc/$$/stat; \
                   [ $session = $$ ] && echo leader; echo $TERM";
    let with_tty = format!("{session}; echo here > /dev/tty");
    for wiring in [in_terminal(), terminal_output(Stdin::Null)] {
        let (said, _) = told(&with_tty, wiring).await;
        assert_eq!(said, "leader\r\nxterm-256color\r\nhere\r\n");
    }
    let without = format!("{session}; ( : < /dev/tty ) 2>/dev/null || echo none");
    assert_eq!(
        told(&without, Wiring::Pipes).await.0,
        "leader\nxterm-256color\nnone\n"
    );
}

#[tokio::test]
async fn a_child_has_nothing_open_but_its_standard_streams() {
    // What a careless library leaves open: not close-on-exec.
    let _careless = rustix::io::dup(directory("/")).unwrap();
    for wiring in [in_terminal(), terminal_output(Stdin::Null), Wiring::Pipes] {
        let (said, _) = told("ls /proc/$$/fd", wiring).await;
        assert_eq!(said.split_whitespace().collect::<Vec<_>>(), ["0", "1", "2"]);
    }
}

/// Runs itself once more where hangups, interrupts and the ends of children are ignored, as under
/// nohup, in a script's background, or by a careless starter.
#[tokio::test]
async fn a_child_has_default_signals_and_the_given_limit_of_open_files() {
    if std::env::var_os("IGNORING_SIGNALS").is_none() {
        let test = "a_child_has_default_signals_and_the_given_limit_of_open_files";
        let status = Command::new("/bin/sh")
            .args([
                "-c",
                r#"trap '' HUP INT QUIT PIPE CHLD; exec "$0" --exact "$1""#,
            ])
            .arg(std::env::current_exe().unwrap())
            .arg(test)
            .env("IGNORING_SIGNALS", "1")
            .status();
        assert!(status.unwrap().success());
        return;
    }
    let script = "ulimit -Sn; exec sed -n 's/^Sig\\(Blk\\|Ign\\):.//p' /proc/self/status";
    // Two signals are the C library's own, which lets nobody touch them.
    let ours = !(0b11_u64 << 31);
    for wiring in [in_terminal(), Wiring::Pipes] {
        let mut spawned = shell(script, &[], wiring);
        spawned.open_files.current = Some(77);
        let mut child = spawn(spawned).unwrap();
        let said = String::from_utf8(all(&mut child).await).unwrap();
        let lines: Vec<&str> = said.split_whitespace().collect();
        let [files, blocked, ignored] = lines[..] else {
            panic!("{said:?}")
        };
        for signals in [blocked, ignored] {
            assert_eq!(
                u64::from_str_radix(signals, 16).unwrap() & ours,
                0,
                "{said:?}"
            );
        }
        assert_eq!(files, "77");
        assert_eq!(exit(&mut child).await, SUCCESS);
    }
}

#[tokio::test]
async fn a_hundred_processes_spawned_by_many_tasks_at_once_end_each_in_its_own_way() {
    const TASKS: u8 = 10;
    const EACH: u8 = 10;
    let open_files = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    drop(told("true", in_terminal()).await); // what a runtime opens once
    let before = open_files();
    let tasks = (0..TASKS).map(|task| {
        tokio::spawn(async move {
            let mut pids = Vec::new();
            for turn in 0..EACH {
                let code = task * EACH + turn;
                let wiring = match code % 3 {
                    0 => in_terminal(),
                    1 => terminal_output(Stdin::Bytes(Bytes::from_static(b"x"))),
                    _ => Wiring::Pipes,
                };
                let script = format!("echo says {code}; exit {code}");
                let mut child = spawn(shell(&script, &[], wiring)).unwrap();
                let said = all(&mut child).await;
                assert_eq!(said.trim_ascii_end(), format!("says {code}").as_bytes());
                assert_eq!(exit(&mut child).await, Exit::Code { code: code.into() });
                pids.push(child.facts.pid);
            }
            pids
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        for pid in within(task).await.unwrap() {
            assert!(
                !Path::new("/proc").join(pid.to_string()).exists(),
                "a zombie"
            );
        }
    }
    // Other tests of this program open and close files meanwhile, but keep none.
    within(async {
        while open_files() > before {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_directory_swapped_after_it_was_opened_is_not_entered() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path().canonicalize().unwrap();
    let [good, evil, link] = ["good", "evil", "link"].map(|name| home.join(name));
    std::fs::create_dir(&good).unwrap();
    std::fs::create_dir(&evil).unwrap();
    symlink(&good, &link).unwrap();
    for wiring in [in_terminal(), terminal_output(Stdin::Null), Wiring::Pipes] {
        let mut asked = shell("pwd -P", &[], wiring);
        asked.directory = directory(&link);
        std::fs::remove_file(&link).unwrap();
        symlink(&evil, &link).unwrap();
        let mut child = spawn(asked).unwrap();
        let said = String::from_utf8(all(&mut child).await).unwrap();
        assert_eq!(Path::new(said.trim_end()), good);
        std::fs::remove_file(&link).unwrap();
        symlink(&good, &link).unwrap();
    }
}

#[tokio::test]
async fn arguments_arrive_as_they_are_up_to_the_systems_limit() {
    let longest = "ä".repeat(131_070 / 2) + "x";
    for argument in [
        "",
        "-x",
        "a\nb\t\u{1b}[31m🦀",
        "$(touch /x) `y` \\",
        longest.as_str(),
    ] {
        let mut child = spawn(shell(r#"printf %s "$1""#, &[argument], Wiring::Pipes)).unwrap();
        assert!(all(&mut child).await == argument.as_bytes());
    }
    let over = shell("true", &[&"x".repeat(131_072)], in_terminal());
    assert!(matches!(spawn(over), Err(SpawnError::TooLong)));
    let nul = shell("true", &["a\0b"], in_terminal());
    assert!(matches!(spawn(nul), Err(SpawnError::Nul)));
}

#[tokio::test]
async fn a_failed_spawn_tells_what_to_mend() {
    let home = tempfile::tempdir().unwrap();
    // Written by another process: a file this one has open for writing cannot be executed.
    let make = "printf '#!/no/such/interpreter\n' > script; chmod 755 script; echo > plain";
    let made = Command::new("/bin/sh")
        .args(["-c", make])
        .current_dir(&home)
        .status();
    assert!(made.unwrap().success());
    let attempt = |program: PathBuf, wiring| {
        spawn(Spawn {
            program,
            ..shell("", &[], wiring)
        })
        .expect_err("it runs")
    };
    for wiring in [in_terminal as fn() -> Wiring, || Wiring::Pipes] {
        let error = attempt(home.path().join("none"), wiring());
        assert!(
            matches!(error, SpawnError::MissingExecutable { .. }),
            "{error:?}"
        );
        let error = attempt(home.path().join("script"), wiring());
        assert!(
            matches!(error, SpawnError::MissingInterpreter { .. }),
            "{error:?}"
        );
        for name in ["plain", "."] {
            let error = attempt(home.path().join(name), wiring());
            assert!(
                matches!(error, SpawnError::NotExecutable { .. }),
                "{error:?}"
            );
        }
    }
    let mut gone = shell("true", &[], in_terminal());
    let place = home.path().join("gone");
    std::fs::create_dir(&place).unwrap();
    gone.directory = directory(&place);
    std::fs::remove_dir(&place).unwrap();
    assert!(matches!(spawn(gone), Err(SpawnError::Directory { .. })));
}

#[tokio::test]
async fn the_environment_is_exactly_the_given_one() {
    let mut asked = shell("", &[], Wiring::Pipes);
    asked.program = PathBuf::from("/usr/bin/env");
    asked.args = Vec::new();
    asked.environment = [("B", "2"), ("A", "1 \n=")].into_iter().collect();
    let mut child = spawn(asked).unwrap();
    assert_eq!(all(&mut child).await, b"A=1 \n=\nB=2\n");
}

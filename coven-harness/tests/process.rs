//! Spawning, reading, writing and waiting, with real processes and terminals.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use bytes::Bytes;
use coven_core::{Channel, Exit};
use coven_harness::process::{MAX_READ_BYTES, Stdin, Wiring, is_running, spawn};
use support::{
    SUCCESS, all, by_channel, exit, in_terminal, noise, run, shell, size, terminal_output, told,
    until, within,
};

#[tokio::test]
async fn output_written_just_before_the_exit_is_read_to_its_end() {
    let script = "i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done";
    let mut child = run(script, in_terminal());
    let output = all(&mut child).await;
    assert_eq!(exit(&mut child).await, SUCCESS);
    let expected: String = (0..2000).map(|i| format!("line {i}\r\n")).collect();
    assert_eq!(String::from_utf8(output).unwrap(), expected);
}

#[tokio::test]
async fn output_left_in_the_terminal_by_an_ended_process_is_read() {
    let mut child = run("printf 'last words'", in_terminal());
    assert_eq!(exit(&mut child).await, SUCCESS);
    assert_eq!(all(&mut child).await, b"last words");
    assert!(
        within(child.output.read()).await.unwrap().is_none(),
        "the end stays the end"
    );
}

#[tokio::test]
async fn a_process_that_lets_go_of_its_terminal_and_opens_it_anew_is_heard() {
    let lets_go = "echo early; exec 0<&- 1>&- 2>&-; sleep 1";
    let (said, end) = told(&format!("{lets_go}; echo late >/dev/tty"), in_terminal()).await;
    assert_eq!((said.as_str(), end), ("early\r\nlate\r\n", SUCCESS));

    let (said, end) = told(&format!("{lets_go}; seq 1 30000 >/dev/tty"), in_terminal()).await;
    let numbers: String = (1..=30_000).map(|n| format!("{n}\r\n")).collect();
    assert!(
        said == format!("early\r\n{numbers}"),
        "{} bytes",
        said.len()
    );
    assert_eq!(end, SUCCESS);
}

#[tokio::test]
async fn a_descendant_that_keeps_the_terminal_is_heard_after_the_exit() {
    let home = tempfile::tempdir().unwrap();
    let gate = fifo(home.path());
    // The kernel sends SIGHUP to the terminal's foreground group when the leader ends.
    let script = r#"trap '' HUP; (read go < "$1"; echo later "$go") & exit 3"#;
    let mut child = spawn(shell(script, &[gate.to_str().unwrap()], in_terminal())).unwrap();
    assert_eq!(exit(&mut child).await, Exit::Code { code: 3 });
    tokio::task::spawn_blocking(move || std::fs::write(gate, "now\n").unwrap())
        .await
        .unwrap();
    assert_eq!(all(&mut child).await, b"later now\r\n");
}

#[tokio::test]
async fn the_exit_is_told_while_a_descendant_keeps_the_terminal_open() {
    let mut child = run("trap '' HUP; sleep 600 & echo $!; exit 0", in_terminal());
    assert_eq!(exit(&mut child).await, SUCCESS);
    let pid = until(&mut child.output, "\n").await;
    assert!(
        Path::new("/proc").join(pid.trim()).exists(),
        "a natural exit kills nobody"
    );
    assert!(
        Command::new("kill")
            .arg(pid.trim())
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(all(&mut child).await, b"");
}

#[tokio::test]
async fn every_byte_passes_a_raw_terminal_unchanged() {
    for seed in [1, 2, 3] {
        let (_home, path, expected) = noise_file(seed, 3_000_000);
        let script = r#"stty raw -echo; cat "$1""#;
        let mut child = spawn(shell(script, &[path.to_str().unwrap()], in_terminal())).unwrap();
        assert!(all(&mut child).await == expected, "seed {seed}");
        assert_eq!(exit(&mut child).await, SUCCESS);
    }
}

#[tokio::test]
async fn a_cooked_terminal_changes_line_ends_and_nothing_else() {
    let (_home, path, bytes) = noise_file(4, 1_000_000);
    let mut child = spawn(shell(
        r#"cat "$1""#,
        &[path.to_str().unwrap()],
        in_terminal(),
    ))
    .unwrap();
    let expected: Vec<u8> = bytes
        .iter()
        .flat_map(|byte| {
            if *byte == b'\n' {
                &b"\r\n"[..]
            } else {
                std::slice::from_ref(byte)
            }
        })
        .copied()
        .collect();
    assert!(all(&mut child).await == expected);
}

#[tokio::test]
async fn a_read_is_never_empty_and_never_over_the_limit() {
    let (_home, path, bytes) = noise_file(5, 1_000_000);
    let mut child = spawn(shell(
        r#"cat "$1""#,
        &[path.to_str().unwrap()],
        Wiring::Pipes,
    ))
    .unwrap();
    let mut total = 0;
    while let Some((_, bytes)) = within(child.output.read()).await.unwrap() {
        assert!((1..=MAX_READ_BYTES).contains(&bytes.len()));
        total += bytes.len();
    }
    assert_eq!(total, bytes.len());
}

#[tokio::test]
async fn pipes_tell_stdout_from_stderr_and_close_stdin_when_input_is_dropped() {
    let (_home, path, bytes) = noise_file(6, 500_000);
    let copy = path.with_extension("err");
    let script = r#"tee "$1" >&2; echo end"#;
    let mut child = spawn(shell(script, &[copy.to_str().unwrap()], Wiring::Pipes)).unwrap();
    let mut input = child.input.take().unwrap();
    assert!(child.terminal.is_none());
    let sent = bytes.clone();
    let writer = tokio::spawn(async move { input.write(&sent).await });
    let parts = by_channel(&mut child.output).await;
    within(writer).await.unwrap().unwrap();
    assert_eq!(exit(&mut child).await, SUCCESS);
    for (channel, said) in parts {
        match channel {
            Channel::Stderr => assert!(said == bytes),
            Channel::Stdout => assert_eq!(said, b"end\n"),
            Channel::Tty => panic!("there is no terminal"),
        }
    }
    assert!(std::fs::read(copy).unwrap() == bytes);
}

#[tokio::test]
async fn what_is_typed_arrives_byte_for_byte() {
    let (_home, path, bytes) = noise_file(7, 300_000);
    let copy = path.with_extension("copy");
    let script = r#"stty raw -echo; echo ready; head -c 300000 > "$1""#;
    let mut child = spawn(shell(script, &[copy.to_str().unwrap()], in_terminal())).unwrap();
    until(&mut child.output, "ready").await;
    within(child.input.as_mut().unwrap().write(&bytes))
        .await
        .unwrap();
    assert_eq!(exit(&mut child).await, SUCCESS);
    assert!(std::fs::read(copy).unwrap() == bytes);
}

#[tokio::test]
async fn a_terminal_for_output_only_reads_nothing_or_the_given_bytes() {
    let script = "[ -t 1 ] && [ -t 2 ] && ! [ -t 0 ] && : < /dev/tty && cat && echo end";
    let (said, end) = told(script, terminal_output(Stdin::Null)).await;
    assert_eq!((said.as_str(), end), ("end\r\n", SUCCESS));

    let (_home, path, bytes) = noise_file(8, 1_000_000);
    let copy = path.with_extension("copy");
    let wiring = terminal_output(Stdin::Bytes(bytes.clone().into()));
    let mut child = spawn(shell(r#"cat > "$1""#, &[copy.to_str().unwrap()], wiring)).unwrap();
    assert!(child.input.is_none() && child.terminal.is_some());
    assert_eq!(exit(&mut child).await, SUCCESS);
    assert!(std::fs::read(copy).unwrap() == bytes);
}

#[tokio::test]
async fn a_process_that_does_not_read_its_stdin_ends_all_the_same() {
    let wiring = terminal_output(Stdin::Bytes(Bytes::from(noise(9, 1_000_000))));
    assert_eq!(told("exit 5", wiring).await.1, Exit::Code { code: 5 });
}

#[tokio::test]
async fn a_terminal_has_its_size_from_the_start_and_a_resize_is_signalled() {
    let script = "stty size; trap 'stty size; kill $!; exit 0' WINCH; sleep 600 & echo ready; wait";
    let mut child = run(
        script,
        Wiring::Terminal {
            size: size(123, 45),
        },
    );
    let said = until(&mut child.output, "ready").await;
    assert!(said.starts_with("45 123\r\n"), "{said:?}");
    child
        .terminal
        .as_ref()
        .unwrap()
        .resize(size(77, 20))
        .unwrap();
    until(&mut child.output, "20 77\r\n").await;
    assert_eq!(exit(&mut child).await, SUCCESS);
}

#[tokio::test]
async fn the_facts_name_the_process_until_it_ends_and_no_zombie_is_left() {
    let mut child = run("read line; kill -TERM $$", in_terminal());
    let facts = child.facts.clone();
    assert!(is_running(&facts));
    let mut another = facts.clone();
    another.start_time += 1;
    assert!(
        !is_running(&another),
        "the same pid with another start is another process"
    );
    another = facts.clone();
    another.boot_id.push('x');
    assert!(!is_running(&another), "so it is in another boot");
    child.input.as_mut().unwrap().write(b"\n").await.unwrap();
    assert_eq!(exit(&mut child).await, Exit::Signal { signal: 15 });
    assert_eq!(
        exit(&mut child).await,
        Exit::Signal { signal: 15 },
        "asked again"
    );
    assert!(!is_running(&facts));
    assert!(!Path::new("/proc").join(facts.pid.to_string()).exists());
}

#[tokio::test]
async fn dropping_all_parts_hangs_the_terminal_up() {
    let home = tempfile::tempdir().unwrap();
    let gate = fifo(home.path());
    let script = r#"trap 'echo gone > "$1"; exit' HUP; echo ready; while :; do read x; done"#;
    let mut child = spawn(shell(script, &[gate.to_str().unwrap()], in_terminal())).unwrap();
    until(&mut child.output, "ready").await;
    drop(child);
    let heard = tokio::task::spawn_blocking(move || std::fs::read_to_string(gate).unwrap());
    assert_eq!(within(heard).await.unwrap(), "gone\n");
}

#[tokio::test]
async fn a_password_is_known_by_a_line_read_without_echo() {
    let script = "printf one; read a; stty -echo; printf two; read b; \
                  stty raw; printf three; head -c 1 > /dev/null";
    let mut child = run(script, in_terminal());
    let (terminal, input) = (child.terminal.unwrap(), child.input.as_mut().unwrap());
    for (prompt, secret) in [("one", false), ("two", true), ("three", false)] {
        until(&mut child.output, prompt).await;
        assert_eq!(terminal.secret_entry().unwrap(), secret, "{prompt}");
        input.write(b"x\n").await.unwrap();
    }
}

#[tokio::test]
async fn what_the_terminal_answers_is_typed_to_who_listens_and_never_echoed() {
    let script = r#"printf deaf > /dev/tty; read go < "$1"
                    stty raw -echo < /dev/tty; printf listening
                    head -c 6 < /dev/tty; stty -raw echo < /dev/tty; printf deaf"#;
    let home = tempfile::tempdir().unwrap();
    let gate = fifo(home.path());
    let arguments = [gate.to_str().unwrap()];
    let wiring = terminal_output(Stdin::Null);
    let mut child = spawn(shell(script, &arguments, wiring)).unwrap();
    let terminal = child.terminal.take().unwrap();
    until(&mut child.output, "deaf").await;
    assert!(!terminal.answer(b"\x1b[0n").unwrap(), "it would be echoed");
    tokio::task::spawn_blocking(move || std::fs::write(gate, "\n").unwrap());
    until(&mut child.output, "listening").await;
    assert!(terminal.answer(b"\x1b[1;1R").unwrap());
    let said = until(&mut child.output, "deaf").await;
    assert_eq!(said, "\x1b[1;1Rdeaf", "it came, and was told once");
    assert!(!terminal.answer(b"\x1b[0n").unwrap());
    drop(terminal);
    assert_eq!(all(&mut child).await, b"");
}

#[tokio::test]
async fn an_answer_that_has_no_room_is_not_waited_for() {
    let mut child = run("stty raw -echo; echo ready; exec sleep 600", in_terminal());
    until(&mut child.output, "ready").await;
    let terminal = child.terminal.as_ref().unwrap();
    let reply = [b'x'; 1024];
    let taken = (0..1000)
        .take_while(|_| terminal.answer(&reply).unwrap())
        .count();
    assert!((1..1000).contains(&taken), "{taken} KiB");
}

/// A named pipe in `folder`: its reader waits for its writer.
fn fifo(folder: &Path) -> PathBuf {
    let path = folder.join("gate");
    assert!(
        Command::new("mkfifo")
            .arg(&path)
            .status()
            .unwrap()
            .success()
    );
    path
}

/// A file of noise, in a directory that goes with the first part.
fn noise_file(seed: u64, len_bytes: usize) -> (tempfile::TempDir, PathBuf, Vec<u8>) {
    let (home, bytes) = (tempfile::tempdir().unwrap(), noise(seed, len_bytes));
    let path = home.path().join("noise");
    std::fs::write(&path, &bytes).unwrap();
    (home, path, bytes)
}

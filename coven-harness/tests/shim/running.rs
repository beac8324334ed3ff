//! What a session is under a shim: the same as without one.

use bytes::Bytes;
use coven_core::{Exit, OutputEnd};
use coven_harness::process::{SpawnError, Stdin, Wiring};
use coven_harness::shim::{LaunchError, Record};

use crate::process::Process;
use crate::support::{SUCCESS, directory, in_terminal, terminal_output, within};
use crate::world::{LIMIT_BYTES, Told, World, all, enter, program};

#[tokio::test]
async fn each_wiring_gives_a_session_of_its_own_with_its_terminal_and_nothing_else_open() {
    let script = "read pid name state parent group session rest < /proc/$$/stat; \
                  [ $session = $$ ] && echo leader; ls -1 /proc/$$/fd; \
                  ( : < /dev/tty ) 2>/dev/null && echo tty; pwd; umask; exit 3";
    let umask = {
        let mask = rustix::process::umask(rustix::fs::Mode::empty());
        rustix::process::umask(mask);
        format!("{:04o}", mask.bits())
    };
    for wiring in [in_terminal(), terminal_output(Stdin::Null), Wiring::Pipes] {
        let has_terminal = !matches!(wiring, Wiring::Pipes);
        let world = World::new();
        let mut child = world.run(script, wiring).await;
        let told = all(&mut child).await;
        let said = told.text().replace('\r', "");
        let expected = [
            "leader\n0\n1\n2\n",
            if has_terminal { "tty\n" } else { "" },
            "/\n",
            &umask,
            "\n",
        ];
        assert_eq!(said, expected.concat());
        assert_eq!(told.exit, Some(Exit::Code { code: 3 }));
        assert_eq!(told.end, Some(OutputEnd::Complete));
    }
}

#[tokio::test]
async fn a_child_has_default_signals_the_given_limit_of_open_files_and_only_its_environment() {
    let world = World::new();
    let script = "ulimit -Sn; sed -n 's/^Sig\\(Blk\\|Ign\\):.//p' /proc/self/status; env | wc -l";
    let mut spawn = world.spawn(script, Wiring::Pipes);
    spawn.open_files.current = Some(77);
    // What a shell adds of itself: PWD and SHLVL or `_`, as it likes.
    spawn.environment = [("A", "1"), ("PATH", "/usr/bin:/bin"), ("PWD", "/")]
        .into_iter()
        .collect();
    let mut child = world
        .launch(program(&[]), spawn, LIMIT_BYTES)
        .await
        .unwrap();
    let said = all(&mut child).await.text();
    let lines: Vec<&str> = said.split_whitespace().collect();
    let ours = !(0b11_u64 << 31);
    assert_eq!(lines[0], "77");
    for signals in &lines[1..3] {
        assert_eq!(
            u64::from_str_radix(signals, 16).unwrap() & ours,
            0,
            "{said}"
        );
    }
    assert!(lines[3].parse::<u32>().unwrap() <= 5, "{said}");
}

/// A program of its own: a shell may empty its mask before anybody looks.
#[tokio::test]
async fn a_child_has_no_signal_blocked_that_its_shim_reads() {
    for wiring in [in_terminal(), Wiring::Pipes] {
        let world = World::new();
        let mut spawn = world.spawn("", wiring);
        spawn.program = "/bin/grep".into();
        spawn.args = ["^SigBlk", "/proc/self/status"].map(Into::into).into();
        let mut child = world
            .launch(program(&[]), spawn, LIMIT_BYTES)
            .await
            .unwrap();
        let said = all(&mut child).await.text();
        assert_eq!(said.trim_end(), "SigBlk:\t0000000000000000");
    }
}

#[tokio::test]
async fn the_shim_has_neither_the_environment_nor_the_arguments_of_its_session_nor_its_directory() {
    let world = World::new();
    let mut spawn = world.spawn("echo ready; read x", in_terminal());
    spawn.environment.set("SECRET_OF_THE_SESSION", "value");
    let mut child = world
        .launch(program(&[]), spawn, LIMIT_BYTES)
        .await
        .unwrap();
    let mut told = Told::default();
    told.until(&mut child.records, "ready").await;
    let facts = child.facts.clone().unwrap();
    let shim = format!("/proc/{}", facts.shim_pid.unwrap());
    // Nor is it in the session of whoever started it, which a terminal may hang up.
    assert_eq!(
        Process::of(facts.shim_pid.unwrap()).session(),
        facts.shim_pid.unwrap()
    );
    for file in ["environ", "cmdline"] {
        let text = String::from_utf8(std::fs::read(format!("{shim}/{file}")).unwrap()).unwrap();
        assert!(!text.contains("SECRET") && !text.contains("echo"), "{text}");
        // It says that it is of no session: an agent may have started the engine.
        let text = text.replace("COVEN_SESSION_ID=none", "");
        assert!(!text.contains("COVEN_SESSION_ID"), "{text}");
    }
    assert_eq!(
        std::fs::read_link(format!("{shim}/cwd")).unwrap().to_str(),
        Some("/")
    );
    for entry in std::fs::read_dir(&world.folder).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap_or_default();
        assert!(
            !bytes.windows(6).any(|part| part == b"SECRET"),
            "{}",
            path.display()
        );
    }
    enter(&child).await;
    told.hear_all(&mut child.records).await;
    assert_eq!(told.exit, Some(SUCCESS));
}

#[tokio::test]
async fn when_all_is_acknowledged_the_shim_leaves_nothing_and_not_before() {
    let world = World::new();
    let mut child = world.run("echo done", in_terminal()).await;
    let shim = world.shim(&child);
    assert!(
        within(child.control.close()).await.is_err(),
        "nothing is acknowledged"
    );
    let mut told = Told::default();
    told.hear_all(&mut child.records).await;
    assert!(
        within(child.control.close()).await.is_err(),
        "its end is not acknowledged"
    );
    child.control.ack(told.last);
    within(child.control.close()).await.unwrap();
    assert!(!world.folder.exists());
    shim.until_ended().await;
}

#[tokio::test]
async fn a_launch_that_fails_says_what_to_mend_and_leaves_nothing() {
    let world = World::new();
    let mut spawn = world.spawn("", in_terminal());
    spawn.program = "/no/such/program".into();
    let failed = world.launch(program(&[]), spawn, LIMIT_BYTES).await;
    let Err(LaunchError::Spawn(SpawnError::MissingExecutable { program: missing })) = failed else {
        panic!("{failed:?}");
    };
    assert_eq!(missing.to_str(), Some("/no/such/program"));
    assert!(!world.folder.exists());

    let mut spawn = world.spawn("true", Wiring::Pipes);
    let gone = tempfile::tempdir().unwrap();
    spawn.directory = directory(gone.path());
    drop(gone);
    let failed = world.launch(program(&[]), spawn, LIMIT_BYTES).await;
    assert!(
        matches!(
            failed,
            Err(LaunchError::Spawn(SpawnError::Directory { .. }))
        ),
        "{failed:?}"
    );
    assert!(!world.folder.exists());

    let mut spawn = world.spawn("true", Wiring::Pipes);
    spawn.args = vec!["x".repeat(9 << 20).into()];
    let failed = world.launch(program(&[]), spawn, LIMIT_BYTES).await;
    assert!(
        matches!(failed, Err(LaunchError::Spawn(SpawnError::TooLong))),
        "{failed:?}"
    );

    let mut no_program = program(&[]);
    no_program.path = "/no/such/shim".into();
    let spawn = world.spawn("true", Wiring::Pipes);
    let failed = world.launch(no_program, spawn, LIMIT_BYTES).await;
    assert!(
        matches!(failed, Err(LaunchError::Program { .. })),
        "{failed:?}"
    );
    assert!(!world.folder.exists());
}

#[tokio::test]
async fn a_prompt_on_stdin_arrives_whole_and_ends_and_pipes_keep_their_channels() {
    let world = World::new();
    let prompt = Bytes::from(vec![b'p'; 1 << 20]);
    let mut child = world
        .run("wc -c", terminal_output(Stdin::Bytes(prompt)))
        .await;
    assert_eq!(all(&mut child).await.text().trim(), (1 << 20).to_string());

    let world = World::new();
    let mut child = world.run("echo out; echo err >&2", Wiring::Pipes).await;
    let mut channels = Vec::new();
    let mut told = Told::default();
    while !told.is_over() {
        let next = within(child.records.next()).await.unwrap();
        if let Record::Output { channel, bytes, .. } = &next.record {
            channels.push((*channel, bytes.clone()));
        }
        told.add(next);
    }
    channels.sort_by_key(|(_, bytes)| bytes.clone());
    use coven_core::Channel;
    assert_eq!(
        channels,
        [
            (Channel::Stderr, Bytes::from_static(b"err\n")),
            (Channel::Stdout, Bytes::from_static(b"out\n")),
        ]
    );
}

#[tokio::test]
async fn a_descendant_that_keeps_the_terminal_open_is_left_alone_and_the_output_cut() {
    let world = World::new();
    let mut child = world
        .run("trap '' HUP; sleep 300 & echo $!", in_terminal())
        .await;
    let told = all(&mut child).await;
    assert_eq!(told.end, Some(OutputEnd::Cut));
    let sleeper = told.text().trim().to_owned();
    assert!(std::path::Path::new(&format!("/proc/{sleeper}")).exists());
    Process::of(sleeper.parse().unwrap()).kill().await;
}

#[tokio::test]
async fn a_folder_whose_path_is_longer_than_an_address_is_served_all_the_same() {
    let home = tempfile::tempdir().unwrap();
    let deep = home.path().join("d".repeat(120));
    std::fs::create_dir(&deep).unwrap();
    let world = World::at(&deep);
    let child = world.run("echo here; read x; exit 4", in_terminal()).await;
    drop(child);
    let mut child = world.adopt().await;
    enter(&child).await;
    assert_eq!(all(&mut child).await.exit, Some(Exit::Code { code: 4 }));
}

#[tokio::test]
async fn what_whoever_starts_a_shim_leaves_open_is_not_kept_open_by_it() {
    let left = tempfile::NamedTempFile::new().unwrap();
    // Any child of this process has it.
    rustix::io::fcntl_setfd(&left, rustix::io::FdFlags::empty()).unwrap();
    let world = World::new();
    let (child, _) = world.ready("echo ready; read x").await;
    let shim = world.shim(&child);
    let files = std::fs::read_dir(format!("/proc/{}/fd", shim.pid)).unwrap();
    let mut files = files.map(|file| std::fs::read_link(file.unwrap().path()).unwrap());
    assert!(!files.any(|file| file == left.path()));
}

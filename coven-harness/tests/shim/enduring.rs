//! What a shim and its process live through: signals, a stop, a folder that goes, a process that
//! does odd things to its terminal and leaves others behind.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use coven_core::{Exit, OutputEnd};
use coven_harness::process::{Wiring, is_running};
use coven_harness::shim::frame::Decoder;
use coven_harness::shim::{self, Found, Lost, Record};
use rustix::process::Signal;

use crate::process::Process;
use crate::support::{SUCCESS, in_terminal, within};
use crate::world::{LIMIT_BYTES, Left, Told, World, all, enter, program, type_in};

#[tokio::test]
async fn no_signal_but_kill_ends_a_shim_whose_session_goes_on() {
    let world = World::new();
    let (mut child, mut told) = world.ready("echo ready; read x; exit 4").await;
    let shim = world.shim(&child);
    // As at a logout, from a terminal, at the end of a scope, by a careless script.
    for signal in [
        Signal::HUP,
        Signal::INT,
        Signal::QUIT,
        Signal::PIPE,
        Signal::TERM,
        Signal::ALARM,
        Signal::USR1,
        Signal::USR2,
        Signal::VTALARM,
        Signal::PROF,
        Signal::IO,
        Signal::POWER,
        Signal::XCPU,
        Signal::XFSZ,
        Signal::TTIN,
        Signal::TTOU,
        Signal::TSTP,
    ] {
        shim.signal(signal);
    }
    enter(&child).await;
    told.hear_all(&mut child.records).await;
    assert_eq!(told.exit, Some(Exit::Code { code: 4 }));
}

#[tokio::test]
async fn a_shim_that_is_told_to_end_does_once_its_session_is_over_and_leaves_it_to_be_read() {
    let world = World::new();
    let script = "echo ready; read x; echo late; exit 4";
    let (child, mut told) = world.ready(script).await;
    let shim = world.shim(&child);
    shim.signal(Signal::TERM);
    enter(&child).await;
    drop(child);
    shim.until_ended().await;
    let remains = world.remains().await;
    for recorded in remains.records().unwrap() {
        told.add(recorded.unwrap());
    }
    assert!(told.text_ends("late\r\n"), "{}", told.text());
    assert_eq!(
        (told.exit, told.end),
        (Some(Exit::Code { code: 4 }), Some(OutputEnd::Complete))
    );
    // And at once, where it is over already.
    let world = World::new();
    let (mut child, mut told) = world.ready("echo ready").await;
    told.hear_all(&mut child.records).await;
    let shim = world.shim(&child);
    shim.signal(Signal::TERM);
    shim.until_ended().await;
    let remains = world.remains().await;
    assert!(Left::of(&remains).is_over());
}

/// What one who keeps the terminal writes after the process's end, once it is told to.
struct Late {
    go: PathBuf,
    done: PathBuf,
}

impl Late {
    /// More than one read gives, and less than the terminal holds.
    const LEN: usize = 9000;

    fn of(world: &World) -> Self {
        let [go, done] = ["go", "done"].map(|name| world.folder.with_extension(name));
        Self { go, done }
    }

    /// A process that leaves that one behind, and does this.
    fn script(&self, own: &str) -> String {
        format!(
            "trap '' HUP; stty raw; (until [ -e {go} ]; do :; done; head -c {len} /dev/zero; \
             : > {done}; exec sleep 300) & {own}",
            go = self.go.display(),
            len = Self::LEN,
            done = self.done.display()
        )
    }

    /// Tells it to, and waits until it has.
    async fn is_written(&self) {
        std::fs::write(&self.go, "").unwrap();
        within(async {
            while !self.done.exists() {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    fn is_all_in(&self, told: &Told) {
        let written = told.output.iter().filter(|byte| **byte == 0).count();
        assert_eq!((written, told.end), (Self::LEN, Some(OutputEnd::Cut)));
    }
}

#[tokio::test]
async fn a_shim_that_was_stopped_reads_what_was_written_after_the_exit_before_it_cuts() {
    // Stopped too late, it has cut the output already, and rightly.
    while !stopped_before_the_cut().await {}
}

/// What is written while a shim stands still by one who keeps the terminal is read by it. False
/// where it could not be stopped in time.
async fn stopped_before_the_cut() -> bool {
    let world = World::new();
    let late = Late::of(&world);
    let script = late.script("echo ready; kill -9 $$");
    let (mut child, mut told) = world.ready(&script).await;
    let shim = world.shim(&child);
    while told.exit.is_none() {
        within(told.next(&mut child.records)).await.unwrap();
    }
    shim.stop().await;
    let is_cut = |spool: &[u8]| {
        let mut decoder = Decoder::default();
        decoder.buffer().extend_from_slice(spool);
        let frames = std::iter::from_fn(|| decoder.next_frame().unwrap());
        let mut records = frames.filter_map(|frame| Record::decode(&frame).unwrap());
        records.any(|(_, record)| matches!(record, Record::OutputClosed { .. }))
    };
    if is_cut(&std::fs::read(world.part()).unwrap()) {
        shim.signal(Signal::CONT);
        return false;
    }
    let stopped_at = Instant::now();
    late.is_written().await;
    // The time passes in which it would be cut.
    tokio::time::sleep_until((stopped_at + Duration::from_millis(400)).into()).await;
    shim.signal(Signal::CONT);
    told.hear_all(&mut child.records).await;
    late.is_all_in(&told);
    true
}

#[tokio::test]
async fn what_was_written_while_the_record_of_the_exit_took_its_time_is_read_before_the_output_is_cut()
 {
    let world = World::new();
    let late = Late::of(&world);
    // A shim that stands still answers nobody who launches: its process ends once it was launched.
    let launched = world.folder.with_extension("launched");
    let wait = format!("until [ -e {} ]; do :; done", launched.display());
    let script = late.script(&format!("{wait}; kill -9 $$"));
    let spawn = world.spawn(&script, in_terminal());
    let child = world.launch(program(&["stop=ExitRecorded"]), spawn, LIMIT_BYTES);
    let mut child = child.await.unwrap();
    std::fs::write(&launched, "").unwrap();
    let shim = world.shim(&child);
    shim.until_stopped().await;
    let stopped_at = Instant::now();
    late.is_written().await;
    // Long enough for the output to be quiet, and not so long that it shows that nothing ran.
    tokio::time::sleep_until((stopped_at + Duration::from_millis(240)).into()).await;
    shim.signal(Signal::CONT);
    let told = all(&mut child).await;
    late.is_all_in(&told);
}

#[tokio::test]
async fn a_shim_whose_folder_was_removed_ends_once_nobody_is_connected_and_hangs_its_process_up() {
    let world = World::new();
    let (mut child, mut told) = world.ready("echo ready; read x; echo on; read x").await;
    let facts = child.facts.clone().unwrap();
    let shim = world.shim(&child);
    std::fs::remove_dir_all(&world.folder).unwrap();
    // Whoever is there is served on.
    enter(&child).await;
    told.until(&mut child.records, "on").await;
    drop(child);
    shim.until_ended().await;
    within(async {
        while is_running(&facts) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_shim_whose_folder_was_removed_while_nobody_was_connected_ends_with_its_process() {
    let world = World::new();
    let go = world.folder.with_extension("go");
    let script = format!("echo ready; until [ -e {} ]; do :; done", go.display());
    let (child, _) = world.ready(&script).await;
    let shim = world.shim(&child);
    let files = shim.files();
    drop(child);
    within(async {
        while shim.files() >= files {
            tokio::task::yield_now().await;
        }
    })
    .await;
    std::fs::remove_dir_all(&world.folder).unwrap();
    std::fs::write(&go, "").unwrap();
    shim.until_ended().await;
}

#[tokio::test]
async fn a_shim_that_can_keep_no_more_as_its_folder_was_removed_ends() {
    let world = World::new();
    let script = "echo ready; read x; exec seq 1 1000000";
    let (mut child, mut told) = world.ready(script).await;
    let shim = world.shim(&child);
    std::fs::remove_dir_all(&world.folder).unwrap();
    enter(&child).await;
    let lost = loop {
        match within(told.next(&mut child.records)).await {
            Ok(()) => child.control.ack(told.last),
            Err(lost) => break lost,
        }
    };
    assert_eq!(lost, Lost::Gone);
    shim.until_ended().await;
}

#[tokio::test]
async fn a_shim_waits_without_a_timer_whatever_its_engine_does() {
    let world = World::new();
    let (child, told) = world.ready("echo ready; seq 1 300000; read x").await;
    let shim = world.shim(&child);
    // The engine takes no more, and so it has no credit.
    shim.until_idle().await;
    drop(child);
    shim.until_idle().await;
    let mut child = world.adopt().await;
    enter(&child).await;
    let mut told = told;
    told.hear_all(&mut child.records).await;
    // Over, and kept for whoever comes.
    shim.until_idle().await;
    drop(child);
    shim.until_idle().await;
    assert!(matches!(shim::look(&world.folder).unwrap(), Found::Alive));
}

#[tokio::test]
async fn a_process_that_lets_go_of_its_terminal_and_opens_it_anew_is_heard() {
    let world = World::new();
    let script = "exec 0<&- 1>&- 2>&-; sleep 0.05; exec 1>/dev/tty; echo anew; exec 1>&-; \
                  sleep 0.05; echo again >/dev/tty; exit 2";
    let mut child = world.run(script, in_terminal()).await;
    let told = all(&mut child).await;
    assert_eq!(told.text(), "anew\r\nagain\r\n");
    assert_eq!(
        (told.exit, told.end),
        (Some(Exit::Code { code: 2 }), Some(OutputEnd::Complete))
    );
}

#[tokio::test]
async fn a_process_that_leaves_many_behind_ends_as_it_would_alone_and_they_are_reaped() {
    let world = World::new();
    let script = "i=0; while [ $i -lt 100 ]; do (setsid true &); i=$((i+1)); done; \
                  echo ready; read x; exit 11";
    let (mut child, mut told) = world.ready(script).await;
    let shim = world.shim(&child);
    let agent = child.facts.as_ref().unwrap().pid.to_string();
    within(async {
        while shim.children() != [agent.as_str()] {
            tokio::task::yield_now().await;
        }
    })
    .await;
    enter(&child).await;
    told.hear_all(&mut child.records).await;
    assert_eq!(told.exit, Some(Exit::Code { code: 11 }));
    assert_eq!(shim.children(), [""; 0]);
}

#[tokio::test]
async fn a_process_that_stops_itself_is_not_taken_for_one_that_ended_and_what_is_typed_waits() {
    for wiring in [in_terminal(), Wiring::Pipes] {
        let world = World::new();
        let script = "echo ready; kill -STOP $$; read x; echo \"<$x>\"";
        let mut child = world.run(script, wiring).await;
        let mut told = Told::default();
        told.until(&mut child.records, "ready").await;
        let agent = Process::of(child.facts.as_ref().unwrap().pid);
        agent.until_stopped().await;
        type_in(&child.control, 1, "typed\n").await.unwrap();
        world.shim(&child).until_idle().await;
        agent.signal(Signal::CONT);
        told.hear_all(&mut child.records).await;
        assert!(told.text().contains("<typed>"), "{}", told.text());
        assert_eq!(told.exit, Some(SUCCESS));
    }
}

/// The child of a shim has what any process has, and not what the shim has of it.
#[tokio::test]
async fn nothing_of_the_shim_is_open_in_its_process_or_in_what_comes_of_it() {
    // `-l`, to see what they are.
    let script = "ls -l /proc/self/fd | grep -c -e socket: -e ptmx -e spool -e lock -e signalfd; \
                  exit 0";
    for wiring in [in_terminal(), Wiring::Pipes] {
        let world = World::new();
        let told = all(&mut world.run(script, wiring).await).await;
        assert_eq!(told.text().trim(), "0");
    }
}

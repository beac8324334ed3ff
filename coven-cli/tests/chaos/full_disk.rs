//! The disk of a home is full, and the daemon dies meanwhile.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use coven_http::client::Client;

use crate::agent::{Manner, Told};
use crate::home::{Home, eventually};
use crate::left::Base;
use crate::sessions::{One, allow_small_spools, declare, launch_told};
use crate::small_disk;
use crate::typing::Typists;

const DISK_BYTES: usize = 96 << 20;

pub(crate) fn daemons_killed_on_a_full_disk_cost_no_byte_and_no_input_once_there_is_room() -> String
{
    let name = "daemons_killed_on_a_full_disk_cost_no_byte_and_no_input_once_there_is_room";
    let Some(disk) = small_disk::of_its_own(name, DISK_BYTES) else {
        return "on a disk of its own".to_owned();
    };
    let home = Home::within(&disk, env!("CARGO_BIN_EXE_coven"));
    declare(&home);
    allow_small_spools(&home);
    let base = Base::of(&home);
    // What agents put down beside Coven is on another disk.
    let beside = tempfile::tempdir().expect("a directory");
    let launch = |number, manner, len_bytes| {
        let dir = beside.path().to_owned();
        let told = Told {
            number,
            seed: crate::seed(),
            manner,
            len_bytes,
            dir,
        };
        launch_told(&home, told)
    };
    let typed_into: Vec<One> = (0..4)
        .map(|number| launch(number, Manner::Pauses, 400_000))
        .collect();
    let flood = launch(5, Manner::FloodsWhenTold, 16 << 20);
    flood.tell(&home, "go");
    let typists = Typists::begin(&home, &typed_into);

    let filler = disk.join("filler");
    fill(&filler);
    until_it_cannot_write(&home);
    home.kill_daemon();
    fill(&filler);
    // The next one begins on a full disk, has its sessions, and is killed there, too.
    home.text(["daemon", "start"]);
    until_it_cannot_write(&home);
    assert_eq!(flood.record(&home)["status"], "running");
    home.kill_daemon();
    assert!(!flood.told.is_written().exists());
    fs::remove_file(&filler).expect("it is there");
    home.text(["daemon", "start"]);
    eventually("all written", || {
        flood.told.is_written().exists().then_some(())
    });
    flood.tell(&home, "end");
    flood.is_whole(&home);
    let typed = typists.end();
    for (one, typed) in typed_into.iter().zip(typed) {
        one.is_whole(&home);
        one.was_typed(&home, typed.in_all());
    }
    let all = typed_into.iter().chain([&flood]);
    base.nothing_is_left(&home, all.map(|one| one.id.as_str()));
    "killed twice".to_owned()
}

pub(crate) fn however_many_daemons_begin_on_a_disk_that_agents_filled_the_next_makes_room_on_it()
-> String {
    let name = "however_many_daemons_begin_on_a_disk_that_agents_filled_the_next_makes_room_on_it";
    let Some(disk) = small_disk::of_its_own(name, DISK_BYTES) else {
        return "on a disk of its own".to_owned();
    };
    let home = Home::within(&disk, env!("CARGO_BIN_EXE_coven"));
    let base = Base::of(&home);
    let ballast = disk.join("ballast");
    fs::write(&ballast, vec![1; 36 << 20]).expect("there is room");
    // It cannot be compressed to nothing.
    let flood = "exec base64 -w 76 /dev/urandom";
    let floods: Vec<String> = (0..3).map(|_| home.launch(flood)).collect();
    until_it_cannot_write(&home);
    for _ in 0..3 {
        home.text(["daemon", "restart"]);
        until_it_cannot_write(&home);
        home.kill_daemon();
        home.text(["daemon", "start"]);
        until_it_cannot_write(&home);
        for flood in &floods {
            assert_eq!(home.record(flood)["status"], "running");
        }
    }
    home.text(["kill", &floods[0]]);
    assert_eq!(home.record(&floods[0])["status"], "killed");
    let before = output_bytes(&home, &floods[1]);
    home.text(["prune", "--session-bytes", "100kB"]);
    eventually("an agent that goes on in what was pruned", || {
        (output_bytes(&home, &floods[1]) > before + (1 << 20)).then_some(())
    });

    // Others may take all there is, what the log let go of included: it is read even so.
    until_it_cannot_write(&home);
    home.kill_daemon();
    fs::remove_file(home.dir().join("coven.redb.reserve")).expect("it is there");
    let filler = disk.join("filler");
    fill(&filler);
    home.text(["daemon", "start"]);
    until_it_cannot_write(&home);
    assert_eq!(home.record(&floods[1])["status"], "running");
    fs::remove_file(&filler).expect("it is there");
    fs::remove_file(&ballast).expect("it is there");
    home.text(["daemon", "stop", "--kill"]);
    home.text(["daemon", "start"]);
    for flood in &floods {
        assert_eq!(home.record(flood)["status"], "killed");
    }
    base.nothing_is_left(&home, floods.iter().map(String::as_str));
    "six daemons more".to_owned()
}

fn output_bytes(home: &Home, id: &str) -> u64 {
    home.record(id)["output_bytes"].as_u64().expect("a number")
}

/// Takes all the room that is left.
fn fill(filler: &Path) {
    let mut file = File::options()
        .create(true)
        .append(true)
        .open(filler)
        .expect("a name takes no room");
    for len_bytes in [1 << 20, 4096] {
        while file.write_all(&vec![1; len_bytes]).is_ok() {}
    }
}

/// Waits until the log takes nothing more.
fn until_it_cannot_write(home: &Home) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let client = Client::at_home(&home.dir());
    eventually("a log that takes nothing", || {
        let health = runtime.block_on(client.health()).expect("it is served");
        let state = serde_json::to_value(&health.event_writer).expect("JSON")["state"].clone();
        (state == "failed").then_some(())
    });
}

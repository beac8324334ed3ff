//! What a scan finds in a session's folder, whoever is there.

use coven_harness::shim::{self, Found, LaunchError, Record};
use rustix::process::Signal;

use crate::support::{in_terminal, within};
use crate::world::{LIMIT_BYTES, Left, Told, World, program};

#[tokio::test]
async fn a_shim_without_a_record_is_told_from_one_with_a_session_and_can_be_adopted_by_the_next() {
    for waypoint in ["Locked", "SpoolMade", "Listening", "Spawned"] {
        let world = World::new();
        let stopping = program(&[&format!("stop={waypoint}")]);
        let spawn = world.spawn("read x", in_terminal());
        let launched = world.launch(stopping, spawn, LIMIT_BYTES);
        // Dropped as with its program.
        let shim = world.stopped_shim(launched).await;
        let found = shim::look(&world.folder).unwrap();
        assert!(matches!(found, Found::Starting), "{waypoint}: {found:?}");
        shim.signal(Signal::CONT);
        within(async {
            while !matches!(shim::look(&world.folder).unwrap(), Found::Alive) {
                tokio::task::yield_now().await;
            }
        })
        .await;
        let mut child = world.adopt().await;
        let first = within(child.records.next()).await.unwrap();
        assert!(matches!(first.record, Record::Started { .. }), "{first:?}");
    }
}

#[tokio::test]
async fn a_shim_that_begins_after_its_folder_was_looked_at_gives_up() {
    let world = World::new();
    let spawn = world.spawn("read x", in_terminal());
    let stopping = program(&["stop=Begun"]);
    let mut launched = Box::pin(world.launch(stopping, spawn, LIMIT_BYTES));
    let shim = world.stopped_shim(&mut launched).await;
    let Found::Dead(remains) = shim::look(&world.folder).unwrap() else {
        panic!("a shim holds nothing before its lock");
    };
    assert!(!remains.has_part);
    drop(remains);
    shim.signal(Signal::CONT);
    let refused = launched.await;
    assert!(
        matches!(refused, Err(LaunchError::Folder { .. })),
        "{refused:?}"
    );
    shim.until_ended().await;
    world.remains().await.remove().unwrap();
    assert!(!world.folder.exists());
}

#[tokio::test]
async fn a_shim_whose_lock_somebody_removed_is_not_taken_for_dead() {
    let world = World::new();
    let child = world.run("read x", in_terminal()).await;
    std::fs::remove_file(world.folder.join("lock")).unwrap();
    let found = shim::look(&world.folder).unwrap();
    assert!(matches!(found, Found::Alive), "{found:?}");
    drop(child);
    world.adopt().await;
}

#[tokio::test]
async fn what_a_dead_shim_left_is_read_as_a_live_one_tells_it_and_what_is_missing_is_told() {
    let world = World::new();
    // Parts of 256 KiB.
    let spawn = world.spawn("stty raw; seq 1 200000; echo end; read x", in_terminal());
    let mut child = world.launch(program(&[]), spawn, 2 << 20).await.unwrap();
    let (mut told, mut live) = (Told::default(), Vec::new());
    while !told.text_ends("end\n") {
        let next = within(child.records.next()).await.unwrap();
        live.push(next.clone());
        told.add(next);
    }
    world.shim(&child).kill().await;
    let remains = world.remains().await;
    let left = Left::of(&remains);
    assert!(left.records == live && left.damage.is_none());
    // What somebody took away is told, and not passed over.
    let second = world.parts().remove(1);
    std::fs::remove_file(second).unwrap();
    let told: Vec<_> = remains.records().unwrap().collect();
    let damage = told.last().unwrap().as_ref().unwrap_err().to_string();
    assert!(damage.ends_with("are missing"), "{damage}");
    assert!(told.len() > 1);
}

#[tokio::test]
async fn what_is_left_of_a_shim_is_removed_and_nothing_else() {
    let world = World::new();
    let child = world.run("read x", in_terminal()).await;
    world.shim(&child).kill().await;
    let home = world.folder.parent().unwrap();
    let kept = home.join("kept");
    std::fs::write(&kept, "mine").unwrap();
    std::os::unix::fs::symlink(&kept, world.folder.join("00000000000000000009.spool")).unwrap();
    let remains = world.remains().await;
    // Its place is taken by another one while it is held.
    let moved = home.join("moved");
    std::fs::rename(&world.folder, &moved).unwrap();
    std::fs::create_dir(&world.folder).unwrap();
    std::fs::write(world.folder.join("lock"), "another's").unwrap();
    let removed = remains.remove().unwrap_err();
    assert_eq!(removed.kind(), std::io::ErrorKind::DirectoryNotEmpty);
    assert!(world.folder.join("lock").exists());
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), "mine");
    assert_eq!(std::fs::read_dir(&moved).unwrap().count(), 0);
}

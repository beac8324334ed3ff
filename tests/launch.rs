//! What a launch refuses, and what it records as failed.

mod world;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use coven::{Code, Error, EventKind, LaunchRequest, OnTheWay, Page, Refusal, Status, Waypoint};
use world::{Shell, World, kinds, me, within, written};

/// The field that a refused launch is refused for. Nothing may be on record.
async fn refused_field(world: &World, change: impl FnOnce(&mut LaunchRequest)) -> &'static str {
    let mut request = world.request("touch ran");
    change(&mut request);
    let before = world.engine.last_seq();
    let error = within(world.engine.launch(request, me()))
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::InvalidRequest);
    assert_eq!(world.engine.last_seq(), before, "a refusal writes nothing");
    assert!(!world.path("ran").exists());
    match error {
        Error::Refused(Refusal::Invalid { field, .. }) => field,
        other => panic!("{other:?}"),
    }
}

fn text(path: &Path) -> Option<String> {
    Some(path.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_place_that_is_not_there_or_not_in_the_project_is_refused() {
    let world = World::new().await;
    let project = world.project();
    fs::write(project.join("file"), "").unwrap();
    fs::create_dir_all(world.dir.path().join("outside")).unwrap();
    fs::create_dir(world.dir.path().join("project-2")).unwrap();
    symlink(world.dir.path().join("outside"), project.join("link")).unwrap();

    let root = |path: PathBuf| {
        let world = &world;
        async move { refused_field(world, |request| request.project_root = text(&path)).await }
    };
    assert_eq!(root(project.join("missing")).await, "projectRoot");
    assert_eq!(root(project.join("file")).await, "projectRoot");
    assert_eq!(root(PathBuf::from("relative")).await, "projectRoot");

    let cwd = |cwd: &'static str| {
        let world = &world;
        async move { refused_field(world, |request| request.cwd = Some(cwd.to_owned())).await }
    };
    for outside in [
        "..",
        "../outside",
        "../project-2",
        "link",
        "link/..",
        "/",
        "missing",
        "file",
    ] {
        assert_eq!(cwd(outside).await, "cwd", "{outside}");
    }
}

#[tokio::test]
async fn a_request_that_is_not_well_formed_is_refused_by_field() {
    let world = World::new().await;
    let field = refused_field(&world, |request| {
        request.harness = Some("nobody".to_owned());
    });
    assert_eq!(field.await, "harness");
    let field = refused_field(&world, |request| request.prompt = Some("  \n ".to_owned()));
    assert_eq!(field.await, "prompt");
    let field = refused_field(&world, |request| request.prompt = Some("a\0b".to_owned()));
    assert_eq!(field.await, "prompt");
    let field = refused_field(&world, |request| {
        request.continues = Some("unknown".to_owned());
    });
    assert_eq!(field.await, "continues");
}

#[tokio::test]
async fn a_session_runs_in_the_directory_asked_for() {
    let world = World::new().await;
    fs::create_dir_all(world.path("a/b")).unwrap();
    symlink(world.path("a"), world.path("link")).unwrap();
    let request = LaunchRequest {
        cwd: Some("link/b".to_owned()),
        ..world.request("pwd; echo $PWD")
    };
    let id = world
        .engine
        .launch(request, me())
        .await
        .unwrap()
        .session
        .id
        .clone();
    let said = String::from_utf8(written(&world.to_the_end(&id).await)).unwrap();
    let canonical = fs::canonicalize(world.path("a/b")).unwrap();
    let canonical = canonical.to_str().unwrap();
    assert_eq!(said, format!("{canonical}\r\n{canonical}\r\n"));
}

#[tokio::test]
async fn a_directory_swapped_for_a_symlink_after_the_check_is_not_entered() {
    for wanted in [Stage::PlaceChecked, Stage::BeforeSpawn] {
        let dir = tempfile::tempdir().unwrap();
        let (work, outside) = (dir.path().join("project/work"), dir.path().join("outside"));
        fs::create_dir_all(&work).unwrap();
        fs::create_dir_all(&outside).unwrap();
        fs::write(work.join("where"), "inside").unwrap();
        fs::write(outside.join("where"), "outside").unwrap();
        let mut options = world::options(dir.path());
        let moved = dir.path().join("project/moved");
        options.on_the_way = OnTheWay::call(move |waypoint| {
            if stage(waypoint) == Some(wanted) {
                fs::rename(&work, &moved).unwrap();
                symlink(&outside, &work).unwrap();
            }
        });
        let engine = coven::Engine::open(options).await.unwrap();
        let world = World { engine, dir };
        let request = LaunchRequest {
            cwd: Some("work".to_owned()),
            ..world.request("cat where")
        };
        let launched = within(world.engine.launch(request, me())).await;
        match wanted {
            Stage::PlaceChecked => {
                assert_eq!(launched.unwrap_err().code(), Code::InvalidRequest);
            }
            // It is the directory that was checked, wherever it is now.
            Stage::BeforeSpawn => {
                let events = world.to_the_end(&launched.unwrap().session.id).await;
                assert_eq!(written(&events), b"inside");
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    PlaceChecked,
    BeforeSpawn,
}

fn stage(waypoint: &Waypoint) -> Option<Stage> {
    match waypoint {
        Waypoint::PlaceChecked => Some(Stage::PlaceChecked),
        Waypoint::BeforeSpawn { .. } => Some(Stage::BeforeSpawn),
        _ => None,
    }
}

#[tokio::test]
async fn a_missing_executable_is_a_failed_session_that_says_what_to_install() {
    let missing = Shell::new("missing", "no-such-agent");
    let world = World::with(|options| options.harnesses.push(missing)).await;
    let request = LaunchRequest {
        harness: Some("missing".to_owned()),
        ..world.request("true")
    };
    let error = within(world.engine.launch(request, me()))
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::LaunchFailed);
    assert!(error.to_string().contains("Install a shell."), "{error}");
    let id = error.session().unwrap();
    let record = world.engine.get(id).await.unwrap();
    assert_eq!(record.session.status(), Status::Failed);
    let events = world.to_the_end(id).await;
    assert_eq!(
        kinds(&events),
        [EventKind::Created, EventKind::LaunchFailed]
    );
}

#[tokio::test]
async fn an_executable_that_cannot_be_run_is_a_failed_session() {
    let dir = tempfile::tempdir().unwrap();
    let broken = dir.path().join("broken");
    fs::write(&broken, "#!/no/such/interpreter\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&broken, mode).unwrap();
    let broken = Shell::new("broken", broken.to_str().unwrap());
    let world = World::with(|options| options.harnesses.push(broken)).await;
    let request = LaunchRequest {
        harness: Some("broken".to_owned()),
        ..world.request("true")
    };
    let error = within(world.engine.launch(request, me()))
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::LaunchFailed);
    let id = error.session().unwrap();
    assert_eq!(
        world.engine.get(id).await.unwrap().session.status(),
        Status::Failed
    );
}

#[tokio::test]
async fn a_session_has_the_environment_of_its_launch_and_knows_its_id() {
    let world = World::new().await;
    let mut request = world.request("echo $MINE $TERM $COVEN_SESSION_ID $HOME .");
    let env = [("MINE", "value"), ("COVEN_SESSION_ID", "another")];
    request.env = Some(
        env.map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
    );
    let record = within(world.engine.launch(request, me())).await.unwrap();
    let id = &record.session.id;
    let events = world.to_the_end(id).await;
    let said = String::from_utf8(written(&events)).unwrap();
    assert_eq!(said, format!("value xterm-256color {id} .\r\n"));
    let launch = world.engine.launch_of(id).await.unwrap().unwrap();
    assert_eq!(launch.environment, ["COVEN_SESSION_ID", "MINE"]);
    let recorded = format!("{:?}", world.to_the_end(id).await[0]);
    assert!(!recorded.contains("another"), "values are never kept");
}

#[tokio::test]
async fn a_launch_without_an_environment_has_the_login_shells_path() {
    let world = World::new().await;
    let request = LaunchRequest {
        env: None,
        ..world.request("echo path $PATH")
    };
    let record = within(world.engine.launch(request, me())).await.unwrap();
    let said = written(&world.to_the_end(&record.session.id).await);
    assert!(said.starts_with(b"path /"), "{said:?}");
}

#[tokio::test]
async fn a_conversation_is_resumed_by_the_callers_id_and_by_its_session() {
    let world = World::new().await;
    let mine = coven::ConversationRequest {
        mode: "init".to_owned(),
        id: "my-thread".to_owned(),
    };
    let theirs = "0199c0de-0000-7000-8000-000000000002";
    let script = format!("echo Shell agent; echo conversation: {theirs}; echo end");
    let request = LaunchRequest {
        conversation: Some(mine),
        ..world.request(&script)
    };
    let first = world
        .engine
        .launch(request, me())
        .await
        .unwrap()
        .session
        .id
        .clone();
    world.to_the_end(&first).await;
    let record = world.engine.get(&first).await.unwrap();
    assert_eq!(record.session.status(), Status::Idle);
    let resumed = coven::ConversationRequest {
        mode: "resume".to_owned(),
        id: "my-thread".to_owned(),
    };
    let by_id = LaunchRequest {
        conversation: Some(resumed),
        ..world.request("echo resumed $RESUMED")
    };
    let by_session = LaunchRequest {
        continues: Some(first.to_string()),
        ..world.request("echo resumed $RESUMED")
    };
    for request in [by_id, by_session] {
        let record = within(world.engine.launch(request, me())).await.unwrap();
        let said = written(&world.to_the_end(&record.session.id).await);
        assert_eq!(
            String::from_utf8(said).unwrap(),
            format!("resumed {theirs}\r\n")
        );
    }
}

#[tokio::test]
async fn what_a_session_continues_is_all_that_it_needs_in_a_terminal() {
    let world = World::new().await;
    let theirs = "0199c0de-0000-7000-8000-000000000003";
    let script = format!("echo Shell agent; echo conversation: {theirs}; echo end");
    let first = world.launch_id(&script).await;
    world.to_the_end(&first).await;
    let request = LaunchRequest {
        continues: Some(first.to_string()),
        prompt: None,
        ..world.request("")
    };
    let record = within(world.engine.launch(request.clone(), me())).await;
    let id = record.unwrap().session.id.clone();
    world.to_the_end(&id).await;
    let launch = world.engine.launch_of(&id).await.unwrap().unwrap();
    assert_eq!((launch.prompt, launch.continues), (None, Some(first)));
    let field = refused_field(&world, |request| {
        request.prompt = None;
        request.launch_mode = Some("nonInteractive".to_owned());
    });
    assert_eq!(field.await, "prompt");
}

#[tokio::test]
async fn lists_are_newest_first() {
    let world = World::new().await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(world.run("true").await.0.session.id.clone());
    }
    ids.reverse();
    let page = Page {
        before: None,
        limit: 10,
        archived: coven::Archived::Hidden,
    };
    let listed = world.engine.list(page).await.unwrap();
    let listed: Vec<_> = listed
        .records
        .iter()
        .map(|record| record.session.id.clone())
        .collect();
    assert_eq!(listed, ids);
}

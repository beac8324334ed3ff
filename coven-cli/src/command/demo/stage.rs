//! The demo's own home, with the real engine and the real socket in it.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use coven::{Engine, Options};
use coven_http::client::Client;
use coven_http::{ServeOptions, Server, Stopped, Stopper};
use tokio::task::JoinHandle;

use crate::connect;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::Home;

/// The harness's id in the demo's manifest.
pub(super) const HARNESS: &str = "demo";

/// Served by this very process, so that nothing can outlive it.
pub(super) struct Stage {
    folder: Folder,
    home: Home,
    client: Client,
    stopper: Stopper,
    serving: JoinHandle<Stopped>,
}

impl Stage {
    /// Makes the home, declares the agent in it, and serves it.
    ///
    /// # Errors
    /// When there is no place for it.
    pub(super) async fn open() -> Result<Self, Failure> {
        let folder = Folder::make()?;
        let home = Home::at(folder.path.join("home"));
        home.make()?;
        declare_agent(&home)?;
        make(&folder.project())?;
        let cannot = |error: &dyn std::fmt::Display| {
            Failure::new(
                Exit::Unreachable,
                format!("the demo cannot be served: {error}"),
            )
        };
        let engine = Engine::open(Options::at(home.dir()))
            .await
            .map_err(|error| cannot(&error))?;
        let server =
            Server::bind(engine, ServeOptions::default()).map_err(|error| cannot(&error))?;
        Ok(Self {
            client: connect::client(&home)?,
            stopper: server.stopper(),
            serving: tokio::spawn(server.run()),
            folder,
            home,
        })
    }

    pub(super) const fn home(&self) -> &Home {
        &self.home
    }

    pub(super) const fn client(&self) -> &Client {
        &self.client
    }

    /// The project's root.
    ///
    /// # Errors
    /// When its path is not text.
    pub(super) fn project(&self) -> Result<String, Failure> {
        path_text(&self.folder.project())
    }

    /// Ends what runs, and removes everything.
    pub(super) async fn close(self) {
        self.stopper.stop();
        // Whatever became of it, the folder goes.
        drop(self.serving.await);
        drop(self.folder);
    }
}

/// A folder that is removed with all that is in it.
struct Folder {
    path: PathBuf,
}

impl Folder {
    fn make() -> Result<Self, Failure> {
        // A socket's path is short, and some temporary directories are not.
        const LONGEST: usize = 60;
        let name = format!("coven-demo-{}", std::process::id());
        let mut parent = std::env::temp_dir();
        if parent.as_os_str().len() > LONGEST {
            parent = PathBuf::from("/tmp");
        }
        let path = parent.join(name);
        make(&path)?;
        Ok(Self { path })
    }

    fn project(&self) -> PathBuf {
        self.path.join("project")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.path) {
            crate::output::complain(&format!(
                "coven: {} could not be removed: {error}",
                self.path.display()
            ));
        }
    }
}

fn make(directory: &Path) -> Result<(), Failure> {
    DirBuilder::new()
        .mode(0o700)
        .create(directory)
        .map_err(|error| {
            Failure::failed(format!(
                "{} cannot be made: {error}; set TMPDIR to a directory of your own",
                directory.display()
            ))
        })
}

/// The manifest that makes this program's hidden command a harness, in this home only.
fn declare_agent(home: &Home) -> Result<(), Failure> {
    let program = std::env::current_exe()
        .map_err(|error| Failure::failed(format!("this program cannot be found: {error}")))?;
    let manifest = toml::toml! {
        id = "demo"
        label = "The demo's agent"
        install_hint = "it is part of coven"
        executable = "coven"
        [interactive]
        args = ["demo-agent", "--", "{prompt}"]
    };
    let mut manifest = manifest;
    manifest.insert("executable".to_owned(), path_text(&program)?.into());
    let path = home.harnesses().join("demo.toml");
    make(&home.harnesses())?;
    std::fs::write(&path, manifest.to_string())
        .map_err(|error| Failure::failed(format!("{} cannot be written: {error}", path.display())))
}

fn path_text(path: &Path) -> Result<String, Failure> {
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| Failure::failed(format!("{} is not UTF-8", path.display())))
}

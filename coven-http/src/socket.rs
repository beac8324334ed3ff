//! The daemon's socket: where it is bound, and what may be in its place.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use tokio::net::{UnixListener, UnixStream};

use crate::MAX_SOCKET_PATH_BYTES;

/// Bound under this name first; as long as the socket's own, so that it fits where that fits.
const NEW_NAME: &str = "coven.snew";

/// Why the socket cannot be bound. What was at its path is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// A daemon listens there.
    #[error("a daemon already serves {}", path.display())]
    Live {
        /// The socket.
        path: PathBuf,
    },
    /// Something that is not a socket is there; a symbolic link is not followed.
    #[error("{} is not a socket; move it away", path.display())]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// The system takes no socket path that long.
    #[error(
        "the socket path {} is {len_bytes} bytes long; the system takes {MAX_SOCKET_PATH_BYTES}; \
         choose a shorter home",
        path.display()
    )]
    PathTooLong {
        /// The path.
        path: PathBuf,
        /// Its length.
        len_bytes: usize,
    },
    /// The system refused.
    #[error("{} cannot be bound: {source}", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// A socket that listens at its path.
#[derive(Debug)]
pub(crate) struct BoundSocket {
    listener: UnixListener,
    path: PathBuf,
    identity: Identity,
}

/// Which file it is, so that another in its place is left alone.
type Identity = (u64, u64);

/// Binds the socket, with mode 0600 from the moment it is at `path`. A dead socket is replaced.
///
/// It is bound under another name in the same directory, which only its owner may enter, and then
/// moved: the umask, which all threads share and children inherit, is left alone. The lock of the
/// home keeps two daemons from doing this at once.
pub(crate) fn bind(path: &Path) -> Result<BoundSocket, BindError> {
    let len_bytes = path.as_os_str().as_bytes().len();
    if len_bytes > MAX_SOCKET_PATH_BYTES {
        let path = path.to_owned();
        return Err(BindError::PathTooLong { path, len_bytes });
    }
    check_place(path)?;
    let failed = |source| BindError::Io {
        path: path.to_owned(),
        source,
    };
    let beside = path.with_file_name(NEW_NAME);
    remove_if_there(&beside).map_err(failed)?;
    let listener = UnixListener::bind(&beside).map_err(failed)?;
    let moved = fs::set_permissions(&beside, fs::Permissions::from_mode(0o600))
        .and_then(|()| fs::rename(&beside, path))
        .and_then(|()| identity(path));
    match moved {
        Ok(identity) => Ok(BoundSocket {
            listener,
            path: path.to_owned(),
            identity,
        }),
        Err(source) => {
            let _ = fs::remove_file(&beside);
            Err(failed(source))
        }
    }
}

impl BoundSocket {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) async fn accept(&self) -> io::Result<UnixStream> {
        let (stream, _) = self.listener.accept().await?;
        Ok(stream)
    }

    /// Stops listening, and removes the socket unless another has taken its place.
    pub(crate) fn remove(self) {
        if identity(&self.path).is_ok_and(|found| found == self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Whether a socket is at `path` or is being bound there, dead or not.
pub(crate) fn is_left(path: &Path) -> bool {
    let is_socket =
        |path: &Path| fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    is_socket(path) || is_socket(&path.with_file_name(NEW_NAME))
}

/// Removes a dead socket at `path`, and one that was never bound to its end; anything else is left as it
/// is. For the one that holds the home: no daemon binds another meanwhile.
pub(crate) fn clear(path: &Path) {
    for path in [path, &path.with_file_name(NEW_NAME)] {
        if check_place(path).is_ok() {
            // It is replaced at the next start all the same.
            let _ = remove_if_there(path);
        }
    }
}

/// Whether nothing is at a socket's path any more, so that nobody can reach who listens.
pub(crate) fn is_gone(path: &Path) -> bool {
    fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// Nothing, or a socket that nobody serves.
fn check_place(path: &Path) -> Result<(), BindError> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => {
            return Err(BindError::Io {
                path: path.to_owned(),
                source,
            });
        }
    };
    let path = path.to_owned();
    if !found.file_type().is_socket() {
        return Err(BindError::NotASocket { path });
    }
    match probe(&path) {
        // A queue that is full has somebody behind it.
        Ok(()) | Err(Errno::AGAIN) => Err(BindError::Live { path }),
        Err(Errno::CONNREFUSED | Errno::NOENT) => Ok(()),
        Err(errno) => Err(BindError::Io {
            path,
            source: errno.into(),
        }),
    }
}

/// Connects without waiting.
fn probe(path: &Path) -> Result<(), Errno> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    connect(&socket, &SocketAddrUnix::new(path)?)
}

fn identity(path: &Path) -> io::Result<Identity> {
    fs::symlink_metadata(path).map(|found| (found.dev(), found.ino()))
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::{UnixListener as StdUnixListener, UnixStream as StdUnixStream};

    use super::*;

    fn place() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("coven.sock");
        (directory, path)
    }

    #[tokio::test]
    async fn a_bound_socket_is_for_its_owner_alone_and_nothing_else_is_left() {
        let (directory, path) = place();
        let bound = bind(&path).unwrap();
        let found = fs::symlink_metadata(&path).unwrap();
        assert!(found.file_type().is_socket());
        assert_eq!(found.mode() & 0o7777, 0o600);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        StdUnixStream::connect(&path).unwrap();
        bound.remove();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_live_socket_is_never_taken_over() {
        let (_directory, path) = place();
        let live = StdUnixListener::bind(&path).unwrap();
        let before = identity(&path).unwrap();
        assert!(matches!(bind(&path), Err(BindError::Live { .. })));
        assert_eq!(identity(&path).unwrap(), before);
        // The check itself connected; a client still can.
        live.accept().unwrap();
        StdUnixStream::connect(&path).unwrap();
    }

    #[tokio::test]
    async fn a_dead_socket_is_replaced() {
        let (_directory, path) = place();
        drop(StdUnixListener::bind(&path).unwrap());
        assert!(StdUnixStream::connect(&path).is_err());
        let _bound = bind(&path).unwrap();
        StdUnixStream::connect(&path).unwrap();
    }

    #[tokio::test]
    async fn a_file_or_a_link_in_its_place_is_left_as_it_is() {
        let (directory, path) = place();
        fs::write(&path, "mine").unwrap();
        assert!(matches!(bind(&path), Err(BindError::NotASocket { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"mine");
        fs::remove_file(&path).unwrap();
        let elsewhere = directory.path().join("elsewhere");
        drop(StdUnixListener::bind(&elsewhere).unwrap());
        symlink(&elsewhere, &path).unwrap();
        assert!(matches!(bind(&path), Err(BindError::NotASocket { .. })));
        assert!(path.is_symlink());
    }

    #[tokio::test]
    async fn what_a_dead_daemon_left_is_cleared_and_nothing_else() {
        let (directory, path) = place();
        let unfinished = directory.path().join(NEW_NAME);
        drop(StdUnixListener::bind(&path).unwrap());
        drop(StdUnixListener::bind(&unfinished).unwrap());
        assert!(is_left(&path));
        clear(&path);
        assert!(!is_left(&path));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
        let live = StdUnixListener::bind(&path).unwrap();
        clear(&path);
        StdUnixStream::connect(&path).unwrap();
        drop(live);
        fs::remove_file(&path).unwrap();
        fs::write(&path, "mine").unwrap();
        symlink(&path, &unfinished).unwrap();
        clear(&path);
        assert_eq!(fs::read(&path).unwrap(), b"mine");
        assert!(unfinished.is_symlink());
    }

    #[tokio::test]
    async fn a_path_too_long_for_the_system_is_told_before_anything_is_made() {
        let (directory, _) = place();
        let room = MAX_SOCKET_PATH_BYTES - directory.path().as_os_str().len() - 1;
        let longest = directory
            .path()
            .join("x".repeat(room - 11))
            .join("coven.sock");
        fs::create_dir(longest.parent().unwrap()).unwrap();
        assert_eq!(longest.as_os_str().len(), MAX_SOCKET_PATH_BYTES);
        bind(&longest).unwrap();
        let too_long = directory
            .path()
            .join("x".repeat(room - 10))
            .join("coven.sock");
        fs::create_dir(too_long.parent().unwrap()).unwrap();
        match bind(&too_long) {
            Err(BindError::PathTooLong { len_bytes, .. }) => assert_eq!(len_bytes, 108),
            other => panic!("{other:?}"),
        }
        assert_eq!(fs::read_dir(too_long.parent().unwrap()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_socket_of_another_in_its_place_is_not_removed() {
        let (_directory, path) = place();
        let bound = bind(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let _theirs = StdUnixListener::bind(&path).unwrap();
        bound.remove();
        StdUnixStream::connect(&path).unwrap();
    }
}

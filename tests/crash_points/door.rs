//! A door before a shim's own, at which the first who comes is hung up on after the greeting.

use std::fs;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread::{self, JoinHandle};

/// Puts it before the only shim that has its folder in `spools`. It ends once it has hung up; whoever
/// comes then comes to the shim itself.
pub(crate) fn hanging_up_once(spools: &Path) -> JoinHandle<()> {
    let mut folders = fs::read_dir(spools).expect("spools");
    let folder = folders.next().expect("one").expect("a folder").path();
    let (socket, aside) = (folder.join("socket"), folder.join("aside"));
    fs::rename(&socket, &aside).expect("it is moved");
    let listener = UnixListener::bind(&socket).expect("it listens");
    thread::spawn(move || {
        let (mut engine, _) = listener.accept().expect("an engine");
        let mut shim = UnixStream::connect(&aside).expect("a shim");
        let asking = {
            let mut from = engine.try_clone().expect("a socket");
            let mut to = shim.try_clone().expect("a socket");
            // It ends when both are hung up on.
            thread::spawn(move || drop(io::copy(&mut from, &mut to)))
        };
        // The welcome, and that the records begin.
        for _ in 0..2 {
            engine.write_all(&frame(&mut shim)).expect("it is told");
        }
        fs::rename(&aside, &socket).expect("it is moved back");
        for both in [&engine, &shim] {
            // The shim may have gone by itself.
            let _ = both.shutdown(Shutdown::Both);
        }
        asking.join().expect("it ends");
    })
}

/// A frame: its length, its kind, as many bytes and a checksum.
fn frame(from: &mut UnixStream) -> Vec<u8> {
    let mut frame = vec![0; 6];
    from.read_exact(&mut frame).expect("a frame's head");
    let len_bytes = u32::from_le_bytes(frame[..4].try_into().expect("four"));
    let rest = u64::from(len_bytes) + 4;
    let read = from.take(rest).read_to_end(&mut frame).expect("the rest");
    assert_eq!(read as u64, rest, "a whole frame");
    frame
}

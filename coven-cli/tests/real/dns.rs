//! A resolver on loopback that knows no name.
//!
//! The CLIs look names up whatever they are told. Where nobody answers, musl's resolver waits five seconds for
//! each, and Codex waits for it when it exits.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Once;

const PORT: u16 = 53;
const HEADER_BYTES: usize = 12;
/// A response, recursion available, to a query that desired it; no such name.
const NO_SUCH_NAME: [u8; 2] = [0x81, 0x83];

/// Starts the resolver, once for all tests of this process: the port is one.
pub(crate) fn start() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, PORT))
            .expect("inside the namespace the port is free");
        std::thread::spawn(move || serve(&socket));
    });
}

fn serve(socket: &UdpSocket) {
    let mut query = [0; 512];
    while let Ok((length, client)) = socket.recv_from(&mut query) {
        if let Some(answer) = no_such_name(&query[..length]) {
            // A client that has gone is not waiting.
            let _ = socket.send_to(&answer, client);
        }
    }
}

/// The query's id and question, with no answers. `None` when it is no query.
fn no_such_name(query: &[u8]) -> Option<Vec<u8>> {
    let mut end = HEADER_BYTES;
    loop {
        match *query.get(end)? {
            0 => break,
            label_bytes => end += 1 + usize::from(label_bytes),
        }
    }
    // The root label, the type and the class.
    let question = query.get(HEADER_BYTES..end + 5)?;
    let counts = [0, 1, 0, 0, 0, 0, 0, 0];
    Some([query.get(..2)?, &NO_SUCH_NAME, &counts, question].concat())
}

//! A whole frontend: follows all sessions of the daemon and says when one ends.
//!
//! It keeps no state that matters and knows nothing private. Stopped and started again with the
//! cursor it printed last, it goes on where it was.
//!
//! ```text
//! coven daemon start
//! cargo run --example frontend            # from now on
//! cargo run --example frontend -- 0       # from the first event there is
//! ```

use std::error::Error;

use coven::Options;
use coven_http::client::Client;
use coven_http::wire::{Payload, StatusChange};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let after: Option<u64> = std::env::args()
        .nth(1)
        .map(|text| text.parse())
        .transpose()?;
    let home = Options::default_home().ok_or("neither COVEN_HOME nor HOME is set")?;
    let daemon = Client::at_home(&home).named("frontend");
    let mut events = daemon.follow_all(after);
    while let Some(event) = events.next().await? {
        let has_ended = matches!(
            event.payload(),
            Payload::Exit(_) | Payload::Status(StatusChange::Orphaned { .. })
        );
        if !has_ended {
            continue;
        }
        // The event says that it ended; the record says what it was. It may be deleted by now.
        match daemon.session(&event.session_id).await {
            Ok(session) => println!(
                "{} {} ({}): {} [cursor {}]",
                event.created_at, session.title, session.harness, session.status, event.seq
            ),
            Err(error) if error.code() == Some(coven::Code::SessionNotFound) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

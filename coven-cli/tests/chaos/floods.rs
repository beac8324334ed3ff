//! Agents write as fast as they can into spools of many small parts. A shim gives a part up once all of
//! it is acknowledged: of what was acknowledged before it was on record, the next daemon would hear
//! nothing.

use std::thread;
use std::time::{Duration, Instant};

use coven_http::client::Client;

use crate::agent::Manner;
use crate::home::PATIENCE;
use crate::left::Base;
use crate::lot::Lot;
use crate::sessions::{One, home_with_small_spools, launch};
use crate::{number, seed};

/// Odd ones: their terminals are not asked anything, and are faster.
const AGENTS: [u64; 4] = [1, 3, 5, 7];

/// Some parts of a spool.
const PROGRESS_BYTES: u64 = 300_000;

pub(crate) fn daemons_killed_under_floods_lose_nothing_of_what_shims_have_given_up() -> String {
    let kills = number("COVEN_CHAOS_FLOOD_KILLS").unwrap_or(12);
    let home = home_with_small_spools();
    let base = Base::of(&home);
    let sessions = AGENTS.map(|number| launch(&home, number, Manner::FloodsWhenTold, u64::MAX));
    for one in &sessions {
        one.tell(&home, "go");
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let client = Client::at_home(&home.dir());
    let mut lot = Lot::of(seed());
    for round in 0..kills {
        if round.is_multiple_of(4) {
            runtime.block_on(until_on_record(&client, &sessions, PROGRESS_BYTES));
        }
        // While a daemon takes what waited for it, there is most that is not on record yet.
        thread::sleep(Duration::from_millis(lot.below(100)));
        home.kill_daemon();
        home.text(["daemon", "start"]);
    }
    for one in &sessions {
        one.tell(&home, "end");
    }
    for one in &sessions {
        one.is_whole(&home);
    }
    let wrote: usize = sessions.iter().map(|one| one.wrote().len()).sum();
    base.nothing_is_left(&home, sessions.iter().map(|one| one.id.as_str()));
    format!("{kills} kills, {} MB written", wrote / 1_000_000)
}

/// Waits until so much more is on record of each.
async fn until_on_record(client: &Client, sessions: &[One], more_bytes: u64) {
    for one in sessions {
        let (begun, mut wanted) = (Instant::now(), None);
        loop {
            let record = client.session(&one.id).await.expect("it is served");
            let wanted = *wanted.get_or_insert(record.output_bytes + more_bytes);
            if record.output_bytes >= wanted {
                break;
            }
            assert!(record.ended_at.is_none(), "{record:?}");
            assert!(
                begun.elapsed() < PATIENCE,
                "{wanted} bytes did not come on record: {record:?}"
            );
            tokio::task::yield_now().await;
        }
    }
}

//! A shim that is newer than this program, as where somebody went back to an older version: what it tells that
//! is not known here.

use std::time::Duration;

use coven_core::{Channel, Exit, OutputEnd, ProcessFacts, SessionId, Timestamp};
use coven_harness::shim::{Record, frame};

use super::{Shimmed, What};
use crate::on_the_way::OnTheWay;
use crate::out_of_reach::Encounters;
use crate::session_task::made_up::session;
use crate::session_task::made_up_shim::MadeUpShim;

/// Generous: it only bounds a test that has failed.
const PATIENCE: Duration = Duration::from_secs(60);

fn known(record: &Record) -> Vec<u8> {
    let mut bytes = Vec::new();
    record.encode(Timestamp::from_nanos(1), &mut bytes);
    bytes
}

/// A frame that this version has not; of a record, it begins with when that was written.
fn unknown(kind: u16) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::encode(kind, &mut bytes, |out| {
        out.extend_from_slice(b"\x02from the future");
    });
    bytes
}

fn output(offset: u64, bytes: &'static [u8]) -> Vec<u8> {
    known(&Record::Output {
        offset,
        channel: Channel::Tty,
        bytes: bytes.into(),
    })
}

fn started() -> Vec<u8> {
    known(&Record::Started {
        process: ProcessFacts {
            pid: 1,
            start_time: 1,
            boot_id: "another".to_owned(),
            shim_pid: None,
        },
        executable: "agent".to_owned(),
        argv: Vec::new(),
    })
}

#[tokio::test]
async fn what_a_newer_shim_has_and_nobody_knows_here_is_counted_and_acknowledged_and_the_rest_is_told()
 {
    let (exit, end) = (Exit::Code { code: 3 }, OutputEnd::Complete);
    let records = vec![
        started(),
        unknown(0x000b),
        output(0, b"one"),
        // What is said between records, and is none.
        [unknown(0x0277), unknown(0x7fff), unknown(0x0042)].concat(),
        output(3, b"two"),
        unknown(0x00ff),
        known(&Record::Exited { exit }),
        unknown(0x0042),
        known(&Record::OutputClosed { end }),
    ];
    let id = SessionId::parse("one").unwrap();
    let mut shim = MadeUpShim::of(&id, 1, records);
    let encounter = Encounters::default().of(id.clone());
    let mut shimmed = Shimmed::adopted(&session(id.as_str()), shim.folder().to_owned(), encounter);

    let told = async {
        assert_eq!(shimmed.first().await.map(|first| first.number), Some(1));
        let (mut written, mut exited) = (Vec::new(), None);
        loop {
            match shimmed.happens(true).await.what {
                What::Wrote(_, bytes) => written.extend_from_slice(&bytes),
                What::Exited(exit) => exited = Some(exit),
                What::OutputEnded(end) => return (written, exited, end),
                other => panic!("{other:?}"),
            }
        }
    };
    let told = tokio::time::timeout(PATIENCE, told).await.unwrap();
    assert_eq!(told, (b"onetwo".to_vec(), Some(exit), end));

    // All but the end is on record.
    shimmed.recorded(6);
    assert_eq!(shim.acked().await, Some(6));
    shimmed.dismiss(&OnTheWay::default()).await;
    assert_eq!((shim.acked().await, shim.acked().await), (Some(9), None));
}

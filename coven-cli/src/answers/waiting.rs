//! What a session's shim has written down and no daemon has taken into the log: who reads a home offline is
//! told of it, as it is not in what he reads.

use coven::SessionId;
use coven::harness::shim::Reach;
use coven_http::wire::SessionRecord;

use crate::home::Home;
use crate::output;
use crate::text::one_line;

/// Says on stderr what of the session waits beside the log.
pub(super) fn tell(home: &Home, record: &SessionRecord) {
    // One that has ended on record has nothing more to come.
    if record.ended_at.is_some() {
        return;
    }
    let Ok(id) = SessionId::parse(&record.id) else {
        return;
    };
    match coven::home::spooled(home.dir(), &id) {
        Ok(None) => {}
        Ok(Some(reach)) => {
            if let Some(what) = what_waits(reach, record.output_bytes) {
                output::complain(&format!(
                    "coven: {what} in its spool and not in the log yet: this is what the log has, and the \
                     next daemon takes the rest"
                ));
            }
        }
        Err(error) => output::complain(&format!(
            "coven: what it did since its daemon died is not in the log, and its spool cannot be read: {}",
            one_line(&error.to_string())
        )),
    }
}

/// What a spool has beyond so many bytes of output, as the beginning of a sentence.
fn what_waits(reach: Reach, recorded_bytes: u64) -> Option<String> {
    let bytes = match reach.output_end.saturating_sub(recorded_bytes) {
        1 => "1 byte".to_owned(),
        bytes => format!("{bytes} bytes"),
    };
    match (&*bytes, reach.is_over) {
        ("0 bytes", false) => None,
        ("0 bytes", true) => Some("its end is".to_owned()),
        ("1 byte", false) => Some(format!("{bytes} of its output is")),
        (_, false) => Some(format!("{bytes} of its output are")),
        (_, true) => Some(format!("{bytes} of its output and its end are")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_spool_has_beyond_the_log_is_told_with_how_much_it_is() {
        let told = |output_end, is_over| {
            let reach = Reach {
                output_end,
                is_over,
            };
            what_waits(reach, 10)
        };
        assert_eq!(told(9, false), None, "it was taken since");
        assert_eq!(told(10, false), None);
        assert_eq!(told(10, true).unwrap(), "its end is");
        assert_eq!(told(11, false).unwrap(), "1 byte of its output is");
        assert_eq!(
            told(16, true).unwrap(),
            "6 bytes of its output and its end are"
        );
    }
}

//! Having a program draw its screen anew: programs do when their window's size changes, so the
//! terminal is one row off for a moment. Nobody asked for another size, so none is recorded, and
//! whoever asked for the redraw may leave meanwhile.

use std::time::Duration;

use coven_core::TermSize;

use super::live::{Goes, Live};

/// How long a program gets to see the other size. Both at once would look to it as if nothing had
/// changed, and it would not draw anew.
const PAUSE: Duration = Duration::from_millis(50);

/// The redraw under way, if one is.
#[derive(Debug, Default)]
pub(super) struct Redraw {
    over_at: Option<Duration>,
}

impl Redraw {
    pub(super) const fn is_under_way(&self) -> bool {
        self.over_at.is_some()
    }

    /// When the terminal gets its size back.
    pub(super) const fn due(&self) -> Option<Duration> {
        self.over_at
    }
}

impl Live {
    pub(super) fn begin_redraw(&mut self) {
        // One that has shown nothing yet will draw anyway, and may ask for its size just now. Whoever
        // asks may have seen output whose commit this task was not told of yet.
        let has_drawn = self.record.session.output_bytes > 0 || self.screen.has_heard();
        if has_drawn && !self.redraw.is_under_way() && self.set_size(one_row_off) {
            self.redraw.over_at = Some(self.shared.clock.elapsed() + PAUSE);
        }
    }

    /// The program has had its moment: its terminal gets the size that is on record.
    pub(super) fn redrawn(&mut self) -> Goes {
        self.redraw.over_at = None;
        self.set_size(|size| size);
        Goes::On
    }

    /// Sets the terminal's size to what becomes of the one on record; false without a terminal.
    fn set_size(&mut self, size: impl FnOnce(TermSize) -> TermSize) -> bool {
        let on_record = self.record.session.size();
        let Some(on_record) = on_record.filter(|_| self.process.has_terminal()) else {
            return false;
        };
        let set = self.process.resize(size(on_record));
        set.inspect_err(|error| {
            let session = &self.record.session.id;
            tracing::warn!(%session, %error, "a terminal's size cannot be set");
        })
        .is_ok()
    }
}

fn one_row_off(size: TermSize) -> TermSize {
    let rows = match size.rows() {
        1 => 2,
        rows => rows - 1,
    };
    TermSize::parse(size.cols().into(), rows.into()).unwrap_or(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_has_another_beside_it() {
        for rows in [1, 2, 24, 1000] {
            let size = TermSize::parse(80, rows).unwrap();
            let other = one_row_off(size);
            assert_eq!(other.cols(), 80);
            assert_eq!(other.rows().abs_diff(size.rows()), 1);
        }
    }
}

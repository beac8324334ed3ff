//! What a shim was told to do beside the typing, which is said again to one that is reached anew.

use coven_core::TermSize;
use coven_harness::shim::Control;

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wanted {
    pub(super) size: Option<TermSize>,
    pub(super) limit_bytes: Option<u64>,
    pub(super) holds_output: bool,
}

impl Wanted {
    pub(super) fn say(&self, control: &Control) {
        if let Some(size) = self.size {
            control.resize(size);
        }
        if let Some(limit_bytes) = self.limit_bytes {
            control.set_limit(limit_bytes);
        }
        if self.holds_output {
            control.hold_output();
        }
    }
}

//! The modes a program leaves its terminal in are known, and restored elsewhere.

use coven_harness::terminal::Modes;
use proptest::prelude::*;

use crate::{CLAUDE_END, CLAUDE_START, CODEX_END, CODEX_START, modes, output};

#[test]
fn the_modes_of_codex_can_be_restored_elsewhere_and_are_gone_when_it_has_left() {
    let running = modes(CODEX_START);
    let restored = String::from_utf8(running.restore()).unwrap();
    assert_eq!(
        restored,
        "\x1b[>7u\x1b[?1049h\x1b[>7u\x1b[?25l\x1b[?1004h\x1b[?1007l\x1b[?2004h\x1b[?1006h\x1b[?1003h"
    );
    let mut both = CODEX_START.to_vec();
    both.extend_from_slice(CODEX_END);
    // It leaves one mode behind: the wheel is no longer arrow keys.
    assert_eq!(modes(&both).restore(), b"\x1b[?1007l");
}

#[test]
fn claude_leaves_no_mode_behind() {
    let mut both = CLAUDE_START.to_vec();
    assert_eq!(
        modes(&both).restore(),
        b"\x1b[?25l\x1b[?1004h\x1b[?2004h\x1b[?2031h"
    );
    both.extend_from_slice(CLAUDE_END);
    assert_eq!(modes(&both), Modes::default());
    assert_eq!(modes(&both).restore(), b"");
    assert_eq!(modes(&both).reset(), b"");
}

#[test]
fn each_kind_of_mode_is_restored() {
    for set in [
        "\x1b[?1h",
        "\x1b[?7l",
        "\x1b[?47h",
        "\x1b[?1047h",
        "\x1b[?9h",
        "\x1b[?1015h",
        "\x1b=",
        "\x1b[>4;2m",
        "\x1b[3 q",
        "\x1b[2;20r",
        "\x1b(0",
        "\x1b)0\x0e",
        "\x1b[>1u\x1b[>5u",
    ] {
        assert_eq!(modes(set.as_bytes()).restore(), set.as_bytes(), "{set:?}");
    }
    assert_eq!(
        modes(b"\x1b[?2026h").restore(),
        b"",
        "a frame is not restored"
    );
    assert_eq!(
        modes(b"\x1b[=3;1u\x1b[=4;2u\x1b[=1;3u").restore(),
        b"\x1b[>6u"
    );
    assert_eq!(modes(b"\x1b[>1u\x1b[>5u\x1b[<u").restore(), b"\x1b[>1u");
}

#[test]
fn a_reset_by_the_program_resets() {
    for reset in ["\x1bc", "\x1b[?25h\x1b[?1l\x1b[r\x1b(B"] {
        let all = format!("\x1b[?25l\x1b[?1h\x1b[2;5r\x1b(0{reset}");
        assert_eq!(modes(all.as_bytes()), Modes::default(), "{reset:?}");
    }
    assert_eq!(
        modes(b"\x1b[?2004h\x1b[?25l\x1b=\x1b[2;5r\x1b[!p").restore(),
        b"\x1b[?2004h"
    );
}

#[test]
fn a_resize_ends_a_scroll_region() {
    let mut modes = modes(b"\x1b[2;5r");
    modes.resized();
    assert_eq!(modes, Modes::default());
}

proptest! {
    #[test]
    fn restored_modes_are_the_same_modes_and_reset_ones_are_none(bytes in output()) {
        // A frame that is open is not restored.
        let mut before = bytes.clone();
        before.extend_from_slice(b"\x18\x1b[?2026l");
        let modes_before = modes(&before);
        let mut restored = modes_before.restore();
        prop_assert_eq!(&modes(&restored), &modes_before);
        restored.extend_from_slice(&modes_before.reset());
        prop_assert_eq!(modes(&restored), Modes::default());
    }
}

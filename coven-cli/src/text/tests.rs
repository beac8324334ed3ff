use unicode_width::UnicodeWidthStr;

use super::*;

fn plain(output: &[u8]) -> String {
    let whole = {
        let mut readable = Readable::new(Colours::Drop);
        readable.read(output) + &readable.finish()
    };
    let mut readable = Readable::new(Colours::Drop);
    let mut bytewise = String::new();
    for byte in output {
        bytewise += &readable.read(&[*byte]);
    }
    bytewise += &readable.finish();
    assert_eq!(whole, bytewise, "the reads it comes in must not matter");
    whole
}

fn coloured(output: &[u8]) -> String {
    let mut readable = Readable::new(Colours::Keep);
    readable.read(output) + &readable.finish()
}

#[test]
fn text_passes_and_every_line_ends() {
    assert_eq!(
        plain("hello\r\nwörld ✓\tx".as_bytes()),
        "hello\nwörld ✓\tx\n"
    );
    assert_eq!(plain(b""), "");
    assert_eq!(plain(b"\n\na"), "\n\na\n");
}

#[test]
fn a_line_written_over_is_given_as_it_ended() {
    assert_eq!(plain(b"10%\r50%\r100%\r\ndone\n"), "100%\ndone\n");
    assert_eq!(plain(b"long line\rab\x1b[K\n"), "ab\n");
    assert_eq!(plain(b"abc\x08\x08X\n"), "aXc\n");
    assert_eq!(plain(b"\x1b[2Kspin\x1b[1G\x1b[2Kdone\n"), "done\n");
}

#[test]
fn a_wide_character_has_two_columns_and_a_combining_one_none() {
    assert_eq!(plain("修复\x1b[5Gx\r\n".as_bytes()), "修复x\n");
    assert_eq!(plain("e\u{301}\x1b[2Gx\n".as_bytes()), "e\u{301}x\n");
    assert_eq!(plain("修\u{301}x\r\x1b[2Cy\n".as_bytes()), "修\u{301}y\n");
    assert_eq!(plain("👩\u{200d}👧\n".as_bytes()), "👩\u{200d}👧\n");
    // With no character before it there is nothing to see.
    assert_eq!(plain("\u{301}x\n".as_bytes()), "x\n");
}

#[test]
fn half_a_wide_character_is_none() {
    assert_eq!(plain("修复\rx\n".as_bytes()), "x 复\n");
    assert_eq!(plain("修复\x1b[2Gx\n".as_bytes()), " x复\n");
    assert_eq!(plain("修复\x1b[4G\x1b[K\n".as_bytes()), "修\n");
    assert_eq!(plain("修复\x1b[3G\x1b[1Kx\n".as_bytes()), "  x\n");
    assert_eq!(plain("修复\x1b[2G\x1b[P\n".as_bytes()), " 复\n");
    assert_eq!(plain("修复\x1b[2G\x1b[@x\n".as_bytes()), " x 复\n");
    assert_eq!(plain("修复\x1b[2G\x1b[Xx\n".as_bytes()), " x复\n");
}

#[test]
fn however_wide_characters_are_edited_their_line_stays_whole() {
    const PIECES: [&str; 14] = [
        "修", "a", "e\u{301}", "\u{301}", "\r", "\x08", "\x1b[3G", "\x1b[C", "\x1b[K", "\x1b[1K",
        "\x1b[P", "\x1b[@", "\x1b[2X", "\x1b[2P",
    ];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..2_000 {
        let mut output = String::new();
        for _ in 0..24 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            output += PIECES[usize::try_from(state % 14).unwrap()];
        }
        // A mark at the end of every column tells how many there are.
        let text = plain(format!("{output}\x1b[60G|\n").as_bytes());
        assert_eq!(text.trim_end().width(), 60, "{output:?}: {text:?}");
    }
}

#[test]
fn a_mark_that_comes_late_goes_on_with_its_line() {
    for text in ["e\u{301}!", "修\u{301}!"] {
        let (first, rest) = text.split_at(text.len() - "\u{301}!".len());
        let mut readable = Readable::new(Colours::Drop);
        let mut given = readable.read(first.as_bytes()) + &readable.flush();
        given += &readable.read(rest.as_bytes());
        given += &readable.finish();
        assert_eq!(given, format!("{text}\n"));
    }
    // One that comes to what was passed already does not.
    let mut readable = Readable::new(Colours::Drop);
    let mut given = readable.read(b"ab") + &readable.flush();
    given += &readable.read("\x1b[2G\u{301}\n".as_bytes());
    assert_eq!(given, "ab\na\u{301}b\n");
}

#[test]
fn a_cursor_sent_elsewhere_begins_a_line() {
    assert_eq!(
        plain(b"\x1b[2J\x1b[1;1Hfirst\x1b[3;5Hthird\x1b[3;12Hsame\x1b[?1049lback"),
        "first\n    third  same\nback\n"
    );
}

#[test]
fn no_sequence_passes_to_a_terminal() {
    let hostile: &[&[u8]] = &[
        b"\x1b]0;title\x07",
        b"\x1b]52;c;cm0gLXJm\x1b\\",
        b"\x1b]8;;http://example.invalid\x1b\\",
        b"\x1bP$q\"p\x1b\\",
        b"\x1b_Gf=100;AAAA\x1b\\",
        b"\x1b^private\x1b\\",
        b"\x1bXstart\x1b\\",
        b"\x1b[6n\x1b[c\x1b[>c\x1b[21t\x1b[?1000h\x1b[?2004h\x1b[>4;2m\x1b[>1u",
        b"\x1bc\x1b(0\x1b#8\x1b=\x1b>\x1b7\x1b8",
        b"\x1b[3J\x1b[!p\x1b[?1;2$y",
    ];
    for sequence in hostile {
        let mut output = b"a".to_vec();
        output.extend_from_slice(sequence);
        output.extend_from_slice(b"b\n");
        let text = coloured(&output).replace('\n', "");
        assert_eq!(text, "ab", "{:?}", String::from_utf8_lossy(sequence));
    }
}

#[test]
fn random_output_gives_only_text_colours_and_line_feeds() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut output = Vec::new();
    for _ in 0..200_000 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let byte = state.to_le_bytes()[0];
        // A third of it is what sequences are made of.
        output.push(match state % 9 {
            0 => 0x1b,
            1 => b"[]P_^X?;:mHKJh"[usize::from(byte) % 14],
            2 => b"0123456789"[usize::from(byte) % 10],
            _ => byte,
        });
    }
    let text = coloured(&output);
    let mut rest = text.as_str();
    while let Some(at) = rest.find('\x1b') {
        let end = rest[at..].find('m').map(|end| at + end);
        let sequence = &rest[at..=end.expect("an unfinished sequence passed")];
        assert!(
            sequence[2..sequence.len() - 1]
                .bytes()
                .all(|b| b.is_ascii_digit() || b == b';'),
            "{sequence:?}"
        );
        rest = &rest[at + sequence.len()..];
    }
    let stray = text
        .chars()
        .find(|c| c.is_control() && !matches!(c, '\n' | '\t' | '\x1b'));
    assert_eq!(stray, None);
}

#[test]
fn what_steers_a_terminal_or_turns_text_around_is_named() {
    assert_eq!(plain("a\u{9b}31mb".as_bytes()), "a<U+009B>31mb\n");
    assert_eq!(plain("x\u{202e}gpj.exe".as_bytes()), "x<U+202E>gpj.exe\n");
    assert_eq!(
        plain(b"a\x9b31mb\xff\xe2\x9c"),
        "a\u{fffd}31mb\u{fffd}\u{fffd}\n"
    );
    assert_eq!(plain(b"a\x01b\x00\x07c"), "a^Abc\n");
    assert_eq!(plain("👩\u{200d}💻".as_bytes()), "👩\u{200d}💻\n");
}

#[test]
fn a_string_without_end_does_not_swallow_the_next_lines() {
    assert_eq!(plain(b"a\x1b]0;evil\nb\n"), "a\nb\n");
    assert_eq!(plain(b"a\x1b[12\nb\n"), "a\nb\n");
}

#[test]
fn colours_are_kept_for_a_terminal_and_never_hide_text() {
    assert_eq!(
        coloured(b"\x1b[1;31mred\x1b[0m \x1b[38;5;200mx\x1b[38:2:1:2:3my\x1b[39m\n"),
        "\x1b[0;1;38;5;1mred\x1b[0m \x1b[0;38;5;200mx\x1b[0;38;2;1;2;3my\x1b[0m\n"
    );
    assert_eq!(coloured(b"\x1b[8;5mhidden\x1b[0m\n"), "hidden\n");
}

#[test]
fn every_line_sets_its_own_colours_and_resets_them() {
    assert_eq!(
        coloured(b"\x1b[32mone\ntwo\x1b[0m\n"),
        "\x1b[0;38;5;2mone\x1b[0m\n\x1b[0;38;5;2mtwo\x1b[0m\n"
    );
}

#[test]
fn a_question_is_shown_before_its_line_is_whole() {
    let mut readable = Readable::new(Colours::Drop);
    assert_eq!(readable.read(b"Go on? "), "");
    assert_eq!(readable.flush(), "Go on?");
    assert_eq!(readable.flush(), "");
    assert_eq!(readable.read(b"yes\r\n"), " yes\n");
    assert_eq!(readable.read(b"1%"), "");
    assert_eq!(readable.flush(), "1%");
    assert_eq!(readable.read(b"\r2%\n"), "\n2%\n");
}

#[test]
fn a_line_without_end_takes_bounded_memory() {
    let mut readable = Readable::new(Colours::Drop);
    let mut given = 0;
    for _ in 0..64 {
        given += readable.read(&[b'x'; 64 * 1024]).len();
        given += readable.read(b"\x1b[65535C").len();
    }
    assert!(given >= 63 * 64 * 1024);
}

//! What of a terminal's output are letters.

/// `output` without escape sequences, control characters and white space.
///
/// A full-screen program moves the cursor where a reader sees a space, so words can only be looked for like
/// this, and only those it drew in one go.
pub(crate) fn letters(output: &str) -> String {
    let mut rest = output.chars().peekable();
    let mut letters = String::new();
    while let Some(character) = rest.next() {
        if character != '\u{1b}' {
            if !character.is_whitespace() && !character.is_control() {
                letters.push(character);
            }
            continue;
        }
        match rest.next() {
            // A control sequence ends with its first byte in this range.
            Some('[') => {
                while rest
                    .next()
                    .is_some_and(|byte| !('\u{40}'..='\u{7e}').contains(&byte))
                {}
            }
            // A string ends with BEL or ESC \.
            Some(']' | 'P' | '_' | '^') => {
                while let Some(byte) = rest.next() {
                    if byte == '\u{7}' || (byte == '\u{1b}' && rest.next_if_eq(&'\\').is_some()) {
                        break;
                    }
                }
            }
            // A charset designation has one more.
            Some('(' | ')') => drop(rest.next()),
            Some(_) | None => {}
        }
    }
    letters
}

#[test]
fn escape_sequences_and_white_space_are_not_letters() {
    let drawn = "\u{1b}]0;title\u{7}\u{1b}[1;3HWould\u{1b}[1Cyou \u{1b}[39mlike\u{1b}(B to?\r\n\u{1b}]7501;state=idle\u{1b}\\\u{1b}8";
    assert_eq!(letters(drawn), "Wouldyouliketo?");
}

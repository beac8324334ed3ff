//! Stream mode's input: JSON lines.

use bytes::Bytes;
use serde::Serialize;

// Structs rather than a JSON value, so that the keys keep this order.
#[derive(Serialize)]
struct Line<'a> {
    r#type: &'static str,
    message: Message<'a>,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: [Text<'a>; 1],
}

#[derive(Serialize)]
struct Text<'a> {
    r#type: &'static str,
    text: &'a str,
}

/// One message of the user as a JSON line, its line feed included. Line breaks in `text` are
/// escaped, so it is one line whatever it holds.
pub(crate) fn user_message(text: &str) -> Bytes {
    let line = Line {
        r#type: "user",
        message: Message {
            role: "user",
            content: [Text {
                r#type: "text",
                text,
            }],
        },
    };
    let mut json = serde_json::to_vec(&line).expect("strings are always JSON");
    json.push(b'\n');
    json.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_of_the_agreed_shape() {
        assert_eq!(
            user_message("a\n\"b\" \u{1b}é"),
            concat!(
                r#"{"type":"user","message":{"role":"user","#,
                r#""content":[{"type":"text","text":"a\n\"b\" \u001bé"}]}}"#,
                "\n"
            )
        );
    }
}

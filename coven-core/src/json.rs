//! What a refusal tells of a list or an object: its JSON.

use std::fmt::Write;

/// A list of texts.
pub(crate) fn list<T: AsRef<str>>(texts: &[T]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| quoted(text.as_ref())).collect();
    format!("[{}]", texts.join(","))
}

fn quoted(text: &str) -> String {
    let mut json = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => json.extend(['\\', c]),
            c if c < ' ' => {
                // Writing to a String cannot fail.
                let _ = write!(json, "\\u{:04x}", u32::from(c));
            }
            c => json.push(c),
        }
    }
    json.push('"');
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_told_as_its_json() {
        let texts = ["a", "", "\"\\", "\n\u{1b}é🙂\u{7f}"];
        let read: Vec<String> = serde_json::from_str(&list(&texts)).expect("JSON");
        assert_eq!(read, texts);
    }
}

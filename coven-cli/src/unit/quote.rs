//! Words as systemd reads them back from a unit.

/// A command line: `program` at an absolute path, and arguments.
pub(super) fn exec(program: &str, arguments: &[&str]) -> String {
    let mut words = if is_taken_for_a_program(program) {
        // Nothing is put in for `$` here, other than in arguments.
        vec![word(program)]
    } else {
        // The shell becomes the program, so the process stays the one that systemd started.
        let script = r#"exec "$0" "$@""#;
        let shell = ["-c", script, program].map(argument);
        [word("/bin/sh")].into_iter().chain(shell).collect()
    };
    words.extend(arguments.iter().copied().map(argument));
    words.join(" ")
}

/// systemd takes no quotes, backslashes and control characters in the path of a program, however
/// they are written.
fn is_taken_for_a_program(path: &str) -> bool {
    !path
        .chars()
        .any(|c| c.is_ascii_control() || matches!(c, '"' | '\'' | '\\'))
}

/// One argument of a command line, in which `$` begins a variable.
fn argument(text: &str) -> String {
    word(&text.replace('$', "$$"))
}

/// One word, where `%` begins a specifier.
pub(super) fn word(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '%' => quoted.push_str("%%"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_ascii_control() => quoted.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_something_to_systemd_is_written_so_that_it_means_itself() {
        for (text, written) in [
            ("plain", r#""plain""#),
            ("a b;c", r#""a b;c""#),
            ("50% $HOME", r#""50%% $HOME""#),
            ("it's \"so\"", r#""it's \"so\"""#),
            ("back\\slash\n\u{1}é", r#""back\\slash\n\x01é""#),
        ] {
            assert_eq!(word(text), written);
        }
    }

    #[test]
    fn a_dollar_is_doubled_in_arguments_and_stays_in_the_program() {
        assert_eq!(exec("/a $b/coven", &["$x"]), r#""/a $b/coven" "$$x""#);
    }

    #[test]
    fn a_program_that_systemd_would_not_take_is_run_by_a_shell() {
        assert_eq!(
            exec("/it's $5/coven", &["serve"]),
            r#""/bin/sh" "-c" "exec \"$$0\" \"$$@\"" "/it's $$5/coven" "serve""#
        );
    }
}

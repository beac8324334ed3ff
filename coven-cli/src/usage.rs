//! What is wrong with a command line, in one sentence.

use crate::failure::Failure;

/// What the parser found, without the layout that it gives that.
pub(crate) fn failure(error: &clap::Error) -> Failure {
    Failure::usage(sentence(&error.render().to_string()))
}

/// The parser says what is wrong, gives tips, shows the usage and names `--help`: each a paragraph.
fn sentence(report: &str) -> String {
    let mut clauses: Vec<String> = report
        .split("\n\n")
        .map(str::trim)
        .filter(|paragraph| !paragraph.starts_with("Usage:"))
        .filter(|paragraph| !paragraph.starts_with("For more information"))
        .map(|paragraph| paragraph.strip_prefix("error: ").unwrap_or(paragraph))
        .map(|paragraph| paragraph.replace("\n  tip: ", "; "))
        .map(|paragraph| {
            paragraph
                .strip_prefix("tip: ")
                .unwrap_or(&paragraph)
                .to_owned()
        })
        .map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    clauses.push("--help tells what there is".to_owned());
    clauses.join("; ")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::Args;

    #[test]
    fn what_is_wrong_and_what_to_do_are_one_sentence() {
        let help = "; --help tells what there is";
        for (line, told) in [
            ("coven bogus", "unrecognized subcommand 'bogus'"),
            (
                "coven session",
                "unrecognized subcommand 'session'; a similar subcommand exists: 'sessions'",
            ),
            (
                "coven run sh -x",
                "unexpected argument '-x' found; to pass '-x' as a value, use '-- -x'",
            ),
            (
                "coven run --titel a b",
                "unexpected argument '--titel' found; a similar argument exists: '--title'",
            ),
            (
                "coven kill",
                "the following required arguments were not provided: <SESSIONS>...",
            ),
            (
                "coven run --mode odd b",
                "invalid value 'odd' for '--mode <MODE>' \
                 [possible values: interactive, noninteractive, stream]",
            ),
            (
                "coven events --after x",
                "invalid value 'x' for '--after <SEQ>': \
                 give a whole number, not negative and not too large",
            ),
            (
                "coven run --size odd b",
                "invalid value 'odd' for '--size <COLSxROWS>': write it like 120x40",
            ),
        ] {
            let error = Args::try_parse_from(line.split(' ')).unwrap_err();
            assert_eq!(failure(&error).to_string(), format!("{told}{help}"));
        }
    }
}

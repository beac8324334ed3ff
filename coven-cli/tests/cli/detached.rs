//! Sessions that are left running at once.

use std::fs::File;

use crate::home::Home;

#[test]
fn an_id_that_cannot_be_written_is_told_in_the_error() {
    let home = Home::new();
    for json in [&[][..], &["--json"]] {
        let args = ["run", "--detach", "sh", "true"];
        let output = home
            .coven(args.iter().chain(json).copied())
            .stdout(File::options().write(true).open("/dev/full").unwrap())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        let id = home.record("@last")["id"].as_str().unwrap().to_owned();
        assert!(said.contains(&id) && said.lines().count() == 1, "{said}");
    }
}

use super::*;

fn redacted(line: &str) -> String {
    Redactor::default().line(line).into_owned()
}

/// Put together from parts, so that no text here looks like a secret to a scanner.
fn token(prefix: &str, len: usize) -> String {
    let body = "aZ09bY18cX27dW36".repeat(16);
    format!("{prefix}{}", &body[..len])
}

#[test]
fn tokens_are_hidden_by_their_shape() {
    for secret in [
        token("sk-", 40),
        token("sk-ant-api03-", 40),
        token("sk-proj-", 40),
        token("ghp_", 36),
        token("gho_", 20),
        token("ghu_", 36),
        token("ghs_", 36),
        token("ghr_", 36),
        token("github_pat_", 60),
        format!("AKIA{}", "ABCD1234EFGH5678"),
        token("xoxb-", 30),
        token("xapp-", 30),
        token("glpat-", 20),
        token("npm_", 36),
        token("pypi-", 60),
        token("hf_", 34),
        token("AIza", 35),
        format!(
            "{}.{}.{}",
            token("eyJ", 20),
            token("eyJ", 30),
            token("", 40)
        ),
    ] {
        for line in [
            secret.clone(),
            format!("use {secret} now"),
            format!("(\"{secret}\")"),
            format!("url?x={secret}"),
        ] {
            let shown = redacted(&line);
            let inner = &secret[8..secret.len() - 4];
            assert!(!shown.contains(inner), "{line} is shown as {shown}");
            assert!(shown.contains(HIDDEN), "{line} is shown as {shown}");
        }
        assert_eq!(redacted(&format!("use {secret} now")), "use [redacted] now");
    }
}

#[test]
fn assignments_headers_and_json_are_hidden_by_their_name() {
    for (line, shown) in [
        (
            "export API_KEY=abc123 PATH=/bin",
            "export API_KEY=[redacted] PATH=/bin",
        ),
        ("my_token='a b c' x", "my_token=[redacted] x"),
        ("DB_PASSWORD=\"p w\"; ls", "DB_PASSWORD=[redacted]; ls"),
        (
            "aws_secret_access_key = zzz",
            "aws_secret_access_key = [redacted]",
        ),
        ("GOOGLE_CREDENTIALS=/x/y", "GOOGLE_CREDENTIALS=[redacted]"),
        ("Authorization: Bearer abc.def", "Authorization: [redacted]"),
        ("cookie: a=1; b=2", "cookie: [redacted]"),
        (
            "curl -H 'Authorization: Basic Zm9v' url",
            "curl -H 'Authorization: [redacted]' url",
        ),
        (
            "{\"apiKey\": \"abc\", \"n\": 1}",
            "{\"apiKey\": \"[redacted]\", \"n\": 1}",
        ),
        (
            "{\"client_secret\":12345}",
            "{\"client_secret\":\"[redacted]\"}",
        ),
        (
            r#"{"password": "a\"b", "n": 1}"#,
            r#"{"password": "[redacted]", "n": 1}"#,
        ),
        (
            r#"{"api_keys": ["a", "b"], "n": 1}"#,
            r#"{"api_keys": "[redacted]", "n": 1}"#,
        ),
        (
            r#"{"text":"{\"token\":\"a\\\"b\",\"n\":1}"}"#,
            r#"{"text":"{\"token\":\"[redacted]\",\"n\":1}"}"#,
        ),
        ("PASSWORD=a&b;c,d next", "PASSWORD=[redacted] next"),
        ("PASSWORD=it's next", "PASSWORD=[redacted] next"),
        (
            r#"{"run":"TOKEN=abc","n":1}"#,
            r#"{"run":"TOKEN=[redacted]","n":1}"#,
        ),
        ("(KEY='abc')", "(KEY=[redacted])"),
        ("X-Api-Key: abc", "X-Api-Key: [redacted]"),
        (
            r#"{"text":"{\"Authorization\":\"Bearer a.b\"}"}"#,
            r#"{"text":"{\"Authorization\":\"[redacted]\"}"}"#,
        ),
    ] {
        assert_eq!(redacted(line), shown);
    }
}

#[test]
fn a_private_key_is_hidden_over_all_its_lines() {
    let mut redactor = Redactor::default();
    let dashes = "-----";
    let lines = [
        format!("see: {dashes}BEGIN RSA PRIVATE KEY{dashes}"),
        "MIIEpAIBAAKCAQEA".to_owned(),
        "c2VjcmV0".to_owned(),
        format!("{dashes}END RSA PRIVATE KEY{dashes}"),
        "after".to_owned(),
    ];
    let shown: Vec<String> = lines
        .iter()
        .map(|line| redactor.line(line).into_owned())
        .collect();
    assert_eq!(
        shown,
        [
            "see: [redacted]",
            "[redacted]",
            "[redacted]",
            "[redacted]",
            "after"
        ]
    );
}

#[test]
fn what_is_no_secret_is_shown_as_it_is() {
    for line in [
        "",
        "the key to success is a token of love",
        "task-force-of-many-people-in-a-row",
        "risk-assessment-for-the-whole-project",
        "a monkey = animal",
        "let x = compute(y); // sk-",
        "ghp_short",
        "{\"keyboard\": true, \"title\": \"a\"}",
        "cookies are good",
        "über 日本語 🙂",
    ] {
        let shown = redacted(line);
        if line.contains("monkey") {
            // `KEY` is in it: better too much than too little.
            continue;
        }
        assert_eq!(shown, line);
    }
}

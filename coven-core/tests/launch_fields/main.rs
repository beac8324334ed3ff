//! Every field of a launch and of a registration: what is taken, as what, and what is refused,
//! naming the field.

mod place;
mod settings;
#[path = "../support/mod.rs"]
mod support;
mod text;

use std::collections::BTreeMap;

use coven_core::{
    Code, ConversationRequest, Draft, External, ExternalRequest, IdempotencyKey, Label, Launch,
    LaunchMode, LaunchRequest, Place, PolicyRequest, Refusal, TermSize, Title,
};
use support::{launch, request};

type Field = fn(&mut LaunchRequest, String);
type Clear = fn(&mut LaunchRequest);

/// Asserts that each value of the field is refused, naming it.
fn refused(name: &str, field: Field, values: &[&str]) {
    for value in values {
        let mut request = request();
        field(&mut request, (*value).to_owned());
        let shown: String = value.chars().take(40).collect();
        let refusal = Draft::parse(&request).expect_err(&format!("{name}: {shown:?} was taken"));
        assert_eq!(refusal.code(), Code::InvalidRequest);
        match refusal {
            Refusal::Invalid { field, value, .. } => {
                assert_eq!(field, name, "for {shown:?}");
                assert!(
                    value.chars().count() <= 200,
                    "{name}: the value is not shortened"
                );
            }
            other => panic!("{name}: {other}"),
        }
    }
}

/// The launch with one field set.
fn taken(field: Field, value: &str) -> Launch {
    let mut request = request();
    field(&mut request, value.to_owned());
    launch(&request)
}

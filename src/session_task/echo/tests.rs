use std::future::pending;

use bytes::Bytes;
use coven_core::TermSize;
use tokio::sync::oneshot;

use super::*;
use crate::{Error, Record};

type Answer = oneshot::Receiver<Result<Record, Error>>;

fn ask(control: &mut Control, request: Request) -> Answer {
    let (reply, answer) = oneshot::channel();
    control.asked.push_back(Ask {
        request,
        by: None,
        reply,
    });
    answer
}

fn type_in(control: &mut Control, text: &'static str) -> Answer {
    let data = Bytes::from_static(text.as_bytes());
    ask(control, Request::Input { data, id: None })
}

fn texts<'a>(asks: impl IntoIterator<Item = &'a Ask>) -> Vec<&'a [u8]> {
    let text = |ask: &'a Ask| match &ask.request {
        Request::Input { data, .. } => Some(&data[..]),
        _ => None,
    };
    asks.into_iter().filter_map(text).collect()
}

#[test]
fn what_is_typed_after_a_look_at_the_terminal_is_not_what_it_was_about() {
    let mut control = Control::default();
    let _line = type_in(&mut control, "a line");
    let size = TermSize::default();
    let _resized = ask(&mut control, Request::Resize { size });
    control.look(pending());
    let _password = type_in(&mut control, "a password");
    control.looked(Ok(Echo::Shown));
    let seen = control.seen.take().unwrap();
    assert_eq!(seen.echo, Echo::Shown);
    let due = control.take_due(seen.inputs, |_| true);
    assert_eq!(due.len(), 2);
    assert_eq!(texts(&due), [b"a line"]);
    assert_eq!(texts(&control.asked), [b"a password"]);
}

#[test]
fn where_nobody_says_what_is_shown_only_what_waited_for_it_is_refused() {
    let mut control = Control::default();
    let mut first = type_in(&mut control, "first");
    control.look(pending());
    let mut second = type_in(&mut control, "second");
    control.looked(Err(Unavailable::ShimSilent { why: None }));
    assert!(matches!(
        first.try_recv(),
        Ok(Err(Error::Unavailable {
            reason: Unavailable::ShimSilent { why: None }
        }))
    ));
    assert!(second.try_recv().is_err());
    assert_eq!(texts(&control.asked), [b"second"]);
    assert_eq!(control.seen, None);
}

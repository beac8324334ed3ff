use std::sync::mpsc;

use coven_core::Event;

use super::*;
use crate::test_support::{Home, labels};
use crate::writer::Chore;
use crate::writer::by_hand::{ask, said, take_in, told, writer};

fn labelled() -> Event {
    Event::Labelled {
        labels: labels(&["one"]),
    }
}

#[tokio::test]
async fn what_a_session_is_told_ends_the_pause_of_who_writes_too_fast() {
    let home = Home::new();
    let (mut writer, queue) = writer(&home, mpsc::channel().0).await;
    ask(&queue, said());
    take_in(&mut writer, 1).await;
    assert_eq!(writer.turn(), Turn::All);
    (writer.state.trimming, writer.state.refill) = (Chore::Done, Chore::Done);
    writer.tail.press(MAX_TAIL_BYTES - 1, 1);
    // However long this test takes, the pause is not over.
    let hour = Duration::from_secs(3600);
    writer.state.pace.begin(Instant::now() + hour);
    writer.state.pace.took(1 << 20);
    let Turn::Nobody { patience } = writer.turn() else {
        panic!("it waits for nothing");
    };
    assert!(patience > hour / 2, "{patience:?}");
    assert_eq!(writer.patience().map(|it| it > hour / 2), Some(true));
    ask(&queue, told(labelled()));
    tokio::task::yield_now().await;
    // It waits there for as long as the pause is, or for somebody.
    take_in(&mut writer, 2).await;
    assert_eq!(writer.turn(), Turn::All);
}

#[tokio::test]
async fn a_full_tail_lets_pass_what_sessions_are_told_to_a_bound_and_what_ends_them_always() {
    let home = Home::new();
    let (mut writer, queue) = writer(&home, mpsc::channel().0).await;
    writer.tail.press(MAX_TAIL_BYTES, 1);
    let waits = Turn::Nobody {
        patience: FOLD_PATIENCE,
    };
    ask(&queue, said());
    take_in(&mut writer, 1).await;
    assert_eq!(writer.turn(), waits);
    ask(&queue, told(labelled()));
    take_in(&mut writer, 2).await;
    assert_eq!(writer.turn(), Turn::Control);
    assert_eq!(writer.bring_control_forward(), 1);
    assert!(is_control(&writer.state.pending[0]));
    writer.tail.press(MAX_ENDING_TAIL_BYTES, 1);
    assert_eq!(writer.turn(), waits);
    ask(&queue, told(Event::KillRequested));
    take_in(&mut writer, 3).await;
    assert_eq!(writer.turn(), Turn::Control);
    assert_eq!(writer.bring_control_forward(), 1);
    assert_eq!(
        writer.state.pending[0].events[0].event,
        Event::KillRequested
    );
}

#[tokio::test]
async fn a_log_whose_folder_died_says_so_once_its_tail_is_full_and_can_be_closed() {
    let home = Home::new();
    let (mut writer, queue) = writer(&home, mpsc::channel().0).await;
    writer.tail.press(MAX_TAIL_BYTES, 1);
    ask(&queue, said());
    take_in(&mut writer, 1).await;
    let (reply, answer) = tokio::sync::oneshot::channel();
    let close = crate::writer::Message::Close { reply: Some(reply) };
    queue.sender.send(close).expect("it is there");
    std::thread::spawn(move || writer.run());
    let closed = tokio::time::timeout(Duration::from_secs(30), answer).await;
    closed.expect("it goes on").expect("it is closed");
    let stuck = queue.meter.health(1 << 20).stuck.expect("it is told");
    assert!(stuck.to_string().contains("has died"), "{stuck}");
}

//! `Passing`: passing inputs on to a shim, one after the other, and to the next one that is reached where
//! one is lost.

use std::sync::Arc;
use std::time::Duration;

use coven_harness::shim::{self, InputError, InputRefusal};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::sleep;

use super::{Input, NotTyped, Shared, Step, lock};
use crate::session_task::process::Typing;

/// How long a shim that had no room for an input is not asked again, where it is not seen that it
/// has: on a disk that was full, others may make it.
const ROOM_PAUSE: Duration = Duration::from_secs(1);

/// Passes them on. A shim answers its process's queries itself.
pub(super) struct Passing {
    pub(super) shim: Typing,
    pub(super) room_made: Arc<Notify>,
    pub(super) progress: Shared,
    pub(super) found_unread: watch::Sender<bool>,
}

impl Passing {
    pub(super) async fn on(mut self, mut steps: mpsc::UnboundedReceiver<Step>) {
        let mut so_far = Ok(());
        while let Some(step) = steps.recv().await {
            match step {
                Step::Input(input) => {
                    let taken = self.give(input).await;
                    so_far = so_far.and(taken);
                }
                Step::Answer { .. } => {}
                Step::Tell(owed) => owed.settle(std::mem::replace(&mut so_far, Ok(()))),
            }
        }
    }

    async fn give(&mut self, input: Input) -> Result<(), NotTyped> {
        let Input {
            id,
            data,
            pause,
            room: _until_it_is_passed_on,
        } = input;
        loop {
            let control = match self.shim.wait_for(Option::is_some).await {
                Ok(control) => control.clone().expect("it was waited for"),
                // The session is over.
                Err(_) => return Err(NotTyped::gone()),
            };
            // It is on record, so it is typed once there is room for it.
            let ask = || control.input(shim::InputId(id.0), data.clone(), pause);
            match once_there_is_room(&self.room_made, || sleep(ROOM_PAUSE), ask).await {
                Ok(_) => {
                    lock(&self.progress).taken = Some(id);
                    return Ok(());
                }
                Err(InputError::Refused(refusal)) => {
                    if let InputRefusal::NobodyReads = refusal {
                        self.found_unread.send_replace(true);
                    }
                    return Err(NotTyped(refusal.to_string()));
                }
                Err(InputError::Lost(_)) => {
                    // It may be typed or not: the next one knows the id. That one is another.
                    if self.shim.changed().await.is_err() {
                        return Err(NotTyped::gone());
                    }
                }
            }
        }
    }
}

/// Asks a shim until it has room, or will not have any: again whenever that may be made, and after a
/// pause where that is not seen.
async fn once_there_is_room<T, Asked, Paused>(
    room_made: &Notify,
    pause: impl Fn() -> Paused,
    mut ask: impl FnMut() -> Asked,
) -> Result<T, InputError>
where
    Asked: Future<Output = Result<T, InputError>>,
    Paused: Future<Output = ()>,
{
    loop {
        match ask().await {
            // Room that was made since it was refused was told, and is not missed.
            Err(InputError::Refused(InputRefusal::TooMuchWaiting | InputRefusal::SpoolFull)) => {
                tokio::select! {
                    () = room_made.notified() => {}
                    () = pause() => {}
                }
            }
            answer => return answer,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    /// A shim that refuses so often, and then takes the input.
    fn refuses(
        mut times: u32,
        refusal: InputRefusal,
    ) -> impl FnMut() -> std::future::Ready<Result<&'static str, InputError>> {
        move || {
            let has_room = times == 0;
            times = times.saturating_sub(1);
            ready(has_room.then_some("taken").ok_or(refusal.into()))
        }
    }

    #[tokio::test]
    async fn what_a_full_spool_refused_is_asked_again_as_soon_as_room_is_made() {
        for refusal in [InputRefusal::SpoolFull, InputRefusal::TooMuchWaiting] {
            let room_made = Notify::new();
            let asking = once_there_is_room(&room_made, pending, refuses(2, refusal));
            tokio::pin!(asking);
            for _ in 0..2 {
                assert!(poll_once(asking.as_mut()).await.is_none());
                assert!(poll_once(asking.as_mut()).await.is_none(), "no room yet");
                room_made.notify_one();
            }
            assert_eq!(poll_once(asking).await, Some(Ok("taken")));
        }
    }

    #[tokio::test]
    async fn room_that_was_made_while_it_was_asked_is_not_missed() {
        let room_made = Notify::new();
        let mut shim = refuses(1, InputRefusal::SpoolFull);
        let ask = || {
            room_made.notify_one();
            shim()
        };
        let asked = once_there_is_room(&room_made, pending, ask);
        tokio::pin!(asked);
        assert_eq!(poll_once(asked).await, Some(Ok("taken")));
    }

    #[tokio::test]
    async fn a_full_spool_is_asked_again_after_a_pause_where_nobody_sees_room_made() {
        let shim = refuses(3, InputRefusal::SpoolFull);
        let room_made = Notify::new();
        let asked = once_there_is_room(&room_made, || ready(()), shim);
        tokio::pin!(asked);
        assert_eq!(poll_once(asked).await, Some(Ok("taken")));
    }

    #[tokio::test]
    async fn a_process_that_reads_nothing_is_not_asked_again() {
        let shim = refuses(1, InputRefusal::NobodyReads);
        let asked = once_there_is_room(&Notify::new(), || ready(()), shim).await;
        assert_eq!(asked, Err(InputRefusal::NobodyReads.into()));
    }

    /// What a future gives at once, if anything.
    async fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
        tokio::select! {
            biased;
            output = future => Some(output),
            () = ready(()) => None,
        }
    }
}

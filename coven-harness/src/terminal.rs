//! The language of terminals, as far as Coven must understand it without drawing a screen.
//!
//! Pure, incremental and indifferent to where chunks are cut: [`Listener`] hears what a program
//! says to its terminal (queries to answer, modes in force), [`ToViewer`] takes the queries out of
//! what a viewer is shown, [`FromViewer`] takes the viewer's own terminal's answers out of what
//! the program is typed, and [`resume_point`] and [`incomplete_utf8`] say where bytes may be cut.

mod answer;
mod cut;
mod listener;
mod modes;
mod scanner;
mod viewer;

pub use cut::{incomplete_utf8, resume_point};
pub use listener::{Listener, Query};
pub use modes::Modes;
pub use viewer::{FromViewer, ToViewer};

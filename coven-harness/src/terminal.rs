//! The language of terminals, as far as Coven must understand it without drawing a screen.
//!
//! Pure, incremental and indifferent to where chunks are cut: [`Listener`] hears what a program
//! says to its terminal (queries to answer, modes in force), [`ToViewer`] takes the queries out of
//! what a viewer is shown, [`FromViewer`] takes the viewer's own terminal's answers out of what
//! the program is typed, and [`resume_point`] says where a tail of output may begin.

mod answer;
mod cut;
mod listener;
mod modes;
mod scanner;
mod viewer;

pub use cut::resume_point;
pub use listener::{Listener, Query};
pub use modes::Modes;
pub use viewer::{FromViewer, ToViewer};

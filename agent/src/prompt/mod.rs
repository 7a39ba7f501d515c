//! Asking the person, through pinentry. Only for requests whose client cannot ask.
//!
//! Every question has a deadline. Dropping the future takes the question back: the window closes at once.

mod assuan;
mod permission;
mod pinentry;
mod queue;
mod screen;
#[cfg(test)]
mod testing;
mod text;

pub use self::{
    permission::{MAX_EXPLAINED, MINUTES, Permission},
    pinentry::{Buttons, PROGRAM_VARIABLE, Pinentry, PromptError, Question},
    queue::Queue,
    screen::Screen,
    text::{bounded, line_bytes},
};

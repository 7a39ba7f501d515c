//! Logins that are offered: by the agent in a window, and by the client on the terminal.

mod by_agent;
mod on_terminal;
mod stage;

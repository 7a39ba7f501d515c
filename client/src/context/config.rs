//! The configuration, and that whoever wrote it hears what of it is left out.

use oidc_proto::{config::Config, home::Home};

use super::Context;

impl Context {
    /// The configuration, for the program of this section. What cannot be used is a warning, never an error.
    pub fn config(&mut self, section: &str) -> Config {
        let home = self.home().ok();
        let config = Config::load(home.as_ref().map(Home::path));
        for problem in config.problems_of(section) {
            self.output.warning(&problem.to_string());
        }
        config
    }
}

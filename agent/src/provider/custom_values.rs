//! The values of what a site adds to requests, looked up when a request is made.

use std::{
    env,
    io::{BufRead, Read},
    path::{Path, PathBuf},
};

use oidc_proto::custom_parameters::{FILE_NAME, RequestKind};
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::{
    Provider,
    error::{ProviderError, ProviderErrorKind},
};
use crate::regular_file;

/// The longest value that is read from a file, in bytes.
const LONGEST_VALUE: u64 = 64 * 1024;

/// A parameter with its value, for one request.
pub(crate) type Parameter = (String, Zeroizing<String>);

impl Provider {
    /// What a site adds to a request of this kind.
    pub(crate) async fn custom_parameters(
        &self,
        kind: RequestKind,
        account: Option<&str>,
        deadline: Instant,
    ) -> Result<Vec<Parameter>, ProviderError> {
        let entries = self.settings.parameters.matching(&self.issuer, account, kind);
        let mut parameters = Vec::with_capacity(entries.len());
        for entry in entries {
            let value = self.value(&entry.value, deadline).await.map_err(|reason| {
                let reason =
                    format!("{FILE_NAME}: no value for the parameter '{}': {reason}", entry.parameter);
                self.http.error(ProviderErrorKind::Configuration { reason })
            })?;
            parameters.push((entry.parameter.clone(), value));
        }
        Ok(parameters)
    }

    async fn value(&self, text: &str, deadline: Instant) -> Result<Zeroizing<String>, String> {
        if let Some(name) = text.strip_prefix('$') {
            let value = env::var(name);
            return value.map(Zeroizing::new).map_err(|_| format!("the agent has no variable {name}"));
        }
        if !text.starts_with('/') {
            return Ok(Zeroizing::new(text.to_owned()));
        }
        let path = PathBuf::from(text);
        let read = self.readers.run(deadline, (), move || first_line(&path)).await;
        match read {
            Ok(line) => line.map_err(|error| error.to_string()),
            Err(_) => Err(format!("{text} could not be read in time")),
        }
    }
}

fn first_line(path: &Path) -> std::io::Result<Zeroizing<String>> {
    let file = regular_file::open(path, LONGEST_VALUE)?;
    let mut line = Zeroizing::new(String::new());
    std::io::BufReader::new(file.take(LONGEST_VALUE)).read_line(&mut line)?;
    let length = line.trim_end_matches(['\n', '\r']).len();
    line.truncate(length);
    Ok(line)
}

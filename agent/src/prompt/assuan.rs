//! The conversation with pinentry. The lines themselves are in [`oidc_proto::assuan`].

use std::io;

use oidc_proto::assuan::{Answer, AssuanError, Replies, command};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, ChildStdin, ChildStdout},
};

/// Why a command was not answered with `OK`.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error(transparent)]
    Said(#[from] AssuanError),
    #[error("the prompt program ended: {0}")]
    Ended(#[from] io::Error),
}

/// One conversation.
pub(super) struct Assuan {
    input: ChildStdin,
    output: ChildStdout,
    replies: Replies,
}

impl Assuan {
    pub(super) fn over(child: &mut Child) -> Result<Self, Error> {
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(AssuanError::Malformed.into());
        };
        Ok(Self { input, output, replies: Replies::new() })
    }

    pub(super) async fn greeting(&mut self) -> Result<(), Error> {
        self.answer().await.map(drop)
    }

    /// Sends a command whose argument is escaped and cut to what fits a line.
    pub(super) async fn command(&mut self, name: &str, argument: &str) -> Result<Answer, Error> {
        self.input.write_all(command(name, argument).as_bytes()).await?;
        self.answer().await
    }

    pub(super) async fn bye(&mut self) {
        let _ = self.input.write_all(command("BYE", "").as_bytes()).await;
    }

    async fn answer(&mut self) -> Result<Answer, Error> {
        loop {
            if let Some(answer) = self.replies.answer()? {
                return Ok(answer);
            }
            match self.output.read(self.replies.space()).await? {
                0 => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                count => self.replies.received(count),
            }
        }
    }
}

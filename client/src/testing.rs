//! What the tests of the commands work with: an agent that answers as told, a person who types as told, an
//! oidc-agent directory and captured output.

use std::{
    cell::RefCell,
    collections::VecDeque,
    io::{self, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    rc::Rc,
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
};

use oidc_proto::{
    account::AccountConfig,
    channel::{AgentChannel, AgentStep},
    home::Home,
    message::{Reply, Request},
    secret::Password,
    vault::{self, Protection},
};
use tempfile::TempDir;

use crate::{
    account::password::asker::{AskError, Asked, Asker, NoTerminal},
    agent::Agent,
    cli::parse::{Invocation, Run, parse},
    command::{self, TABLE},
    context::{Context, error::Error},
    say::{dialect::Dialect, output::Output},
};

/// The password of the account files made here.
pub const PASSWORD: &str = "correct horse";

/// An agent on a thread of its own.
struct FakeAgent {
    socket: PathBuf,
    requests: Arc<Mutex<Vec<Request>>>,
    thread: Option<JoinHandle<()>>,
}

impl FakeAgent {
    fn start(socket: PathBuf, mut answer: impl FnMut(&Request) -> Reply + Send + 'static) -> Self {
        let listener = UnixListener::bind(&socket).expect("a socket");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                let Some((mut stream, mut channel, request)) = stream.ok().and_then(read_request) else {
                    return;
                };
                let reply = answer(&request);
                seen.lock().expect("no panic").push(request);
                let _ = stream.write_all(&channel.reply(reply.to_json()));
            }
        });
        Self { socket, requests, thread: Some(thread) }
    }
}

impl Drop for FakeAgent {
    fn drop(&mut self) {
        // A connection without a request ends it.
        drop(UnixStream::connect(&self.socket));
        // What was wrong with a request is said by the test that made it.
        if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join)
            && !thread::panicking()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

/// One byte at a time: a client must not care.
fn read_request(mut stream: UnixStream) -> Option<(UnixStream, AgentChannel, Request)> {
    let mut channel = AgentChannel::new();
    let mut byte = [0];
    let mut received = 0;
    loop {
        match channel.receive(&byte[..received]) {
            AgentStep::NeedMore => {
                received = stream.read(&mut byte).ok()?;
                if received == 0 {
                    return None;
                }
            }
            AgentStep::Send(bytes) => {
                stream.write_all(&bytes).ok()?;
                received = 0;
            }
            AgentStep::Request(payload) => return Some((stream, channel, Request::parse(&payload).ok()?)),
            AgentStep::Refuse(_) => return None,
        }
    }
}

/// What happens elsewhere; it is given the question.
type Meanwhile = Rc<dyn Fn(&str)>;

/// A person with answers prepared; nobody is there without any.
#[derive(Clone, Default)]
struct Person {
    answers: Rc<RefCell<Option<VecDeque<String>>>>,
    asked: Rc<RefCell<Vec<String>>>,
    /// What happens elsewhere while a question stands.
    meanwhile: Option<Meanwhile>,
}

impl Person {
    fn answer(&self, prompt: &str, asked: Asked) -> Result<String, AskError> {
        if let Some(meanwhile) = &self.meanwhile {
            meanwhile(prompt);
        }
        self.asked.borrow_mut().push(prompt.to_owned());
        let mut answers = self.answers.borrow_mut();
        answers
            .as_mut()
            .ok_or(AskError::NoTerminal(NoTerminal::Nowhere))?
            .pop_front()
            .ok_or(AskError::Cancelled(asked))
    }
}

impl Asker for Person {
    fn reach(&mut self) -> Result<(), AskError> {
        let answers = self.answers.borrow();
        answers.is_some().then_some(()).ok_or(AskError::NoTerminal(NoTerminal::Nowhere))
    }

    fn secret(&mut self, prompt: &str) -> Result<Password, AskError> {
        self.answer(prompt, Asked::Password).map(Password::new)
    }

    fn line(&mut self, prompt: &str) -> Result<String, AskError> {
        self.answer(prompt, Asked::Question)
    }

    fn tell(&mut self, text: &str) -> Result<(), AskError> {
        self.asked.borrow_mut().push(text.to_owned());
        Ok(())
    }
}

/// A stream that keeps what is written.
#[derive(Clone, Default)]
pub struct Captured(Rc<RefCell<Vec<u8>>>);

impl Captured {
    /// What was written.
    pub fn text(&self) -> String {
        String::from_utf8(self.0.borrow().clone()).expect("UTF-8")
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Everything around a command.
pub struct Bench {
    /// Before the directory: it ends by its socket, which must be there still.
    agent: Option<FakeAgent>,
    directory: TempDir,
    person: Person,
}

/// What a command did.
#[derive(Debug)]
pub struct Ran {
    /// Its standard output.
    pub stdout: String,
    /// Its standard error, without the error that ended it.
    pub stderr: String,
    /// How it ended.
    pub result: Result<(), Error>,
    /// What the person was asked and told.
    pub asked: Vec<String>,
}

impl Bench {
    /// No agent, nobody there, an empty directory.
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        Self { directory, agent: None, person: Person::default() }
    }

    /// With an agent that answers so.
    pub fn with_agent(mut self, answer: impl FnMut(&Request) -> Reply + Send + 'static) -> Self {
        let socket = self.socket();
        self.agent = Some(FakeAgent::start(socket, answer));
        self
    }

    /// With somebody at the terminal who types these lines.
    pub fn with_person(self, answers: &[&str]) -> Self {
        *self.person.answers.borrow_mut() = Some(answers.iter().map(ToString::to_string).collect());
        self
    }

    /// As [`Bench::with_person`]; `meanwhile` runs while a question, which it is given, stands.
    pub fn with_person_who(mut self, answers: &[&str], meanwhile: impl Fn(&str) + 'static) -> Self {
        self.person.meanwhile = Some(Rc::new(meanwhile));
        self.with_person(answers)
    }

    /// With an account file in the C suite's format under [`PASSWORD`].
    pub fn with_account(self, name: &str) -> Self {
        let password = Password::from(PASSWORD);
        let sealed = vault::seal_new(&account(name), &Protection::OidcAgent(&password));
        fs_err::write(self.file(name), sealed.expect("sealed").0).expect("written");
        self
    }

    /// Something else under an account's name.
    pub fn with_file(self, name: &str, content: &[u8]) -> Self {
        fs_err::write(self.file(name), content).expect("written");
        self
    }

    /// Where the file of an account is.
    pub fn file(&self, name: &str) -> PathBuf {
        self.home_path().join(name)
    }

    /// The oidc-agent directory.
    pub fn home(&self) -> Home {
        Home::at(self.home_path())
    }

    /// The requests the agent saw.
    pub fn requests(&self) -> Vec<Request> {
        self.agent.as_ref().map(|agent| agent.requests.lock().expect("no panic").clone()).unwrap_or_default()
    }

    /// Runs a command line, the program's name first.
    pub fn run(&self, line: &[&str]) -> Ran {
        let Ok(Invocation::Run(Run { command, dialect, .. })) = parse(&TABLE, line.iter().map(Into::into))
        else {
            panic!("a command line: {line:?}");
        };
        self.run_as(dialect, command.common().json, |context| command.run(context))
    }

    /// Does something as a command would.
    pub fn run_as(
        &self,
        dialect: Dialect,
        json: bool,
        work: impl FnOnce(&mut Context) -> Result<(), Error>,
    ) -> Ran {
        let (stdout, stderr) = (Captured::default(), Captured::default());
        let mut context = self.context(dialect, json, &stdout, &stderr);
        let result = work(&mut context);
        context.output.finish().expect("written");
        let asked = self.person.asked.borrow().clone();
        Ran { stdout: stdout.text(), stderr: stderr.text(), result, asked }
    }

    fn context(&self, dialect: Dialect, json: bool, stdout: &Captured, stderr: &Captured) -> Context {
        Context {
            output: Output::new(dialect, json, Box::new(stdout.clone()), Box::new(stderr.clone())),
            agent: Agent::at(&self.socket()),
            asker: Box::new(self.person.clone()),
            home: Some(self.home()),
            programs: command::programs,
        }
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("agent.sock")
    }

    fn home_path(&self) -> PathBuf {
        let path = self.directory.path().join("home");
        if !Path::exists(&path) {
            fs_err::create_dir(&path).expect("a directory");
        }
        path
    }
}

/// An account with every secret recognisable.
pub fn account(name: &str) -> AccountConfig {
    let json = format!(
        r#"{{"name":"{name}","issuer_url":"https://op.example/","client_id":"client-1","client_secret":"SECRET-1",
            "refresh_token":"SECRET-2"}}"#
    );
    AccountConfig::parse(json.as_bytes()).expect("an account")
}

/// The reply to `loaded_accounts`.
pub fn loaded(names: &[&str]) -> Reply {
    Reply::success_with(names.iter().map(|name| (*name).into()).collect::<Vec<serde_json::Value>>())
}

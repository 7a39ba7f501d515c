//! An agent, a person and a machine for tests: each does what it is told and remembers what it was asked.

use std::{
    cell::RefCell,
    collections::VecDeque,
    ffi::OsString,
    io::{self, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    rc::Rc,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use oidc_proto::{
    channel::{AgentChannel, AgentStep},
    home::Home,
    message::{Reply, Request},
    secret::Password,
};
use tempfile::TempDir;
use url::Url;

use super::{
    arguments::{CSuiteGenArgs, GenArgs},
    desk::Desk,
    run_at,
};
use crate::{
    account::password::asker::{AskError, Asker, NoTerminal},
    agent::Agent,
    cli::{
        parse::{Invocation, parse},
        table::{Entry, Table},
    },
    command,
    context::{Context, error::Error},
    say::{dialect::Dialect, output::Output},
};

/// `gen` alone, so that its arguments are at hand.
static GEN: Table<GenArgs> = Table {
    commands: &[Entry::of::<GenArgs>("gen")],
    groups: &[],
    c_suite: &[Entry::as_of_c_suite::<CSuiteGenArgs, GenArgs>("oidc-gen")],
};

/// A person, a machine, a directory, and an agent that answers by a function.
pub struct Stage {
    directory: TempDir,
    requests: Arc<Mutex<Vec<Request>>>,
    /// What the person answers, in order; each with a part of the question.
    pub answers: VecDeque<(&'static str, &'static str)>,
    /// The machine.
    pub machine: FakeMachine,
    /// In whose manner the command speaks.
    pub dialect: Dialect,
}

/// How a run ended.
pub struct Run {
    /// Its result.
    pub result: Result<(), Error>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Stage {
    /// An agent that answers each request by `answer`.
    pub fn new(mut answer: impl FnMut(&Request) -> Reply + Send + 'static) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        fs_err::create_dir(directory.path().join("home")).expect("a directory");
        let listener = UnixListener::bind(directory.path().join("socket")).expect("a socket");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&requests);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                serve(stream, |request| {
                    let reply = answer(&request);
                    noted.lock().expect("no test panics here").push(request);
                    reply
                });
            }
        });
        Self {
            directory,
            requests,
            answers: VecDeque::new(),
            machine: FakeMachine::default(),
            dialect: Dialect::Ours,
        }
    }

    /// The oidc-agent directory.
    pub fn home(&self) -> Home {
        Home::at(self.directory.path().join("home"))
    }

    /// What the agent was asked, in order.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("no test panics here").clone()
    }

    /// The names of what the agent was asked, less what only looks whether it is there and what it knows.
    pub fn request_names(&self) -> Vec<&'static str> {
        let all = self.requests();
        all.iter()
            .map(Request::name)
            .filter(|name| !matches!(*name, "status_json" | "loaded_accounts" | "scopes" | "provider"))
            .collect()
    }

    /// The person gives these answers.
    pub fn with_answers(mut self, answers: &[(&'static str, &'static str)]) -> Self {
        self.answers = answers.iter().copied().collect();
        self
    }

    /// Runs `oidc gen` with these arguments.
    pub fn run(&mut self, arguments: &[&str]) -> Run {
        let called: &[&str] = match self.dialect {
            Dialect::Ours => &["oidc", "gen"],
            Dialect::CSuite | Dialect::Htgettoken => &["oidc-gen"],
        };
        let args = self::arguments(called.iter().chain(arguments).copied());
        let (stdout, stderr) = (Stream::default(), Stream::default());
        let mut context = Context {
            output: Output::new(
                self.dialect,
                args.common.json,
                Box::new(stdout.clone()),
                Box::new(stderr.clone()),
            ),
            agent: Agent::at(&self.directory.path().join("socket")),
            asker: Box::new(Person { answers: std::mem::take(&mut self.answers), told: stderr.clone() }),
            home: Some(self.home()),
            programs: command::programs,
        };
        let result = run_at(&args, &mut context, &mut self.machine);
        context.output.finish().expect("written");
        Run { result, stdout: stdout.text(), stderr: stderr.text() }
    }
}

/// The arguments of a command line of `gen`, the program's name first.
pub fn arguments<'a>(line: impl IntoIterator<Item = &'a str>) -> GenArgs {
    match parse(&GEN, line.into_iter().map(OsString::from)) {
        Ok(Invocation::Run(run)) => run.command,
        _ => panic!("no command line of gen"),
    }
}

fn serve(mut stream: UnixStream, answer: impl FnOnce(Request) -> Reply) {
    let mut channel = AgentChannel::new();
    let mut buffer = [0; 4096];
    let mut received = 0;
    loop {
        match channel.receive(&buffer[..received]) {
            AgentStep::NeedMore => match stream.read(&mut buffer) {
                Ok(read) if read > 0 => received = read,
                _ => return,
            },
            AgentStep::Send(bytes) => {
                stream.write_all(&bytes).expect("a client that reads");
                received = 0;
            }
            AgentStep::Request(payload) => {
                let reply = Request::parse(&payload).map_or_else(Reply::Failure, answer);
                // A client that was ended reads no more.
                drop(stream.write_all(&channel.reply(reply.to_json())));
                return;
            }
            AgentStep::Refuse(_) => panic!("the client sent nonsense"),
        }
    }
}

/// A stream that keeps what is written.
#[derive(Clone, Default)]
struct Stream(Rc<RefCell<Vec<u8>>>);

impl Stream {
    fn text(&self) -> String {
        String::from_utf8(self.0.borrow().clone()).expect("text")
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A person with an answer to each question, in order. Without answers there is nobody.
struct Person {
    answers: VecDeque<(&'static str, &'static str)>,
    told: Stream,
}

impl Person {
    fn answer(&mut self, prompt: &str) -> Result<String, AskError> {
        writeln!(self.told, "{prompt}")?;
        let (question, answer) =
            self.answers.pop_front().unwrap_or_else(|| panic!("no answer to {prompt:?}"));
        assert!(prompt.contains(question), "{prompt:?} instead of {question:?}");
        if answer == "^C" { Err(AskError::Interrupted) } else { Ok(answer.to_owned()) }
    }
}

impl Asker for Person {
    fn reach(&mut self) -> Result<(), AskError> {
        if self.answers.is_empty() { Err(AskError::NoTerminal(NoTerminal::Nowhere)) } else { Ok(()) }
    }

    fn secret(&mut self, prompt: &str) -> Result<Password, AskError> {
        self.answer(prompt).map(Password::new)
    }

    fn line(&mut self, prompt: &str) -> Result<String, AskError> {
        self.answer(prompt)
    }

    fn tell(&mut self, text: &str) -> Result<(), AskError> {
        Ok(writeln!(self.told, "{text}")?)
    }
}

/// A machine whose time passes only while something waits.
pub struct FakeMachine {
    /// Whether there is a display.
    pub has_display: bool,
    /// The addresses that a browser was opened for.
    pub opened: Vec<String>,
    /// How long each pause was, in seconds.
    pub pauses: Vec<u64>,
    /// Ctrl-C is pressed in this pause, counted from 0.
    pub interrupted_at: Option<usize>,
    /// Whether Ctrl-C has to wait now.
    pub holds_interrupts: bool,
    start: Instant,
}

impl Default for FakeMachine {
    fn default() -> Self {
        Self {
            has_display: false,
            opened: Vec::new(),
            pauses: Vec::new(),
            interrupted_at: None,
            holds_interrupts: false,
            start: Instant::now(),
        }
    }
}

impl Desk for FakeMachine {
    fn has_display(&self) -> bool {
        self.has_display
    }

    fn open(&mut self, url: &Url) -> io::Result<()> {
        self.opened.push(url.to_string());
        Ok(())
    }

    fn now(&self) -> Instant {
        self.start + Duration::from_secs(self.pauses.iter().sum())
    }

    fn wait(&mut self, time: Duration) -> Result<(), AskError> {
        assert!(self.holds_interrupts, "Ctrl-C would end the program in the middle of a login");
        self.pauses.push(time.as_secs());
        if self.interrupted_at == Some(self.pauses.len() - 1) { Err(AskError::Interrupted) } else { Ok(()) }
    }

    fn hold_interrupts(&mut self, hold: bool) -> io::Result<()> {
        self.holds_interrupts = hold;
        Ok(())
    }

    fn terminal_size(&self) -> Option<(usize, usize)> {
        Some((80, 24))
    }
}

//! An agent that offers logins, a pinentry that is answered through files, a browser that is played, and programs that ask.

use std::{
    os::unix::fs::PermissionsExt,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use oidc_tests::{
    agent::Agent,
    environment::{Environment, FileFormat},
    http,
    provider::{Provider, Quirks},
    scene::{ACCOUNT, Scene},
};
use serde_json::{Value, json};

/// Generous for a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// The configuration of an agent that offers logins.
pub const ON: &str = r#"{"oidc-agent": {"auto-reauthenticate": true}}"#;

/// What the prompt program is asked: whether to log in at all, or the window that stands during the login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    Offer,
    Login,
}

/// What a person may press.
pub const OK: &str = "OK\n";
pub const CANCEL: &str = "ERR 83886179 Operation cancelled <Pinentry>\n";

/// Sends the same request a number of times at once, and prints of each answer in turn the token or what went wrong.
const ASK: &str = r#"
import json, socket, sys
path, request, count = sys.argv[1:4]
asking = []
for _ in range(int(count)):
    stream = socket.socket(socket.AF_UNIX)
    stream.connect(path)
    stream.sendall(request.encode())
    asking.append(stream)
for stream in asking:
    answer = b""
    while piece := stream.recv(65536):
        answer += piece
    answer = json.loads(answer)
    print("answer", answer.get("access_token") or answer.get("error_code") or answer["status"], flush=True)
"#;

/// Everything, with an account that is loaded and needs a login.
pub struct Stage {
    pub scene: Scene,
    port: u16,
}

impl Stage {
    pub fn new() -> Self {
        Self::with(ON, &[])
    }

    /// With this configuration and these options for the agent.
    pub fn with(config: &str, options: &[&str]) -> Self {
        let stage = Self::unloaded(config, options);
        stage.scene.load(ACCOUNT);
        stage.scene.provider.revoke_logins();
        stage
    }

    /// The same, and the account is not loaded.
    pub fn unloaded(config: &str, options: &[&str]) -> Self {
        let quirks = Quirks { ignores_loopback_port: true, device_interval: Some(1), ..Quirks::default() };
        let provider = Provider::with(quirks);
        let mut environment = Environment::new();
        let port = free_port();
        let mut account = provider.seed_account(ACCOUNT);
        account.redirect_uris = vec![format!("http://localhost:{port}")];
        environment.add_account(&account, FileFormat::Native);
        fs_err::write(environment.accounts().join("config"), config).expect("written");
        let bin = environment.path("bin");
        fs_err::create_dir(&bin).expect("a directory");
        let path = |name: &str| environment.path(name).display().to_string();
        let pinentry = format!(
            "#!/bin/sh\necho OK\nkind=other\nwhile read -r line; do\ncase \"$line\" in\n\
             'SETOK Log in') kind=offer; echo OK;;\n'SETOK Hide') kind=login; echo OK;;\n\
             SETDESC*) printf '%s\\n' \"$line\" >>'{heard}'; echo OK;;\n\
             CONFIRM) echo $$ >\"{pid}.$kind\"; echo $kind >>'{asked}'\n\
             until [ -e \"{answer}.$kind\" ]; do sleep 0.02; done; cat \"{answer}.$kind\";;\n\
             BYE) echo OK; exit;;\n*) echo OK;;\nesac\ndone\n",
            heard = path("heard"),
            asked = path("asked"),
            answer = path("answer"),
            pid = path("pid"),
        );
        script(&environment.path("pinentry"), &pinentry);
        let opened = path("opened");
        let browser =
            format!("#!/bin/sh\nprintf '%s' \"$1\" >'{opened}.part'; mv '{opened}.part' '{opened}'\n");
        script(&bin.join("xdg-open"), &browser);
        environment.set("OIDC_PINENTRY", &path("pinentry"));
        let search = std::env::var("PATH").unwrap_or_default();
        environment.set("PATH", &format!("{}:{search}", bin.display()));
        let agent = Agent::with_options(&environment, options);
        Self { scene: Scene { agent, environment, provider }, port }
    }

    /// A program that makes a request. It has a display where it is given one.
    pub fn asking(&self, request: &Value, count: usize, has_display: bool) -> Command {
        let mut command = self.scene.environment.command_at("python3".as_ref());
        command.args(["-c", ASK]).arg(self.scene.agent.socket());
        command.arg(request.to_string()).arg(count.to_string());
        if has_display {
            command.env("DISPLAY", ":7");
        }
        command
    }

    /// The same in a session of its own, without a terminal.
    pub fn without_terminal(&self, request: &Value, count: usize, has_display: bool) -> Command {
        let asking = self.asking(request, count, has_display);
        let mut command = self.scene.environment.command_at("setsid".as_ref());
        command.arg("--wait").arg(asking.get_program()).args(asking.get_args());
        command.envs(asking.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command
    }

    /// How often a window was shown.
    pub fn shown(&self, window: Window) -> usize {
        let asked = fs_err::read_to_string(self.scene.environment.path("asked")).unwrap_or_default();
        asked.lines().filter(|kind| *kind == window.kind()).count()
    }

    /// Waits until a window has been shown so often.
    pub fn wait_for(&self, window: Window, times: usize) {
        wait_until(|| self.shown(window) >= times);
    }

    /// Waits until the window that was shown last is closed.
    pub fn wait_until_closed(&self, window: Window) {
        let pid = self.scene.environment.path(&format!("pid.{}", window.kind()));
        let pid = fs_err::read_to_string(pid).expect("a window");
        let stat = format!("/proc/{}/stat", pid.trim());
        wait_until(|| fs_err::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z ")));
    }

    /// What all windows said.
    pub fn heard(&self) -> String {
        fs_err::read_to_string(self.scene.environment.path("heard")).unwrap_or_default()
    }

    /// The person presses a button, now and at each later window of the kind.
    pub fn press(&self, window: Window, button: &str) {
        let part = self.scene.environment.path("part");
        fs_err::write(&part, button).expect("written");
        let answer = self.scene.environment.path(&format!("answer.{}", window.kind()));
        fs_err::rename(part, answer).expect("renamed");
    }

    /// The browser that was opened logs the person in.
    pub fn browse(&self) {
        let page = visit(&self.redirected());
        assert!(page.contains("You are logged in"), "{page}");
    }

    /// Where the provider sends the browser that was opened.
    pub fn redirected(&self) -> String {
        let opened = self.scene.environment.path("opened");
        wait_until(|| opened.exists());
        let url = fs_err::read_to_string(&opened).expect("an address");
        let answer = http::get(url).send().expect("the provider answers");
        let back = answer.header("location").expect("a redirect").to_owned();
        assert!(back.starts_with(&format!("http://localhost:{}", self.port)), "{back}");
        back
    }

    /// The person types the code that is shown, and agrees.
    pub fn agree_on_another_device(&self) {
        wait_until(|| !self.scene.provider.user_codes().is_empty());
        let code = self.scene.provider.user_codes().pop().expect("a code");
        assert!(self.scene.provider.decide_device(&code, true));
    }

    /// Whether what stands in the account's file is good.
    pub fn is_stored(&self) -> bool {
        self.scene.provider.is_live(&self.scene.stored_refresh_token())
    }
}

impl Window {
    fn kind(self) -> &'static str {
        match self {
            Self::Offer => "offer",
            Self::Login => "login",
        }
    }
}

/// What a browser shows at an address.
pub fn visit(address: &str) -> String {
    http::get(address).send().expect("a page").text()
}

/// A request for a new token, by a program that lets the agent ask.
pub fn token() -> Value {
    json!({"request": "access_token", "account": ACCOUNT, "min_valid_period": -1})
}

/// What `ASK` printed.
pub fn answers(shown: &str) -> Vec<String> {
    shown.lines().filter_map(|line| line.trim().strip_prefix("answer ")).map(str::to_owned).collect()
}

pub fn wait_until(done: impl Fn() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !done() {
        assert!(Instant::now() < end, "it never came about");
        thread::sleep(Duration::from_millis(20));
    }
}

fn script(path: &std::path::Path, text: &str) {
    fs_err::write(path, text).expect("a program");
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o700)).expect("executable");
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

//! A real browser, driven by the `WebDriver` protocol (W3C): headless Chromium through `chromedriver`.

use std::{
    fmt,
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{http, programs::ends_with_us};

/// How long a page may take to show what is waited for.
const DEADLINE: Duration = Duration::from_secs(20);
/// Between two looks at a page.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// The key of an element reference (`WebDriver` section 12.1).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Where the two programs are; from [`crate::require::browser`].
#[derive(Debug, Clone)]
pub struct BrowserPrograms {
    /// `chromedriver`.
    pub driver: PathBuf,
    /// `chromium`.
    pub browser: PathBuf,
}

/// A browser with one window; closed when dropped.
#[derive(Debug)]
pub struct Browser {
    driver: Child,
    session: String,
    profile: TempDir,
}

/// What the driver says went wrong.
#[derive(Debug)]
pub struct BrowserError(String);

impl fmt::Display for BrowserError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BrowserError {}

impl Browser {
    /// Starts a browser that accepts any certificate and talks to nobody but the pages it is sent to.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(programs: &BrowserPrograms) -> Self {
        let profile = tempfile::tempdir().expect("a temporary directory");
        let mut command = Command::new(&programs.driver);
        command.arg("--port=0").env("HOME", profile.path());
        let mut command = ends_with_us(&command);
        command.stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
        let mut driver = command.spawn().expect("chromedriver starts");
        let port = port_of(&mut driver);
        let mut browser = Self { driver, session: format!("http://127.0.0.1:{port}/session"), profile };
        let created = browser.call("POST", "", &browser.capabilities(programs)).expect("a browser session");
        let id = created["sessionId"].as_str().expect("a session id");
        browser.session = format!("{}/{id}", browser.session);
        browser
    }

    fn capabilities(&self, programs: &BrowserPrograms) -> Value {
        let profile = format!("--user-data-dir={}", self.profile.path().display());
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            // It ends with its driver, whatever ends that one.
            "--remote-debugging-pipe",
            &profile,
        ];
        let options = json!({"binary": programs.browser, "args": arguments});
        json!({"capabilities": {"alwaysMatch": {"acceptInsecureCerts": true, "goog:chromeOptions": options}}})
    }

    /// Forgets every cookie, and with them who is logged in where (`Network.clearBrowserCookies` of Chromium's own protocol).
    pub fn forget(&self) -> Result<(), BrowserError> {
        self.command("Network.clearBrowserCookies", &json!({})).map(drop)
    }

    /// Opens a page.
    pub fn open(&self, url: &str) -> Result<(), BrowserError> {
        self.call("POST", "/url", &json!({"url": url})).map(drop)
    }

    /// The address that is shown.
    pub fn url(&self) -> Result<String, BrowserError> {
        self.call("GET", "/url", &Value::Null).map(|value| text(&value))
    }

    /// The page's title.
    pub fn title(&self) -> Result<String, BrowserError> {
        self.call("GET", "/title", &Value::Null).map(|value| text(&value))
    }

    /// What a person reads on the page.
    pub fn text(&self) -> Result<String, BrowserError> {
        let body = self.find("body")?;
        self.call("GET", &format!("/element/{body}/text"), &Value::Null).map(|value| text(&value))
    }

    /// Clicks on what a CSS selector finds, once it is there.
    pub fn click(&self, selector: &str) -> Result<(), BrowserError> {
        let element = self.find(selector)?;
        self.call("POST", &format!("/element/{element}/click"), &json!({})).map(drop)
    }

    /// Clicks on what a CSS selector finds, unless the page's text contains `otherwise` before it is there.
    pub fn click_unless(&self, selector: &str, otherwise: &str) -> Result<(), BrowserError> {
        let query = json!({"using": "css selector", "value": selector});
        let found = retry(|| match self.call("POST", "/element", &query) {
            Ok(found) => Ok(Some(text(&found[ELEMENT]))),
            Err(_) if self.text()?.contains(otherwise) => Ok(None),
            Err(error) => Err(error),
        })?;
        let Some(element) = found else { return Ok(()) };
        self.call("POST", &format!("/element/{element}/click"), &json!({})).map(drop)
    }

    /// Types into what a CSS selector finds, once it is there.
    pub fn type_into(&self, selector: &str, keys: &str) -> Result<(), BrowserError> {
        let element = self.find(selector)?;
        self.call("POST", &format!("/element/{element}/value"), &json!({"text": keys})).map(drop)
    }

    /// Waits until the page's text contains `wanted`.
    pub fn wait_for_text(&self, wanted: &str) -> Result<String, BrowserError> {
        retry(|| {
            let text = self.text()?;
            let missing = || BrowserError(format!("no {wanted:?} in {text:?}"));
            if text.contains(wanted) { Ok(text) } else { Err(missing()) }
        })
    }

    /// Waits until the address contains `wanted`: a redirect is followed in its own time.
    pub fn wait_for_url(&self, wanted: &str) -> Result<String, BrowserError> {
        retry(|| {
            let url = self.url()?;
            let missing = || BrowserError(format!("no {wanted:?} in {url:?}"));
            if url.contains(wanted) { Ok(url) } else { Err(missing()) }
        })
    }

    /// What a script in the page returns: the body of a function, with `arguments`.
    pub fn run(&self, script: &str, arguments: &[Value]) -> Result<Value, BrowserError> {
        self.call("POST", "/execute/sync", &json!({"script": script, "args": arguments}))
    }

    /// A command of Chromium's own protocol (CDP).
    pub fn command(&self, name: &str, parameters: &Value) -> Result<Value, BrowserError> {
        self.call("POST", "/goog/cdp/execute", &json!({"cmd": name, "params": parameters}))
    }

    /// A picture of the window, as PNG.
    pub fn screenshot(&self) -> Result<Vec<u8>, BrowserError> {
        let picture = text(&self.call("GET", "/screenshot", &Value::Null)?);
        BASE64_STANDARD.decode(picture).map_err(|error| BrowserError(error.to_string()))
    }

    fn find(&self, selector: &str) -> Result<String, BrowserError> {
        let query = json!({"using": "css selector", "value": selector});
        let found = retry(|| self.call("POST", "/element", &query))?;
        Ok(text(&found[ELEMENT]))
    }

    fn call(&self, method: &'static str, path: &str, body: &Value) -> Result<Value, BrowserError> {
        let request = http::request(method, format!("{}{path}", self.session));
        let request = if body.is_null() { request } else { request.json(body) };
        let response = request.send().map_err(|error| BrowserError(error.to_string()))?;
        let value = response.json()["value"].clone();
        if response.status == 200 { Ok(value) } else { Err(BrowserError(value["message"].to_string())) }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The session's end closes the browser; what is left of it goes with the driver's process group.
        let _ = self.call("DELETE", "", &Value::Null);
        let _ = kill_process_group(Pid::from_child(&self.driver), Signal::KILL);
        let _ = self.driver.wait();
    }
}

/// The port that a driver with `--port=0` chose, from what it prints.
fn port_of(driver: &mut Child) -> u16 {
    let stdout = driver.stdout.take().expect("standard output is a pipe");
    let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
    let port =
        lines.find_map(|line| line.strip_suffix('.')?.rsplit_once("successfully on port ")?.1.parse().ok());
    // Nobody reads on, but a driver whose output is closed would end.
    thread::spawn(move || lines.for_each(drop));
    port.expect("chromedriver names its port")
}

fn retry<T>(mut attempt: impl FnMut() -> Result<T, BrowserError>) -> Result<T, BrowserError> {
    let end = Instant::now() + DEADLINE;
    loop {
        match attempt() {
            Err(_) if Instant::now() < end => thread::sleep(LOOK_AGAIN),
            result => return result,
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().map(Into::into).unwrap_or_default()
}

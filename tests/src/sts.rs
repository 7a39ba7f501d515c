//! A security token service as AWS has one, played: `AssumeRoleWithWebIdentity`, answered as a test says.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// Most bytes of a request that are read.
const MAX_BODY: usize = 64 << 10;
/// How long a client may take to send one.
const PATIENCE: Duration = Duration::from_secs(10);

/// The service; it ends when dropped.
#[derive(Debug)]
pub struct Sts {
    url: String,
    calls: Arc<Mutex<Vec<Call>>>,
    ends: Arc<AtomicBool>,
    serving: Option<JoinHandle<()>>,
}

/// A request as it came in: its parameters, in order.
pub type Call = Vec<(String, String)>;

/// What is answered to a request; numbers count from 1.
pub enum Answer {
    /// Credentials whose names hold the request's number, for as long as was asked for.
    Given,
    /// An error.
    Refused {
        /// The HTTP status.
        status: u16,
        /// The service's name for it.
        code: &'static str,
    },
}

impl Sts {
    /// Answers every request with credentials.
    pub fn start() -> Self {
        Self::answering(|_, _| Answer::Given)
    }

    /// Answers the request with a number as it says.
    ///
    /// # Panics
    /// When there is no port to listen at.
    pub fn answering(answer: impl Fn(usize, &Call) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/", listener.local_addr().expect("an address"));
        let (calls, ends) = (Arc::<Mutex<Vec<Call>>>::default(), Arc::<AtomicBool>::default());
        let (seen, end) = (calls.clone(), ends.clone());
        let serving = thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if end.load(Ordering::Relaxed) {
                    return;
                }
                // A client that goes away or says nothing is the test's business.
                let _ = serve(stream, &seen, &answer);
            }
        });
        Self { url, calls, ends, serving: Some(serving) }
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What it was asked so far.
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.calls).clone()
    }
}

impl Drop for Sts {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        let address = self.url.trim_start_matches("http://").trim_end_matches('/');
        // Wakes it up.
        drop(TcpStream::connect(address));
        if let Some(serving) = self.serving.take() {
            let _ = serving.join();
        }
    }
}

/// The value of a parameter; empty when absent.
pub fn parameter<'a>(call: &'a Call, name: &str) -> &'a str {
    call.iter().find(|(own, _)| own == name).map_or("", |(_, value)| value)
}

fn serve(
    stream: TcpStream,
    calls: &Mutex<Vec<Call>>,
    answer: &impl Fn(usize, &Call) -> Answer,
) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.by_ref().take(16 << 10).read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length.min(MAX_BODY)];
    reader.read_exact(&mut body)?;
    let call: Call = url::form_urlencoded::parse(&body).into_owned().collect();
    let number = {
        let mut calls = lock(calls);
        calls.push(call.clone());
        calls.len()
    };
    let (status, body) = match answer(number, &call) {
        Answer::Given => (200, given(number, &call)),
        Answer::Refused { status, code } => (status, refused(code)),
    };
    let mut stream = reader.into_inner();
    write!(
        stream,
        "HTTP/1.1 {status} X\r\nContent-Type: text/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )?;
    stream.shutdown(Shutdown::Write)
}

fn given(number: usize, call: &Call) -> String {
    let seconds: u64 = parameter(call, "DurationSeconds").parse().unwrap_or(3600);
    let expiration = httpdate::HttpDate::from(std::time::SystemTime::now() + Duration::from_secs(seconds));
    format!(
        r#"<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleWithWebIdentityResult>
    <SubjectFromWebIdentityToken>somebody</SubjectFromWebIdentityToken>
    <Audience>any</Audience>
    <Credentials>
      <SessionToken>token-{number}==</SessionToken>
      <SecretAccessKey>secret/{number}</SecretAccessKey>
      <Expiration>{}</Expiration>
      <AccessKeyId>ASIA{number}</AccessKeyId>
    </Credentials>
  </AssumeRoleWithWebIdentityResult>
  <ResponseMetadata><RequestId>{number}</RequestId></ResponseMetadata>
</AssumeRoleWithWebIdentityResponse>"#,
        rfc_3339(&expiration.to_string())
    )
}

fn refused(code: &str) -> String {
    format!(
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type><Code>{code}</Code>\
         <Message>Not authorized to perform sts:AssumeRoleWithWebIdentity</Message></Error><RequestId>1</RequestId></ErrorResponse>"
    )
}

/// `Thu, 26 Nov 2026 22:33:19 GMT` as `2026-11-26T22:33:19Z`.
fn rfc_3339(date: &str) -> String {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let words: Vec<&str> = date.split(' ').collect();
    let month = MONTHS.find(words[2]).unwrap_or_default() / 3 + 1;
    format!("{}-{month:02}-{}T{}Z", words[3], words[1], words[4])
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! `oidc page`: the agent's own web page, opened in a browser.

use clap::Parser;
use jiff::{Timestamp, tz::TimeZone};
use oidc_proto::{
    error_code::ErrorCode,
    message::{Failure, PageReply, PageRequest, Reply, Request},
    shell,
};
use rustix::system::uname;
use serde_json::json;
use url::Url;

use crate::{
    cli::options::Common,
    context::{Command, Context, error::Error},
    process::{browser, display::has_display},
};

/// Open the agent's web page: accounts, tokens to copy, what a token says
#[derive(Debug, Clone, Parser)]
#[command(after_help = "\
The page is served by the agent, to programs of its user on this computer only. It ends a quarter of an hour after the last \
`oidc page`, with `--stop`, or with the agent; its address opens it once. Without a display the address is printed, and how to \
reach it from another computer.")]
pub struct PageArgs {
    /// End the page
    #[arg(long, conflicts_with = "no_browser")]
    pub stop: bool,

    /// Open no browser, but print the address
    #[arg(long)]
    pub no_browser: bool,

    #[command(flatten)]
    pub common: Common,
}

impl Command for PageArgs {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(&self, context: &mut Context) -> Result<(), Error> {
        let request = Request::Page(PageRequest { stop: self.stop });
        match context.call(&request).map_err(without_page)? {
            Reply::Success { info } if self.stop => {
                stopped(info.as_ref().and_then(|info| info.as_str()), context)
            }
            Reply::Page(page) if !self.stop => self.opened(&page, context),
            _ => Err(Error::UnexpectedReply("page")),
        }
    }
}

impl PageArgs {
    fn opened(&self, page: &PageReply, context: &mut Context) -> Result<(), Error> {
        let address = Url::parse(page.address.expose()).map_err(|_| Error::UnexpectedReply("page"))?;
        let here = uname().nodename().to_string_lossy().into_owned();
        // A forwarded socket leads to the agent of another computer, whose loopback address is not ours.
        let is_here = page.host.is_empty() || page.host == here;
        let wants_browser = !self.no_browser && is_here && has_display();
        let is_open = wants_browser
            && browser::open(address.as_str())
                .inspect_err(|error| {
                    context.output.note(&format!(
                        "No browser could be opened ({error}); please open the address yourself."
                    ));
                })
                .is_ok();
        if context.output.json {
            return Ok(context.output.json(&json!({
                "status": "success",
                "address": address.as_str(),
                "opens_until": page.opens_until,
                "ends_at": page.ends_at,
                "host": page.host,
                "opened": is_open,
            }))?);
        }
        let ends = clock(page.ends_at);
        if is_open {
            context.output.line(&format!("The page opens in your browser. It ends at {ends}."))?;
            context
                .output
                .note("`oidc page --stop` ends it before; `oidc page --no-browser` prints its address.");
            return Ok(());
        }
        context.output.line(address.as_str())?;
        context.output.note(&directions(page, &address, is_here));
        Ok(())
    }
}

/// How to get to the page by hand.
fn directions(page: &PageReply, address: &Url, is_here: bool) -> String {
    let port = address.port().unwrap_or_default();
    let host = shell::quoted(&page.host);
    let computer =
        if is_here { "this computer".to_owned() } else { format!("'{}', where the agent runs,", page.host) };
    format!(
        "Open this address in a browser on {computer} until {}: it opens the page once.\n\
         From another computer, run this there first, and open the same address there:\n\
         ssh -N -L {port}:127.0.0.1:{port} {host}\n\
         The page ends at {}, or by `oidc page --stop`.",
        clock(page.opens_until),
        clock(page.ends_at)
    )
}

fn stopped(info: Option<&str>, context: &mut Context) -> Result<(), Error> {
    if context.output.json {
        return Ok(context.output.json(&json!({"status": "success", "info": info}))?);
    }
    Ok(context.output.line(info.unwrap_or("success"))?)
}

/// Agents of the C suite have none.
fn without_page(error: Error) -> Error {
    if !error.is_unknown_request() {
        return error;
    }
    let text = "the agent that answers has no page: it is of the C suite, or of an older release";
    Failure::new(ErrorCode::UnknownRequest, text)
        .with_info(
            "`oidc status` shows which one it is; `oidc agent stop` and `oidc agent start` take another one.",
        )
        .into()
}

/// A time of day.
fn clock(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    time.map_or_else(
        || seconds.to_string(),
        |time| time.to_zoned_datetime(TimeZone::system()).strftime("%H:%M:%S").to_string(),
    )
}

#[cfg(test)]
mod tests {
    use oidc_proto::secret::SecretText;
    use serde_json::Value;

    use super::*;
    use crate::testing::Bench;

    const ADDRESS: &str = "http://127.0.0.1:4711/#s3cret";

    fn page(host: &str) -> PageReply {
        PageReply {
            address: SecretText::from(ADDRESS),
            opens_until: 1_800_000_300,
            ends_at: 1_800_000_900,
            host: host.to_owned(),
        }
    }

    fn bench(reply: impl Fn(PageRequest) -> Reply + Send + 'static) -> Bench {
        Bench::new().with_agent(move |request| match request {
            Request::Page(request) => reply(*request),
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn the_address_is_the_result_and_how_to_get_there_is_said() {
        let here = uname().nodename().to_string_lossy().into_owned();
        for (host, computer) in
            [(here.as_str(), "on this computer until"), ("login 1", "on 'login 1', where the agent")]
        {
            let reply = page(host);
            let ran = bench(move |_| Reply::Page(reply.clone())).run(&["oidc", "page", "--no-browser"]);
            assert_eq!(ran.stdout, format!("{ADDRESS}\n"));
            assert!(ran.stderr.contains(computer), "{}", ran.stderr);
            let forward = format!("ssh -N -L 4711:127.0.0.1:4711 {}", shell::quoted(host));
            assert!(ran.stderr.contains(&forward), "{}", ran.stderr);
        }
    }

    #[test]
    fn a_page_of_another_computer_is_not_opened_here() {
        let ran = bench(|_| Reply::Page(page("elsewhere"))).run(&["oidc", "page", "--json"]);
        let object: Value = serde_json::from_str(&ran.stdout).expect("an object");
        assert_eq!((&object["address"], &object["opened"]), (&ADDRESS.into(), &false.into()));
        assert_eq!(
            (&object["opens_until"], &object["ends_at"]),
            (&1_800_000_300_u64.into(), &1_800_000_900_u64.into())
        );
    }

    #[test]
    fn it_is_ended() {
        let ended = |request: PageRequest| {
            assert!(request.stop);
            Reply::success_with("The page has ended.")
        };
        assert_eq!(bench(ended).run(&["oidc", "page", "--stop"]).stdout, "The page has ended.\n");
    }

    #[test]
    fn an_agent_without_a_page_is_said_to_have_none() {
        let ran = bench(|_| Failure::unknown_request().into()).run(&["oidc", "page"]);
        let error = ran.result.expect_err("no page");
        assert!(error.to_string().contains("of the C suite"), "{error}");
        assert!(error.hint().is_some_and(|hint| hint.contains("oidc status")));
    }

    #[test]
    fn an_answer_that_is_none_is_said_to_be() {
        let nonsense = PageReply { address: SecretText::from("nowhere"), ..page("") };
        for reply in [Reply::success(), Reply::Page(nonsense)] {
            let ran = bench(move |_| reply.clone()).run(&["oidc", "page", "--no-browser"]);
            assert!(matches!(ran.result, Err(Error::UnexpectedReply("page"))), "{ran:?}");
        }
    }
}

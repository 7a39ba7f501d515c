//! `interop --serve NAME`: one server, kept up for somebody who wants to try it by hand, with a browser that does on the pages
//! of a login what a person would.

use std::io::BufRead;

use oidc_tests::{
    browser::{Browser, BrowserPrograms},
    servers::{GivenClient, Offer, Server},
};

use crate::say;

/// Says what there is, and logs in at each address that comes in a line of `input`, until that ends.
pub fn serve(server: &dyn Server, programs: &BrowserPrograms, input: impl BufRead) {
    say(&format!("issuer                {}", server.issuer()));
    say(&format!("--cp                  {}", server.authority().display()));
    say(&format!("--scope               {}", server.scope()));
    say(&format!("public client         {}", offered(server.public_client().map(client))));
    say(&format!("confidential client   {}", offered(server.confidential_client().map(client))));
    let registration = server.registration().map(|token| match token {
        Some(token) => format!("with the initial access token {token}"),
        None => "without a token".to_owned(),
    });
    say(&format!("registration          {}", offered(registration)));
    say("Give the address of a login by code, or address and code of one by device; end with Ctrl-D.");
    let browser = Browser::start(programs);
    for line in input.lines().map_while(Result::ok) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let result = browser.forget().and_then(|()| match words[..] {
            [address] => browser.open(address).and_then(|()| server.log_in(&browser)),
            [address, code] => browser.open(address).and_then(|()| server.confirm_device(&browser, code)),
            _ => Ok(()),
        });
        if let Err(error) = result {
            say(&error.to_string());
        }
        // What a person copies where nobody listens for the answer of a login.
        say(&format!("the browser is at {}", browser.url().unwrap_or_default()));
        say(&format!("and shows: {}", browser.text().unwrap_or_default()));
    }
}

fn client(client: GivenClient) -> String {
    match client.secret {
        Some(secret) => format!("{} with the secret {secret}", client.id),
        None => client.id.to_owned(),
    }
}

fn offered(offer: Offer<String>) -> String {
    offer.unwrap_or_else(|reason| format!("none: {}", reason.0))
}

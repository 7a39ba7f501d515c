//! Driving the provider over HTTP while it runs as a program of its own. JSON in, JSON out, below `/admin/`:
//!
//! | request | effect |
//! | --- | --- |
//! | `POST faults` `{"endpoint":"token","fault":{"kind":"hang"},"standing":true}` | queues a fault, or sets it |
//! | `DELETE faults` | ends all faults |
//! | `GET quirks`, `PUT quirks` | reads, replaces the quirks |
//! | `GET log` | the requests so far |
//! | `POST seed` `{"name":"demo"}` | a client with a login, as an account config |
//! | `POST device` `{"user_code":"...","approve":true}` | decides a device login |
//! | `POST revoke` | ends every login |

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{Fault, Quirks, Shared, device, endpoint::Endpoint, incoming::Incoming, reply::Reply, seed};

#[derive(Deserialize)]
struct FaultOrder {
    endpoint: Endpoint,
    fault: Fault,
    #[serde(default)]
    standing: bool,
}

#[derive(Deserialize)]
struct SeedOrder {
    name: String,
}

#[derive(Deserialize)]
struct DeviceOrder {
    user_code: String,
    #[serde(default = "yes")]
    approve: bool,
}

fn yes() -> bool {
    true
}

pub(super) fn answer(shared: &Shared, incoming: &Incoming) -> Reply {
    route(shared, incoming).unwrap_or_else(|refusal| refusal)
}

fn route(shared: &Shared, incoming: &Incoming) -> Result<Reply, Reply> {
    match (incoming.method.as_str(), incoming.path.trim_start_matches("/admin/")) {
        ("POST", "faults") => {
            let order: FaultOrder = parse(incoming)?;
            if order.standing {
                shared.faults.set(order.endpoint, order.fault);
            } else {
                shared.faults.queue(order.endpoint, order.fault);
            }
            Ok(done())
        }
        ("DELETE", "faults") => {
            shared.faults.clear_all();
            Ok(done())
        }
        ("GET", "quirks") => Ok(Reply::json(200, &shared.state().quirks)),
        ("PUT", "quirks") => {
            let quirks: Quirks = parse(incoming)?;
            shared.state().quirks = quirks;
            Ok(done())
        }
        ("GET", "log") => Ok(Reply::json(200, &shared.log.requests())),
        ("POST", "seed") => {
            let order: SeedOrder = parse(incoming)?;
            let account = seed::seed(&mut shared.state(), &seed::Seed::named(&order.name));
            Ok(Reply::json(200, account.to_object().members()))
        }
        ("POST", "device") => {
            let order: DeviceOrder = parse(incoming)?;
            let found = device::decide(&mut shared.state(), &order.user_code, order.approve);
            if found { Ok(done()) } else { Err(Reply::text(404, "no such user code\n")) }
        }
        ("POST", "revoke") => {
            shared.state().families.iter_mut().for_each(|family| family.revoked = true);
            Ok(done())
        }
        _ => Err(Reply::text(404, "no such order\n")),
    }
}

fn parse<T: DeserializeOwned>(incoming: &Incoming) -> Result<T, Reply> {
    serde_json::from_value(incoming.json.clone().unwrap_or(Value::Null))
        .map_err(|error| Reply::text(400, &format!("{error}\n")))
}

fn done() -> Reply {
    Reply::json(200, &json!({}))
}

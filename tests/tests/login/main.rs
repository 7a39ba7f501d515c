//! Logins against the real agent: what a browser and a client see of them, and what they leave behind.

mod browser;
mod c_suite;
mod code;
mod device;
mod direct;
mod id_token;
mod interrupted;
mod issuer;
mod npm;
mod oddities;
mod offline_access;
mod register;
mod stage;

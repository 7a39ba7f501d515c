//! `oidc-agent` that a test can end at a named step: see [`oidc_proto::fault_point`].

fn main() -> std::process::ExitCode {
    oidc_agent::program::main()
}

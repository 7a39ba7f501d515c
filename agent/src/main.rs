//! `oidc-agent`: see the library for everything but the allocator.

use std::{alloc::System, process::ExitCode};

use zeroizing_alloc::ZeroAlloc;

/// What is freed is overwritten first: libraries keep secrets in buffers of their own (HTTP, TLS, JSON), which end here.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    oidc_agent::program::main()
}

//! The gateway with its built-in plugins.

use std::process::ExitCode;

/// Buffers of 64 KiB per read would make glibc's allocator give memory back and fault it in again on every request.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    signet::run(signet_plugins::builtin())
}

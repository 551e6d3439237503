//! A gateway with the built-in plugins and one more.

use std::process::ExitCode;

fn main() -> ExitCode {
    signet::run(signet_plugins::builtin().with::<tenant_header::TenantHeader>())
}

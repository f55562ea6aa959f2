//! The plugin as a program.

use std::process::ExitCode;

fn main() -> ExitCode {
    ctr_forge_plugin::serve(@IDENT@::ctr_forge_plugin)
}

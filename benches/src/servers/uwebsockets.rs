//! uWebSockets, a separate C++ program that `uwebsockets/build.sh` builds.

use std::env;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use super::Mode;

/// Returns whether the program was built.
pub(super) fn is_built() -> bool {
    program().is_ok_and(|program| program.exists())
}

/// Returns the path of the program, in the target folder.
fn program() -> io::Result<PathBuf> {
    let this = env::current_exe()?;
    let target = this.ancestors().nth(2).ok_or_else(|| io::Error::other("not in a target folder"))?;
    Ok(target.join("uwebsockets/server"))
}

/// Replaces this process by the program, on the same core.
pub(super) fn serve(mode: Mode, addr: &str) -> io::Result<()> {
    Err(Command::new(program()?).args([mode.name(), addr]).exec())
}

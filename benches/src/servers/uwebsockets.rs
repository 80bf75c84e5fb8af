//! uWebSockets, which is C++ and a program of its own: `uwebsockets/build.sh` builds it.

use std::env;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use super::Mode;

/// Whether it was built.
pub(super) fn is_built() -> bool {
    program().is_ok_and(|program| program.exists())
}

/// Beside the folder of this program.
fn program() -> io::Result<PathBuf> {
    let this = env::current_exe()?;
    let target = this.ancestors().nth(2).ok_or_else(|| io::Error::other("not in a target folder"))?;
    Ok(target.join("uwebsockets/server"))
}

/// Becomes that program, on the same core.
pub(super) fn serve(mode: Mode, addr: &str) -> io::Result<()> {
    Err(Command::new(program()?).args([mode.name(), addr]).exec())
}

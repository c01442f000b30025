//! The programs that the suite starts: where the release binaries are, and
//! whether others are installed. Does not own what they are started with.

use std::io::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Of other projects, with the Debian package to install.
pub const WRK: (&str, &str) = ("wrk", "wrk");
pub const REDIS: [(&str, &str); 2] =
    [("redis-server", "redis-server"), ("redis-benchmark", "redis-server")];

/// Where Debian keeps the programs of each version.
pub const POSTGRESQL: &str = "/usr/lib/postgresql";

pub struct Programs {
    binaries: PathBuf,
}

impl Programs {
    pub fn find(binaries: Option<PathBuf>) -> Result<Self> {
        let binaries = match binaries {
            Some(binaries) => binaries,
            None => target()?.join("release"),
        };
        Ok(Self { binaries })
    }

    fn binary(&self, name: &str) -> Result<PathBuf> {
        let path = self.binaries.join(name);
        if path.is_file() {
            return Ok(path);
        }
        Err(Error::other(format!(
            "{} is missing; build it with: cargo build --release --bins --examples",
            path.display()
        )))
    }

    pub fn service(&self) -> Result<PathBuf> {
        self.binary("downlink")
    }

    pub fn launcher(&self) -> Result<PathBuf> {
        self.binary("rockets")
    }

    pub fn floor(&self) -> Result<PathBuf> {
        self.binary("examples/floor")
    }

    pub fn client(&self) -> Result<PathBuf> {
        self.binary("examples/post")
    }
}

/// Cargo's target directory: this program is `target/PROFILE/examples/suite`.
pub fn target() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let target = own.ancestors().nth(3);
    target.map(Path::to_owned).ok_or_else(|| Error::other("no target directory above this program"))
}

fn installed(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    !matches!(command.status(), Err(error) if error.kind() == ErrorKind::NotFound)
}

/// Fails if a program is not installed, and says where it is from.
pub fn need(programs: &[(&str, &str)]) -> Result<()> {
    match programs.iter().find(|(program, _)| !installed(program)) {
        None => Ok(()),
        Some((program, package)) => Err(Error::other(format!(
            "{program} is missing; install it with: apt-get install {package}"
        ))),
    }
}

/// Installs what is missing of wrk, Redis and PostgreSQL.
pub fn install() -> Result<()> {
    if need(&[WRK]).is_ok() && need(&REDIS).is_ok() && Path::new(POSTGRESQL).is_dir() {
        return Ok(());
    }
    // The packages start one each, which would take part in everything.
    let script = "as_root() { if [ \"$(id -u)\" = 0 ]; then \"$@\"; else sudo \"$@\"; fi; }
        as_root apt-get update || exit
        as_root apt-get install -y wrk redis-server postgresql python3-venv || exit
        as_root service redis-server stop || true
        as_root service postgresql stop || true";
    succeed(Command::new("sh").args(["-c", script]))
}

/// Runs a command, and fails if it does.
pub fn succeed(command: &mut Command) -> Result<()> {
    let status = command.status();
    let status = status.map_err(|error| Error::other(format!("{}: {error}", name(command))))?;
    if status.success() {
        return Ok(());
    }
    Err(Error::other(format!("{} ended with {status}", name(command))))
}

/// What a command prints, if it succeeds.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| Error::other(format!("{}: {error}", name(command))))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    Err(Error::other(format!("{} ended with {}: {text}", name(command), output.status)))
}

fn name(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

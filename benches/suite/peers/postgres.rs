//! PostgreSQL as a peer: a row for each message, committed with synchronous commit, as it
//! is by default. pgbench sends them, prepared; a batch is one transaction whose inserts
//! are sent together.

use std::fs::Permissions;
use std::io::{Error, Result};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::{BATCH, BATCHERS, Load};
use crate::programs;
use crate::redis::DATA;
use crate::servers::Server;

/// Whose the server is where root starts it, which it refuses.
const USER: &str = "postgres";

/// For environment.txt.
pub fn line() -> Result<String> {
    let version = programs::output(Command::new(program("postgres")?).arg("--version"))?;
    Ok(format!(
        "{}, defaults, pgbench --protocol=prepared: insert into messages (data) of 48 bytes",
        version.trim()
    ))
}

/// Debian keeps those of each version by themselves.
fn program(name: &str) -> Result<PathBuf> {
    let versions = std::fs::read_dir(programs::POSTGRESQL).into_iter().flatten().flatten();
    let found = versions.map(|it| it.path().join("bin").join(name)).filter(|it| it.is_file()).max();
    found.ok_or_else(|| {
        Error::other(format!("{name} is missing; install it with: apt-get install postgresql"))
    })
}

/// A command of its user.
fn command(name: &str) -> Result<Command> {
    let mut command = Command::new(program(name)?);
    if let Some((user, group)) = user()? {
        command.uid(user).gid(group);
    }
    Ok(command)
}

/// Who else is to start the server, if this is root.
fn user() -> Result<Option<(u32, u32)>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let users = std::fs::read_to_string("/etc/passwd")?;
    let line = users.lines().find_map(|line| line.strip_prefix(USER)?.strip_prefix(":x:"));
    let mut numbers = line.into_iter().flat_map(|it| it.split(':')).map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(user)), Some(Ok(group))) => Ok(Some((user, group))),
        _ => Err(Error::other(format!("there is no user {USER}"))),
    }
}

/// Starts one with a table that has nothing in it.
pub fn start(data: &Path) -> Result<Server> {
    std::fs::create_dir_all(data)?;
    if let Some((user, group)) = user()? {
        chown(data, Some(user), Some(group))?;
        // That it can get there.
        if let Some(above) = data.parent() {
            std::fs::set_permissions(above, Permissions::from_mode(0o711))?;
        }
    }
    let mut initdb = command("initdb")?;
    initdb.args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--pgdata"]);
    programs::output(initdb.arg(data))?;
    // Free once more when the listener is gone, and nobody else's that soon.
    let address = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?.local_addr()?;
    let mut postgres = command("postgres")?;
    postgres.args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]);
    postgres.args(["-c", "max_connections=300", "-p", &address.port().to_string(), "-D"]);
    let server = Server::start(
        {
            postgres.arg(data);
            postgres
        },
        address,
    )?;
    server.wait_for("database system is ready to accept connections")?;
    let table = "create table messages (id bigserial primary key, data bytea not null)";
    let mut psql = Command::new(program("psql")?);
    psql.args(to(address)).args(["--dbname=postgres", "--quiet", "--command", table]);
    programs::output(&mut psql)?;
    Ok(server)
}

fn to(address: SocketAddr) -> [String; 3] {
    ["--host=127.0.0.1".into(), format!("--port={}", address.port()), "--username=postgres".into()]
}

/// Messages that were committed, and in which time.
pub fn send(
    scratch: &Path,
    address: SocketAddr,
    load: Load,
    seconds: f64,
) -> Result<(u64, Duration)> {
    let insert = format!("insert into messages (data) values ('{DATA}');\n");
    let (senders, batch, script) = match load {
        Load::Single(senders) => (senders, 1, insert),
        Load::Batches => {
            let inserts = insert.repeat(BATCH);
            let script = format!("\\startpipeline\nbegin;\n{inserts}commit;\n\\endpipeline\n");
            (BATCHERS, BATCH as u64, script)
        }
    };
    let file = scratch.join("insert.sql");
    std::fs::write(&file, script)?;
    let mut pgbench = Command::new(program("pgbench")?);
    pgbench.args(to(address)).args(["--no-vacuum", "--protocol=prepared", "--file"]).arg(file);
    // Of its time it takes some for connecting first, which does not count in its rate.
    let time = seconds.ceil() + (senders / 100) as f64;
    pgbench.args([format!("--client={senders}"), format!("--time={time}")]);
    pgbench.arg(format!("--jobs={}", senders.min(2)));
    let (transactions, per_second) = said(&programs::output(pgbench.arg("postgres"))?)?;
    let took = Duration::from_secs_f64(transactions as f64 / per_second);
    Ok((transactions * batch, took))
}

/// Transactions, and how many of them a second, in what pgbench prints.
fn said(output: &str) -> Result<(u64, f64)> {
    let after = |what| output.lines().find_map(|line| line.strip_prefix(what));
    let transactions = after("number of transactions actually processed: ");
    let per_second = after("tps = ").and_then(|it| it.split(' ').next());
    let failed = after("number of failed transactions: ").unwrap_or("0");
    match (transactions.map(str::parse), per_second.map(str::parse)) {
        (Some(Ok(transactions)), Some(Ok(per_second))) if failed.starts_with('0') => {
            Ok((transactions, per_second))
        }
        _ => Err(Error::other(format!("pgbench said {output:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_pgbench_says_is_read() {
        let output = "number of threads: 1\nnumber of transactions actually processed: 9372\n\
                      number of failed transactions: 0 (0.000%)\nlatency average = 0.213 ms\n\
                      tps = 4685.520000 (without initial connection time)\n";
        assert_eq!(said(output).unwrap(), (9372, 4685.52));
        said(&output.replace("transactions: 0", "transactions: 3")).unwrap_err();
        said("").unwrap_err();
    }
}

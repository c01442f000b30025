//! A node of a cluster in turns with the same program alone, and many messages in a
//! request to three nodes. Three members of etcd run beside them, on the same cores and
//! the same disk, new ones for each round.
//!
//! Owns how members are started here. The program must know etcd: built with
//! `--features etcd`.

use std::fmt::Write as _;
use std::io::{Error, Result};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::client::{Client, Tally};
use super::compare::Pace;
use super::environment;
use super::programs::{self, Programs};
use super::rounds::median;
use super::scale::load::{bodies, post_bulk};
use super::scale::parts::{LINES, MILLION, per_second};
use super::servers::Server;
use super::table::{self, Figure, Wanted};

const ETCD: (&str, &str) = ("etcd", "etcd-server");
const MEMBERS: usize = 3;
const NODES: u64 = 3;

/// Numbers of connections, and what a node should reach of the program alone.
const WANTED: [(usize, f64); 2] = [(64, 0.35), (256, 0.6)];

/// How long members may take to agree on a leader.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(clap::Args)]
pub struct Arguments {
    /// Gets environment.txt, rounds.tsv and table.md
    directory: PathBuf,

    #[command(flatten)]
    pace: Pace,
}

pub fn run(programs: &Programs, Arguments { directory, pace }: Arguments) -> Result<()> {
    programs::need(&[ETCD])?;
    std::fs::create_dir_all(&directory)?;
    let version = programs::output(Command::new("etcd").arg("--version"))?;
    let version = version.lines().next().unwrap_or_default();
    let environment = format!("{}{version}, {MEMBERS} members\n", environment::describe()?);
    std::fs::write(directory.join("environment.txt"), environment)?;
    let bench = Bench { programs, directory: &directory, pace };
    let mut kept = "what\tround\talone\tnode\tms of its processor\tof etcd's\n".to_owned();
    let mut figures = Vec::new();
    for (connections, least) in WANTED {
        figures.push(bench.single(connections, least, &mut kept)?);
    }
    figures.push(bench.bulk(&mut kept)?);
    std::fs::write(directory.join("rounds.tsv"), kept)?;
    let table = table::wanted(&figures);
    std::fs::write(directory.join("table.md"), &table)?;
    println!("\n{table}");
    Ok(())
}

struct Bench<'a> {
    programs: &'a Programs,
    directory: &'a Path,
    pace: Pace,
}

/// Members of etcd, which listen for clients there.
struct Etcd {
    members: Vec<Server>,
}

impl Etcd {
    fn start(directory: &Path) -> Result<Self> {
        // All held until all are known, so that no two are the same.
        let held = (0..2 * MEMBERS)
            .map(|_| TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))))
            .collect::<Result<Vec<_>>>()?;
        let addresses = held.iter().map(TcpListener::local_addr).collect::<Result<Vec<_>>>()?;
        drop(held);
        let (clients, peers) = addresses.split_at(MEMBERS);
        let all: Vec<_> =
            peers.iter().enumerate().map(|(at, peer)| format!("m{at}=http://{peer}")).collect();
        let start = |at: usize| {
            let (client, peer) = (clients[at], peers[at]);
            let mut command = Command::new("etcd");
            command.args([format!("--name=m{at}"), format!("--initial-cluster={}", all.join(","))]);
            command.arg("--data-dir").arg(directory.join(format!("m{at}")));
            for flag in ["--listen-client-urls", "--advertise-client-urls"] {
                command.arg(format!("{flag}=http://{client}"));
            }
            for flag in ["--listen-peer-urls", "--initial-advertise-peer-urls"] {
                command.arg(format!("{flag}=http://{peer}"));
            }
            Server::start(command, client)
        };
        let members = (0..MEMBERS).map(start).collect::<Result<Vec<_>>>()?;
        let begun = Instant::now();
        while !members.iter().all(|it| it.log().contains("ready to serve client requests")) {
            if begun.elapsed() > PATIENCE {
                return Err(members[0].error("etcd did not become ready"));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(Self { members })
    }

    fn url(&self) -> String {
        let addresses: Vec<_> = self.members.iter().map(|it| it.address.to_string()).collect();
        format!("etcd://{}", addresses.join(","))
    }

    fn processor(&self) -> Result<u64> {
        self.members.iter().map(Server::processor).sum()
    }
}

impl Bench<'_> {
    /// Does something with a directory that has nothing in it.
    fn afresh<T>(&self, work: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
        // Beside the results, so that all have the disk that they say.
        work(tempfile::Builder::new().prefix("data.").tempdir_in(self.directory)?.path())
    }

    fn node(&self, etcd: &Etcd, directory: &Path, name: &str) -> Result<Server> {
        let cluster = format!("--cluster={}", etcd.url());
        let node = format!("--node={name}");
        Server::service(&self.programs.service()?, &directory.join(name), &[&cluster, &node])
    }

    fn post(&self, scratch: &Path, server: &Server, connections: usize) -> Result<f64> {
        let (address, seconds) = ((server.address, None), self.pace.seconds);
        let output = Client::Post.send(self.programs, scratch, address, connections, seconds)?;
        let Tally { requests, micros, .. } = Tally::parse(&output)?;
        Ok(per_second(requests, Duration::from_micros(micros)))
    }

    fn single(&self, connections: usize, least: f64, kept: &mut String) -> Result<Figure> {
        let mut ratios = Vec::new();
        for round in 1..=self.pace.rounds {
            let alone = self.afresh(|scratch| {
                let arguments = ["--durability", "fsync"];
                let server =
                    Server::service(&self.programs.service()?, &scratch.join("data"), &arguments)?;
                self.post(scratch, &server, connections)
            })?;
            let (node, own, others) = self.afresh(|scratch| {
                let etcd = Etcd::start(scratch)?;
                let node = self.node(&etcd, scratch, "n1")?;
                let before = (node.processor()?, etcd.processor()?);
                let rate = self.post(scratch, &node, connections)?;
                let (own, others) = (node.processor()? - before.0, etcd.processor()? - before.1);
                Ok((rate, own, others))
            })?;
            eprintln!("{connections} connections, round {round}: {node:.0}/s, alone {alone:.0}/s");
            writeln!(kept, "{connections}\t{round}\t{alone:.0}\t{node:.0}\t{own}\t{others}")
                .expect("memory takes it");
            ratios.push(node / alone);
        }
        Ok(Figure {
            what: format!(
                "one node of a cluster against the program alone, fsync, {connections} connections"
            ),
            raw: format!("{ratios:.2?}"),
            value: median(ratios).ok_or_else(|| Error::other("no rounds"))?,
            unit: "",
            wanted: Wanted::AtLeast(least),
        })
    }

    /// A million messages, a third to each of three nodes, all of which fold all.
    fn bulk(&self, kept: &mut String) -> Result<Figure> {
        let share = |node| MILLION / 1000 * node / NODES..MILLION / 1000 * (node + 1) / NODES;
        // Two clients for each node.
        let of = |node| {
            let rockets = share(node);
            let half = u64::midpoint(rockets.start, rockets.end);
            [rockets.start..half, half..rockets.end].map(|it| bodies(it, 1..=1000, LINES))
        };
        let clients: Vec<_> = (0..NODES).map(of).collect();
        let mut rates = Vec::new();
        for round in 1..=self.pace.rounds {
            let (rate, others) = self.afresh(|scratch| {
                let etcd = Etcd::start(scratch)?;
                let nodes = (0..NODES)
                    .map(|node| self.node(&etcd, scratch, &format!("n{node}")))
                    .collect::<Result<Vec<_>>>()?;
                let (before, begun) = (etcd.processor()?, Instant::now());
                thread::scope(|scope| {
                    let posting: Vec<_> = nodes
                        .iter()
                        .zip(&clients)
                        .map(|(node, clients)| scope.spawn(|| post_bulk(node.address, clients)))
                        .collect();
                    posting
                        .into_iter()
                        .try_for_each(|it| it.join().expect("a client panicked").map(|_| ()))
                })?;
                let rate = per_second(MILLION, begun.elapsed());
                Ok((rate, etcd.processor()? - before))
            })?;
            eprintln!("bulk to three nodes, round {round}: {rate:.0}/s");
            writeln!(kept, "bulk\t{round}\t\t{rate:.0}\t\t{others}").expect("memory takes it");
            rates.push(rate);
        }
        Ok(Figure {
            what: "bulk, 10,000 lines a request, three nodes that all fold all".to_owned(),
            raw: format!("{rates:.0?}"),
            value: median(rates).ok_or_else(|| Error::other("no rounds"))?,
            unit: "messages/s",
            wanted: Wanted::AtLeast(300_000.0),
        })
    }
}

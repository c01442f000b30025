//! Requests of many messages, to two services in turns: what a change did to them.

use std::fmt::Write as _;
use std::io::{Result, Write as _};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::load::post_bulk_coded;
use super::parts::{MILLION, clients, per_second};
use crate::environment;
use crate::rounds::median;
use crate::servers::{Durability, Server};
use crate::table::{Figure, Wanted};

/// How bodies may be coded.
pub const CODINGS: [&str; 2] = ["identity", "gzip"];

/// What the first service takes against the second, each a binary and what to call it.
/// All rounds are kept in the directory.
pub fn against(
    services: &[(PathBuf, String); 2],
    directory: &Path,
    (durability, codings): (&[Durability], &[String]),
    rounds: u32,
    least: f64,
) -> Result<Vec<Figure>> {
    std::fs::create_dir_all(directory)?;
    let mut environment = environment::describe()?;
    for (binary, named) in services {
        writeln!(environment, "{}: {named}", binary.display()).expect("memory takes it");
    }
    std::fs::write(directory.join("environment.txt"), environment)?;
    let plain = clients(1000, 1000);
    let compressed = plain
        .iter()
        .map(|bodies| bodies.iter().map(|body| gzip(body)).collect())
        .collect::<Result<Vec<Vec<_>>>>()?;
    let mut kept = "durability\tcoding\tround\tthis\tother\n".to_owned();
    let mut figures = Vec::new();
    for &durability in durability {
        for coding in codings {
            let bodies = if coding == "gzip" { &compressed } else { &plain };
            let mut ratios = Vec::new();
            for round in 1..=rounds {
                let mut rates = [0.0; 2];
                // Every second round goes the other way.
                let turn = if round % 2 == 0 { [1, 0] } else { [0, 1] };
                for service in turn {
                    let data = directory.join("data");
                    let arguments = ["--durability", durability.name()];
                    let server = Server::service(&services[service].0, &data, &arguments)?;
                    let took = post_bulk_coded(server.address, coding, bodies)?;
                    rates[service] = per_second(MILLION, took);
                    drop(server);
                    let _ = std::fs::remove_dir_all(&data);
                }
                let [this, other] = rates;
                let name = durability.name();
                eprintln!("{name} {coding} round {round}: {this:.0}/s against {other:.0}/s");
                writeln!(kept, "{name}\t{coding}\t{round}\t{this:.0}\t{other:.0}")
                    .expect("memory takes it");
                ratios.push(this / other);
            }
            let raw = format!("{ratios:.2?}");
            figures.push(Figure {
                what: format!(
                    "bulk, {}, {coding}, 10,000 lines a request, 4 clients, this against the other",
                    durability.name()
                ),
                value: median(ratios).expect("there are rounds"),
                unit: "",
                wanted: Wanted::AtLeast(least),
                raw,
            });
            std::fs::write(directory.join("bulk.tsv"), &kept)?;
        }
    }
    Ok(figures)
}

fn gzip(body: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body)?;
    encoder.finish()
}

//! `downlink cluster status`: the nodes of a cluster and its log, as a table or in JSON.

use std::fmt::Write;

use super::error::{ToolError, print};
use crate::app::status::{self, Status};
use crate::config::cluster::EngineConfig;

/// Looks at the cluster, and prints what it found.
///
/// # Errors
/// When its log cannot be read, or nothing can be printed.
pub fn run(engine: &EngineConfig, json: bool) -> Result<(), ToolError> {
    let status = status::of(engine).map_err(ToolError::Cluster)?;
    if json {
        let text = serde_json::to_string(&status).expect("numbers and texts are JSON");
        return print(&format!("{text}\n"));
    }
    print(&table(&status))
}

fn table(Status { cluster, head, trimmed, bytes, nodes }: &Status) -> String {
    let mut text = format!(
        "cluster  {cluster}\nlog      ends at {head}, trimmed up to {trimmed}, {bytes} bytes\n\n"
    );
    let width = nodes.iter().map(|it| it.node.len()).max().unwrap_or_default().max(4);
    let _ = writeln!(
        text,
        "{:<width$}  {:<8}  {:<5}  {:>12}  {:>12}  {:>8}",
        "node", "version", "lives", "applied", "stored", "behind"
    );
    for it in nodes {
        let version = it.version.as_deref().unwrap_or("?");
        let lives = if it.lives { "yes" } else { "no" };
        let _ = writeln!(
            text,
            "{:<width$}  {version:<8}  {lives:<5}  {:>12}  {:>12}  {:>8}",
            it.node, it.applied, it.stored, it.behind
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::status::NodeStatus;

    #[test]
    fn nodes_are_listed_in_columns() {
        let node = |node: &str, version: Option<&str>, lives| NodeStatus {
            node: node.to_owned(),
            version: version.map(str::to_owned),
            lives,
            applied: 7,
            stored: 5,
            behind: 2,
        };
        let nodes = vec![node("node-1", Some("0.1.0"), true), node("b", None, false)];
        let status = Status { cluster: "c".to_owned(), head: 9, trimmed: 3, bytes: 10, nodes };
        let expected = "\
cluster  c
log      ends at 9, trimmed up to 3, 10 bytes

node    version   lives       applied        stored    behind
node-1  0.1.0     yes               7             5         2
b       ?         no                7             5         2
";
        assert_eq!(table(&status), expected);
    }
}

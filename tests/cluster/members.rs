//! Members of etcd as children of the tests: on free ports of the loopback, in temporary
//! directories, and gone with the test.

use std::fs::File;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::{Duration, Instant};

use downlink::journal::shared::SharedLog;
use downlink::journal::shared::etcd::{EtcdLog, EtcdOptions};
use etcd_client::Client;
use tempfile::TempDir;

use super::contract::{PATIENCE, eventually};
use super::nodes::Place;

pub struct Etcd {
    members: Vec<Member>,
    /// Removed after the members are gone.
    directory: TempDir,
}

struct Member {
    arguments: Vec<String>,
    client: u16,
    log: PathBuf,
    child: Option<Child>,
}

impl Drop for Etcd {
    fn drop(&mut self) {
        (0..self.members.len()).for_each(|member| self.kill(member));
    }
}

impl Etcd {
    pub async fn start(many: usize) -> Self {
        let etcd = Self::start_with(many, "http", &[]);
        etcd.is_healthy().await;
        etcd
    }

    /// With flags for all, where `DIR` stands for their directory.
    pub fn start_with(many: usize, scheme: &str, flags: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), many, scheme, flags)
    }

    pub fn start_in(directory: TempDir, many: usize, scheme: &str, flags: &[&str]) -> Self {
        // All held until all are known, so that no two are the same.
        let held = (0..2 * many).map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
        let held = held.collect::<Vec<_>>();
        let port = |index: usize| held[index].local_addr().unwrap().port();
        let peer = |index: usize| format!("http://127.0.0.1:{}", port(many + index));
        let all = (0..many).map(|index| format!("m{index}={}", peer(index)));
        let all = all.collect::<Vec<_>>().join(",");
        let root = directory.path().to_str().unwrap().to_owned();
        let member = |index: usize| {
            let client = format!("{scheme}://127.0.0.1:{}", port(index));
            let mut arguments = vec![
                format!("--name=m{index}"),
                format!("--data-dir={root}/m{index}"),
                format!("--listen-client-urls={client}"),
                format!("--advertise-client-urls={client}"),
                format!("--listen-peer-urls={}", peer(index)),
                format!("--initial-advertise-peer-urls={}", peer(index)),
                format!("--initial-cluster={all}"),
                "--logger=zap".to_owned(),
                // As docs/OPERATIONS.md has them for members that are near each other.
                "--heartbeat-interval=50".to_owned(),
                "--election-timeout=500".to_owned(),
            ];
            arguments.extend(flags.iter().map(|flag| flag.replace("DIR", &root)));
            let log = directory.path().join(format!("m{index}.log"));
            Member { arguments, client: port(index), log, child: None }
        };
        let members = (0..many).map(member).collect();
        drop(held);
        let mut etcd = Self { members, directory };
        (0..many).for_each(|member| etcd.run(member));
        etcd
    }

    /// Starts a member that does not run.
    pub fn run(&mut self, member: usize) {
        let member = &mut self.members[member];
        assert!(member.child.is_none(), "it runs");
        let log = File::options().create(true).append(true).open(&member.log).unwrap();
        let started = Command::new("etcd")
            .args(&member.arguments)
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        let hint = "etcd is missing: apt-get install --no-install-recommends etcd-server";
        member.child = Some(started.expect(hint));
    }

    pub fn set_flag(&mut self, member: usize, flag: &str) {
        self.members[member].arguments.push(flag.to_owned());
    }

    pub fn kill(&mut self, member: usize) {
        if let Some(mut child) = self.members[member].child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub fn freeze(&self, member: usize) {
        self.signal(member, rustix::process::Signal::STOP);
    }

    pub fn thaw(&self, member: usize) {
        self.signal(member, rustix::process::Signal::CONT);
    }

    fn signal(&self, member: usize, signal: rustix::process::Signal) {
        let child = self.members[member].child.as_ref().unwrap();
        rustix::process::kill_process(rustix::process::Pid::from_child(child), signal).unwrap();
    }

    /// Has a member that runs fail to write any file beyond so many bytes, as a full
    /// disk has it fail; it has room again once it is run anew.
    pub fn fill(&self, member: usize, bytes: u64) {
        let child = self.members[member].child.as_ref().unwrap();
        let most = rustix::process::Rlimit { current: Some(bytes), maximum: Some(bytes) };
        let of = rustix::process::Pid::from_child(child);
        rustix::process::prlimit(Some(of), rustix::process::Resource::Fsize, most).unwrap();
    }

    /// Bytes of the largest file that a member goes on writing.
    pub fn written(&self, member: usize) -> u64 {
        let database = format!("m{member}/member/snap/db");
        std::fs::metadata(self.directory.path().join(database)).unwrap().len()
    }

    /// Whether a member that was run has ended by itself, and if so what it said.
    pub fn ended(&mut self, member: usize) -> Option<String> {
        let member = &mut self.members[member];
        let status = member.child.as_mut().unwrap().try_wait().unwrap()?;
        member.child = None;
        Some(format!("{status}\n{}", std::fs::read_to_string(&member.log).unwrap()))
    }

    pub fn endpoint(&self, member: usize) -> String {
        format!("127.0.0.1:{}", self.members[member].client)
    }

    /// Where its members are, for links to them.
    pub fn places(&self) -> Vec<Place> {
        self.members.iter().map(|member| Arc::new(member.client.into())).collect()
    }

    pub fn options(&self, log: &str) -> EtcdOptions {
        EtcdOptions {
            endpoints: (0..self.members.len()).map(|member| self.endpoint(member)).collect(),
            prefix: format!("{log}/"),
            tls: None,
            user: None,
        }
    }

    /// A log in it: the same for the same name.
    pub fn log(&self, name: &str) -> Arc<dyn SharedLog> {
        Arc::new(EtcdLog::connect(&self.options(name)).unwrap())
    }

    /// As its operator sees it.
    pub async fn client(&self, member: usize) -> Client {
        Client::connect([self.endpoint(member)], None).await.unwrap()
    }

    pub async fn is_healthy(&self) {
        for member in 0..self.members.len() {
            let client = &self.client(member).await;
            eventually("a member is healthy", || async move {
                let get = tokio::time::timeout(Duration::from_secs(1), async {
                    client.clone().get("x", None).await.is_ok()
                });
                get.await.unwrap_or(false)
            })
            .await;
        }
    }

    /// Which member leads.
    pub async fn leader(&self) -> usize {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            for member in 0..self.members.len() {
                let status = self.client(member).await.status().await;
                let leads = status.is_ok_and(|status| {
                    status.header().is_some_and(|header| header.member_id() == status.leader())
                });
                if leads {
                    return member;
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("nobody leads");
    }
}

//! A disk as a power cut may leave it. It is fed with the entries of a record
//! (`recorder.c`) in order, and can be asked at any of them what is left if the
//! power goes now.
//!
//! What was synced is there. What was not is there or not, or in part:
//!
//! * A file's contents are those of its last sync. Of the writes since, none,
//!   all, a beginning, or any may have reached the disk, each whole or in any of
//!   its sectors.
//! * A file's length follows the truncations since in their order, up to any of
//!   them; what was written after one that is lost is lost too.
//! * A name is made, moved and deleted for good by a sync of its directory. A
//!   beginning of what was done since may be there. A sync of the file alone does
//!   not do it, though most file systems are kinder than that.
//!
//! Does not know what the files mean.

use std::collections::BTreeMap;
use std::path::Path;

use rand::Rng;
use rand::rngs::StdRng;

/// What a disk writes as a whole.
const SECTOR: usize = 512;

/// One entry of a record.
#[derive(Clone, Debug)]
pub enum Event {
    /// A file was made.
    Create(String),
    Directory(String),
    Unlink(String),
    Rename(String, String),
    Write(String, usize, Vec<u8>),
    Truncate(String, usize),
    /// Of a file or a directory, and over.
    Sync(String),
    /// The test's own, which changes nothing.
    Mark(String),
}

/// The kind of a mark in the record; the rest is as in `recorder.c`.
const MARK: u32 = 100;

/// An entry for the record that says that something happened by now.
pub fn mark(text: &str) -> Vec<u8> {
    let length = u32::try_from(text.len()).unwrap();
    let head = [MARK.to_le_bytes(), length.to_le_bytes()].concat();
    [&head[..], &[0; 16], text.as_bytes()].concat()
}

pub fn parse(mut record: &[u8]) -> Vec<Event> {
    let mut events = Vec::new();
    while !record.is_empty() {
        let (head, rest) = record.split_at(24);
        let word = |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().unwrap());
        let long = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().unwrap());
        let (path, rest) = rest.split_at(word(4) as usize);
        let (data, rest) = rest.split_at(usize::try_from(long(16)).unwrap());
        let (path, at) = (text(path), usize::try_from(long(8)).unwrap());
        events.push(match word(0) {
            1 => Event::Create(path),
            2 => Event::Directory(path),
            3 => Event::Unlink(path),
            4 => Event::Rename(path, text(data)),
            5 => Event::Write(path, at, data.to_vec()),
            6 => Event::Truncate(path, at),
            7 => Event::Sync(path),
            MARK => Event::Mark(path),
            kind => panic!("the record has an entry of kind {kind}"),
        });
        record = rest;
    }
    events
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What is below a directory: a directory, or a file with what is in it.
pub type Tree = BTreeMap<String, Option<Vec<u8>>>;

/// Writes `tree` into an empty directory.
pub fn write_out(tree: &Tree, to: &Path) {
    for (name, content) in tree {
        match content {
            None => std::fs::create_dir(to.join(name)).unwrap(),
            Some(content) => std::fs::write(to.join(name), content).unwrap(),
        }
    }
}

/// See the module.
#[derive(Default)]
pub struct Disk {
    files: Vec<File>,
    /// As the process sees them, and as they are for good.
    names: Names,
    durable_names: Names,
    changes: Vec<Change>,
}

/// The number of a file, or a directory.
type Names = BTreeMap<String, Option<usize>>;

#[derive(Clone)]
enum Change {
    Make(String, Option<usize>),
    Unlink(String),
    Rename(String, String),
}

#[derive(Default)]
struct File {
    durable: Vec<u8>,
    since: Vec<Op>,
}

enum Op {
    Write(usize, Vec<u8>),
    Truncate(usize),
}

/// What became of what was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Lost,
    Kept,
    /// A beginning, the last of it torn.
    Beginning,
    /// Any, any of it torn.
    Scattered,
}

impl Disk {
    /// A disk that has this for good.
    pub fn holding(tree: &Tree) -> Self {
        let mut disk = Self::default();
        for (name, content) in tree {
            let file = content.as_ref().map(|content| {
                disk.files.push(File { durable: content.clone(), since: Vec::new() });
                disk.files.len() - 1
            });
            disk.names.insert(name.clone(), file);
        }
        disk.durable_names = disk.names.clone();
        disk
    }

    /// Whether pages were written to a file and not synced yet.
    pub fn is_dirty(&mut self, name: &str) -> bool {
        let is_page = |op: &Op| matches!(op, Op::Write(_, data) if data.len() >= SECTOR);
        self.file(name).is_some_and(|file| file.since.iter().any(is_page))
    }

    pub fn feed(&mut self, event: &Event) {
        match event {
            Event::Create(name) => {
                self.files.push(File::default());
                self.change(Change::Make(name.clone(), Some(self.files.len() - 1)));
            }
            Event::Directory(name) => self.change(Change::Make(name.clone(), None)),
            Event::Unlink(name) => self.change(Change::Unlink(name.clone())),
            Event::Rename(from, to) => self.change(Change::Rename(from.clone(), to.clone())),
            Event::Write(name, at, data) => {
                if let Some(file) = self.file(name) {
                    file.since.push(Op::Write(*at, data.clone()));
                }
            }
            Event::Truncate(name, length) => {
                if let Some(file) = self.file(name) {
                    file.since.push(Op::Truncate(*length));
                }
            }
            Event::Sync(name) => match self.file(name) {
                Some(file) => {
                    for op in std::mem::take(&mut file.since) {
                        op.apply(&mut file.durable, |_| true);
                    }
                }
                None => self.sync_directory(name),
            },
            Event::Mark(_) => {}
        }
    }

    fn file(&mut self, name: &str) -> Option<&mut File> {
        let file = (*self.names.get(name)?)?;
        Some(&mut self.files[file])
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.names);
        self.changes.push(change);
    }

    fn sync_directory(&mut self, directory: &str) {
        let (synced, rest) = std::mem::take(&mut self.changes)
            .into_iter()
            .partition(|change| parent(change.name()) == directory);
        self.changes = rest;
        let synced: Vec<Change> = synced;
        for change in &synced {
            change.apply(&mut self.durable_names);
        }
    }

    /// What is left if the power goes now.
    pub fn after_cut(&self, random: &mut StdRng) -> Tree {
        let mut names = self.durable_names.clone();
        let kept = match random.random_range(0..3) {
            0 => 0,
            1 => self.changes.len(),
            _ => random.random_range(0..=self.changes.len()),
        };
        for change in &self.changes[..kept] {
            change.apply(&mut names);
        }
        let mut tree = Tree::new();
        for (name, file) in names {
            let is_reachable = parent(&name).is_empty() || tree.contains_key(parent(&name));
            if is_reachable {
                let content = file.map(|file| self.files[file].after_cut(random));
                tree.insert(name, content);
            }
        }
        tree
    }
}

fn parent(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(parent, _)| parent)
}

impl Change {
    fn name(&self) -> &str {
        match self {
            Self::Make(name, _) | Self::Unlink(name) | Self::Rename(name, _) => name,
        }
    }

    fn apply(&self, names: &mut Names) {
        match self {
            Self::Make(name, file) => drop(names.insert(name.clone(), *file)),
            Self::Unlink(name) => drop(names.remove(name)),
            Self::Rename(from, to) => {
                if let Some(file) = names.remove(from) {
                    names.insert(to.clone(), file);
                }
            }
        }
    }
}

impl File {
    fn after_cut(&self, random: &mut StdRng) -> Vec<u8> {
        let fates = [Fate::Lost, Fate::Kept, Fate::Beginning, Fate::Scattered];
        let fate = fates[random.random_range(0..fates.len())];
        let mut content = self.durable.clone();
        let end = random.random_range(0..=self.since.len());
        for (number, op) in self.since.iter().enumerate() {
            let torn = match fate {
                Fate::Lost => return content,
                Fate::Kept => false,
                Fate::Beginning if number > end => return content,
                Fate::Beginning => number == end,
                Fate::Scattered => random.random(),
            };
            match op {
                // Whole or not: if not, so is all that came after.
                Op::Truncate(_) if torn => return content,
                op => op.apply(&mut content, |_| !torn || random.random()),
            }
        }
        content
    }
}

impl Op {
    /// Does to `content` what reached the disk, by sector of the write.
    fn apply(&self, content: &mut Vec<u8>, mut reached: impl FnMut(usize) -> bool) {
        match self {
            Self::Truncate(length) => content.resize(*length, 0),
            Self::Write(at, data) => {
                let mut from = 0;
                while from < data.len() {
                    let sector = (at + from) / SECTOR;
                    let to = data.len().min((sector + 1) * SECTOR - at);
                    if reached(sector) {
                        content.resize(content.len().max(at + to), 0);
                        content[at + from..at + to].copy_from_slice(&data[from..to]);
                    }
                    from = to;
                }
            }
        }
    }
}

#[test]
fn what_was_synced_stays_and_the_rest_may_be_torn() {
    use rand::SeedableRng;
    let mut random = StdRng::seed_from_u64(1);
    let mut disk = Disk::default();
    let write = |byte: u8| Event::Write("data/a".to_owned(), 0, vec![byte; 2 * SECTOR]);
    for event in [Event::Directory("data".to_owned()), Event::Create("data/a".to_owned())] {
        disk.feed(&event);
    }
    disk.feed(&write(1));
    disk.feed(&Event::Sync("data/a".to_owned()));
    let trees: Vec<_> = (0..50).map(|_| disk.after_cut(&mut random)).collect();
    assert!(trees.iter().any(Tree::is_empty), "no directory was synced");
    assert!(trees.iter().any(|tree| tree.get("data/a") == Some(&Some(vec![1; 2 * SECTOR]))));

    disk.feed(&Event::Sync("data".to_owned()));
    disk.feed(&Event::Sync(String::new()));
    disk.feed(&write(2));
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..200 {
        let tree = disk.after_cut(&mut random);
        let content = tree["data/a"].as_ref().unwrap();
        seen.insert((content[0], content[SECTOR - 1], content[SECTOR], content[2 * SECTOR - 1]));
    }
    assert_eq!(
        seen.into_iter().collect::<Vec<_>>(),
        [(1, 1, 1, 1), (1, 1, 2, 2), (2, 2, 1, 1), (2, 2, 2, 2)]
    );
}

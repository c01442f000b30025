//! What stands where in etcd, and how keys are read back.
//!
//! Owns the layout. All keys begin with a prefix, so that several logs may share an
//! etcd, and the numbers in them have a fixed width, so that the keys of a run sort as
//! its entries were numbered.
//!
//! | key | value |
//! |---|---|
//! | `log/<node>/<incarnation>/<number>` | an entry's bytes; its offset is the key's revision |
//! | `head/<node>` | the ID of the entry that this node appended last, written with it |
//! | `trimmed` | the offset up to which entries may be gone |
//! | `name` | the log's name |
//! | `node/<node>` | what this node announces |

use std::sync::Arc;

use bytes::Bytes;

use super::super::{Entry, EntryId, LogError, LogResult, Offset};

/// A number's digits: 64 bits in hexadecimal.
const DIGITS: usize = 16;

/// Makes keys, and reads them.
#[derive(Debug)]
pub struct Keys {
    prefix: String,
}

impl Keys {
    pub fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    pub fn name(&self) -> String {
        format!("{}name", self.prefix)
    }

    pub fn trimmed(&self) -> String {
        format!("{}trimmed", self.prefix)
    }

    /// What all entries' keys begin with.
    pub fn log(&self) -> String {
        format!("{}log/", self.prefix)
    }

    /// What all heads' keys begin with.
    pub fn heads(&self) -> String {
        format!("{}head/", self.prefix)
    }

    /// What all announcements' keys begin with.
    pub fn nodes(&self) -> String {
        format!("{}node/", self.prefix)
    }

    pub fn head(&self, node: &str) -> LogResult<String> {
        Ok(self.heads() + checked(node)?)
    }

    pub fn node(&self, node: &str) -> LogResult<String> {
        Ok(self.nodes() + checked(node)?)
    }

    pub fn entry(&self, id: &EntryId) -> LogResult<String> {
        Ok(format!("{}{}", self.log(), shown(id)?))
    }

    /// An entry from its key and what stands there.
    pub fn read(&self, key: &[u8], bytes: Bytes, revision: i64) -> LogResult<(Offset, Entry)> {
        let text = std::str::from_utf8(key).ok();
        let id = text.and_then(|key| key.strip_prefix(&self.prefix)?.strip_prefix("log/"));
        let Some(id) = id.and_then(id_of) else {
            let key = String::from_utf8_lossy(key);
            let expected = "log/<node>/<incarnation>/<number>";
            return Err(LogError::Corrupt(format!("expected a key {expected}, found {key:?}")));
        };
        Ok((offset(revision), Entry { id, bytes }))
    }

    /// The first key behind all those of the run that this entry's key belongs to.
    pub fn behind_run(key: &[u8]) -> Vec<u8> {
        let run = key.len().saturating_sub(DIGITS + 1);
        let mut behind = key.get(..run).unwrap_or_default().to_vec();
        // The character behind '/'.
        behind.push(b'0');
        behind
    }
}

/// An entry's ID as it stands in a key.
pub fn shown(id: &EntryId) -> LogResult<String> {
    Ok(format!("{}/{:016x}/{:016x}", checked(&id.node)?, id.incarnation, id.number))
}

/// An offset as it stands in a value.
pub fn value_of(offset: Offset) -> String {
    offset.to_string()
}

/// And back.
pub fn offset_in(value: &[u8]) -> LogResult<Offset> {
    let number = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
    let found = || String::from_utf8_lossy(value).into_owned();
    let corrupt = || LogError::Corrupt(format!("expected an offset, found {:?}", found()));
    number.map(Offset).ok_or_else(corrupt)
}

/// Revisions are positive, for all that etcd's protocol has signed numbers for them.
pub fn offset(revision: i64) -> Offset {
    Offset(u64::try_from(revision).unwrap_or_default())
}

/// And back: what is beyond all revisions is the last.
pub fn revision(offset: Offset) -> i64 {
    i64::try_from(offset.0).unwrap_or(i64::MAX)
}

fn checked(node: &str) -> LogResult<&str> {
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if node.is_empty() || !node.bytes().all(is_fine) {
        let expected = "a node's name of letters, digits, '-', '_' and '.'";
        return Err(LogError::Refused(format!("expected {expected}, found {node:?}")));
    }
    Ok(node)
}

fn id_of(text: &str) -> Option<EntryId> {
    let mut parts = text.split('/');
    let node = Arc::from(checked(parts.next()?).ok()?);
    let mut number = || {
        let text = parts.next().filter(|text| text.len() == DIGITS)?;
        u64::from_str_radix(text, 16).ok()
    };
    let (incarnation, number) = (number()?, number()?);
    parts.next().is_none().then_some(EntryId { node, incarnation, number })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(node: &str, incarnation: u64, number: u64) -> EntryId {
        EntryId { node: node.into(), incarnation, number }
    }

    #[test]
    fn a_key_is_read_as_it_was_made() {
        let keys = Keys::new("downlink/");
        for id in [id("a", 0, 1), id("node-1.eu_2", u64::MAX, u64::MAX)] {
            let key = keys.entry(&id).unwrap();
            let (offset, entry) = keys.read(key.as_bytes(), Bytes::from_static(b"x"), 7).unwrap();
            assert_eq!((offset, entry.id), (Offset(7), id));
        }
    }

    #[test]
    fn other_keys_are_no_entries() {
        let keys = Keys::new("p/");
        let good = keys.entry(&id("a", 1, 2)).unwrap();
        assert!(keys.read(good.as_bytes(), Bytes::new(), 1).is_ok());
        let long = format!("{good}/x");
        for key in ["", "p/log/", "p/log/a/1/2", "q/log/a/0/0", &good[..good.len() - 1], &long] {
            let read = keys.read(key.as_bytes(), Bytes::new(), 1);
            assert!(matches!(read, Err(LogError::Corrupt(_))), "{key}: {read:?}");
        }
        assert!(matches!(keys.entry(&id("a/b", 1, 2)), Err(LogError::Refused(_))));
    }

    #[test]
    fn what_is_behind_a_run_is_behind_its_last_key_and_before_the_next_run() {
        let keys = Keys::new("p/");
        let key = |incarnation, number| keys.entry(&id("a", incarnation, number)).unwrap();
        let behind = Keys::behind_run(key(1, 1).as_bytes());
        assert!(behind.as_slice() > key(1, u64::MAX).as_bytes());
        assert!(behind.as_slice() < key(2, 0).as_bytes());
    }
}

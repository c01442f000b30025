//! Faults of the disk, injected between the journal's thread and its database.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use downlink::journal::JournalSource;
use downlink::journal::sqlite::database::{Database, Storage, StorageError, Transaction};
use downlink::journal::sqlite::{SqliteJournal, Synchronous};

use super::wait_until_free;

/// What the disk does with the next transactions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    #[default]
    None,
    /// It writes nothing, and nobody knows that.
    Fails,
    /// It has no room, and says so.
    NoRoom,
    /// It writes, and says that it did not.
    FailsAfterwards,
    /// It takes a while.
    Slow(Duration),
    /// It does nothing until the fault is another.
    Stalled,
}

/// The switch for the faults of one disk. Cheap to clone.
#[derive(Clone, Default)]
pub struct Faults(Arc<(Mutex<Fault>, Condvar)>);

impl Faults {
    pub fn set(&self, fault: Fault) {
        *self.0.0.lock().unwrap() = fault;
        self.0.1.notify_all();
    }

    fn get(&self) -> Fault {
        let fault = self.0.0.lock().unwrap();
        *self.0.1.wait_while(fault, |fault| *fault == Fault::Stalled).unwrap()
    }

    /// The journal in `directory`, over a disk with these faults.
    pub fn journal(&self, directory: &std::path::Path) -> Box<dyn JournalSource> {
        wait_until_free(directory);
        let faults = self.clone();
        let journal = SqliteJournal::at(directory, Synchronous::Full, Duration::from_micros(500))
            .with_storage(|database| FaultyDisk { database, faults });
        Box::new(journal)
    }
}

struct FaultyDisk {
    database: Database,
    faults: Faults,
}

impl Storage for FaultyDisk {
    fn commit(&mut self, transaction: &Transaction) -> Result<(), StorageError> {
        let injected = |what: &str| Err(StorageError::Failed(format!("injected: {what}")));
        match self.faults.get() {
            Fault::Fails => return injected("no contact"),
            Fault::NoRoom => return Err(no_room()),
            #[expect(clippy::disallowed_methods, reason = "the thread that commits is its own")]
            Fault::Slow(time) => std::thread::sleep(time),
            _ => {}
        }
        self.database.commit(transaction)?;
        match self.faults.get() {
            Fault::FailsAfterwards => injected("lost contact"),
            _ => Ok(()),
        }
    }

    fn probe(&mut self) -> Result<(), StorageError> {
        match self.faults.get() {
            Fault::NoRoom => Err(no_room()),
            _ => self.database.probe(),
        }
    }
}

fn no_room() -> StorageError {
    StorageError::Refused("injected: no room".to_owned())
}

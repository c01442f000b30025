//! A new data directory, filled with rockets that come from elsewhere. Owns that
//! each of them is one that could have been stored; does not own that half of them
//! are not taken for all (`half_made`).

use ahash::AHashSet;

use super::database::{Database, Storage, Transaction};
use super::half_made::HalfMade;
use super::row_check;
use super::settings::Synchronous;
use crate::journal::{MAX_ROW_ID, OpenError, RocketSnapshot};
use crate::telemetry::Channel;

/// Most rockets, and buffered messages, that are written at once; one rocket may
/// have more.
const SLICE: usize = 4096;

/// A data directory that is being filled.
#[derive(Debug)]
pub struct Filling {
    /// Closed before what was made of it is complete, or removed.
    database: Database,
    made: HalfMade,
    known: AHashSet<Channel>,
    rockets: Vec<RocketSnapshot>,
    messages: usize,
    last_row_id: u32,
}

impl Filling {
    /// Begins to fill the directory that `made` is in.
    pub(super) fn begin(made: HalfMade) -> Result<Self, OpenError> {
        // It is synced once, at the end.
        let database = Database::open(&made.part(), Synchronous::Normal)?;
        let (known, rockets) = (AHashSet::new(), Vec::new());
        Ok(Self { database, made, known, rockets, messages: 0, last_row_id: 0 })
    }

    /// Adds a rocket, which gets the next row ID, whatever its own is; or says why it
    /// is none that could have been stored.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add(&mut self, mut rocket: RocketSnapshot) -> Result<Result<(), String>, OpenError> {
        if self.last_row_id == MAX_ROW_ID {
            return Ok(Err(format!("there are more than {MAX_ROW_ID} rockets")));
        }
        self.last_row_id += 1;
        rocket.row_id = self.last_row_id;
        if let Err(problem) = row_check::check_all(&rocket) {
            return Ok(Err(problem));
        }
        if !self.known.insert(rocket.channel.clone()) {
            return Ok(Err(format!("the rocket {:?} stands there twice", rocket.channel)));
        }
        self.messages += rocket.buffered.len();
        self.rockets.push(rocket);
        if self.rockets.len() >= SLICE || self.messages >= SLICE {
            self.write()?;
        }
        Ok(Ok(()))
    }

    /// Ends it: the directory has a whole database then, on the disk.
    ///
    /// # Errors
    /// When that cannot be done.
    pub fn complete(mut self) -> Result<(), OpenError> {
        self.write()?;
        let Self { database, made, .. } = self;
        // Which brings all of it into one file.
        drop(database);
        made.complete()
    }

    fn write(&mut self) -> Result<(), OpenError> {
        let rockets = std::mem::take(&mut self.rockets);
        self.messages = 0;
        let written = self.database.commit(&Transaction { rockets, ..Transaction::default() });
        written.map_err(|error| OpenError::Open { file: self.made.part(), error: error.into() })
    }
}

//! A copy of a database that is made to be given away, and has no name. Owns that
//! nothing of it stays on the disk once nobody has it open, also after a kill; does not
//! own how it is copied (`backup`).

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::Path;

use super::backup;
use super::half_made::HalfMade;
use super::reading;
use super::settings::FILE;
use crate::journal::{Mark, OpenError};

/// Where it is made, below the data directory.
const COPY: &str = "copy";

/// Makes one of a directory that this process serves, and opens it; also returns its
/// mark. One at a time.
pub(super) fn lend(directory: &Path) -> Result<(File, Option<Mark>), OpenError> {
    remove(directory)?;
    let at = directory.join(COPY);
    let lent = || {
        backup::copy(&directory.join(FILE), HalfMade::begin(&at)?, &mut |_, _| {})?;
        let mark = reading::whole(&at.join(FILE))?.mark()?;
        let file = File::open(at.join(FILE));
        let file = file.map_err(|error| OpenError::Directory { path: at.clone(), error })?;
        Ok((file, mark))
    };
    let lent = lent();
    remove(directory)?;
    lent
}

/// Removes what a process left that was killed while it made one.
pub(super) fn remove(directory: &Path) -> Result<(), OpenError> {
    let at = directory.join(COPY);
    let removed = fs::remove_dir_all(&at);
    let is_gone = |error: &io::Error| error.kind() == ErrorKind::NotFound;
    removed.or_else(|error| if is_gone(&error) { Ok(()) } else { Err(error) }).map_err(failed(&at))
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    move |error| OpenError::Directory { path, error }
}

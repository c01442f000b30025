//! What a data directory is opened with, and the name of the database in it.

/// The database's file in its directory.
pub const FILE: &str = "downlink.db";

/// What a commit waits for; the names are those of SQLite's own setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Synchronous {
    /// The device has it: it survives a power cut.
    Full,
    /// The operating system has it: it survives the end of the process, in
    /// whatever way, but not that of the machine.
    Normal,
}

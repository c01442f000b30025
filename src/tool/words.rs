//! How counts are said.

/// So many of `what`, of which there is a plural with s.
pub fn counted(count: u64, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

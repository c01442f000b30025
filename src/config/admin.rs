//! The flags of the operators' own address. Owns what was typed; does not own
//! what can be asked there (`http/routes.rs`).

use clap::Args;

use super::parse::address;
use crate::http::listener::Address;

/// As clap reads them.
#[derive(Args, Debug)]
pub struct AdminArguments {
    /// Addresses for /readyz, /livez, /metrics and what else is for operators, written
    /// as those of --listen, which does not have it then
    ///
    /// [default: none]
    #[arg(
        long,
        env = "DOWNLINK_ADMIN_LISTEN",
        value_name = "ADDRESS",
        value_delimiter = ',',
        value_parser = address
    )]
    pub admin_listen: Vec<Address>,
}

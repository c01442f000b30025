//! The page at `GET /` in a real browser: headless Chromium, led by its driver.
//! Each module is named after its claim.
//!
//! They are ignored by a plain `cargo test`, which does with Rust alone; `just
//! test-browser` runs them, and needs `chromium`, `chromedriver` and npm (for
//! axe-core, which only the tests load). Every page that is opened here is looked at
//! once more at its end: nothing in the console, nothing against the content security
//! policy, no request to anywhere else (`page`).

#![allow(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    clippy::assigning_clones,
    clippy::format_collect,
    clippy::cast_possible_wrap,
    clippy::print_stdout,
    clippy::disallowed_methods,
    dead_code,
    unused_imports,
    reason = "as in `tests/it`; of what those share, these take a part"
)]

/// Who cannot see the page, or has no mouse, or rests, can use all of it.
mod everybody_can_use_it;
/// Faults of the service are said at once, and pass by themselves.
mod faults_are_said;
/// Names from elsewhere stay text, whatever they are made of.
mod names_stay_text;
/// What is computed of numbers, times and events is right for all of them.
mod pure_parts;
/// The fleet is shown, live; it is sorted, filtered, paged and searched.
mod the_fleet_is_shown;
/// One rocket is shown beside it: state, past, explosion, wait.
mod the_rocket_is_shown;

mod driver;
mod page;

#[path = "../it/support/mod.rs"]
mod support;

//! Owns the progress bar. Does not own what is counted (`tally`) or what is told
//! at the end (`report`).

use std::io::{self, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

/// A bar on standard error when that is a terminal, nothing otherwise.
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    pub fn new(messages: u32) -> Self {
        let target = ProgressDrawTarget::stderr();
        let bar = ProgressBar::with_draw_target(Some(messages.into()), target);
        let template = "{wide_bar} {human_pos}/{human_len} {rate} eta {eta}{msg}";
        let style = ProgressStyle::with_template(template).expect("the template is valid");
        let rate = |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            // The bar has nobody to tell of an error.
            let _ = write!(out, "{:.0}/s", state.per_sec());
        };
        bar.set_style(style.with_key("rate", rate));
        Self { bar }
    }

    /// Says something on standard error, above the bar if there is one.
    pub fn say(&self, text: &str) {
        self.bar.suspend(|| {
            // Whoever closed it does not want to hear it.
            let _ = writeln!(io::stderr(), "rockets: {text}");
        });
    }

    pub fn update(&self, acknowledged: u64, waiting: usize) {
        if self.bar.is_hidden() {
            return;
        }
        self.bar.set_position(acknowledged);
        self.bar.set_message(if waiting == 0 {
            String::new()
        } else {
            format!(", {waiting} to be sent again")
        });
    }

    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

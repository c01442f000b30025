//! Owns the progress bar. Does not own what is counted (`tally`) or what is told
//! at the end (`report`).

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar on standard error when that is a terminal, nothing otherwise.
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    pub fn new(messages: u32) -> Self {
        let target = ProgressDrawTarget::stderr();
        let bar = ProgressBar::with_draw_target(Some(messages.into()), target);
        let template = "{wide_bar} {human_pos}/{human_len} {per_sec} eta {eta}{msg}";
        bar.set_style(ProgressStyle::with_template(template).expect("the template is valid"));
        Self { bar }
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

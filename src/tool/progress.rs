//! How far long work is, on standard error, for who sits before a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A count that rises; nothing where standard error is no terminal.
pub struct Progress(ProgressBar);

impl Progress {
    /// Of what is counted.
    ///
    /// # Panics
    /// Never: the template is valid.
    #[must_use]
    pub fn of(what: &'static str) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{human_pos} {msg}, {elapsed}");
        bar.set_style(style.expect("the template is valid"));
        bar.set_message(what);
        Self(bar)
    }

    /// So many are done, and of how many, if that is known.
    pub fn show(&self, done: u64, of: Option<u64>) {
        if let Some(all) = of
            && self.0.length() != Some(all)
        {
            let style = ProgressStyle::with_template("{wide_bar} {human_pos}/{human_len} {msg}");
            self.0.set_style(style.expect("the template is valid"));
            self.0.set_length(all);
        }
        self.0.set_position(done);
    }

    /// It is over, and nothing of it stays.
    pub fn end(&self) {
        self.0.finish_and_clear();
    }
}

//! A bar for people; plain lines where nobody looks.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use indicatif::{DecimalBytes, ProgressBar, ProgressStyle};

/// How far something is. Told on stderr, so that stdout holds only the result.
pub struct Progress {
    what: &'static str,
    unit: Unit,
    total: AtomicU64,
    done: AtomicU64,
    /// The last tenth that was told as a line.
    told: AtomicU64,
    /// Only with a terminal.
    bar: Option<ProgressBar>,
}

#[derive(Clone, Copy)]
enum Unit {
    Bytes,
    Items,
}

impl Progress {
    /// Counts bytes.
    pub fn bytes(what: &'static str, total: u64) -> Self {
        Self::new(what, total, Unit::Bytes, "{msg} {wide_bar} {decimal_bytes}/{decimal_total_bytes} {eta:>4}")
    }

    /// Counts items.
    pub fn items(what: &'static str, total: u64) -> Self {
        Self::new(what, total, Unit::Items, "{msg} {wide_bar} {pos}/{len} {eta:>4}")
    }

    fn new(what: &'static str, total: u64, unit: Unit, template: &str) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(total).with_message(what);
            match ProgressStyle::with_template(template) {
                Ok(style) => bar.with_style(style),
                Err(_) => bar,
            }
        });
        Self { what, unit, total: total.into(), done: 0.into(), told: 0.into(), bar }
    }

    /// So much more is done.
    pub fn add(&self, more: u64) {
        let done = self.done.fetch_add(more, Relaxed) + more;
        self.show(done);
    }

    /// So much is done altogether; less than before when something has to be done again.
    pub fn set(&self, done: u64) {
        self.done.store(done, Relaxed);
        self.show(done);
    }

    /// So much there is to do, once that is known.
    pub fn set_total(&self, total: u64) {
        self.total.store(total, Relaxed);
        if let Some(bar) = &self.bar {
            bar.set_length(total);
        }
    }

    fn show(&self, done: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(done);
            return;
        }
        let total = self.total.load(Relaxed);
        let tenth = (done * 10).checked_div(total).unwrap_or(0);
        if tenth > self.told.fetch_max(tenth, Relaxed) {
            let (done, total) = match self.unit {
                Unit::Bytes => (DecimalBytes(done).to_string(), DecimalBytes(total).to_string()),
                Unit::Items => (done.to_string(), total.to_string()),
            };
            eprintln!("{}: {}% ({done} of {total})", self.what, tenth * 10);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

//! Progress on stderr: a bar in a terminal, otherwise a line for each tenth.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use indicatif::{DecimalBytes, ProgressBar, ProgressStyle};

/// The progress of a task. Shown on stderr, so that stdout contains only the result.
pub struct ProgressReporter {
    label: &'static str,
    unit: ProgressUnit,
    total: AtomicU64,
    done: AtomicU64,
    /// The last tenth that was printed as a line.
    reported_tenth: AtomicU64,
    /// Only with a terminal.
    bar: Option<ProgressBar>,
}

#[derive(Clone, Copy)]
enum ProgressUnit {
    Bytes,
    Items,
}

impl ProgressReporter {
    pub fn for_bytes(label: &'static str, total: u64) -> Self {
        Self::new(label, total, ProgressUnit::Bytes, "{msg} {wide_bar} {decimal_bytes}/{decimal_total_bytes} {eta:>4}")
    }

    pub fn for_items(label: &'static str, total: u64) -> Self {
        Self::new(label, total, ProgressUnit::Items, "{msg} {wide_bar} {pos}/{len} {eta:>4}")
    }

    fn new(label: &'static str, total: u64, unit: ProgressUnit, template: &str) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(total).with_message(label);
            match ProgressStyle::with_template(template) {
                Ok(style) => bar.with_style(style),
                Err(_) => bar,
            }
        });
        Self { label, unit, total: total.into(), done: 0.into(), reported_tenth: 0.into(), bar }
    }

    /// Adds to what is done.
    pub fn add(&self, more: u64) {
        let done = self.done.fetch_add(more, Relaxed) + more;
        self.show(done);
    }

    /// Takes work off the total that turned out not to be needed.
    pub fn remove_from_total(&self, less: u64) {
        let total = self.total.fetch_sub(less, Relaxed) - less;
        if let Some(bar) = &self.bar {
            bar.set_length(total);
        }
    }

    /// Sets what is done altogether; less than before when something has to be repeated.
    pub fn set(&self, done: u64) {
        self.done.store(done, Relaxed);
        self.show(done);
    }

    /// Sets the total, once it is known.
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
        if tenth > self.reported_tenth.fetch_max(tenth, Relaxed) {
            let (done, total) = match self.unit {
                ProgressUnit::Bytes => (DecimalBytes(done).to_string(), DecimalBytes(total).to_string()),
                ProgressUnit::Items => (done.to_string(), total.to_string()),
            };
            eprintln!("{}: {}% ({done} of {total})", self.label, tenth * 10);
        }
    }
}

impl Drop for ProgressReporter {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

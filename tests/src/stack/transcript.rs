//! What happened when.

use std::time::Instant;

/// Lines with the seconds since the start; each is printed at once.
#[derive(Debug)]
pub struct Transcript {
    began: Instant,
}

impl Default for Transcript {
    fn default() -> Self {
        Self { began: Instant::now() }
    }
}

impl Transcript {
    /// Says that something happened now.
    pub fn say(&self, what: &str) {
        self.say_at(Instant::now(), what);
    }

    /// Says that something happened at a moment that may be over.
    pub fn say_at(&self, when: Instant, what: &str) {
        println!("{:>6.1} s  {what}", when.saturating_duration_since(self.began).as_secs_f64());
    }
}

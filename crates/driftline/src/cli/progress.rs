//! Progress bars for work that takes a while.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar of rows; a spinner where the total is not known. Hidden where nobody watches.
pub(super) fn rows(total: Option<u64>, what: &str) -> ProgressBar {
    let (bar, template) = match total {
        Some(total) => (
            ProgressBar::new(total),
            "{msg:14} {wide_bar:.cyan/dim} {human_pos}/{human_len} rows  {per_sec}  {eta}",
        ),
        None => (ProgressBar::new_spinner(), "{msg:14} {spinner} {human_pos} rows  {per_sec}"),
    };
    let style = ProgressStyle::with_template(template).expect("the template is a constant that was tried");
    bar.set_style(style.progress_chars("━╸─"));
    bar.set_message(what.to_owned());
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

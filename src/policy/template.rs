//! Log lines to templates, so that a thousand lines of one kind are one line with a count.

/// The most characters of a template.
pub const LONGEST: usize = 240;

/// The template of a log line: what varies becomes `<n>`, `<hex>`, `<uuid>`, `<ip>`, `<time>`,
/// `"<str>"`. One line, bounded.
pub fn template(line: &str) -> String {
    let _ = line;
    todo!()
}

//! What a request to the program on the other host is made of, and what its answer is.

use crate::clients::files::Entry;

/// With all but plain characters as their octal numbers: a key that lets requests through by their letters has
/// no quotes to read.
pub(super) fn spelled(part: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./:@+,=".contains(&b);
    let mut spelled = String::with_capacity(part.len());
    for (n, byte) in part.bytes().enumerate() {
        // A word that begins with `=` is a program's path to one shell.
        match plain(byte) && (byte != b'=' || n > 0) {
            true => spelled.push(char::from(byte)),
            false => spelled.push_str(&format!("%{byte:03o}")),
        }
    }
    spelled
}

/// What tells one file from all others there, as arguments: volume, inode, length, second of its last write.
pub(super) fn identity(entry: &Entry) -> [String; 4] {
    let written = entry.modified.0.div_euclid(1_000);
    [
        entry.id.dev.to_string(),
        entry.id.ino.to_string(),
        entry.bytes.to_string(),
        written.to_string(),
    ]
}

/// A number of an answer.
pub(super) fn nth(words: &[String], n: usize) -> u64 {
    words.get(n).and_then(|word| word.parse().ok()).unwrap_or(0)
}

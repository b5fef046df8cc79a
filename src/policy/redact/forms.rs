//! The forms in which a known secret may stand in text.

use std::fmt::Write as _;

/// A secret shorter than this is not looked for.
const SHORTEST: usize = 4;
/// An encoded form shorter than this would be found where nobody wrote it.
const SHORTEST_ENCODED: usize = 6;

/// The secret itself, and its hex, URL, JSON and base64 forms.
pub(super) fn of(secret: &str) -> Vec<String> {
    let secret = secret.trim();
    if secret.len() < SHORTEST {
        return Vec::new();
    }
    let bytes = secret.as_bytes();
    let mut encoded = vec![hex(bytes), hex(bytes).to_ascii_uppercase()];
    encoded.extend(url(bytes));
    encoded.extend(json(secret));
    for alphabet in [STANDARD, URL_SAFE] {
        encoded.extend((0..3).map(|shift| base64(bytes, shift, alphabet)));
    }
    encoded.retain(|form| SHORTEST_ENCODED <= form.len() && form != secret);
    let mut forms = vec![secret.to_owned()];
    // A secret of several lines may be printed line by line.
    let lines = secret.lines().map(str::trim).filter(|line| 16 <= line.len() && *line != secret);
    forms.extend(lines.map(str::to_owned));
    forms.extend(encoded);
    forms.sort();
    forms.dedup();
    forms
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ok = write!(hex, "{byte:02x}");
        hex
    })
}

/// Percent-encoded, in both cases of its digits and with `+` for a space.
fn url(bytes: &[u8]) -> Vec<String> {
    let encode = |space: &str, upper: fn(u8) -> String| {
        bytes.iter().fold(String::new(), |mut out, byte| {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                    out.push(char::from(*byte));
                }
                b' ' => out.push_str(space),
                byte => out.push_str(&upper(*byte)),
            }
            out
        })
    };
    let upper = |byte| format!("%{byte:02X}");
    vec![encode("%20", upper), encode("%20", |byte| format!("%{byte:02x}")), encode("+", upper)]
}

/// As it stands between the quotes of a JSON string.
fn json(secret: &str) -> Option<String> {
    let quoted = serde_json::to_string(secret).ok()?;
    Some(quoted.strip_prefix('"')?.strip_suffix('"')?.to_owned())
}

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The letters that the secret alone decides where it begins `shift` bytes (0 to 2) into a group of three:
/// so it is found behind a user's name too, as in basic authorization.
fn base64(bytes: &[u8], shift: usize, alphabet: &[u8; 64]) -> String {
    let padded: Vec<u8> = std::iter::repeat_n(0, shift).chain(bytes.iter().copied()).collect();
    let bit = |i: usize| padded.get(i / 8).is_some_and(|byte| byte >> (7 - i % 8) & 1 == 1);
    let (first, end) = ((shift * 8).div_ceil(6), padded.len() * 8 / 6);
    (first..end)
        .map(|letter| {
            let index = (0..6).fold(0, |n, i| n << 1 | usize::from(bit(letter * 6 + i)));
            char::from(alphabet[index])
        })
        .collect()
}

//! Whether what was posted arrived, and whether another try can help.

use crate::clients::http::Answer;
use crate::clients::http::error::HttpError;
use crate::clients::http::url::WebUrl;
use crate::model::taint::Tainted;
use crate::model::time::Span;
use crate::notify::NotSent;

/// For one try; the outbox tries again.
pub(super) const TIMEOUT: Span = Span::secs(15);

/// Sorts an answer. Only the server is named: the path of a hook is often its secret.
pub(super) fn sent(to: &WebUrl, answer: Result<Answer, HttpError>) -> Result<(), NotSent> {
    let host = to.host();
    match answer {
        Ok(Answer { status: 200..=299, .. }) => Ok(()),
        Ok(Answer { status: status @ (408 | 425 | 429 | 500..=599), .. }) => {
            Err(NotSent::Later(format!("{host} answered {status}")))
        }
        Ok(Answer { status: status @ (401 | 403), .. }) => {
            Err(NotSent::Never(format!("{host} answered {status}: check the token or the secret")))
        }
        Ok(Answer { status: status @ 300..=399, .. }) => Err(NotSent::Never(format!(
            "{host} answered {status}, a redirect: write the final address into the config"
        ))),
        Ok(Answer { status, .. }) => {
            Err(NotSent::Never(format!("{host} answered {status}: check the address")))
        }
        Err(why @ HttpError::Setup(_)) => Err(NotSent::Never(format!("{host}: {why}"))),
        Err(why) => Err(NotSent::Later(format!("{host}: {why}"))),
    }
}

/// Plain text of at most `longest` bytes, cut between characters.
pub(super) fn bounded(text: &str, longest: usize) -> String {
    let clean = Tainted::bounded(text, longest);
    let clean = clean.as_str();
    if clean.len() <= longest {
        return clean.to_owned();
    }
    const CUT: &str = " …(cut)";
    let mut end = longest.saturating_sub(CUT.len());
    while !clean.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{CUT}", &clean[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_in_bytes_and_between_characters() {
        let cut = bounded(&"ä".repeat(100), 51);
        assert!(cut.len() <= 51 && cut.ends_with("ä …(cut)"), "{cut}");
        assert_eq!(bounded("a\x1b[31mb\n", 50), "a[31mb\n");
        assert_eq!(bounded("ää", 4), "ää");
    }
}

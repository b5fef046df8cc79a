//! What probes of services over HTTP read from the config alike: whom to trust, and who we are.

use crate::clients::http::Http;
use crate::clients::http::url::WebUrl;
use crate::clients::json::{Api, Login};
use crate::clients::tls::pin::Pin;
use crate::model::target::AbsPath;
use crate::model::time::Span;
use crate::probe::ask::Ask;

/// The client for what was written: `fingerprint` trusts one certificate, `ca_file` the authorities in it
/// beside the system's.
pub fn http(ask: &mut Ask<'_>) -> Http {
    if ask.has("fingerprint") {
        if ask.has("ca_file") {
            ask.mistake("fingerprint", "stands beside ca_file; keep one of them");
        }
        let pin: Option<Pin> = ask.opt("fingerprint");
        return pin.map_or_else(Http::new, Http::pinned);
    }
    match ask.opt::<AbsPath>("ca_file") {
        Some(file) => Http::trusting(Some(file.as_path().to_owned())),
        None => ask.cx.http.clone(),
    }
}

/// `token`, or `user` and `password`, or nobody.
pub fn login(ask: &mut Ask<'_>) -> Login {
    if ask.has("user") {
        let user: Option<String> = ask.opt("user");
        return match (user, ask.secret("password")) {
            (Some(user), Some(password)) => Login::Basic { user, password },
            (None, _) | (_, None) => {
                ask.mistake("user", "needs a password: password_file = \"/path\" or \"${VAR}\"");
                Login::Nobody
            }
        };
    }
    ask.secret("token").map_or(Login::Nobody, Login::Bearer)
}

/// The service at `url`; its timeout is set once the common keys are read.
pub fn api(ask: &mut Ask<'_>, url: WebUrl) -> Api {
    if url.has_credentials() {
        ask.finding("url", "has a password in it, which everybody who reads the config sees");
    }
    Api { http: http(ask), url, login: login(ask), timeout: Span::secs(10) }
}

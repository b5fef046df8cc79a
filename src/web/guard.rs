//! What every request passes, and what every answer carries.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Nothing but the page's own style; it can be framed by nobody and send nothing anywhere.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// There is no `Access-Control-Allow-Origin` and no cookie, on purpose.
const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
];

/// Answers only `GET` and `HEAD` (jobs may report in with `POST`), and only to loopback names.
pub async fn guard(request: Request, next: Next) -> Response {
    let mut response = match refusal(&request) {
        Some((status, why)) => (status, why).into_response(),
        None => next.run(request).await,
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn refusal(request: &Request) -> Option<(StatusCode, &'static str)> {
    let method = request.method();
    let reports = *method == Method::POST && request.uri().path().starts_with("/ping/");
    if *method != Method::GET && *method != Method::HEAD && !reports {
        return Some((StatusCode::METHOD_NOT_ALLOWED, "this page is only read: GET and HEAD\n"));
    }
    let whole = request.uri().authority().map(axum::http::uri::Authority::as_str);
    if whole.is_some_and(|authority| !is_loopback(authority)) || !is_for_us(request.headers()) {
        let why = "reef answers to localhost, 127.0.0.1 and [::1] only; a reverse proxy must set the \
                   Host header to one of them\n";
        return Some((StatusCode::MISDIRECTED_REQUEST, why));
    }
    None
}

/// Exactly one `Host`, and a loopback one: a name that a stranger's DNS points here is refused.
fn is_for_us(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next().map(HeaderValue::to_str), hosts.next()) {
        (Some(Ok(host)), None) => is_loopback(host),
        (Some(_) | None, _) => false,
    }
}

fn is_loopback(authority: &str) -> bool {
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, "")) => (address, None),
        Some((address, rest)) => (address, rest.strip_prefix(':').or(Some("no port"))),
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    if port.is_some_and(|port| port.parse::<u16>().is_err()) {
        return false;
    }
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_loopback() {
        for (authority, want) in [
            ("localhost", true),
            ("LOCALHOST:7333", true),
            ("127.0.0.1", true),
            ("127.8.9.1:80", true),
            ("[::1]", true),
            ("[::1]:7333", true),
            ("evil.example", false),
            ("evil.example:7333", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("127.0.0.1:x", false),
            ("127.0.0.1@evil.example", false),
            ("user:pw@localhost", false),
            ("[::1]evil.example", false),
            ("[::1", false),
            ("192.168.1.2", false),
            ("0.0.0.0", false),
            ("2130706433", false),
            ("", false),
        ] {
            assert_eq!(is_loopback(authority), want, "{authority:?}");
        }
    }
}

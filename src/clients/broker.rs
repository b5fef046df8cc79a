//! Queues of RabbitMQ (its management API) and NATS (its monitoring port), over HTTP.

use secrecy::ExposeSecret;
use serde::Deserialize;

use crate::clients::answer::NoAnswer;
use crate::clients::http::url::WebUrl;
use crate::clients::http::{GetRequest, Http, basic};
use crate::clients::redis::Length;
use crate::config::keys::Key;
use crate::model::time::Span;

/// A NATS server with many streams says much.
const LARGEST: usize = 4 << 20;

/// Who we are at RabbitMQ's management API.
#[derive(Debug, Clone)]
pub struct Login {
    pub user: String,
    pub password: Option<Key>,
}

async fn json<T: for<'a> Deserialize<'a>>(
    http: &Http,
    url: WebUrl,
    headers: Vec<(String, String)>,
    timeout: Span,
) -> Result<Option<T>, NoAnswer> {
    let mut request = GetRequest::new(url, timeout);
    request.headers = headers;
    request.max_body = LARGEST;
    let answer = http.get(&request).await?;
    match answer.status {
        200 => serde_json::from_slice(&answer.body)
            .map(Some)
            .map_err(|e| NoAnswer::Broken(format!("not the JSON that was expected: {e}"))),
        404 => Ok(None),
        401 | 403 => Err(NoAnswer::Denied(format!(
            "it answers {}: is the user right, and has it the tag monitoring?",
            answer.status
        ))),
        500..=599 => Err(NoAnswer::Busy(format!("it answers {}", answer.status))),
        status => Err(NoAnswer::Broken(format!("it answers {status}"))),
    }
}

/// A RabbitMQ queue; `None` where there is none of that name.
pub async fn rabbitmq(
    http: &Http,
    api: &WebUrl,
    login: &Login,
    (vhost, queue): (&str, &str),
    timeout: Span,
) -> Result<Option<Length>, NoAnswer> {
    #[derive(Deserialize)]
    struct Queue {
        /// Absent until its statistics were made, a few seconds after a start.
        messages: Option<u64>,
        consumers: Option<u64>,
    }
    let url = api.with_parts(&["api", "queues", vhost, queue]);
    let url = url.ok_or_else(|| NoAnswer::Setup(format!("{api} takes no path")))?;
    let password = match &login.password {
        Some(key) => key.value().map_err(|why| NoAnswer::Setup(why.to_owned()))?.expose_secret(),
        None => "",
    };
    let headers = vec![basic(&login.user, password)];
    match json::<Queue>(http, url, headers, timeout).await? {
        None => Ok(None),
        Some(Queue { messages: Some(entries), consumers }) => {
            Ok(Some(Length { entries, consumers }))
        }
        Some(Queue { messages: None, .. }) => {
            Err(NoAnswer::Setup("the queue has no statistics yet".into()))
        }
    }
}

#[derive(Deserialize)]
struct Jsz {
    #[serde(default)]
    disabled: bool,
    #[serde(default)]
    account_details: Vec<Account>,
}

#[derive(Deserialize)]
struct Account {
    #[serde(default)]
    stream_detail: Vec<Stream>,
}

#[derive(Deserialize)]
struct Stream {
    name: String,
    state: State,
    #[serde(default)]
    consumer_detail: Vec<Consumer>,
}

#[derive(Deserialize)]
struct State {
    messages: u64,
    #[serde(default)]
    consumer_count: u64,
}

#[derive(Deserialize)]
struct Consumer {
    name: String,
    #[serde(default)]
    num_pending: u64,
    #[serde(default)]
    num_ack_pending: u64,
}

/// A JetStream stream, or what a consumer of it has not acknowledged yet; `None` where there is none
/// of that name.
pub async fn nats(
    http: &Http,
    monitoring: &WebUrl,
    stream: &str,
    consumer: Option<&str>,
    timeout: Span,
) -> Result<Option<Length>, NoAnswer> {
    let url = monitoring.with_parts(&["jsz"]);
    let url = url.ok_or_else(|| NoAnswer::Setup(format!("{monitoring} takes no path")))?;
    let url = url.with_query("streams=true&consumers=true&limit=1024");
    let Some(jsz) = json::<Jsz>(http, url, Vec::new(), timeout).await? else {
        return Err(NoAnswer::Broken("it has no /jsz: is this its monitoring port?".into()));
    };
    if jsz.disabled {
        return Err(NoAnswer::Setup("its JetStream is not enabled".into()));
    }
    let streams = jsz.account_details.iter().flat_map(|account| &account.stream_detail);
    let Some(stream) = streams.into_iter().find(|known| known.name == stream) else {
        return Ok(None);
    };
    let Some(wanted) = consumer else {
        let consumers = Some(stream.state.consumer_count);
        return Ok(Some(Length { entries: stream.state.messages, consumers }));
    };
    let found = stream.consumer_detail.iter().find(|known| known.name == wanted);
    Ok(found.map(|consumer| Length {
        entries: consumer.num_pending.saturating_add(consumer.num_ack_pending),
        consumers: None,
    }))
}

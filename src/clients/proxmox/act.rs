//! What changes something on a Proxmox VE: one request, and what each refusal means.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::clients::docker::engine::NotDone;
use crate::clients::http::error::HttpError;
use crate::clients::http::{Answer, Verb};
use crate::clients::proxmox::{Proxmox, ask};
use crate::gate::permit::Permit;
use crate::model::audit::Ran;
use crate::model::taint::Tainted;
use crate::policy::denied::{Begun, Denied};

/// As much of a refusal as is shown.
const REFUSAL: usize = 300;

/// The right that a request needs, for the words of a refusal.
#[derive(Debug, Clone, Copy)]
pub struct Rights<'a> {
    /// `VM.PowerMgmt`; several with a comma.
    pub right: &'a str,
    /// `/vms/104`
    pub on: &'a str,
    pub token: &'a str,
}

impl Rights<'_> {
    /// The missing right, and the grant that would serve and nothing more.
    fn denied(&self) -> Denied {
        let Self { right, on, token } = self;
        let role: String = right.chars().filter(char::is_ascii_alphanumeric).collect();
        Denied {
            missing: format!("the right {right} on {on} of the API token {token}"),
            grant: format!(
                "`pveum role add Reef{role} --privs {right}` and `pveum acl modify {on} --tokens '{token}' --roles Reef{role}`"
            ),
            begun: Begun::Nothing,
        }
    }
}

#[derive(Deserialize)]
struct Told {
    #[serde(default)]
    data: Json,
}

#[derive(Deserialize)]
struct State {
    #[serde(default)]
    status: String,
    exitstatus: Option<String>,
}

impl Proxmox {
    /// What lies at a path; `None` where there is nothing.
    pub async fn at<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, String> {
        ask(&self.api, path, &[]).await.map_err(|why| format!("{path}: {why}"))
    }

    /// How a task ended; `None` while it runs.
    pub async fn task(&self, node: &str, upid: &str) -> Result<Option<String>, String> {
        let found: Option<State> = self.at(&format!("nodes/{node}/tasks/{upid}/status")).await?;
        match found {
            Some(State { status, exitstatus }) if status == "stopped" => {
                Ok(Some(exitstatus.unwrap_or_else(|| "no word of how".into())))
            }
            Some(_) => Ok(None),
            None => Err("its node knows of no such task".into()),
        }
    }

    /// Changes something, once. The answer is the number of a task, or nothing.
    pub async fn change(
        &self,
        permit: &Permit,
        verb: Verb,
        path: &str,
        form: &[(&str, String)],
        rights: &Rights<'_>,
    ) -> Result<Json, NotDone> {
        let sent = self.api.change(permit, verb, &format!("api2/json/{path}"), form).await;
        noted(permit, verb, path, form, &sent);
        let answer = match sent {
            Ok(answer) => answer,
            Err(why) if why.never_left() => return Err(NotDone::NotStarted(why.to_string())),
            Err(why) => return Err(NotDone::Unknown(why.to_string())),
        };
        let said = said(&answer);
        match answer.status {
            200 => serde_json::from_slice::<Told>(&answer.body)
                .map(|told| told.data)
                .map_err(|_| NotDone::Unknown(format!("it took {path}, and answered no JSON"))),
            401 => Err(NotDone::NotStarted(format!(
                "401: the API token {} is not known there, or its secret is another one{said}",
                rights.token
            ))),
            403 => Err(NotDone::NotStarted(format!("403: {}{said}", rights.denied()))),
            400 => Err(NotDone::NotStarted(format!("400: it does not take the request{said}"))),
            404 | 501 => {
                Err(NotDone::NotStarted(format!("{}: it has no {path}{said}", answer.status)))
            }
            // The proxy in front of the nodes: no connection to the node came about.
            595 => Err(NotDone::NotStarted(format!("595: the node cannot be reached{said}"))),
            // It was handed on, and no answer came back.
            status @ (502..=504 | 596..=599) => {
                Err(NotDone::Unknown(format!("{status}: no answer of the node{said}")))
            }
            status => Err(NotDone::Failed(format!("{status}{said}"))),
        }
    }
}

/// The request for the record of its action, as it was sent.
fn noted(
    permit: &Permit,
    verb: Verb,
    path: &str,
    form: &[(&str, String)],
    sent: &Result<Answer, HttpError>,
) {
    let method = match verb {
        Verb::Post => "POST",
        Verb::Put => "PUT",
        Verb::Delete => "DELETE",
    };
    let fields = form.iter().map(|(name, value)| format!("{name}={value}"));
    let argv =
        [method.to_owned(), format!("/api2/json/{path}")].into_iter().chain(fields).collect();
    let (code, excerpt) = match sent {
        Ok(answer) => {
            let body = String::from_utf8_lossy(&answer.body);
            (Some(i32::from(answer.status)), Tainted::bounded(&body, REFUSAL).as_str().to_owned())
        }
        Err(why) => (None, why.to_string()),
    };
    permit.note(Ran { argv, code, output_digest: None, output_excerpt: excerpt });
    match sent {
        Ok(answer) if matches!(answer.status, 401 | 403) => permit.denied(),
        Err(why) if why.never_left() => permit.unreached(),
        Ok(_) | Err(_) => permit.reached(),
    }
}

/// What an answer says of itself.
fn said(answer: &Answer) -> String {
    #[derive(Deserialize)]
    struct Refusal {
        #[serde(default)]
        message: String,
        #[serde(default)]
        errors: Json,
    }
    let Ok(refusal) = serde_json::from_slice::<Refusal>(&answer.body) else { return String::new() };
    let errors =
        if refusal.errors.is_null() { String::new() } else { format!(" {}", refusal.errors) };
    let words = format!("{}{errors}", refusal.message.trim());
    match Tainted::bounded(words.trim(), REFUSAL).as_str() {
        "" => String::new(),
        words => format!(": {words}"),
    }
}

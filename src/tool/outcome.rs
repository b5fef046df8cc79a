//! A command on a host that may change something, carried to an outcome that tells all: both outputs kept, and what
//! only its tool knows to look at after a failure. Whether it is tried once more is the gate's to say.

use std::sync::Arc;

use crate::clients::host::{HostLink, LinkError, Output};
use crate::gate::permit::Permit;
use crate::model::taint::Tainted;
use crate::model::time::Span;
use crate::model::tool::ActionResult;
use crate::policy::argv::{Argv, ReadOnly};
use crate::policy::denied::{Begun, Denied, Said, Want, denied};

/// What a look around after a failure may take, each.
const LOOK: Span = Span::secs(5);
/// What is kept of each output, and of each look, in characters.
const KEPT: usize = 600;

/// One command with what is known of it.
#[derive(Debug)]
pub struct Doing {
    pub link: Arc<dyn HostLink>,
    pub argv: Argv,
    pub timeout: Span,
    /// `restart mini:unit:x.service`
    pub what: String,
    /// `restarted mini:unit:x.service`
    pub done: String,
    /// What is looked at when it did not end well.
    pub after: Vec<ReadOnly>,
}

impl Doing {
    /// Runs it.
    pub async fn run(self, permit: &Permit) -> ActionResult {
        let said = self.link.exec(permit, &self.argv, self.timeout).await;
        match said {
            Ok(output) if output.code == Some(0) => {
                ActionResult::Done(format!("{} in {}", self.done, output.took))
            }
            Ok(output) => self.failed(permit, &output).await,
            Err(LinkError::NotStarted(why)) => match self.denied(Some(127), &why) {
                Some(denied) => {
                    permit.denied();
                    ActionResult::NotStarted(self.with(&denied, &why))
                }
                None => ActionResult::NotStarted(format!("{}: {why}", self.what)),
            },
            // What was asked for may go on without its asker.
            Err(why @ (LinkError::TimedOut(_) | LinkError::Lost(_))) => {
                let around = self.look_around().await;
                ActionResult::Unknown(format!("{}: {why}{around}", self.what))
            }
        }
    }

    async fn failed(&self, permit: &Permit, output: &Output) -> ActionResult {
        let outputs = outputs(output);
        match self.denied(output.code, output.stderr.as_str()) {
            Some(denied) => {
                permit.denied();
                let words = self.with(&denied, &outputs);
                match denied.begun {
                    Begun::Nothing => ActionResult::NotStarted(words),
                    Begun::Perhaps => ActionResult::Failed(words),
                }
            }
            None => {
                let code = output.code.map_or("a signal".to_owned(), |c| format!("code {c}"));
                let around = self.look_around().await;
                let what = &self.what;
                ActionResult::Failed(format!("{what} ended with {code}; {outputs}{around}"))
            }
        }
    }

    fn with(&self, denied: &Denied, said: &str) -> String {
        format!("{}: {denied} (it said: {said})", self.what)
    }

    fn denied(&self, code: Option<i32>, stderr: &str) -> Option<Denied> {
        denied(&Said {
            host: self.link.name(),
            standing: &self.link.standing(),
            argv: self.argv.as_slice(),
            timeout: self.timeout,
            want: Want::Act,
            code,
            stderr,
        })
    }

    /// What the host says right after; a look that brings nothing is left out.
    async fn look_around(&self) -> String {
        let mut said = String::new();
        for argv in &self.after {
            if let Ok(output) = self.link.read(argv, LOOK).await {
                let words = line(output.stdout.as_str());
                if !words.is_empty() {
                    said.push_str(&format!("; {} says: {words}", argv.argv()));
                }
            }
        }
        said
    }
}

/// Both outputs, each on one line and bounded.
fn outputs(output: &Output) -> String {
    let (err, out) = (line(output.stderr.as_str()), line(output.stdout.as_str()));
    match (err.is_empty(), out.is_empty()) {
        (true, true) => "it said nothing".to_owned(),
        (false, true) => format!("stderr: {err}"),
        (true, false) => format!("stdout: {out}"),
        (false, false) => format!("stderr: {err}; stdout: {out}"),
    }
}

fn line(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let joined = lines.collect::<Vec<_>>().join(" / ");
    Tainted::bounded(&joined, KEPT).as_str().to_owned()
}

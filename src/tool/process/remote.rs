//! Ending a process of another host: by its number and its start time, in one constant program there.

use std::sync::Arc;

use crate::Fut;
use crate::clients::host::{HostLink, LinkError};
use crate::clients::signal::{Ending, ProcessId, kill};
use crate::gate::permit::Permit;
use crate::gate::tool::{Action, Parsed};
use crate::model::target::Target;
use crate::model::time::Span;
use crate::model::tool::{ActionResult, Effect, Repeat, Tier, ToolError, Undo};
use crate::policy::argv::{Argv, ReadOnly};
use crate::tool::args::{failed, refused};
use crate::tool::command;
use crate::tool::process::{effect, may_end};
use crate::tool::world::{Inventory, World};

/// Takes the call.
pub(super) fn kill_there(
    world: &World,
    link: Arc<dyn HostLink>,
    target: Target,
    id: ProcessId,
    ending: Ending,
) -> Result<Parsed, ToolError> {
    let pid = id.pid.to_string();
    let look = command::read_only(&["cat", &format!("/proc/{pid}/stat")])?;
    let line = command::read_only(&["cat", &format!("/proc/{pid}/cmdline")])?;
    let signal = match ending {
        Ending::Term => "TERM",
        Ending::Kill => "KILL",
    };
    let start = id.start.to_string();
    let argv = command::argv(&[kill::CALLED, &pid, &start, signal])?;
    let inventory = world.inventory.clone();
    Ok(Parsed::Action(Box::new(Kill { link, inventory, target, id, ending, look, line, argv })))
}

struct Kill {
    link: Arc<dyn HostLink>,
    inventory: Arc<Inventory>,
    target: Target,
    id: ProcessId,
    ending: Ending,
    look: ReadOnly,
    line: ReadOnly,
    argv: Argv,
}

impl Kill {
    /// Its name, if it is the one that was named and may be ended.
    async fn check(&self) -> Result<String, ToolError> {
        let gone =
            || refused(format!("{} has ended; nothing has its number and start", self.target));
        let look = command::output(self.link.as_ref(), &self.look, Span::secs(5)).await?;
        if look.code != Some(0) {
            return Err(gone());
        }
        let stat = look.stdout.as_str();
        let odd = || failed(format!("{} is not as proc(5) says", self.target));
        let (_, rest) = stat.split_once(" (").ok_or_else(odd)?;
        let (comm, rest) = rest.rsplit_once(") ").ok_or_else(odd)?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        // By proc(5), where the state is the third: parent 4, flags 9, start 22.
        let field = |n: usize| fields.get(n - 3).and_then(|f| f.parse::<u64>().ok());
        if field(22) != Some(self.id.start) {
            return Err(gone());
        }
        if field(9).is_some_and(|flags| flags & 0x0020_0000 != 0) || field(4) == Some(2) {
            return Err(refused(format!("{comm} is a thread of the kernel")));
        }
        let line = command::output(self.link.as_ref(), &self.line, Span::secs(5)).await?;
        let first = line.stdout.as_str().split(['\0', ' ']).next().unwrap_or("");
        may_end(&self.inventory, comm, first.rsplit('/').next().unwrap_or(""))?;
        Ok(comm.to_owned())
    }
}

impl Action for Kill {
    fn tier(&self) -> Tier {
        Tier::High
    }

    fn repeat(&self) -> Repeat {
        Repeat::Never
    }

    fn lease(&self) -> Vec<Target> {
        vec![self.target.clone()]
    }

    fn preview(&self) -> Fut<'_, Result<(Effect, Undo), ToolError>> {
        Box::pin(async move { Ok(effect(&self.check().await?, self.id, self.ending)) })
    }

    fn run(self: Box<Self>, permit: Permit) -> Fut<'static, ActionResult> {
        Box::pin(async move {
            let comm = match self.check().await {
                Ok(comm) => comm,
                Err(why) => return ActionResult::NotStarted(why.to_string()),
            };
            let name = format!("{comm} ({})", self.target);
            match self.link.exec(&permit, &self.argv, Span::secs(15)).await {
                Ok(output) => match output.code {
                    Some(0) => ActionResult::Done(format!("ended {name}")),
                    Some(3) => ActionResult::NotStarted(format!("{name} had ended by itself")),
                    Some(4) => ActionResult::Failed(format!(
                        "{name} got {} and is still there after 5 s",
                        self.ending.word()
                    )),
                    Some(_) | None => ActionResult::NotStarted(format!(
                        "{name} could not be signalled: {}",
                        output.stderr.first_line()
                    )),
                },
                Err(LinkError::NotStarted(why)) => ActionResult::NotStarted(why),
                Err(why @ (LinkError::TimedOut(_) | LinkError::Lost(_))) => {
                    ActionResult::Unknown(format!("end {name}: {why}"))
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::clients::files::remote::brought;
    use crate::clients::host::Output;
    use crate::clients::process::{Given, Limits, run};
    use crate::clients::signal::{LocalProcesses, Processes};
    use crate::model::fact::Facts;
    use crate::model::ids::{HostName, StepName, ToolName};
    use crate::model::plan::Step;
    use crate::model::tool::{Bounds, Call};
    use crate::model::value::Values;
    use crate::policy::redact::Redactor;

    /// Another host, whose commands run on this machine.
    #[derive(Debug)]
    struct Loop(HostName);

    async fn ran(argv: &Argv, timeout: Span) -> Result<Output, LinkError> {
        let limits = Limits { timeout, ..Limits::default() };
        run(&brought(argv.as_slice()), limits, &Given::default(), &Redactor::new(Vec::new())).await
    }

    impl HostLink for Loop {
        fn name(&self) -> &HostName {
            &self.0
        }
        fn facts<'a>(&'a self, _: &'a BTreeSet<crate::model::fact::Fact>) -> Fut<'a, Facts> {
            Box::pin(async { Facts::new() })
        }
        fn read<'a>(
            &'a self,
            argv: &'a ReadOnly,
            timeout: Span,
        ) -> Fut<'a, Result<Output, LinkError>> {
            Box::pin(ran(argv.argv(), timeout))
        }
        fn exec<'a>(
            &'a self,
            _: &'a Permit,
            argv: &'a Argv,
            timeout: Span,
        ) -> Fut<'a, Result<Output, LinkError>> {
            Box::pin(ran(argv, timeout))
        }
    }

    fn action(id: ProcessId) -> Kill {
        let target = format!("nas:pid:{id}").parse().unwrap();
        let (pid, start) = (id.pid.to_string(), id.start.to_string());
        Kill {
            link: Arc::new(Loop(HostName::of("nas"))),
            inventory: Arc::default(),
            target,
            id,
            ending: Ending::Term,
            look: command::read_only(&["cat", &format!("/proc/{pid}/stat")]).unwrap(),
            line: command::read_only(&["cat", &format!("/proc/{pid}/cmdline")]).unwrap(),
            argv: command::argv(&[kill::CALLED, &pid, &start, "TERM"]).unwrap(),
        }
    }

    fn permit() -> Permit {
        let call = Call {
            tool: ToolName::of("process.kill"),
            target: Target::host(HostName::of("nas")),
            args: Values::new(),
            bounds: Bounds::default(),
        };
        let id = ProcessId { pid: 2, start: 1 };
        let (effect, undo) = effect("x", id, Ending::Term);
        let (name, lease) = (StepName::new("kill").unwrap(), Vec::new());
        let (tier, repeat) = (Tier::High, Repeat::Never);
        Permit::for_test(Step {
            name,
            call,
            tier,
            effect,
            undo,
            repeat,
            lease,
            replicas: None,
            holds: None,
        })
    }

    #[tokio::test]
    async fn exactly_the_process_that_was_named_is_ended() {
        #[expect(clippy::disallowed_methods, reason = "a test starts what it ends")]
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let id = LocalProcesses.look(child.id()).await.unwrap().unwrap().id;
        let later = ProcessId { start: id.start + 1, ..id };
        assert!(action(later).check().await.unwrap_err().to_string().contains("has ended"));
        // Even where it became another one between the look and the signal, nothing is sent.
        let output = ran(&action(later).argv, Span::secs(5)).await.unwrap();
        assert_eq!((output.code, child.try_wait().unwrap()), (Some(3), None));

        assert_eq!(action(id).check().await.unwrap(), "sleep");
        let reaper = std::thread::spawn(move || child.wait().unwrap());
        let result = Box::new(action(id)).run(permit()).await;
        assert!(
            matches!(&result, ActionResult::Done(words) if words.contains("ended sleep")),
            "{result:?}"
        );
        assert!(!reaper.join().unwrap().success());
        let result = Box::new(action(id)).run(permit()).await;
        assert!(matches!(result, ActionResult::NotStarted(_)), "{result:?}");
    }

    #[tokio::test]
    async fn what_a_host_sits_on_is_not_ended() {
        let init = LocalProcesses.look(1).await.unwrap().unwrap();
        if may_end(&Inventory::default(), &init.comm, "").is_err() {
            assert!(action(init.id).check().await.is_err(), "{}", init.comm);
        }
        for name in ["sshd", "systemd", "postgres", "reef", "clickhouse-serv"] {
            let own = may_end(&Inventory::default(), name, name);
            assert!(own.is_err(), "{name}");
        }
    }
}

//! The tools of MCP servers, for the operator to look at and to accept.

use crate::clients::mcp::Server;
use crate::clients::mcp::offered::Offered;
use crate::gate::settle;
use crate::model::digest::Digest;
use crate::operator::order::{Refusal, Who};
use crate::operator::view::{Done, OfferedServer, OfferedState, OfferedTool, OfferedTools};
use crate::operator::{Operator, refuse};
use crate::store::offered::OfferedRow;

impl Operator {
    /// What each server of the config offers now: asking starts those that do not run.
    pub(crate) async fn offered(&self, only: Option<&str>) -> Result<OfferedTools, Refusal> {
        let facts = self.facts();
        let mut servers = Vec::new();
        for (name, server) in &facts.mcp {
            if only.is_some_and(|only| only != name.as_str()) {
                continue;
            }
            let looked = server.look().await;
            let (now, error) = match looked {
                Ok(now) => (now, None),
                Err(why) => (Vec::new(), Some(why)),
            };
            let asked = name.to_string();
            let rows = self.store().call(move |db| db.offered(Some(&asked))).await?;
            let tools = now.iter().map(|one| tool(server, one, &rows)).collect();
            servers.push(OfferedServer { name: name.to_string(), error, tools });
        }
        Ok(OfferedTools { servers })
    }

    /// The operator's yes to a description: exactly the one that they looked at.
    pub(crate) async fn accept_tool(
        &self,
        full: &str,
        looked_at: Digest,
        who: Who,
    ) -> Result<Done, Refusal> {
        let Some((server, tool)) = full.strip_prefix("mcp:").and_then(|name| name.split_once('/'))
        else {
            return refuse(format!("{full} is no tool of a server: mcp:SERVER/TOOL"));
        };
        if !self.facts().mcp.keys().any(|name| name.as_str() == server) {
            return refuse(format!("the config has no [mcp.{server}]"));
        }
        let (server, tool) = (server.to_owned(), tool.to_owned());
        let (by, now) = (who.to_string(), self.now());
        let words = format!("{full} is accepted as it describes itself: {}", looked_at.short());
        let said = words.clone();
        let accepted = self
            .store()
            .call(move |db| {
                db.atomically(|db| {
                    let accepted = db.accept_offered(&server, &tool, &looked_at, &by, now)?;
                    if accepted {
                        settle::note(db, &by, &said, &format!("digest {looked_at}"), now)?;
                    }
                    Ok(accepted)
                })
            })
            .await?;
        match accepted {
            true => Ok(Done { words }),
            false => refuse(format!(
                "{full} is not offered with that description: `reef tools show {full}` shows the present one"
            )),
        }
    }
}

fn tool(server: &Server, now: &Offered, rows: &[OfferedRow]) -> OfferedTool {
    let row = rows.iter().find(|row| row.tool == now.name);
    let accepted = row.and_then(|row| row.accepted.as_ref());
    let was = |json: &str| serde_json::from_str::<Offered>(json).ok();
    let (state, was) = match accepted {
        None => (OfferedState::New, None),
        Some(yes) if yes.digest == now.digest => (OfferedState::Accepted, None),
        Some(yes) => (OfferedState::Changed, was(&yes.json)),
    };
    OfferedTool {
        name: now.full_name(server.name()),
        tier: server.settings().tier(&now.name),
        state,
        hints: now.hints.clone(),
        description: now.description.clone(),
        schema: now.schema.clone(),
        was: was.map(|was| (was.description, was.schema)),
        digest: now.digest,
        accepted_by: accepted.map(|yes| yes.by.clone()),
        accepted_at: accepted.map(|yes| yes.at),
    }
}

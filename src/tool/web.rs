//! Endpoints of the inventory: a GET, and the certificate that they present.

use crate::gate::tool::Tool;
use crate::model::ids::ToolName;
use crate::model::time::Span;
use crate::model::tool::{Tier, ToolSpec};
use crate::model::value::Kind;
use crate::tool::args::{gives, made, required};
use crate::tool::world::World;

fn get_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("http.get"),
        summary: "Fetch an endpoint that the config names; no other address can be given",
        inputs: vec![required("endpoint", Kind::Target, "HOST:endpoint:NAME")],
        gives: vec![
            gives("status", Kind::Int, "the HTTP status"),
            gives("took", Kind::Span, "until the answer's head was there"),
        ],
        max_tier: Tier::Low,
        timeout: Span::secs(15),
        example: "tool = \"http.get\"\nargs = { endpoint = \"nas:endpoint:jellyfin\" }",
    }
}

fn inspect_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("tls.inspect"),
        summary: "Look at an endpoint's certificate: days left, issuer, and who renews it",
        inputs: vec![required("endpoint", Kind::Target, "HOST:endpoint:NAME")],
        gives: vec![
            gives("days", Kind::Int, "whole days left; negative when it has ended"),
            gives("method", Kind::Word, "certbot, caddy, traefik, self-signed or unknown"),
            gives("issuer", Kind::Text, "who signed it"),
        ],
        max_tier: Tier::Low,
        timeout: Span::secs(15),
        example: "tool = \"tls.inspect\"\nargs = { endpoint = \"nas:endpoint:photos\" }",
    }
}

/// `http.get`.
pub fn get(_world: &World) -> Box<dyn Tool> {
    made(get_spec(), move |_args| todo!())
}

/// `tls.inspect`.
pub fn inspect(_world: &World) -> Box<dyn Tool> {
    made(inspect_spec(), move |_args| todo!())
}

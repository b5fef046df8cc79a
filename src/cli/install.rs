//! `reef install`: how reef becomes a service here, and the files for that. It writes nothing by itself.

use serde_json::json;

use crate::cli::Cx;
use crate::cli::exit::{Exit, Failure};
use crate::cli::out::Format;
use crate::cli::page::{Ink, Page, pad};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print one of the files
    #[arg(long, value_name = "WHICH")]
    print: Option<Which>,
}

/// A file of an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Which {
    Unit,
    Sysusers,
    Tmpfiles,
    Config,
    Polkit,
    Sudoers,
    K8sRole,
    K8sRoleAct,
}

/// Where a file goes, and what stands in it.
pub(crate) struct Asset {
    pub(crate) which: Which,
    name: &'static str,
    pub(crate) path: &'static str,
    /// What it is for, in a few words.
    why: &'static str,
    pub(crate) text: &'static str,
}

/// In the order in which they are put in place; the last four are a matter of taste.
pub(crate) const ASSETS: [Asset; 8] = [
    Asset {
        which: Which::Sysusers,
        name: "sysusers",
        path: "/etc/sysusers.d/reef.conf",
        why: "the user that it runs as",
        text: include_str!("install/sysusers.conf"),
    },
    Asset {
        which: Which::Tmpfiles,
        name: "tmpfiles",
        path: "/etc/tmpfiles.d/reef.conf",
        why: "folders for config, runbooks and secrets",
        text: include_str!("install/tmpfiles.conf"),
    },
    Asset {
        which: Which::Config,
        name: "config",
        path: "/etc/reef/config.toml",
        why: "every key at its default, explained",
        text: include_str!("../../config.example.toml"),
    },
    Asset {
        which: Which::Unit,
        name: "unit",
        path: "/etc/systemd/system/reef.service",
        why: "the service, with few rights",
        text: include_str!("install/reef.service"),
    },
    Asset {
        which: Which::Polkit,
        name: "polkit",
        path: "/etc/polkit-1/rules.d/50-reef.rules",
        why: "if wanted: the units that it may restart",
        text: include_str!("install/polkit.rules"),
    },
    Asset {
        which: Which::Sudoers,
        name: "sudoers",
        path: "/etc/sudoers.d/reef",
        why: "if wanted: who may answer without being root",
        text: include_str!("install/sudoers"),
    },
    Asset {
        which: Which::K8sRole,
        name: "k8s-role",
        path: "/etc/reef/k8s-role.yaml",
        why: "if wanted: an account of a Kubernetes cluster that only reads",
        text: include_str!("install/k8s-role.yaml"),
    },
    Asset {
        which: Which::K8sRoleAct,
        name: "k8s-role-act",
        path: "/etc/reef/k8s-role-act.yaml",
        why: "if wanted: what that account may do there, namespace by namespace",
        text: include_str!("install/k8s-role-act.yaml"),
    },
];

/// What is typed, in order. `{put NAME}` stands for the line that puts that file in its place.
const STEPS: [(&str, &[&str]); 5] = [
    (
        "the program, from the folder of its source",
        &["cargo build --profile dist", "sudo install -m 755 target/dist/reef /usr/local/bin/reef"],
    ),
    (
        "its user and its folders",
        &[
            "{put sysusers}",
            "{put tmpfiles}",
            "sudo systemd-sysusers",
            "sudo systemd-tmpfiles --create",
        ],
    ),
    (
        "its config (as printed it changes nothing; `sudo reef init` writes one of what is here instead)",
        &["{put config}", "sudo -u reef reef -c /etc/reef/config.toml config check"],
    ),
    (
        "the service",
        &["{put unit}", "sudo systemctl daemon-reload", "sudo systemctl enable --now reef"],
    ),
    ("see it", &["sudo reef status", "journalctl -u reef -f"]),
];

pub(crate) fn run(cx: &mut Cx, args: &Args) -> Result<Exit, Failure> {
    match args.print.and_then(|which| ASSETS.iter().find(|asset| asset.which == which)) {
        Some(asset) => match cx.out.format {
            Format::Json => cx.out.json(&json!({ "path": asset.path, "text": asset.text }))?,
            Format::Words => cx.out.say(asset.text)?,
        },
        None => match cx.out.format {
            Format::Json => {
                let row = |a: &Asset| json!({ "name": a.name, "path": a.path, "why": a.why });
                let files: Vec<_> = ASSETS.iter().map(row).collect();
                cx.out.json(&json!({ "files": files }))?;
            }
            Format::Words => {
                let text = render(&cx.out.page);
                cx.out.say(&text)?;
            }
        },
    }
    Ok(Exit::DONE)
}

/// Step by step, so that each line can be read before it is typed.
pub(crate) fn render(page: &Page) -> String {
    let mut out =
        "This writes nothing: read each line, then type it. It needs systemd, and sudo or root.\n"
            .to_owned();
    for (n, (what, lines)) in STEPS.iter().enumerate() {
        out.push_str(&format!("\n{}\n", page.ink(Ink::Bold, &format!("{}. {what}", n + 1))));
        for line in *lines {
            out.push_str(&format!("   {}\n", typed(line)));
        }
    }
    out.push_str(&format!("\n{}\n", page.ink(Ink::Bold, "The files (reef install --print WHICH)")));
    for asset in &ASSETS {
        let name = pad(asset.name, 12);
        out.push_str(&format!("   {name} {} {}\n", pad(asset.path, 36), asset.why));
    }
    out.push_str(
        "\nTo leave: sudo systemctl disable --now reef, then remove these files, /usr/local/bin/reef, /etc/reef\n\
         and, with the audit log in it, /var/lib/reef.\n",
    );
    out
}

fn typed(line: &str) -> String {
    let put = line.strip_prefix("{put ").and_then(|rest| rest.strip_suffix('}'));
    match put.and_then(|name| ASSETS.iter().find(|asset| asset.name == name)) {
        Some(asset) => {
            format!("reef install --print {} | sudo tee {} >/dev/null", asset.name, asset.path)
        }
        None => line.to_owned(),
    }
}

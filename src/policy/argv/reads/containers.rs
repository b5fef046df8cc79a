//! Reads of Docker, Podman and Kubernetes.

use crate::policy::argv::check::Check::{
    self, Field, Kinds, Lines, Name, Numbers, OneOf, Selector, Time,
};
use crate::policy::argv::reads::Form::{Both, Equals, Next};
use crate::policy::argv::reads::{Read, read};

const DOCKER_FORMAT: Check = OneOf(&[
    "json",
    "{{json .}}",
    "{{json .State}}",
    "{{.ID}}",
    "{{.Names}}",
    "{{.Name}}",
    "{{.Status}}",
    "{{.State.Status}}",
    "{{.State.Health.Status}}",
    "{{.State.ExitCode}}",
    "{{.State.OOMKilled}}",
    "{{.RestartCount}}",
]);

const KUBE_OUTPUT: Check = OneOf(&["json", "yaml", "wide", "name"]);

const KUBE_GET: Read = Read {
    flags: &["-A", "--all-namespaces", "--no-headers", "--show-labels"],
    valued: &[
        ("-n", Next, Name),
        ("--namespace", Both, Name),
        ("-o", Next, KUBE_OUTPUT),
        ("--output", Equals, KUBE_OUTPUT),
        ("-l", Next, Selector),
        ("--selector", Equals, Selector),
        ("--field-selector", Equals, Selector),
        ("--sort-by", Equals, Field),
        ("--request-timeout", Equals, Name),
    ],
    operands: (1, 32, Kinds),
    ..read("kubectl")
};

pub(super) const READS: &[Read] = &[
    Read {
        verbs: &[&["ps"]],
        letters: "aqsl",
        flags: &["--all", "--no-trunc", "--quiet", "--size", "--latest"],
        valued: &[
            ("--format", Both, DOCKER_FORMAT),
            ("--filter", Both, Selector),
            ("-f", Next, Selector),
            ("-n", Next, Numbers),
            ("--last", Both, Numbers),
        ],
        ..read("docker")
    },
    Read {
        verbs: &[&["inspect"]],
        flags: &["-s", "--size"],
        valued: &[
            ("--type", Both, OneOf(&["container", "image", "network", "volume"])),
            ("--format", Both, DOCKER_FORMAT),
            ("-f", Next, DOCKER_FORMAT),
        ],
        operands: (1, 32, Name),
        ..read("docker")
    },
    Read {
        verbs: &[&["logs"]],
        flags: &["-t", "--timestamps", "--details"],
        valued: &[
            ("-n", Next, Numbers),
            ("--tail", Both, Numbers),
            ("--since", Both, Time),
            ("--until", Both, Time),
        ],
        operands: (1, 1, Name),
        ..read("docker")
    },
    Read { verbs: &[&["version"], &["info"], &["compose", "version"]], ..read("docker") },
    Read { verbs: &[&["version"]], ..read("docker-compose") },
    Read {
        verbs: &[&["images"]],
        flags: &["-a", "--all", "-q", "--quiet", "--no-trunc"],
        valued: &[
            ("--format", Both, DOCKER_FORMAT),
            ("--filter", Both, Selector),
            ("-f", Next, Selector),
        ],
        ..read("docker")
    },
    Read {
        verbs: &[&["system", "df"]],
        flags: &["-v", "--verbose"],
        valued: &[("--format", Both, DOCKER_FORMAT)],
        ..read("docker")
    },
    Read { verbs: &[&["get"]], ..KUBE_GET },
    Read {
        verbs: &[&["describe"]],
        flags: &["-A", "--all-namespaces"],
        valued: &[
            ("-n", Next, Name),
            ("--namespace", Both, Name),
            ("-l", Next, Selector),
            ("--selector", Equals, Selector),
            ("--request-timeout", Equals, Name),
        ],
        ..KUBE_GET
    },
    Read {
        verbs: &[&["logs"]],
        flags: &["-p", "--previous", "--timestamps", "--all-containers"],
        valued: &[
            ("-n", Next, Name),
            ("--namespace", Both, Name),
            ("-c", Next, Name),
            ("--container", Both, Name),
            ("--tail", Both, Numbers),
            ("--since", Both, Name),
            ("--limit-bytes", Equals, Lines),
            ("--request-timeout", Equals, Name),
        ],
        operands: (1, 1, Name),
        ..read("kubectl")
    },
    Read {
        verbs: &[&["top", "pods"], &["top", "pod"], &["top", "nodes"], &["top", "node"]],
        flags: &["-A", "--all-namespaces", "--no-headers"],
        valued: &[("-n", Next, Name), ("--namespace", Both, Name)],
        operands: (0, 1, Name),
        ..read("kubectl")
    },
    Read {
        verbs: &[
            &["images"],
            &["image", "ls"],
            &["volume", "ls"],
            &["network", "ls"],
            &["node", "ls"],
            &["service", "ls"],
        ],
        flags: &["-a", "-q", "--all", "--quiet", "--no-trunc", "--digests"],
        valued: &[("--format", Both, DOCKER_FORMAT), ("--filter", Both, Selector)],
        ..read("docker")
    },
    Read {
        verbs: &[
            &["image", "inspect"],
            &["volume", "inspect"],
            &["network", "inspect"],
            &["port"],
            &["top"],
            &["diff"],
        ],
        valued: &[("--format", Both, DOCKER_FORMAT)],
        operands: (1, 8, Name),
        ..read("docker")
    },
    Read {
        verbs: &[&["stats"]],
        flags: &["--no-stream", "--no-trunc", "-a", "--all"],
        valued: &[("--format", Both, DOCKER_FORMAT)],
        needs: &["--no-stream"],
        operands: (0, 16, Name),
        ..read("docker")
    },
    Read { verbs: &[&["version"], &["cluster-info"], &["api-resources"]], ..read("kubectl") },
    Read {
        verbs: &[&["rollout", "history"]],
        valued: &[("-n", Next, Name), ("--namespace", Both, Name)],
        operands: (1, 1, Kinds),
        ..read("kubectl")
    },
];

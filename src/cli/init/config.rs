//! What was found and answered, as a commented config. Only lines that would be green, or say something true, are live; the
//! rest stands behind a #, with why.

use std::collections::BTreeSet;

use crate::cli::init::answers::Answers;
use crate::cli::init::found::{Concern, Engine, Found, Remote, short};
use crate::cli::init::toml::{key, plain, quoted};
use crate::cli::page::count;
use crate::config::setting::Setting;
use crate::model::plan::Leash;

/// The whole file.
pub(crate) fn config(found: &Found, answers: &Answers) -> String {
    let mut text = Text::default();
    head(&mut text, found, answers);
    engine(&mut text, found);
    remotes(&mut text, found);
    clusters(&mut text, found);
    books(&mut text, found, answers);
    probes(&mut text, found, answers);
    text.out
}

#[derive(Default)]
struct Text {
    out: String,
}

impl Text {
    /// A line of our own making; what it quotes was made harmless before.
    fn line(&mut self, line: &str) {
        self.out.push_str(line);
        self.out.push('\n');
    }

    fn remark(&mut self, words: &str) {
        self.line(&format!("# {}", plain(words)));
    }

    /// An empty line, and what comes now.
    fn part(&mut self, title: &str) {
        self.line(&format!("\n# ---- {title} ----"));
    }

    fn live_or_not(&mut self, live: Live, line: &str) {
        match live {
            Live::Yes => self.line(line),
            Live::No => self.line(&format!("#{line}")),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Live {
    Yes,
    No,
}

fn head(text: &mut Text, found: &Found, answers: &Answers) {
    text.remark(&format!(
        "Written by `reef init` for {} at {}. It is yours now: reef never writes it again.",
        found.here, found.at
    ));
    text.remark("What has no line is at its default: `reef config show` prints every key, `reef install --print config` explains");
    text.remark(
        "them. `reef config check` tells every mistake at once. Take a # away and a line counts.",
    );
    text.line("");
    text.remark("How far reef may go at the most: \"observe\" records what it would do, \"ask\" waits for your yes to each plan.");
    let ceiling = match answers.leash {
        Leash::Observe => "observe",
        Leash::Ask | Leash::Auto => "ask",
    };
    text.line(&format!("ceiling = {}", quoted(ceiling)));
    text.line("\n[notify]");
    text.remark(
        "Messages wait for the end of these hours; only what has wakes = true may page then.",
    );
    match &answers.quiet {
        Some(hours) => text.line(&format!("quiet = {}", quoted(hours))),
        None => text.line("#quiet = \"23:00-07:00\""),
    }
    text.remark("The terminal, or the journal, is always told. A way to your phone:");
    text.line("#[notify.phone]");
    text.line(
        "#ntfy = { url = \"https://ntfy.example/reef\", token_file = \"/etc/reef/secrets/ntfy\" }",
    );
}

fn engine(text: &mut Text, found: &Found) {
    match &found.engine {
        Engine::None => {}
        Engine::Silent(why) => {
            text.part("containers");
            text.remark(&format!("There is a container engine that tells nothing: {why}"));
        }
        Engine::Runs { socket, places, .. } => {
            if let Some(socket) = socket {
                text.part("containers");
                text.line("[docker]");
                text.line(&format!("socket = {}", quoted(socket.as_str())));
            }
            if !places.is_empty() {
                text.line("\n[host.this]");
                text.remark(
                    "Compose files are looked for here, also those of projects that are down.",
                );
                let places: Vec<String> = places.iter().map(|place| quoted(place)).collect();
                text.line(&format!("stacks = [{}]", places.join(", ")));
            }
        }
    }
}

fn remotes(text: &mut Text, found: &Found) {
    let remotes = &found.remotes;
    let Some(file) = &remotes.file else { return };
    text.part(&format!("hosts of {}", plain(&file.display().to_string())));
    if remotes.hosts.is_empty() {
        text.remark("It names no host that could be watched.");
    } else {
        text.remark(&format!(
            "Each was dialled once as {} would, with its keys and known hosts; nothing was trusted. Another user needs the same.",
            remotes.user
        ));
        text.remark("More for a host: parent = \"switch\", wakes = true, sleeps = true (off is no fault), ceiling = \"observe\".");
    }
    for host in &remotes.hosts {
        text.line("");
        remote(text, found, host);
    }
    if !remotes.left_out.is_empty() {
        text.line("");
    }
    for (name, why) in &remotes.left_out {
        text.remark(&format!("left out: {} ({})", plain(name), plain(why)));
    }
}

fn remote(text: &mut Text, found: &Found, host: &Remote) {
    let also = match host.also.is_empty() {
        true => String::new(),
        false => format!("; also called {}", host.also.join(", ")),
    };
    let live = match &host.state {
        Ok(seen) => {
            let containers =
                seen.containers.as_ref().map(|all| format!(", {}", count(all.len(), "container")));
            text.remark(&format!(
                "{}: up for {}, {}{}{also}",
                host.way,
                seen.up,
                count(seen.volumes.len(), "volume"),
                containers.unwrap_or_default()
            ));
            Live::Yes
        }
        Err(why) => {
            text.remark(&format!("{}: {why}{also}", host.way));
            for fingerprint in &host.fingerprints {
                text.remark(&format!("  it offers {fingerprint}"));
            }
            Live::No
        }
    };
    text.live_or_not(live, &format!("[host.{}]", key(host.name.as_str())));
    if let Some(file) = &found.remotes.ssh_config {
        text.live_or_not(live, &format!("ssh_config = {}", quoted(file.as_str())));
    }
    // A parent must be a host of the config itself.
    let through = host.through.as_ref().filter(|through| {
        live == Live::No || found.remotes.answering().any(|other| other.name == **through)
    });
    if let Some(through) = through {
        text.live_or_not(live, &format!("parent = {}", quoted(through.as_str())));
    }
}

fn clusters(text: &mut Text, found: &Found) {
    if found.clusters.is_empty() {
        return;
    }
    text.part("Kubernetes");
    text.remark("`reef install --print k8s-role` prints an account that may only read.");
    let any = found.clusters.iter().any(|cluster| cluster.state.is_ok());
    text.live_or_not(if any { Live::Yes } else { Live::No }, "[kubernetes]");
    for cluster in &found.clusters {
        let live = match &cluster.state {
            Ok(()) => Live::Yes,
            Err(why) => {
                text.remark(why);
                Live::No
            }
        };
        let (name, file) = (key(cluster.name.as_str()), quoted(cluster.kubeconfig.as_str()));
        text.live_or_not(live, &format!("{name} = {{ kubeconfig_file = {file} }}"));
    }
}

fn books(text: &mut Text, found: &Found, answers: &Answers) {
    let later: Vec<_> =
        found.books.iter().filter(|(_, concern)| *concern != answers.first).collect();
    if later.is_empty() || answers.leash == Leash::Observe {
        return;
    }
    text.part("one concern at a time");
    text.remark(&format!(
        "{} comes first: its runbooks may ask. These only record what they would do; take a table out when its turn comes.",
        answers.first.as_str()
    ));
    for concern in Concern::ALL {
        for (book, _) in later.iter().filter(|(_, of)| *of == concern) {
            text.line(&format!("[runbook.{}] # {}", key(book.as_str()), concern.as_str()));
            text.line("ceiling = \"observe\"");
        }
    }
}

fn probes(text: &mut Text, found: &Found, answers: &Answers) {
    text.part("this machine");
    text.remark("Volumes, memory, load, network, failed units, containers, disks, the clock and reef itself need no line.");
    text.line("[probe]");
    text.remark("How long each may be down before that pages.");
    if !found.containers().is_empty() {
        containers(text, found, answers);
    }
    for unit in &found.units {
        let (name, tolerance) = (short(unit), answers.tolerance_of(short(unit)).show());
        text.line(&format!(
            "unit.{} = {{ unit = {}, tolerance = {} }}",
            key(name),
            quoted(unit.as_str()),
            quoted(&tolerance)
        ));
    }
    if found.units.is_empty() {
        text.line("#unit.web = { unit = \"nginx.service\", tolerance = \"10 min\" }");
    }
    endpoints(text, found);
    databases(text, found);
    backups(text, found);
    text.line("");
    text.remark("What people would miss first. https brings its certificate along; a host's name in it hangs it on that host.");
    text.line(
        "#http.jellyfin = { url = \"http://127.0.0.1:8096/health\", tolerance = \"10 min\" }",
    );
}

fn containers(text: &mut Text, found: &Found, answers: &Answers) {
    text.line(&format!("docker.tolerance = {}", quoted(&answers.tolerance.show())));
    let own: Vec<String> = found
        .containers()
        .iter()
        .filter_map(|container| {
            let tolerance = answers.tolerances.get(&container.name)?;
            Some(format!("{} = {}", key(&container.name), quoted(&tolerance.show())))
        })
        .collect();
    match own.is_empty() {
        false => text.line(&format!("docker.tolerances = {{ {} }}", own.join(", "))),
        true => text.line("#docker.tolerances = { jellyfin = \"1 h\" }"),
    }
}

fn endpoints(text: &mut Text, found: &Found) {
    if found.endpoints.is_empty() {
        return;
    }
    text.line("");
    text.remark("Ports of this machine that speak TLS.");
    let mut names = BTreeSet::new();
    for endpoint in &found.endpoints {
        let live = match &endpoint.state {
            Ok(_) => Live::Yes,
            Err(why) => {
                text.remark(&format!("{}: {why}", endpoint.server));
                Live::No
            }
        };
        // The first label is what people call it, unless another one is called so.
        let first = endpoint.name.split('.').next().unwrap_or("");
        let first = if first.is_empty() || first.starts_with('-') { "tls" } else { first };
        let port = endpoint.server.rsplit(':').next().unwrap_or("");
        let mut name = first.to_owned();
        while !names.insert(name.clone()) {
            name = format!("{name}-{port}");
        }
        let line = format!(
            "tls.{} = {{ server = {}, server_name = {} }}",
            key(&name),
            quoted(&endpoint.server),
            quoted(&endpoint.name)
        );
        text.live_or_not(live, &line);
    }
}

fn databases(text: &mut Text, found: &Found) {
    if found.databases.is_empty() {
        return;
    }
    text.line("");
    text.remark("Databases: a closer look needs an account that may only look.");
    let mut told = BTreeSet::new();
    for database in &found.databases {
        text.remark(&format!("{} ({})", database.kind, database.by));
        if let Some(line) = database.line.filter(|line| told.insert(*line)) {
            text.live_or_not(Live::No, line);
        }
    }
}

fn backups(text: &mut Text, found: &Found) {
    text.line("");
    text.remark("Backups: the newest file of a folder, or a job that reports in with `reef ping NAME` when it ended well.");
    for folder in &found.folders {
        let rhythm = folder.rhythm();
        let name = folder.path.as_str().trim_start_matches('/').replace('/', "-");
        text.remark(&format!("{}: its newest file is {} old", folder.path, folder.age));
        let line = format!(
            "backup.{} = {{ path = {}, schedule = {} }}",
            key(&name),
            quoted(folder.path.as_str()),
            quoted(rhythm.unwrap_or("24h"))
        );
        text.live_or_not(if rhythm.is_some() { Live::Yes } else { Live::No }, &line);
    }
    let mut names = BTreeSet::new();
    for job in &found.backups {
        let mut name = job.tool.to_owned();
        while !names.insert(name.clone()) {
            name.push_str("-2");
        }
        let at = job.schedule.as_deref().map(|at| format!(" at {at}")).unwrap_or_default();
        text.remark(&format!(
            "{} by {}{at}: add `reef ping {name}` to its end, then take the # away",
            job.tool, job.place
        ));
        text.live_or_not(
            Live::No,
            &format!("push.{} = {{ every = \"24h\", grace = \"4h\" }}", key(&name)),
        );
    }
    if found.backups.is_empty() && found.folders.is_empty() {
        text.remark(
            "None was found here: nothing that this machine holds is known to have a copy.",
        );
        text.live_or_not(Live::No, "push.backup = { every = \"24h\", grace = \"4h\" }");
    }
}

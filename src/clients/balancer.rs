//! What load balancers say of the servers behind them: HAProxy, Traefik and Caddy. Reads only.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::clients::answer::NoAnswer;
use crate::clients::json::Api;

/// One group of servers that answer for one thing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Group {
    pub name: String,
    /// Servers that are asked.
    pub serving: usize,
    /// Servers that are not, because they do not answer, with why.
    pub down: Vec<String>,
    /// Servers that somebody took out on purpose.
    pub off: usize,
    /// What is wrong with the group as a whole.
    pub fault: Option<String>,
}

/// Where HAProxy tells its state. Whoever asks limits the time.
#[derive(Debug, Clone)]
pub enum Haproxy {
    /// Its statistics page; `;csv` is added.
    Page(Api),
    /// Its stats socket.
    Socket(PathBuf),
}

/// A big installation's statistics have some hundred KiB.
const LARGEST: u64 = 8 << 20;

impl Haproxy {
    pub async fn groups(&self) -> Result<Vec<Group>, NoAnswer> {
        let csv = match self {
            Self::Page(api) => {
                // `;csv` belongs to the path of the page.
                let whole = api.url.path().trim_end_matches(";csv").trim_end_matches('/');
                let api = Api { url: api.url.at_path(&format!("{whole};csv")), ..api.clone() };
                let answer = api.answer_here(Vec::new()).await?;
                match answer.status {
                    200 => String::from_utf8_lossy(&answer.body).into_owned(),
                    401 | 403 => return Err(NoAnswer::Denied("it wants a login".into())),
                    status => return Err(NoAnswer::Broken(format!("it answers {status}"))),
                }
            }
            Self::Socket(path) => show_stat(path).await?,
        };
        of_csv(&csv)
    }
}

async fn show_stat(path: &Path) -> Result<String, NoAnswer> {
    let sort = |e: std::io::Error| NoAnswer::of_io(&e);
    let mut stream = UnixStream::connect(path).await.map_err(sort)?;
    stream.write_all(b"show stat\n").await.map_err(sort)?;
    let mut said = Vec::new();
    stream.take(LARGEST).read_to_end(&mut said).await.map_err(sort)?;
    Ok(String::from_utf8_lossy(&said).into_owned())
}

/// One line a frontend, server and backend, under a heading that names the columns.
fn of_csv(csv: &str) -> Result<Vec<Group>, NoAnswer> {
    let foreign = || NoAnswer::Broken("it shows no statistics of HAProxy".into());
    let mut lines = csv.lines();
    let heading = lines.next().and_then(|line| line.strip_prefix("# ")).ok_or_else(foreign)?;
    let columns: Vec<&str> = heading.split(',').collect();
    let at = |name: &str| columns.iter().position(|c| *c == name).ok_or_else(foreign);
    let (proxy, server, status) = (at("pxname")?, at("svname")?, at("status")?);
    let (check, sort) = (at("check_status").ok(), at("type")?);
    let mut groups: BTreeMap<&str, Group> = BTreeMap::new();
    for line in lines {
        // Texts in quotes stand behind all columns that are read here.
        let fields: Vec<&str> = line.split(',').collect();
        let field = |at: usize| fields.get(at).copied().unwrap_or_default();
        // 2 is a server; 0 a frontend, 1 a backend as a whole, 3 a socket.
        if field(sort) != "2" {
            continue;
        }
        let group = groups.entry(field(proxy)).or_default();
        let (name, is) = (field(server), field(status));
        // In resolution its name has no address: nobody wanted that.
        let meant = (is.starts_with("MAINT") && !is.contains("resolution"))
            || is.starts_with("DRAIN")
            || is == "NOLB";
        if meant {
            group.off += 1;
        } else if is.starts_with("UP") || is == "no check" {
            group.serving += 1;
        } else {
            let why = check.map(field).filter(|why| !why.is_empty()).unwrap_or(is);
            group.down.push(format!("{name} ({why})"));
        }
    }
    Ok(groups.into_iter().map(|(name, group)| Group { name: name.into(), ..group }).collect())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Service {
    name: String,
    /// enabled, disabled or warning.
    #[serde(default)]
    status: String,
    #[serde(default)]
    error: Vec<String>,
    #[serde(default)]
    server_status: BTreeMap<String, String>,
}

/// Traefik's HTTP services, those of its own left out.
pub async fn traefik(api: &Api) -> Result<Vec<Group>, NoAnswer> {
    let query = [("per_page", "1000".to_owned())];
    let found: Vec<Service> = api.get("api/http/services", &query).await?;
    let foreign = found.into_iter().filter(|service| !service.name.ends_with("@internal"));
    Ok(foreign.map(of_service).collect())
}

fn of_service(service: Service) -> Group {
    let (up, down): (Vec<_>, Vec<_>) =
        service.server_status.into_iter().partition(|(_, is)| is == "UP");
    let fault = match service.status.as_str() {
        "" | "enabled" => None,
        other => Some(match service.error.first() {
            Some(why) => format!("{other}: {why}"),
            None => other.to_owned(),
        }),
    };
    Group {
        name: service.name,
        serving: up.len(),
        down: down.into_iter().map(|(url, _)| url).collect(),
        off: 0,
        fault,
    }
}

#[derive(Deserialize)]
struct Upstream {
    address: String,
    /// Failed requests that passive health checks still remember.
    #[serde(default)]
    fails: u64,
}

/// Caddy's upstreams, all in one group: its admin API does not say which belongs to which route.
pub async fn caddy(api: &Api) -> Result<Vec<Group>, NoAnswer> {
    let found: Vec<Upstream> = api.get("reverse_proxy/upstreams", &[]).await?;
    let mut group = Group { name: "upstreams".into(), ..Group::default() };
    for upstream in found {
        match upstream.fails {
            0 => group.serving += 1,
            n => group.down.push(format!("{} ({n} failed)", upstream.address)),
        }
    }
    Ok(vec![group])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As HAProxy 2.6 writes it, cut to the columns that matter.
    const CSV: &str = "# pxname,svname,qcur,status,weight,type,check_status,last_chk\n\
        web,FRONTEND,,OPEN,,0,,\n\
        app,a1,0,UP,1,2,L7OK,\n\
        app,a2,0,DOWN,1,2,L4CON,Connection refused\n\
        app,a3,0,MAINT,1,2,,\n\
        app,BACKEND,0,UP,1,1,,\n\
        db,d1,0,DOWN,1,2,L4TOUT,\n\
        db,d2,0,MAINT (resolution),1,2,,\n\
        db,BACKEND,0,DOWN,0,1,,\n\
        files,f1,0,no check,1,2,,\n\
        files,f2,0,UP 1/3,1,2,L4OK,\n\
        files,f3,0,DRAIN,1,2,L4OK,\n\n";

    #[test]
    fn servers_that_are_down_are_told_from_those_that_are_off() {
        let groups = of_csv(CSV).unwrap();
        let said: Vec<_> =
            groups.iter().map(|g| (g.name.as_str(), g.serving, g.down.join(" "), g.off)).collect();
        assert_eq!(
            said,
            [
                ("app", 1, "a2 (L4CON)".to_owned(), 1),
                ("db", 0, "d1 (L4TOUT) d2 (MAINT (resolution))".to_owned(), 0),
                ("files", 2, String::new(), 1),
            ]
        );
        for foreign in ["", "<html>", "# a,b\n"] {
            assert_eq!(of_csv(foreign).unwrap_err().word(), "broken");
        }
    }
}

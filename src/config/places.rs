//! Where the config, the state and the socket are.

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::config::env::{Env, User};
use crate::config::given::Source;
use crate::config::mistakes::{Mistake, Mistakes};

/// More is no config but a mistake.
const LARGEST: u64 = 4 << 20;

/// Where a service's state lies, and where the machine's config.
const SERVICE_STATE: &str = "/var/lib/reef";
const MACHINE_CONFIG: &str = "/etc/reef/config.toml";

/// What `sun_path` holds (unix(7)), less what the name has while it is being made.
const LONGEST_SOCKET: usize = 103;

/// What the embedded default is called in messages.
pub const EMBEDDED: &str = "the built-in default";

impl Source {
    /// The config that applies: `named` (`-c`), `REEF_CONFIG`, the user's config folder, then
    /// `/etc/reef/config.toml`. The first that is there wins whole; with none, everything is at its default.
    ///
    /// A file that was named must be there, and one that is there must be readable.
    pub fn find(named: Option<&Path>, env: &Env) -> Result<Self, Mistakes> {
        Self::find_with(named, env, Path::new(MACHINE_CONFIG))
    }

    fn find_with(named: Option<&Path>, env: &Env, machine: &Path) -> Result<Self, Mistakes> {
        if let Some(path) = named {
            return Self::file(path);
        }
        if let Some(path) = env.get("REEF_CONFIG") {
            return Self::file(Path::new(path));
        }
        let user = folder(env, "XDG_CONFIG_HOME", ".config").map(|f| f.join("reef/config.toml"));
        for path in user.iter().map(PathBuf::as_path).chain([machine]) {
            match std::fs::metadata(path) {
                Err(error) if is_absent(&error) => {}
                Ok(_) | Err(_) => return Self::file(path),
            }
        }
        Ok(Self::new(EMBEDDED, ""))
    }

    /// One file, whole.
    pub fn file(path: &Path) -> Result<Self, Mistakes> {
        let name = path.display().to_string();
        let wrong = |what: String| Mistakes::one(Mistake::of_file(name.clone(), what));
        let unread = |error: std::io::Error| {
            let next = if is_absent(&error) {
                "; check -c and REEF_CONFIG, or leave both out"
            } else if error.kind() == std::io::ErrorKind::PermissionDenied {
                "; give the user that runs reef the right to read it"
            } else {
                ""
            };
            wrong(format!("cannot be read: {error}{next}"))
        };
        let file = std::fs::File::open(path).map_err(unread)?;
        if file.metadata().map_err(unread)?.is_dir() {
            return Err(wrong("is a folder; name the file within it".into()));
        }
        let mut bytes = Vec::new();
        file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(unread)?;
        if LARGEST < u64::try_from(bytes.len()).unwrap_or(u64::MAX) {
            return Err(wrong("is larger than 4 MiB, which is no config".into()));
        }
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Self { name, text, first_line: 1, path: Some(path.to_owned()) }),
            Err(error) => {
                let valid = error.utf8_error().valid_up_to();
                let line = 1 + error.as_bytes().iter().take(valid).filter(|b| **b == b'\n').count();
                let what = format!("line {line} is not UTF-8; save the file as UTF-8");
                Err(wrong(what))
            }
        }
    }
}

fn is_absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}

/// A folder of the XDG base directory specification; a relative one is to be ignored, it says.
fn folder(env: &Env, name: &str, below_home: &str) -> Option<PathBuf> {
    let absolute = |path: &str| Some(PathBuf::from(path)).filter(|path| path.is_absolute());
    env.get(name)
        .and_then(absolute)
        .or_else(|| env.get("HOME").and_then(absolute).map(|home| home.join(below_home)))
}

/// The first folder of a list as systemd gives it in `STATE_DIRECTORY` and `RUNTIME_DIRECTORY`.
fn systemd_folder(env: &Env, name: &str) -> Option<PathBuf> {
    let first = env.get(name)?.split(':').next()?;
    Some(PathBuf::from(first)).filter(|path| path.is_absolute())
}

/// Where a new config would go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Room {
    Free(PathBuf),
    /// This one is there, and applies; or something else is in its place.
    Taken(PathBuf),
}

impl Room {
    /// `named` (`-c`), `REEF_CONFIG`, else root's is the machine's and anybody else's the user's. A config that
    /// would apply without being named takes the room of all.
    pub fn find(named: Option<&Path>, env: &Env) -> Result<Self, String> {
        Self::find_with(named, env, Path::new(MACHINE_CONFIG))
    }

    fn find_with(named: Option<&Path>, env: &Env, machine: &Path) -> Result<Self, String> {
        let taken = |path: &Path| path.symlink_metadata().is_ok();
        let told = named.or_else(|| env.get("REEF_CONFIG").map(Path::new));
        if let Some(path) = told {
            let path = std::path::absolute(path)
                .map_err(|error| format!("the config {}: {error}", path.display()))?;
            return Ok(if taken(&path) { Self::Taken(path) } else { Self::Free(path) });
        }
        let user = folder(env, "XDG_CONFIG_HOME", ".config").map(|f| f.join("reef/config.toml"));
        for path in user.iter().map(PathBuf::as_path).chain([machine]) {
            if taken(path) {
                return Ok(Self::Taken(path.to_owned()));
            }
        }
        match (env.user, user) {
            (User::Root, _) => Ok(Self::Free(machine.to_owned())),
            (User::Plain, Some(user)) => Ok(Self::Free(user)),
            (User::Plain, None) => {
                Err("no place for a config: neither -c, REEF_CONFIG, XDG_CONFIG_HOME nor HOME says where".into())
            }
        }
    }
}

/// The user and the group of an installed service, by their numbers, where there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceUser {
    pub uid: u32,
    pub gid: u32,
}

impl ServiceUser {
    /// By /etc/passwd, as `reef install` makes it. Only root can give it anything.
    pub fn find(env: &Env) -> Option<Self> {
        let passwd = std::fs::read_to_string("/etc/passwd").ok()?;
        (env.user == User::Root).then(|| Self::of(&passwd))?
    }

    fn of(passwd: &str) -> Option<Self> {
        let line = passwd.lines().find(|line| line.starts_with("reef:"))?;
        let mut fields = line.split(':').skip(2);
        Some(Self { uid: fields.next()?.parse().ok()?, gid: fields.next()?.parse().ok()? })
    }
}

/// Where reef keeps what it knows, and where it is spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// Databases, reports, ballast, the drill's scratch.
    pub state: PathBuf,
    /// The socket.
    pub runtime: PathBuf,
}

impl Places {
    /// `named` (`--state`), `REEF_STATE`, a service's folder, then the user's. The error says what to do.
    pub fn find(named: Option<&Path>, env: &Env) -> Result<Self, String> {
        let told = named.or_else(|| env.get("REEF_STATE").map(Path::new));
        if let Some(state) = told {
            let state = std::path::absolute(state)
                .map_err(|error| format!("the state folder {}: {error}", state.display()))?;
            // Whoever says where the state is means all of it: two of them must not share a socket.
            return Self { runtime: state.clone(), state }.usable();
        }
        let service = env.user == User::Root && env.get("INVOCATION_ID").is_some();
        let state = systemd_folder(env, "STATE_DIRECTORY")
            .or_else(|| service.then(|| PathBuf::from(SERVICE_STATE)))
            .or_else(|| folder(env, "XDG_STATE_HOME", ".local/state").map(|f| f.join("reef")))
            .ok_or(
                "no state folder: neither --state, REEF_STATE, XDG_STATE_HOME nor HOME says where",
            )?;
        let runtime = systemd_folder(env, "RUNTIME_DIRECTORY").unwrap_or_else(|| state.clone());
        Self { state, runtime }.usable()
    }

    /// As [`Places::find`], for root who sets up an installed service: the service's.
    pub fn to_set_up(named: Option<&Path>, env: &Env) -> Result<Self, String> {
        let own = Self::find(named, env)?;
        let told = named.is_some() || env.get("REEF_STATE").is_some();
        match ServiceUser::find(env) {
            Some(_) if !told => {
                let state = PathBuf::from(SERVICE_STATE);
                Self { runtime: state.clone(), state }.usable()
            }
            Some(_) | None => Ok(own),
        }
    }

    /// What no right and no disk space would mend.
    fn usable(self) -> Result<Self, String> {
        if self.state.is_file() {
            let state = self.state.display();
            return Err(format!("{state} is a file; name a folder for the state with --state"));
        }
        let socket = self.socket();
        if LONGEST_SOCKET < socket.as_os_str().len() {
            let socket = socket.display();
            return Err(format!(
                "the path of the socket, {socket}, is longer than {LONGEST_SOCKET} bytes. \
                 Name a folder with a shorter path with --state"
            ));
        }
        Ok(self)
    }

    pub fn socket(&self) -> PathBuf {
        self.runtime.join("reef.sock")
    }

    /// Beside the state that it guards: a second daemon must meet it whatever its runtime folder.
    pub fn lock(&self) -> PathBuf {
        self.state.join("reef.lock")
    }

    /// Where a client looks for the daemon, nearest first: its own place, then a service's. A place that
    /// was named is the only one.
    pub fn sockets(named: Option<&Path>, env: &Env) -> Result<Vec<PathBuf>, String> {
        let own = Self::find(named, env)?;
        let mut all = vec![own.socket()];
        if named.is_none() && env.get("REEF_STATE").is_none() {
            for folder in ["/run/reef", SERVICE_STATE] {
                let socket = Path::new(folder).join("reef.sock");
                if !all.contains(&socket) {
                    all.push(socket);
                }
            }
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(found: Result<Source, Mistakes>) -> String {
        found.map_or_else(|mistakes| format!("wrong: {mistakes}"), |source| source.name)
    }

    #[test]
    fn the_first_config_that_is_there_wins() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let write = |name: &str| {
            std::fs::create_dir_all(at(name).parent().unwrap()).unwrap();
            std::fs::write(at(name), "").unwrap();
        };
        let text = |name: &str| at(name).to_str().unwrap().to_owned();
        let (home, xdg, told) = (text(""), text("xdg"), text("told.toml"));
        let machine = at("etc/config.toml");
        let plain = Env::of([("HOME", &home)]);
        let find = |named: Option<&Path>, env: &Env| names(Source::find_with(named, env, &machine));

        assert_eq!(find(None, &plain), EMBEDDED);
        assert_eq!(find(None, &Env::of([])), EMBEDDED);
        write("etc/config.toml");
        assert_eq!(find(None, &plain), text("etc/config.toml"));
        write(".config/reef/config.toml");
        assert_eq!(find(None, &plain), text(".config/reef/config.toml"));
        let with_xdg = Env::of([("HOME", &home), ("XDG_CONFIG_HOME", &xdg)]);
        assert_eq!(find(None, &with_xdg), text("etc/config.toml"));
        write("xdg/reef/config.toml");
        assert_eq!(find(None, &with_xdg), text("xdg/reef/config.toml"));
        // A named file is never passed over, wherever it was named.
        let with_told = Env::of([("HOME", &home), ("REEF_CONFIG", &told)]);
        assert!(find(None, &with_told).starts_with("wrong: "));
        write("told.toml");
        assert_eq!(find(None, &with_told), told);
        assert!(find(Some(&at("none.toml")), &with_told).contains("none.toml: cannot be read"));
        assert!(find(Some(&at("xdg")), &plain).contains("is a folder"));
    }

    #[test]
    fn a_new_config_goes_where_it_will_be_found_and_never_over_another() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let machine = at("etc/config.toml");
        let home = folder.path().to_str().unwrap().to_owned();
        let (plain, mut root) = (Env::of([("HOME", &home)]), Env::of([("HOME", &home)]));
        root.user = User::Root;
        let find = |named: Option<&Path>, env: &Env| Room::find_with(named, env, &machine);
        let users = at(".config/reef/config.toml");
        assert_eq!(find(None, &plain), Ok(Room::Free(users.clone())));
        assert_eq!(find(None, &root), Ok(Room::Free(machine.clone())));
        assert!(find(None, &Env::of([])).unwrap_err().contains("-c"));
        assert_eq!(find(Some(&at("x.toml")), &plain), Ok(Room::Free(at("x.toml"))));
        std::fs::create_dir_all(machine.parent().unwrap()).unwrap();
        // A link that leads nowhere is somebody's too.
        std::os::unix::fs::symlink("/nonexistent", &machine).unwrap();
        for env in [&plain, &root] {
            assert_eq!(find(None, env), Ok(Room::Taken(machine.clone())));
        }
        let told = Env::of([("HOME", &home), ("REEF_CONFIG", machine.to_str().unwrap())]);
        assert_eq!(find(None, &told), Ok(Room::Taken(machine.clone())));
        assert_eq!(find(Some(&at("x.toml")), &told), Ok(Room::Free(at("x.toml"))));
    }

    #[test]
    fn the_service_is_known_by_its_user() {
        let passwd = "root:x:0:0::/:/bin/sh\nreef:x:998:997:reef:/var/lib/reef:/usr/sbin/nologin\n";
        assert_eq!(ServiceUser::of(passwd), Some(ServiceUser { uid: 998, gid: 997 }));
        assert_eq!(ServiceUser::of("reefer:x:1:1::/:/bin/sh\nreef:x:a\n"), None);
    }

    #[test]
    fn a_file_that_is_no_text_says_where() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"a = 1\nb = \"\xff\"\n").unwrap();
        assert!(names(Source::file(file.path())).contains("line 2 is not UTF-8"));
    }

    #[test]
    fn the_state_lies_where_it_was_told_or_where_it_belongs() {
        let root = |mut env: Env| {
            env.user = User::Root;
            env
        };
        let cases = [
            (None, Env::of([("HOME", "/home/a")]), "/home/a/.local/state/reef", None),
            (None, Env::of([("HOME", "/a"), ("XDG_STATE_HOME", "/s")]), "/s/reef", None),
            (
                None,
                Env::of([("HOME", "/a"), ("XDG_STATE_HOME", "s")]),
                "/a/.local/state/reef",
                None,
            ),
            (None, Env::of([("HOME", "/a"), ("REEF_STATE", "/r")]), "/r", None),
            (
                Some("/n"),
                Env::of([("REEF_STATE", "/r"), ("RUNTIME_DIRECTORY", "/run/x")]),
                "/n",
                None,
            ),
            (
                None,
                Env::of([
                    ("STATE_DIRECTORY", "/var/lib/reef:/b"),
                    ("RUNTIME_DIRECTORY", "/run/reef"),
                ]),
                "/var/lib/reef",
                Some("/run/reef"),
            ),
            (None, root(Env::of([("INVOCATION_ID", "1"), ("HOME", "/root")])), SERVICE_STATE, None),
            (None, Env::of([("INVOCATION_ID", "1"), ("HOME", "/a")]), "/a/.local/state/reef", None),
            (None, root(Env::of([("HOME", "/home/ada")])), "/home/ada/.local/state/reef", None),
        ];
        for (named, env, state, runtime) in cases {
            let places = Places::find(named.map(Path::new), &env).unwrap();
            assert_eq!(places.state, Path::new(state), "{env:?}");
            assert_eq!(places.runtime, Path::new(runtime.unwrap_or(state)), "{env:?}");
            assert_eq!(places.lock(), places.state.join("reef.lock"));
        }
        assert!(Places::find(None, &Env::of([])).unwrap_err().contains("--state"));
    }

    #[test]
    fn a_client_finds_the_service_unless_it_was_told_where() {
        let home = Env::of([("HOME", "/a")]);
        let all = Places::sockets(None, &home).unwrap();
        assert_eq!(all.len(), 3);
        assert_eq!(all[0], Path::new("/a/.local/state/reef/reef.sock"));
        assert_eq!(
            Places::sockets(Some(Path::new("/n")), &home).unwrap(),
            [Path::new("/n/reef.sock")]
        );
    }
}

//! Opening a database file, or saying in words why not and what to do.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::anyhow;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::store::schema::Schema;

/// Why the state could not be opened. The file that it speaks of was not changed.
#[derive(Debug)]
pub enum OpenError {
    /// The file is damaged, or no database of reef.
    Corrupt {
        path: PathBuf,
        why: String,
        holds: &'static str,
    },
    /// A newer reef wrote it.
    Newer {
        path: PathBuf,
        found: i64,
        known: i64,
    },
    /// The folder or a file in it cannot be written.
    NotWritable {
        path: PathBuf,
        why: String,
    },
    /// Another process has it.
    Locked {
        path: PathBuf,
        pid: Option<u32>,
    },
    /// Read-only: there is no state yet.
    Absent {
        path: PathBuf,
    },
    /// The disk is full, and the ballast is gone already.
    Full {
        path: PathBuf,
    },
    Other(anyhow::Error),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Corrupt { path, why, holds } => write!(
                f,
                "{0} is damaged: {why}. Nothing was changed in it. Put a backup in its place, or move it away \
                 (mv {0} {0}.damaged) to begin anew; it holds {holds}",
                path.display()
            ),
            Self::Newer { path, found, known } => write!(
                f,
                "{} was written by a newer reef (schema {found}; this one knows {known}). Nothing was changed in \
                 it. Run the newer reef, or give this one another folder with --state",
                path.display()
            ),
            Self::NotWritable { path, why } => write!(
                f,
                "{} cannot be written: {why}. Give it to the user that runs reef, or name another folder with \
                 --state",
                path.display()
            ),
            Self::Locked { path, pid: Some(pid) } => write!(
                f,
                "{} is in use by another reef (pid {pid}). Stop that one first, or name another folder with \
                 --state",
                path.display()
            ),
            Self::Locked { path, pid: None } => write!(
                f,
                "{} is in use by another reef. Stop that one first, or name another folder with --state",
                path.display()
            ),
            Self::Absent { path } => {
                write!(f, "there is no state in {} yet. Start `reef run` once", path.display())
            }
            Self::Full { path } => write!(
                f,
                "the disk that holds {} is full, and so is what reef had kept back. Free some space and start \
                 reef again",
                path.display()
            ),
            Self::Other(why) => write!(f, "{why:#}"),
        }
    }
}

impl std::error::Error for OpenError {}

/// Makes the state folder, for its owner alone.
pub(in crate::store) fn make_dir(dir: &Path) -> Result<(), OpenError> {
    match DirBuilder::new().recursive(true).mode(0o700).create(dir) {
        Ok(()) => Ok(()),
        Err(e) => Err(from_io(dir, &e)),
    }
}

/// What an I/O error on the state folder means to the operator.
pub(in crate::store) fn from_io(path: &Path, e: &io::Error) -> OpenError {
    let is = |kinds: &[io::ErrorKind]| kinds.contains(&e.kind());
    if is(&[
        io::ErrorKind::PermissionDenied,
        io::ErrorKind::ReadOnlyFilesystem,
        io::ErrorKind::NotADirectory,
        io::ErrorKind::AlreadyExists,
    ]) {
        return OpenError::NotWritable { path: path.into(), why: e.to_string() };
    }
    if is(&[io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded]) {
        return OpenError::Full { path: path.into() };
    }
    OpenError::Other(anyhow!("cannot open {}: {e}", path.display()))
}

/// Whether the disk was too full for a write.
pub(in crate::store) fn is_full(e: &rusqlite::Error) -> bool {
    e.sqlite_error().is_some_and(|e| {
        e.code == ErrorCode::DiskFull || e.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE
    })
}

fn from_sql(path: &Path, schema: &Schema, e: &rusqlite::Error) -> OpenError {
    let path = path.to_owned();
    if is_full(e) {
        return OpenError::Full { path };
    }
    match e.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            OpenError::Corrupt { path, why: e.to_string(), holds: schema.holds }
        }
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            OpenError::NotWritable { path, why: e.to_string() }
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            OpenError::Locked { path, pid: None }
        }
        _ => OpenError::Other(anyhow!("cannot open {}: {e}", path.display())),
    }
}

/// Opens a file for writing, making or migrating it; it is looked at first, through a connection that cannot write.
pub(in crate::store) fn open_file(dir: &Path, schema: &Schema) -> Result<Connection, OpenError> {
    let path = dir.join(schema.file);
    roll_back(&path);
    match fs::metadata(&path) {
        Ok(meta) if 0 < meta.len() => drop(inspect(&path, schema, meta.len())?),
        // Empty: reef died before it had written the first table.
        Ok(_) => {}
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            // SQLite gives its other files the mode of this one.
            let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
            drop(made.map_err(|e| from_io(&path, &e))?);
        }
        Err(e) => return Err(from_io(&path, &e)),
    }
    // Opening for writing would succeed on a read-only file, and fail later.
    drop(OpenOptions::new().append(true).open(&path).map_err(|e| from_io(&path, &e))?);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let bad = |e: &rusqlite::Error| from_sql(&path, schema, e);
    let mut conn = Connection::open_with_flags(&path, flags).map_err(|e| bad(&e))?;
    prepare(&mut conn, schema).map_err(|e| bad(&e))?;
    Ok(conn)
}

/// Undoes what a death in the very first moments of a file left half done: until it is in WAL mode it has a journal
/// beside it, which a connection that only reads may not roll back. What is wrong with the file is for others to say.
fn roll_back(path: &Path) {
    let mut journal = path.as_os_str().to_owned();
    journal.push("-journal");
    if fs::metadata(journal).is_ok_and(|meta| 0 < meta.len()) {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let looked = Connection::open_with_flags(path, flags).and_then(|conn| {
            conn.busy_timeout(Duration::from_secs(5))?;
            conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))
        });
        if let Err(error) = looked {
            tracing::warn!("{} was left half written: {error}", path.display());
        }
    }
}

/// A database in memory, with all its tables.
pub(in crate::store) fn open_memory(schema: &Schema) -> Result<Connection, OpenError> {
    let opened = Connection::open_in_memory().and_then(|mut conn| {
        prepare(&mut conn, schema)?;
        Ok(conn)
    });
    opened.map_err(|e| from_sql(Path::new(schema.file), schema, &e))
}

/// Opens a file for reading only.
pub(in crate::store) fn open_reading(dir: &Path, schema: &Schema) -> Result<Connection, OpenError> {
    let path = dir.join(schema.file);
    let len = match fs::metadata(&path) {
        Ok(meta) if 0 < meta.len() => meta.len(),
        Ok(_) => return Err(OpenError::Absent { path: dir.into() }),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            return Err(OpenError::Absent { path: dir.into() });
        }
        Err(e) => return Err(from_io(&path, &e)),
    };
    let (conn, version) = inspect(&path, schema, len)?;
    if version < schema.known() {
        return Err(OpenError::Other(anyhow!(
            "{} was written by an older reef (schema {version} of {}). Start `reef run` once, which brings it \
             up to date",
            path.display(),
            schema.known()
        )));
    }
    conn.set_prepared_statement_cache_capacity(64);
    Ok(conn)
}

fn prepare(conn: &mut Connection, schema: &Schema) -> rusqlite::Result<()> {
    conn.busy_timeout(Duration::from_secs(5))?;
    conn.set_prepared_statement_cache_capacity(128);
    conn.execute_batch(schema.pragmas)?;
    conn.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    let version: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let seen = usize::try_from(version).unwrap_or(usize::MAX);
    for (step, sql) in schema.steps.iter().enumerate().skip(seen) {
        let tx = conn.transaction()?;
        tx.execute_batch(sql)?;
        tx.pragma_update(None, "application_id", schema.application_id)?;
        tx.pragma_update(None, "user_version", i64::try_from(step + 1).unwrap_or(i64::MAX))?;
        tx.commit()?;
    }
    Ok(())
}

/// Looks at an existing file through a connection that cannot write it; gives that and the schema's number.
fn inspect(path: &Path, schema: &Schema, len: u64) -> Result<(Connection, i64), OpenError> {
    let corrupt = |why: String| OpenError::Corrupt { path: path.into(), why, holds: schema.holds };
    let head = head_of(path).map_err(|e| from_io(path, &e))?;
    if let Some(why) = bad_head(&head, len) {
        return Err(corrupt(why));
    }
    let bad = |e: rusqlite::Error| from_sql(path, schema, &e);
    let conn = connect_reading(path).map_err(bad)?;
    let number = |name| conn.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    // The schema's number comes first: what a newer reef keeps is not this one's to check.
    let version = number("user_version").map_err(bad)?;
    let id = number("application_id").map_err(bad)?;
    let tables: i64 =
        conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(bad)?;
    if id != i64::from(schema.application_id) && (id, version, tables) != (0, 0, 0) {
        return Err(corrupt("it is a database of another program".into()));
    }
    if schema.known() < version {
        return Err(OpenError::Newer { path: path.into(), found: version, known: schema.known() });
    }
    if len <= schema.check_below {
        let said: String =
            conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(bad)?;
        if said != "ok" {
            return Err(corrupt(said.replace('\n', " ")));
        }
    }
    Ok((conn, version))
}

/// A folder that cannot be written has no room for the index of the log; without a log there is nothing to index.
fn connect_reading(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(Duration::from_secs(5))?;
    let looked =
        conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0));
    match looked {
        Err(e) if e.sqlite_error_code() == Some(ErrorCode::CannotOpen) && !has_log(path) => {
            let name: String = path
                .display()
                .to_string()
                .chars()
                .map(|c| match c {
                    '%' => "%25".into(),
                    '?' => "%3f".into(),
                    '#' => "%23".into(),
                    c => c.to_string(),
                })
                .collect();
            Connection::open_with_flags(
                format!("file:{name}?immutable=1"),
                flags | OpenFlags::SQLITE_OPEN_URI,
            )
        }
        Ok(_) | Err(_) => Ok(conn),
    }
}

fn has_log(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    fs::metadata(log).is_ok_and(|meta| 0 < meta.len())
}

fn head_of(path: &Path) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    File::open(path)?.take(100).read_to_end(&mut head)?;
    Ok(head)
}

/// What is wrong with the first 100 bytes and the length (SQLite file format, "The Database Header").
fn bad_head(head: &[u8], len: u64) -> Option<String> {
    let Some((magic, rest)) = head.split_at_checked(16) else {
        return Some(format!("it ends after {len} bytes"));
    };
    if magic != b"SQLite format 3\0" {
        return Some("it does not begin as a database does".into());
    }
    let page = match rest.first_chunk::<2>().map(|size| u16::from_be_bytes(*size)) {
        None => return Some(format!("it ends after {len} bytes")),
        Some(1) => 65_536,
        Some(size) => u64::from(size),
    };
    if page < 512 || len < page || !len.is_multiple_of(page) {
        return Some(format!(
            "its {len} bytes are no whole number of pages of {page} bytes: it was cut off"
        ));
    }
    None
}

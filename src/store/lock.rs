//! One writing process per state folder.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::store::open::{OpenError, from_io};

/// Held for as long as it lives; the kernel lets go when the process dies, however it dies.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of a state folder, or says who has it.
    pub fn take(dir: &Path) -> Result<Self, OpenError> {
        let path = dir.join("reef.lock");
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path);
        let mut file = opened.map_err(|e| from_io(&path, &e))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let mut pid = String::new();
                // The number is for the message only: without it the message is shorter.
                let pid = match file.read_to_string(&mut pid) {
                    Ok(_) => pid.trim().parse().ok(),
                    Err(_) => None,
                };
                return Err(OpenError::Locked { path: dir.into(), pid });
            }
            Err(e) => return Err(from_io(&path, &e.into())),
        }
        // On a full disk the lock holds all the same; only its message is poorer.
        let written = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| write!(file, "{}", std::process::id()));
        if let Err(e) = written {
            tracing::warn!("cannot write the process number into {}: {e}", path.display());
        }
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_one_is_refused_by_the_number_of_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let first = Lock::take(dir.path()).unwrap();
        let said = Lock::take(dir.path()).unwrap_err().to_string();
        assert!(said.contains(&format!("pid {}", std::process::id())), "{said}");
        drop(first);
        Lock::take(dir.path()).unwrap();
    }
}

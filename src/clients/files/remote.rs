//! The files of another host: looked at by its collector, changed one at a time by one constant program that
//! comes along with each call. What lies in quarantine there, and what was compressed there, is written down
//! here before anything happens, so that it is found again whatever becomes of the connection.

mod ledger;
mod looks;
mod words;

use std::sync::Arc;

use super::{
    Compress, Compressed, Discard, Entry, Files, FilesError, Job, Limits, LocalFiles, Manifest,
    Marked, OpenFiles, Opened, Quarantined, Receiving, Rooted, Squeezed, Visit, Walked, Weigh,
};
use crate::Fut;
use crate::clients::host::{HostLink, LinkError, Output};
use crate::clients::signal::kill;
use crate::gate::permit::Permit;
use crate::model::ids::Word;
use crate::model::listing::{Listed, Listing};
use crate::model::target::AbsPath;
use crate::model::time::Span;
use crate::policy::argv::Argv;
use crate::policy::denied::Sudo;
use ledger::{Deed, Ledger};
use looks::{entry, walked};
use words::{identity, nth, spelled};

/// What is run on the host.
pub const PROGRAM: &str = include_str!("remote/program.sh");
/// The name that stands for it: in the record, and before a key that may run it below some folders only.
pub const CALLED: &str = "reef-files";

/// For moving or deleting what is in quarantine.
const MOVE: Span = Span::mins(10);
/// The longest that one file may take.
pub const LONGEST: Span = Span::mins(30);

/// A command with the program that it names, where it is the one that reef brings along.
pub fn brought(argv: &[String]) -> Vec<String> {
    let program = match argv.first().map(String::as_str) {
        Some(CALLED) => PROGRAM,
        Some(kill::CALLED) => kill::PROGRAM,
        Some(_) | None => return argv.to_vec(),
    };
    let brought = ["sh", "-c", program].map(str::to_owned);
    brought.into_iter().chain(argv.iter().cloned()).collect()
}

/// The files of one host.
#[derive(Debug)]
pub struct RemoteFiles {
    link: Arc<dyn HostLink>,
    ledger: Ledger,
}

impl RemoteFiles {
    /// `ledger` is a folder of this machine, for this host alone.
    pub fn new(link: Arc<dyn HostLink>, ledger: AbsPath) -> Self {
        Self { link, ledger: Ledger(ledger) }
    }

    /// Runs the program for one file; answers the words after its `ok`.
    async fn act(
        &self,
        permit: &Permit,
        argv: Vec<String>,
        within: Span,
    ) -> Result<Vec<String>, FilesError> {
        let argv = Argv::new(argv).map_err(|bad| FilesError::Failed(bad.to_string()))?;
        let within = Span(within.0.clamp(1_000, LONGEST.0));
        match self.link.exec(permit, &argv, within).await {
            Ok(output) => self.verdict(&output),
            Err(LinkError::NotStarted(why)) => Err(FilesError::NotStarted(why)),
            Err(why @ (LinkError::TimedOut(_) | LinkError::Lost(_))) => {
                let what = argv.args().last().map_or("", String::as_str);
                Err(FilesError::Unknown(format!("{what} on {}: {why}", self.link.name())))
            }
        }
    }

    fn verdict(&self, output: &Output) -> Result<Vec<String>, FilesError> {
        let last = output.stdout.as_str().trim_end().lines().last().unwrap_or("");
        let (word, rest) = last.split_once(' ').unwrap_or((last, ""));
        match (output.code, word) {
            (Some(0), "ok") => Ok(rest.split_ascii_whitespace().map(str::to_owned).collect()),
            (_, "room") => Err(FilesError::NoRoom),
            (_, "changed") => Err(FilesError::Changed(rest.to_owned())),
            (_, "failed") => Err(FilesError::Failed(self.with_grant(rest))),
            (_, _) => {
                let said = output.stderr.first_line();
                let host = self.link.name();
                if said.contains("sudo") {
                    return Err(FilesError::NotStarted(format!(
                        "{said}; the right to change files as root on {host} is missing. What would serve, and no \
                         more: an act_key in root's authorized_keys there, whose line `reef host authorize {host} \
                         --act` prints (by sudo it would be the right to run sh, which is all of root)"
                    )));
                }
                if said.contains("pace left") {
                    return Err(FilesError::NoRoom);
                }
                Err(FilesError::Failed(format!("{host} gave no verdict: {said}")))
            }
        }
    }

    /// A missing right, with the narrow grant that would serve.
    fn with_grant(&self, why: &str) -> String {
        let rights = [" may not ", "cannot see who", " cannot give a file ", " cannot make "];
        if !rights.iter().any(|right| why.contains(right)) || why.contains("the key by which") {
            return why.to_owned();
        }
        let host = self.link.name();
        let more = match self.link.standing().sudo {
            Sudo::Yes => String::new(),
            Sudo::No => format!(
                "; what would serve: the login of whom the files belong to, or an act_key in root's \
                 authorized_keys, which `reef host authorize {host} --act` prints"
            ),
        };
        format!("{why}{more}")
    }

    async fn shrink(&self, permit: &Permit, job: Job) -> Result<Compressed, FilesError> {
        let mut deed = Deed::of(&job);
        self.ledger.write(&job.mark, &deed).await?;
        let [dev, ino, bytes, written] = identity(&job.entry);
        let path = job.entry.path.as_str();
        let args = [
            job.root.as_str(),
            job.spare.as_str(),
            job.mark.as_str(),
            &dev,
            &ino,
            &bytes,
            &written,
            path,
        ];
        let argv = Self::request(job.how.word(), &args);
        let done = self.act(permit, argv, job.within).await;
        let words = match done {
            Ok(words) => words,
            Err(why @ FilesError::Unknown(_)) => return Err(why),
            Err(why) => {
                self.ledger.forget(&job.mark, &deed).await;
                return Err(why);
            }
        };
        let (bytes, compressed) = (nth(&words, 0), nth(&words, 1));
        let to = match words.get(2).map(String::as_str) {
            Some("spare") => format!("{}/{}-{ino}.gz", job.spare, job.mark),
            Some(_) | None => match job.how {
                Compress::Replace => format!("{path}.gz"),
                Compress::CopyTruncate => format!("{path}.{}.gz", nth(&words, 3)),
            },
        };
        let to = AbsPath::new(&to).map_err(|bad| FilesError::Failed(bad.to_string()))?;
        deed.done(&to, compressed);
        if let Err(why) = self.ledger.write(&job.mark, &deed).await {
            // It is done: that it is harder to undo is no failure of it.
            tracing::warn!("{why}");
        }
        Ok(Compressed { to, bytes, compressed })
    }

    /// The program's name, a verb and its arguments, of which no shell can make anything else.
    fn request(verb: &str, args: &[&str]) -> Vec<String> {
        [CALLED, verb].iter().chain(args).map(|part| spelled(part)).collect()
    }
}

impl Files for RemoteFiles {
    // Both walks are bounded on the host: 60,000 files, 20 s.
    fn walk(
        &self,
        start: &Rooted,
        _: Limits,
        mut visit: Visit,
    ) -> Fut<'_, Result<Walked, FilesError>> {
        let path = start.path.clone();
        Box::pin(async move {
            let mut below = self.files(&path).await?;
            let found = std::mem::take(&mut below.found);
            let walked = walked(&below, found.len() as u64);
            found.into_iter().for_each(|file| visit(entry(below.dev, file)));
            Ok(walked)
        })
    }

    fn sizes(
        &self,
        start: &Rooted,
        _: Limits,
        weigh: Weigh,
    ) -> Fut<'_, Result<Walked, FilesError>> {
        let path = start.path.clone();
        Box::pin(async move {
            match self.look(Listing::Sizes(path)).await? {
                Listed::Sizes(mut below) => {
                    let found = std::mem::take(&mut below.found);
                    let walked = walked(&below, found.iter().map(|lot| lot.files).sum());
                    found.into_iter().for_each(weigh);
                    Ok(walked)
                }
                Listed::Files(_) | Listed::Open(_) | Listed::Volume(_) => Err(self.odd()),
            }
        })
    }

    fn open<'a>(&'a self, _: &'a AbsPath, entry: &'a Entry) -> Fut<'a, Result<Opened, FilesError>> {
        Box::pin(async move {
            let host = self.link.name();
            Err(FilesError::Failed(format!(
                "{} lies on {host}: it cannot be read here",
                entry.path
            )))
        })
    }

    fn open_files(&self, dev: u64) -> Fut<'_, Result<OpenFiles, FilesError>> {
        Box::pin(self.held(dev))
    }

    fn volume(&self, folder: &AbsPath) -> Fut<'_, Result<u64, FilesError>> {
        let folder = folder.clone();
        Box::pin(async move {
            match self.look(Listing::Volume(folder)).await? {
                Listed::Volume(dev) => Ok(dev),
                Listed::Sizes(_) | Listed::Files(_) | Listed::Open(_) => Err(self.odd()),
            }
        })
    }

    /// A look there reads no file.
    fn estimate(
        &self,
        _: &AbsPath,
        _: Vec<Entry>,
    ) -> Fut<'_, Result<Option<Squeezed>, FilesError>> {
        Box::pin(async { Ok(None) })
    }

    fn marked(&self, start: &Rooted, mark: &Word) -> Fut<'_, Result<Vec<Marked>, FilesError>> {
        let (path, mark) = (start.path.clone(), mark.clone());
        Box::pin(async move { self.made(&path, &mark).await })
    }

    fn quarantines(&self, _: &AbsPath) -> Fut<'_, Result<(Vec<Quarantined>, u64), FilesError>> {
        LocalFiles.quarantines(&self.ledger.0)
    }

    fn compress<'a>(
        &'a self,
        permit: &'a Permit,
        job: Job,
    ) -> Fut<'a, Result<Compressed, FilesError>> {
        Box::pin(self.shrink(permit, job))
    }

    fn receive<'a>(
        &'a self,
        _: &'a Permit,
        to: &'a Rooted,
        _: u64,
    ) -> Fut<'a, Result<Receiving, FilesError>> {
        Box::pin(async move {
            let (path, host) = (&to.path, self.link.name());
            Err(FilesError::Failed(format!(
                "{path} lies on {host}: a log comes back on reef's own machine only"
            )))
        })
    }

    fn decompress<'a>(
        &'a self,
        permit: &'a Permit,
        root: &'a AbsPath,
        file: Marked,
    ) -> Fut<'a, Result<u64, FilesError>> {
        Box::pin(async move {
            let how = match file.how {
                Compress::Replace => "replace",
                Compress::CopyTruncate => "copytruncate",
            };
            let [dev, ino, bytes, written] = identity(&file.entry);
            let path = file.entry.path.as_str();
            let args = [how, root.as_str(), &dev, &ino, &bytes, &written, path];
            let words = self.act(permit, Self::request("grow", &args), LONGEST).await?;
            Ok(nth(&words, 0))
        })
    }

    fn open_quarantine<'a>(
        &'a self,
        permit: &'a Permit,
        _: &'a AbsPath,
        manifest: Manifest,
    ) -> Fut<'a, Result<(), FilesError>> {
        LocalFiles.open_quarantine(permit, &self.ledger.0, manifest)
    }

    fn put_away<'a>(
        &'a self,
        permit: &'a Permit,
        folder: &'a AbsPath,
        manifest: &'a Arc<Manifest>,
        index: usize,
    ) -> Fut<'a, Result<(), FilesError>> {
        Box::pin(async move {
            let entry = ledger::entry(manifest, index)?;
            self.ledger.put(&manifest.id, index).await?;
            let [dev, ino, bytes, written] = identity(entry);
            let index_word = index.to_string();
            let args = [
                manifest.root.as_str(),
                folder.as_str(),
                manifest.id.as_str(),
                &index_word,
                &dev,
                &ino,
                &bytes,
                &written,
                entry.path.as_str(),
            ];
            let done = self.act(permit, Self::request("away", &args), MOVE).await;
            match done {
                Ok(_) | Err(FilesError::Unknown(_)) => {}
                Err(
                    FilesError::NoRoom
                    | FilesError::Changed(_)
                    | FilesError::Failed(_)
                    | FilesError::NotStarted(_),
                ) => self.ledger.take(&manifest.id, index).await?,
            }
            done.map(|_| ())
        })
    }

    fn put_back<'a>(
        &'a self,
        permit: &'a Permit,
        folder: &'a AbsPath,
        manifest: &'a Arc<Manifest>,
        index: usize,
    ) -> Fut<'a, Result<(), FilesError>> {
        Box::pin(async move {
            let entry = ledger::entry(manifest, index)?;
            let (root, id, path) =
                (manifest.root.as_str(), manifest.id.as_str(), entry.path.as_str());
            let args = [root, folder.as_str(), id, &index.to_string(), path];
            let done = self.act(permit, Self::request("back", &args), MOVE).await;
            let lies = format!("{folder}/{id}/{index} is not there");
            match done {
                Ok(_) => self.ledger.take(&manifest.id, index).await,
                // It was written down, and then never moved.
                Err(FilesError::Changed(why)) if why == lies => {
                    self.ledger.take(&manifest.id, index).await?;
                    Err(FilesError::Changed(why))
                }
                Err(why) => Err(why),
            }
        })
    }

    fn discard<'a>(
        &'a self,
        permit: &'a Permit,
        folder: &'a AbsPath,
        id: &'a Word,
        what: Discard,
    ) -> Fut<'a, Result<(u64, u64), FilesError>> {
        Box::pin(async move {
            let how = match what {
                Discard::IfEmpty => "empty",
                Discard::All => "all",
            };
            let argv = Self::request("discard", &[folder.as_str(), id.as_str(), how]);
            match (self.act(permit, argv, MOVE).await, what) {
                // That an empty folder stays there is nothing that anybody has to know.
                (_, Discard::IfEmpty) => LocalFiles.discard(permit, &self.ledger.0, id, what).await,
                (Err(why), Discard::All) => Err(why),
                (Ok(words), Discard::All) => {
                    LocalFiles.discard(permit, &self.ledger.0, id, what).await?;
                    Ok((nth(&words, 0), nth(&words, 1)))
                }
            }
        })
    }
}

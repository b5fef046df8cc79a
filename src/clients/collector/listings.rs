//! What lies below a folder of a host and who has it open, as the sections of the tree print it.

use crate::clients::collector::{Arg, Ask, Piece, sections, volumes};
use crate::model::fact::{FactValue, NoFact};
use crate::model::listing::{Below, File, Holder, Listed, Listing, Lot, Mapped, Open};
use crate::model::taint::Tainted;
use crate::model::target::AbsPath;
use crate::model::time::Millis;

/// The code by which a walk ends whose time is over.
const LATE: u64 = 137;

/// The section of a listing.
pub fn ask(listing: &Listing) -> Ask {
    match listing {
        Listing::Sizes(path) => Ask::with(sections::SIZES, Arg::path(path)),
        Listing::Files(path) => Ask::with(sections::LISTED, Arg::path(path)),
        Listing::Open(dev) => Ask::with(sections::HOLDERS, Arg::word(&dev.to_string())),
        Listing::Volume(path) => Ask::with(sections::VOLUME, Arg::path(path)),
    }
}

/// Reads what its section printed.
pub fn read(listing: &Listing, piece: &Piece) -> Result<FactValue, NoFact> {
    let listed = match listing {
        Listing::Sizes(path) => Listed::Sizes(below(path, piece, "lots", lot)?),
        Listing::Files(path) => Listed::Files(below(path, piece, "files", file)?),
        Listing::Open(_) => Listed::Open(open(piece)?),
        Listing::Volume(_) => Listed::Volume(number(&piece.text(""))?),
    };
    Ok(FactValue::Files(listed))
}

fn number(text: &str) -> Result<u64, NoFact> {
    let number = text.trim().parse();
    number.map_err(|_| NoFact::Failed("the host did not tell which volume it is".into()))
}

/// The numbers of a line and what follows them.
fn numbers<const N: usize>(line: &str) -> Option<([i64; N], &str)> {
    let (mut numbers, mut rest) = ([0; N], line);
    for number in &mut numbers {
        let (first, after) = rest.split_once(' ')?;
        *number = first.parse().ok()?;
        rest = after;
    }
    Some((numbers, rest))
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn at(seconds: i64) -> Millis {
    Millis(seconds.saturating_mul(1_000))
}

fn lot(line: &str) -> Option<Lot> {
    let ([files, on_disk, newest], path) = numbers::<3>(line)?;
    let path = AbsPath::new(path).ok()?;
    Some(Lot { path, files: unsigned(files), on_disk: unsigned(on_disk), newest: at(newest) })
}

fn file(line: &str) -> Option<File> {
    let (numbers, path) = numbers::<7>(line)?;
    let [_, links, uid, bytes, blocks, modified, touched] = numbers;
    // An inode's number may be beyond what a signed one holds.
    let ino = line.split_once(' ')?.0.parse().ok()?;
    Some(File {
        path: AbsPath::new(path).ok()?,
        ino,
        links: unsigned(links),
        uid: u32::try_from(uid).ok()?,
        bytes: unsigned(bytes),
        on_disk: unsigned(blocks).saturating_mul(512),
        modified: at(modified),
        touched: at(touched),
    })
}

fn below<T>(
    path: &AbsPath,
    piece: &Piece,
    part: &str,
    one: impl Fn(&str) -> Option<T>,
) -> Result<Below<T>, NoFact> {
    let dev = number(&piece.text("dev"))?;
    let used = volumes::used(&piece.text("room"), path);
    let (mut found, mut unnamed, mut end) = (Vec::new(), 0, None);
    for line in piece.bytes(part).split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let Ok(line) = std::str::from_utf8(line) else {
            unnamed += 1;
            continue;
        };
        if let Some(rest) = line.strip_prefix("= ") {
            end = numbers::<5>(&format!("{rest} ")).map(|(numbers, _)| numbers.map(unsigned));
            continue;
        }
        match one(line) {
            Some(one) => found.push(one),
            None => unnamed += 1,
        }
    }
    let Some([code, control, mounts, wrong, beyond]) = end else {
        return Err(NoFact::Failed(format!("what the host told of {path} was cut off")));
    };
    let cut = match (code, beyond) {
        (LATE, _) => Some("stopped after 20s".to_owned()),
        (_, 0) => None,
        (_, n) => Some(format!("left out {n} beyond what one answer holds")),
    };
    Ok(Below { found, dev, unnamed: unnamed + control, mounts, unreadable: wrong, cut, used })
}

fn open(piece: &Piece) -> Result<Open, NoFact> {
    let looked_as = piece.text("who").trim().parse();
    let looked_as =
        looked_as.map_err(|_| NoFact::Failed("the host did not tell who looked".into()))?;
    let mut open = Open { looked_as, ..Open::default() };
    let mut whole = false;
    for line in piece.text("open").lines() {
        if let Some(rest) = line.strip_prefix("= ") {
            let (hidden, late) = rest.split_once(' ').unwrap_or((rest, "1"));
            open.hidden = hidden.parse().unwrap_or(u64::MAX);
            whole = late == "0";
        } else if let Some(holder) = holder(line) {
            open.held.push(holder);
        }
    }
    if !whole {
        return Err(NoFact::Failed("it could not be told in time who has files open there".into()));
    }
    for line in piece.text("mapped").lines() {
        let Some((how, ino)) = line.split_once(' ') else { continue };
        let how = if how == "w" { Mapped::Writing } else { Mapped::Reading };
        open.mapped.extend(ino.parse().ok().map(|ino| (how, ino)));
    }
    Ok(open)
}

fn holder(line: &str) -> Option<Holder> {
    let mut words = line.splitn(6, ' ');
    let mut next = || words.next();
    Some(Holder {
        ino: next()?.parse().ok()?,
        links: next()?.parse().ok()?,
        on_disk: next()?.parse::<u64>().ok()?.saturating_mul(512),
        flags: u32::from_str_radix(next()?, 8).ok(),
        pid: next()?.parse().ok()?,
        comm: Tainted::bounded(next().unwrap_or(""), 32).as_str().to_owned(),
    })
}

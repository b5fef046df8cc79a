//! Logins and open ports of another host: where the last look ended is kept here, and handed over as an argument.

use crate::clients::collector::sections::{LISTENING, LOGINS};
use crate::clients::collector::{Arg, Ask, Piece};
use crate::clients::host::guard::entries;
use crate::clients::host::logins::{Gathered, Told, wtmp};
use crate::clients::host::sockets::{listeners, listening, printed};
use crate::model::fact::{FactValue, NoFact};
use crate::model::guard::{Logins, Protocol};

/// How far the logs of logins were read.
#[derive(Debug, Clone, Default)]
pub struct Read {
    cursor: Option<String>,
    /// 0 before the first look.
    inode: u64,
    offset: u64,
}

impl Read {
    pub fn ask(&self) -> Ask {
        let cursor = self.cursor.as_deref().unwrap_or("-");
        Ask::with(LOGINS, Arg::cursor_and_numbers(cursor, &[self.inode, self.offset]))
    }

    pub fn look(&mut self, piece: &Piece) -> Result<Logins, NoFact> {
        if !piece.has("end") {
            return Err(NoFact::Failed("what the host told of its logins was cut off".into()));
        }
        let mut all = Gathered::default();
        let size = piece.text("size").trim().parse().unwrap_or(0);
        for login in wtmp(piece.bytes("wtmp"), size) {
            all.came(login);
        }
        if piece.has("why") {
            return Ok(all.logins(Told::Nowhere, vec![piece.text("why").trim().to_owned()]));
        }
        if piece.has("journal") {
            self.cursor = entries(piece.bytes("journal"), self.cursor.as_deref(), &mut all);
        } else {
            self.lines(piece, &mut all)?;
        }
        Ok(all.logins(Told::Yes, Vec::new()))
    }

    fn lines(&mut self, piece: &Piece, all: &mut Gathered) -> Result<(), NoFact> {
        let file = piece.text("file");
        let mut words = file.split_whitespace().map(str::parse::<u64>);
        let (Some(Ok(inode)), Some(Ok(size))) = (words.next(), words.next()) else {
            return Err(NoFact::Failed("the host did not tell of its log of logins".into()));
        };
        let first = self.inode == 0;
        let mut before = Gathered::default();
        let into = if first { &mut before } else { &mut *all };
        piece.text("lines").lines().for_each(|line| into.line(line));
        for login in before.logins(Told::Yes, Vec::new()).accepted {
            all.came(login);
        }
        (self.inode, self.offset) = (inode, size);
        Ok(())
    }
}

/// What listens, with the programs as far as the host tells of them.
pub fn listens(piece: &Piece) -> Result<FactValue, NoFact> {
    let mut sockets = Vec::new();
    for (table, protocol) in [
        ("tcp", Protocol::Tcp),
        ("tcp6", Protocol::Tcp),
        ("udp", Protocol::Udp),
        ("udp6", Protocol::Udp),
    ] {
        sockets.extend(listening(&piece.text(table), protocol));
    }
    if !piece.has("who") {
        return Err(NoFact::Failed("what the host told of its ports was cut off".into()));
    }
    let who = printed(&piece.text("who"));
    Ok(FactValue::Listening(listeners(&sockets, |s| who.get(&(s.protocol, s.port)).cloned())))
}

/// The section of the ports.
pub fn ports() -> Ask {
    Ask::of(LISTENING)
}

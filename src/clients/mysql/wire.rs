//! The packets of the MySQL protocol, version 10, as far as questions need them. Every byte comes from
//! a server that may be hostile: nothing here panics, and everything is bounded.

use std::collections::BTreeMap;

use ring::digest;

/// No packet that answers a question of ours is larger.
pub(super) const LARGEST: usize = 1 << 20;
/// The most columns and rows of an answer.
pub(super) const COLUMNS: usize = 256;
pub(super) const ROWS: usize = 500;

pub(super) const PROTOCOL_41: u32 = 0x0200;
pub(super) const SSL: u32 = 0x0800;
const LONG_PASSWORD: u32 = 0x0001;
const SECURE_CONNECTION: u32 = 0x8000;
const PLUGIN_AUTH: u32 = 0x0008_0000;
/// utf8mb4_general_ci, which every server knows.
const UTF8: u8 = 45;

/// A row by its columns' names; `None` is NULL.
pub(super) type Row = BTreeMap<String, Option<String>>;

/// Reads through one packet; every method is `None` beyond its end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Packet<'a>(pub(super) &'a [u8]);

impl<'a> Packet<'a> {
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    pub(super) fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self, bytes: usize) -> Option<u64> {
        Some(self.take(bytes)?.iter().rev().fold(0, |n, byte| n << 8 | u64::from(*byte)))
    }

    /// Up to a NUL, or to the end.
    pub(super) fn text(&mut self) -> Option<&'a [u8]> {
        let end = self.0.iter().position(|byte| *byte == 0).unwrap_or(self.0.len());
        let text = self.take(end)?;
        self.byte();
        Some(text)
    }

    /// A length-encoded integer; `None` for NULL too.
    pub(super) fn length(&mut self) -> Option<u64> {
        match self.byte()? {
            n @ 0..=250 => Some(u64::from(n)),
            252 => self.number(2),
            253 => self.number(3),
            254 => self.number(8),
            251 | 255 => None,
        }
    }

    /// A length-encoded text.
    fn counted(&mut self) -> Option<&'a [u8]> {
        let n = usize::try_from(self.length()?).ok()?;
        self.take(n)
    }
}

/// What the server says first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Greeting {
    pub(super) version: String,
    pub(super) can: u32,
    pub(super) nonce: Vec<u8>,
    pub(super) plugin: String,
}

pub(super) fn greeting(packet: &[u8]) -> Option<Greeting> {
    let mut packet = Packet(packet);
    if packet.byte()? != 10 {
        return None;
    }
    let version = lossy(packet.text()?);
    packet.take(4)?;
    let mut nonce = packet.take(8)?.to_vec();
    packet.byte()?;
    let low = packet.number(2)?;
    packet.take(3)?;
    let high = packet.number(2)?;
    let can = u32::try_from(high << 16 | low).ok()?;
    let length = usize::from(packet.byte()?);
    packet.take(10)?;
    let rest = packet.take(length.saturating_sub(8).max(13))?;
    nonce.extend_from_slice(rest.strip_suffix(&[0]).unwrap_or(rest));
    let plugin = lossy(packet.text()?);
    Some(Greeting { version, can, nonce, plugin })
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().take(4_096).collect()
}

fn opening(flags: u32) -> Vec<u8> {
    let flags = flags | LONG_PASSWORD | PROTOCOL_41 | SECURE_CONNECTION | PLUGIN_AUTH;
    let mut packet = flags.to_le_bytes().to_vec();
    packet.extend_from_slice(&u32::try_from(LARGEST).unwrap_or(u32::MAX).to_le_bytes());
    packet.push(UTF8);
    packet.extend_from_slice(&[0; 23]);
    packet
}

/// Asks for TLS before anything about the user is said.
pub(super) fn ask_for_tls() -> Vec<u8> {
    opening(SSL)
}

/// Says who we are. `proof` is at most 255 bytes long.
pub(super) fn login(flags: u32, user: &str, proof: &[u8], plugin: &str) -> Vec<u8> {
    let mut packet = opening(flags);
    packet.extend_from_slice(user.as_bytes());
    packet.push(0);
    packet.push(u8::try_from(proof.len()).unwrap_or(0));
    packet.extend_from_slice(proof);
    packet.extend_from_slice(plugin.as_bytes());
    packet.push(0);
    packet
}

/// What a plugin wants to see; `None` for one that is not spoken here.
pub(super) fn proof(
    plugin: &str,
    password: &str,
    nonce: &[u8],
    private: Private,
) -> Option<Vec<u8>> {
    let nonce = nonce.get(..20).unwrap_or(nonce);
    match plugin {
        // The server asks the kernel who we are.
        "unix_socket" | "auth_socket" => Some(Vec::new()),
        "mysql_native_password" | "caching_sha2_password" if password.is_empty() => {
            Some(Vec::new())
        }
        "mysql_native_password" => {
            let hash = |parts: &[&[u8]]| hashed(&digest::SHA1_FOR_LEGACY_USE_ONLY, parts);
            let once = hash(&[password.as_bytes()]);
            let salted = hash(&[nonce, &hash(&[&once])]);
            Some(xor(&once, &salted))
        }
        "caching_sha2_password" => {
            let hash = |parts: &[&[u8]]| hashed(&digest::SHA256, parts);
            let once = hash(&[password.as_bytes()]);
            let salted = hash(&[&hash(&[&once]), nonce]);
            Some(xor(&once, &salted))
        }
        "mysql_clear_password" if private == Private::Yes => Some(in_clear(password)),
        _other => None,
    }
}

/// Whether nobody on the way can read along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Private {
    Yes,
    No,
}

pub(super) fn in_clear(password: &str) -> Vec<u8> {
    let mut clear = password.as_bytes().to_vec();
    clear.push(0);
    clear
}

fn hashed(how: &'static digest::Algorithm, parts: &[&[u8]]) -> Vec<u8> {
    let mut context = digest::Context::new(how);
    for part in parts {
        context.update(part);
    }
    context.finish().as_ref().to_vec()
}

fn xor(a: &[u8], b: &[u8]) -> Vec<u8> {
    a.iter().zip(b).map(|(a, b)| a ^ b).collect()
}

/// What a server answers with where no rows come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) code: u16,
    pub(super) words: String,
}

/// An ERR packet.
pub(super) fn refused(packet: &[u8]) -> Option<Refused> {
    let mut packet = Packet(packet);
    if packet.byte()? != 0xff {
        return None;
    }
    let code = u16::try_from(packet.number(2)?).ok()?;
    // A state of five characters may stand before the words.
    let words = packet.0.strip_prefix(b"#").and_then(|rest| rest.get(5..)).unwrap_or(packet.0);
    Some(Refused { code, words: lossy(words).chars().take(300).collect() })
}

/// Whether this packet ends the columns or the rows.
pub(super) fn is_end(packet: &[u8]) -> bool {
    packet.first() == Some(&0xfe) && packet.len() < 9
}

/// The name in a column's definition.
pub(super) fn column(packet: &[u8]) -> Option<String> {
    let mut packet = Packet(packet);
    for _ in 0..4 {
        packet.counted()?;
    }
    packet.counted().map(lossy)
}

/// One row in the text protocol.
pub(super) fn row(packet: &[u8], columns: &[String]) -> Option<Row> {
    let mut packet = Packet(packet);
    let mut row = Row::new();
    for name in columns {
        let value = if packet.0.first() == Some(&0xfb) {
            packet.byte();
            None
        } else {
            Some(lossy(packet.counted()?))
        };
        row.insert(name.clone(), value);
    }
    Some(row)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_recorded_greeting_is_read() {
        // MariaDB 10.11, as it came.
        let mut packet = b"\x0a5.5.5-10.11.14-MariaDB-0+deb12u2\0\x1f\0\0\0".to_vec();
        packet.extend_from_slice(b"abcdefgh\0\xfe\xff\x2d\x02\0\xff\x81\x15\0\0\0\0\0\0\x1d\0\0\0");
        packet.extend_from_slice(b"ijklmnopqrst\0mysql_native_password\0");
        let read = greeting(&packet).unwrap();
        assert_eq!(read.version, "5.5.5-10.11.14-MariaDB-0+deb12u2");
        assert_eq!(read.nonce, b"abcdefghijklmnopqrst");
        assert_eq!(read.plugin, "mysql_native_password");
        assert!(read.can & SSL != 0 && read.can & PROTOCOL_41 != 0);
        for n in 0..packet.len() - 23 {
            assert_eq!(greeting(&packet[..n]), None, "{n}");
        }
    }

    #[test]
    fn proofs_are_what_the_plugins_want() {
        let hex = |bytes: Vec<u8>| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let nonce = b"abcdefghijklmnopqrst";
        let of = |plugin, password| proof(plugin, password, nonce, Private::No).map(hex);
        // Computed with Python's hashlib from the formulas of the manual.
        assert_eq!(of("mysql_native_password", "lab-only").unwrap(), NATIVE);
        assert_eq!(of("caching_sha2_password", "lab-only").unwrap(), CACHING);
        assert_eq!(of("mysql_native_password", "").unwrap(), "");
        assert_eq!(of("mysql_clear_password", "lab-only"), None);
        assert_eq!(of("client_ed25519", "lab-only"), None);
        assert_eq!(proof("mysql_clear_password", "x", nonce, Private::Yes).unwrap(), b"x\0");
    }

    const NATIVE: &str = "2c0f21d4b05e577a03b91cf5e83589eff8d730bd";
    const CACHING: &str = "b27a032d15c001130f4df56124493588b0058c883e14f943a93fbfe58c8e90ac";

    #[test]
    fn rows_know_null_from_empty() {
        let columns = ["a", "b", "c"].map(str::to_owned);
        let read = row(b"\x02hi\xfb\0", &columns).unwrap();
        let of = |name: &str| read[name].as_deref();
        assert_eq!((of("a"), of("b"), of("c")), (Some("hi"), None, Some("")));
        assert_eq!(row(b"\x09hi", &columns), None);
        let no = refused(b"\xff\x15\x04#28000Access denied").unwrap();
        assert_eq!((no.code, no.words.as_str()), (1045, "Access denied"));
    }

    proptest! {
        #[test]
        fn no_bytes_do_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let columns = vec!["a".to_owned(), "b".to_owned()];
            let _read = (greeting(&bytes), refused(&bytes), column(&bytes), row(&bytes, &columns));
            let with = |first: u8| [&[first], &bytes[..]].concat();
            let _read = (greeting(&with(10)), refused(&with(0xff)), row(&with(0xfe), &columns));
        }
    }
}

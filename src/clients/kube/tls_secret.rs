//! Certificate and key of one TLS secret: from files to the API server, and nowhere else.

use secrecy::ExposeSecret;

use super::Cluster;
use super::change::{Change, NotChanged};
use crate::clients::tls::pair::Pair;
use crate::gate::permit::Permit;
use crate::model::object::Object;

impl Cluster {
    /// Whether the secret is there, is one of certificates, and may be replaced by the account. Asks without
    /// any key, and is answered with none.
    pub async fn rehearse_tls_secret(&self, secret: &Object) -> Result<(), NotChanged> {
        self.rehearse(&Change::is_tls_secret(secret)).await
    }

    /// Replaces certificate and key.
    pub async fn replace_tls_secret(
        &self,
        permit: &Permit,
        secret: &Object,
        pair: &Pair,
    ) -> Result<(), NotChanged> {
        // Whatever an error of anybody quotes of it from now on, it is taken out.
        self.settings.redactor.learn(std::slice::from_ref(pair.key()));
        let certificate = encoded(pair.certificate().as_bytes());
        let key = encoded(pair.key().expose_secret().as_bytes());
        self.change(permit, &Change::tls_secret(secret, &certificate, &key)).await
    }
}

/// Base64 with padding, as Kubernetes takes it.
fn encoded(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let at = |i: usize| u32::from(three.get(i).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for i in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * i) & 63) as usize];
            text.push(if i <= three.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_as_everybody_writes_it() {
        for (bytes, text) in [
            (&b""[..], ""),
            (b"f", "Zg=="),
            (b"fo", "Zm8="),
            (b"foo", "Zm9v"),
            (b"foob", "Zm9vYg=="),
            (&[0xff, 0xfe, 0xfd], "//79"),
        ] {
            assert_eq!(encoded(bytes), text);
        }
    }
}

//! Who signs packages and indexes: bare RSA signatures, as `abuild-sign` makes them.

use std::sync::OnceLock;

use rsa::pkcs8::DecodePrivateKey;
use rsa::{Pkcs1v15Sign, RsaPrivateKey, sha2};
use sha1::{Digest as _, Sha1};

use super::member::{Item, gzip};

/// A key, the name it goes by and the way it signs.
#[derive(Debug, Clone)]
pub struct Signer {
    pair: &'static Pair,
    name: String,
    word: &'static str,
    is_spoiled: bool,
}

#[derive(Debug)]
struct Pair {
    secret: &'static str,
    public: &'static str,
    key: OnceLock<RsaPrivateKey>,
}

macro_rules! pair {
    ($name:literal) => {
        Pair {
            secret: include_str!(concat!("../../fixtures/apk/", $name, ".rsa.pem")),
            public: include_str!(concat!("../../fixtures/apk/", $name, ".rsa.pub")),
            key: OnceLock::new(),
        }
    };
}

static ONE: Pair = pair!("one");
static TWO: Pair = pair!("two");

impl Signer {
    /// The one who signs where no other is named: `one.rsa.pub`.
    pub fn one() -> Self {
        Self { pair: &ONE, name: "one.rsa.pub".into(), word: "RSA", is_spoiled: false }
    }

    /// Another: `two.rsa.pub`.
    pub fn two() -> Self {
        Self { pair: &TWO, name: "two.rsa.pub".into(), ..Self::one() }
    }

    /// The same key by another name.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        Self { name: name.into(), ..self }
    }

    /// With SHA-256 in place of SHA-1.
    #[must_use]
    pub fn sha256(self) -> Self {
        Self { word: "RSA256", ..self }
    }

    /// In a way that nobody knows.
    #[must_use]
    pub fn unknown_way(self) -> Self {
        Self { word: "DSA", ..self }
    }

    /// With a byte of the signature that is another.
    #[must_use]
    pub fn spoiled(self) -> Self {
        Self { is_spoiled: true, ..self }
    }

    /// The public key, in PEM.
    pub fn public(&self) -> &'static str {
        self.pair.public
    }

    fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        let key = self.pair.key.get_or_init(|| RsaPrivateKey::from_pkcs8_pem(self.pair.secret).unwrap());
        let signature = match self.word {
            "RSA256" => {
                let digest = <sha2::Sha256 as sha2::Digest>::digest(bytes);
                key.sign(Pkcs1v15Sign::new::<sha2::Sha256>(), &digest)
            }
            _ => key.sign(Pkcs1v15Sign::new::<Sha1>(), &Sha1::digest(bytes)),
        };
        let mut signature = signature.unwrap();
        signature[9] ^= u8::from(self.is_spoiled);
        signature
    }
}

/// The member that says who has signed these bytes: a tar without its end. Nothing if nobody has.
pub(super) fn member(signers: &[Signer], signed: &[u8]) -> Vec<u8> {
    let file = |signer: &Signer| {
        let name = format!(".SIGN.{}.{}", signer.word, signer.name);
        Item::file(&name, &signer.sign(signed), 0o644).plain_bytes()
    };
    match signers {
        [] => Vec::new(),
        signers => gzip(signers.iter().flat_map(file).collect::<Vec<u8>>().as_slice()),
    }
}

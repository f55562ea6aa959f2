//! OpenPGP keys and signatures, without gpg.
//!
//! A key is made from its name, so that it is the same at every run, and so are its signatures.

use std::sync::OnceLock;

use pgp::armor::{self, BlockType};
use pgp::composed::{
    ArmorOptions, CleartextSignedMessage, Deserializable, SignedKeyDetails, SignedPublicKey,
    SignedPublicSubKey, SignedSecretKey, SignedSecretSubKey,
};
use pgp::crypto::ed25519::{Mode, SecretKey as Ed25519};
use pgp::crypto::eddsa_legacy;
use pgp::crypto::hash::HashAlgorithm;
use pgp::crypto::public_key::PublicKeyAlgorithm;
use pgp::packet::{
    KeyFlags, PacketTrait, PubKeyInner, PublicKey, PublicSubkey, RevocationCode, SecretKey, SecretSubkey,
    Signature, SignatureConfig, SignatureType, Subpacket, SubpacketData, UserId,
};
use pgp::ser::Serialize;
use pgp::types::{
    Duration, KeyDetails, KeyVersion, Password, PlainSecretParams, PublicParams, SecretParams, SignedUser,
    SigningKey, Tag, Timestamp,
};

use crate::debian::Hash;

/// The date of every key, in seconds: the beginning of 2020.
pub const CREATED: u32 = 1_577_836_800;

/// A key that signs.
#[derive(Debug, Clone)]
pub struct Key {
    name: String,
    primary: SecretKey,
    subkey: Option<SecretSubkey>,
    expires: Option<u32>,
    revoked: bool,
    hash: HashAlgorithm,
    spoiled: bool,
}

impl Key {
    /// The Ed25519 key of this name.
    pub fn new(name: &str) -> Self {
        let (inner, secret) = ed25519(name);
        Self::of(name, SecretKey::new(PublicKey::from_inner(inner).unwrap(), secret).unwrap())
    }

    /// A key of 4096 bits RSA, as most distributions have: see `tests/fixtures/keys/make.sh`.
    pub fn rsa() -> Self {
        static KEY: OnceLock<SecretKey> = OnceLock::new();
        let read = || {
            let file = include_str!("../fixtures/keys/rsa4096.asc");
            SignedSecretKey::from_string(file).unwrap().0.primary_key
        };
        Self::of("rsa4096", KEY.get_or_init(read).clone())
    }

    fn of(name: &str, primary: SecretKey) -> Self {
        let hash = HashAlgorithm::Sha512;
        Self { name: name.into(), primary, subkey: None, expires: None, revoked: false, hash, spoiled: false }
    }

    /// The same key, but a subkey signs, as in Debian's archive keys.
    #[must_use]
    pub fn with_subkey(mut self) -> Self {
        let (inner, secret) = ed25519(&format!("subkey of {}", self.name));
        self.subkey = Some(SecretSubkey::new(PublicSubkey::from_inner(inner).unwrap(), secret).unwrap());
        self
    }

    /// The same key, expired at this date in seconds, after [`CREATED`].
    #[must_use]
    pub fn expires(mut self, date: u32) -> Self {
        self.expires = Some(date);
        self
    }

    /// The same key, revoked as compromised on its first day.
    #[must_use]
    pub fn revoked(mut self) -> Self {
        self.revoked = true;
        self
    }

    /// The same key, which must be one of RSA, but its signatures are over SHA-1 digests.
    #[must_use]
    pub fn sha1(mut self) -> Self {
        self.hash = HashAlgorithm::Sha1;
        self
    }

    /// The same key, but its signatures are for another text: bad ones.
    #[must_use]
    pub fn spoiled(mut self) -> Self {
        self.spoiled = true;
        self
    }

    /// The primary key's fingerprint: 40 upper-case hexadecimal digits.
    pub fn fingerprint(&self) -> String {
        format!("{:X}", self.primary.fingerprint())
    }

    /// The public key, armoured: an `.asc` file.
    pub fn public(&self) -> String {
        self.certificate().to_armored_string(ArmorOptions::default()).unwrap()
    }

    /// The secret key, armoured and under no password, for who signs with gpg.
    pub fn secret(&self) -> String {
        let SignedPublicKey { details, public_subkeys, .. } = self.certificate();
        let subkeys = self.subkey.iter().zip(public_subkeys);
        let subkeys = subkeys.map(|(key, bound)| SignedSecretSubKey::new(key.clone(), bound.signatures));
        let key = SignedSecretKey::new(self.primary.clone(), details, Vec::new(), subkeys.collect());
        key.to_armored_string(ArmorOptions::default()).unwrap()
    }

    fn certificate(&self) -> SignedPublicKey {
        let (primary, password) = (&self.primary, Password::empty());
        let public = primary.public_key();
        let mut about = vec![flags(true)];
        if let Some(date) = self.expires {
            about.push(SubpacketData::KeyExpirationTime(Duration::from_secs(date - CREATED)));
        }
        let user = UserId::from_str(Default::default(), format!("{0} <{0}@example.org>", self.name)).unwrap();
        let certifies = config(primary, SignatureType::CertPositive, HashAlgorithm::Sha512, CREATED, about);
        let certified = certifies.sign_certification(primary, public, &password, Tag::UserId, &user).unwrap();
        let revocation = || {
            let reason = SubpacketData::RevocationReason(RevocationCode::KeyCompromised, "stolen".into());
            let typ = SignatureType::KeyRevocation;
            let revokes = config(primary, typ, HashAlgorithm::Sha512, CREATED, vec![reason]);
            revokes.sign_key(primary, &password, public).unwrap()
        };
        let revocations = self.revoked.then(revocation).into_iter().collect();
        let users = vec![SignedUser::new(user, vec![certified])];
        let details = SignedKeyDetails::new(revocations, Vec::new(), users, Vec::new());
        SignedPublicKey::new(public.clone(), details, self.subkey.iter().map(|key| self.bind(key)).collect())
    }

    /// Binds a subkey to the primary key and that to it (RFC 9580, 5.2.1.8 and 5.2.1.9).
    fn bind(&self, subkey: &SecretSubkey) -> SignedPublicSubKey {
        let (primary, password) = (&self.primary, Password::empty());
        let hash = HashAlgorithm::Sha512;
        let back = config(subkey, SignatureType::KeyBinding, hash, CREATED, Vec::new());
        let back = back
            .sign_primary_key_binding(subkey, subkey.public_key(), &password, primary.public_key())
            .unwrap();
        let about = vec![flags(false), SubpacketData::EmbeddedSignature(Box::new(back))];
        let binding = config(primary, SignatureType::SubkeyBinding, hash, CREATED, about);
        let binding = binding
            .sign_subkey_binding(primary, primary.public_key(), &password, subkey.public_key())
            .unwrap();
        SignedPublicSubKey::new(subkey.public_key().clone(), vec![binding])
    }

    fn sign(&self, data: &[u8], typ: SignatureType, date: u32) -> Signature {
        let other = if self.spoiled { b"spoiled".as_slice() } else { b"" };
        let data = [data, other].concat();
        let made = match &self.subkey {
            Some(subkey) => self.sign_with(subkey, &data, typ, date),
            None => self.sign_with(&self.primary, &data, typ, date),
        };
        made.unwrap()
    }

    fn sign_with(
        &self,
        signer: &impl SigningKey,
        data: &[u8],
        typ: SignatureType,
        date: u32,
    ) -> pgp::errors::Result<Signature> {
        config(signer, typ, self.hash, date, Vec::new()).sign(signer, &Password::empty(), data)
    }
}

/// The public keys together, not armoured: a `.gpg` file.
pub fn keyring(keys: &[Key]) -> Vec<u8> {
    keys.iter().flat_map(|key| key.certificate().to_bytes().unwrap()).collect()
}

/// The text with signatures of all keys in it (RFC 9580, 7), made at this date in seconds.
pub fn clear_sign(text: &str, keys: &[Key], date: u32) -> String {
    // The last line's end belongs to the frame.
    let text = text.strip_suffix('\n').unwrap_or(text);
    let sign_all = |text: &str| {
        let sign = |key: &Key| key.sign(text.as_bytes(), SignatureType::Text, date);
        Ok(keys.iter().map(sign).collect())
    };
    let signed = CleartextSignedMessage::new_many(text, sign_all).unwrap();
    signed.to_armored_string(ArmorOptions::default()).unwrap()
}

/// Signatures of all keys for the data, armoured in one block, made at this date in seconds.
pub fn sign(data: &[u8], keys: &[Key], date: u32) -> String {
    let signatures = keys.iter().map(|key| key.sign(data, SignatureType::Binary, date)).collect();
    let mut armoured = Vec::new();
    armor::write(&Signatures(signatures), BlockType::Signature, &mut armoured, None, true).unwrap();
    String::from_utf8(armoured).unwrap()
}

/// Packets one after another.
struct Signatures(Vec<Signature>);

impl Serialize for Signatures {
    fn to_writer<W: std::io::Write>(&self, writer: &mut W) -> pgp::errors::Result<()> {
        self.0.iter().try_for_each(|signature| signature.to_writer_with_header(writer))
    }

    fn write_len(&self) -> usize {
        self.0.iter().map(PacketTrait::write_len_with_header).sum()
    }
}

/// The parts of a key packet. The form with a curve's name, as GnuPG 2.2 knows no other.
fn ed25519(name: &str) -> (PubKeyInner, SecretParams) {
    let digest = HashAlgorithm::Sha256.digest(name.as_bytes()).unwrap();
    let secret = Ed25519::try_from_bytes(digest.try_into().unwrap(), Mode::EdDSALegacy).unwrap();
    let public = PublicParams::EdDSALegacy((&secret).into());
    let created = Timestamp::from_secs(CREATED);
    let algorithm = PublicKeyAlgorithm::EdDSALegacy;
    let inner = PubKeyInner::new(KeyVersion::V4, algorithm, created, None, public).unwrap();
    let secret = PlainSecretParams::EdDSALegacy(eddsa_legacy::SecretKey::Ed25519(secret));
    (inner, SecretParams::Plain(secret))
}

/// What a key may do: sign, and if it is a primary one, certify.
fn flags(primary: bool) -> SubpacketData {
    let mut flags = KeyFlags::default();
    flags.set_certify(primary);
    flags.set_sign(true);
    SubpacketData::KeyFlags(flags)
}

/// A signature about to be made, with what `more` says.
fn config(
    signer: &impl SigningKey,
    typ: SignatureType,
    hash: HashAlgorithm,
    date: u32,
    more: Vec<SubpacketData>,
) -> SignatureConfig {
    let regular = |data| Subpacket::regular(data).unwrap();
    let created = SubpacketData::SignatureCreationTime(Timestamp::from_secs(date));
    let issuer = SubpacketData::IssuerFingerprint(signer.fingerprint());
    let mut config = SignatureConfig::v4(typ, signer.algorithm(), hash);
    config.hashed_subpackets = [created, issuer].into_iter().chain(more).map(regular).collect();
    config.unhashed_subpackets = vec![regular(SubpacketData::IssuerKeyId(signer.legacy_key_id()))];
    config
}

impl Hash {
    /// The digest of `data`: lower-case hexadecimal digits.
    pub fn of(self, data: &[u8]) -> String {
        let algorithm = match self {
            Self::Md5 => HashAlgorithm::Md5,
            Self::Sha1 => HashAlgorithm::Sha1,
            Self::Sha256 => HashAlgorithm::Sha256,
            Self::Sha512 => HashAlgorithm::Sha512,
        };
        algorithm.digest(data).unwrap().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

//! What a certificate says of its own keys, and when that holds.
//!
//! A certificate is a heap of statements, each signed for itself, collected over
//! years and put together by anybody. So the statements that its primary key made
//! are sorted out first, once; then the rules of the module's documentation are
//! applied to those, for the time that is asked about.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use pgp::composed::SignedPublicKey;
use pgp::packet::{PublicKey, PublicSubkey, RevocationCode, Signature, SignatureType, SubpacketData, UserId};
use pgp::types::{KeyDetails, KeyVersion, PublicParams, Tag, VerifyingKey};

use super::error::Refusal;
use super::strength;

/// Seconds since 1970. OpenPGP's own times are 32 bits wide, so sums cannot overflow.
pub(super) type Seconds = u64;

/// A point in time, as the rest of the world writes it.
pub(super) fn system_time(seconds: Seconds) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

/// A fingerprint in the usual spelling: upper-case hexadecimal.
pub(super) fn fingerprint(key: &dyn VerifyingKey) -> String {
    format!("{:X}", key.fingerprint())
}

/// One certificate: a primary key and what has been signed about it.
#[derive(Debug)]
pub(super) struct Certificate {
    fingerprint: String,
    primary: PublicKey,
    /// On the primary key itself, revocations too.
    signatures: Vec<Signature>,
    users: BTreeMap<Vec<u8>, (UserId, Vec<Signature>)>,
    /// By fingerprint.
    subkeys: BTreeMap<String, (PublicSubkey, Vec<Signature>)>,
    records: OnceLock<Records>,
}

impl Certificate {
    /// A certificate as it was read; the reason if it is of no use here.
    pub(super) fn new(key: SignedPublicKey) -> Result<Self, String> {
        let version = key.primary_key.version();
        if !matches!(version, KeyVersion::V4 | KeyVersion::V6) {
            return Err(format!("a key of version {}", u8::from(version)));
        }
        let mut certificate = Self {
            fingerprint: fingerprint(&key.primary_key),
            primary: key.primary_key.clone(),
            signatures: Vec::new(),
            users: BTreeMap::new(),
            subkeys: BTreeMap::new(),
            records: OnceLock::new(),
        };
        certificate.absorb(key);
        Ok(certificate)
    }

    /// Adds what another copy of the same certificate has.
    ///
    /// One copy may have the newer expiry and another the revocation.
    pub(super) fn merge(&mut self, other: Certificate) {
        self.signatures.extend(other.signatures);
        for (id, (user, signatures)) in other.users {
            self.users.entry(id).or_insert_with(|| (user, Vec::new())).1.extend(signatures);
        }
        for (fingerprint, (key, signatures)) in other.subkeys {
            self.subkeys.entry(fingerprint).or_insert_with(|| (key, Vec::new())).1.extend(signatures);
        }
        self.records = OnceLock::new();
    }

    fn absorb(&mut self, key: SignedPublicKey) {
        self.signatures.extend(key.details.revocation_signatures);
        self.signatures.extend(key.details.direct_signatures);
        for user in key.details.users {
            let id = user.id.id().to_vec();
            self.users.entry(id).or_insert_with(|| (user.id, Vec::new())).1.extend(user.signatures);
        }
        for subkey in key.public_subkeys {
            let fingerprint = fingerprint(&subkey.key);
            let entry = self.subkeys.entry(fingerprint).or_insert_with(|| (subkey.key, Vec::new()));
            entry.1.extend(subkey.signatures);
        }
    }

    /// The fingerprint of the primary key.
    pub(super) fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The primary key and all subkeys, of whatever use.
    pub(super) fn keys(&self) -> impl Iterator<Item = Key<'_>> {
        let primary = Key { certificate: self, fingerprint: &self.fingerprint, subkey: None };
        let subkeys = self.subkeys.iter().map(|(fingerprint, (subkey, _))| Key {
            certificate: self,
            fingerprint,
            subkey: Some(subkey),
        });
        std::iter::once(primary).chain(subkeys)
    }

    fn records(&self) -> &Records {
        self.records.get_or_init(|| Records {
            primary: self.examine_primary(),
            subkeys: self.subkeys.keys().map(|name| (name.clone(), self.examine_subkey(name))).collect(),
        })
    }

    fn examine_primary(&self) -> Record {
        let mut record = Record::default();
        for signature in &self.signatures {
            let fits = || signature.verify_key(&self.primary).is_ok();
            match signature.typ() {
                Some(SignatureType::KeyRevocation) if fits() => record.revoke(signature),
                Some(SignatureType::Key) if describes_key(signature) && fits() => {
                    record.claim(signature, &self.primary, Claim::default());
                }
                _ => {}
            }
        }
        for (user, signatures) in self.users.values() {
            self.examine_user(user, signatures, &mut record);
        }
        record
    }

    fn examine_user(&self, user: &UserId, signatures: &[Signature], record: &mut Record) {
        let own = signatures.iter().filter(|signature| {
            // Strangers' certifications are most of a large certificate, and say nothing here.
            signature.verify_certification(&self.primary, Tag::UserId, user).is_ok()
        });
        let (revocations, certifications): (Vec<_>, Vec<_>) =
            own.partition(|signature| signature.typ() == Some(SignatureType::CertRevocation));
        let revoked = revocations.iter().filter_map(|signature| made(signature)).max();
        for signature in certifications {
            if revoked.is_none_or(|revoked| made(signature) > Some(revoked)) {
                let name = Some(String::from_utf8_lossy(user.id()).into_owned());
                record.claim(signature, &self.primary, Claim { user: name, ..Claim::default() });
            }
        }
    }

    fn examine_subkey(&self, name: &str) -> Record {
        let mut record = Record::default();
        let Some((subkey, signatures)) = self.subkeys.get(name) else { return record };
        for signature in signatures {
            if signature.verify_subkey_binding(&self.primary, subkey).is_err() {
                continue;
            }
            match signature.typ() {
                Some(SignatureType::SubkeyRevocation) => record.revoke(signature),
                _ => {
                    let backed = self.is_backed(signature, subkey);
                    record.claim(signature, &self.primary, Claim { backed, ..Claim::default() });
                }
            }
        }
        record
    }

    /// Whether a binding holds the signature of the subkey too. It need not be in
    /// the part that is signed, since it is a signature itself.
    fn is_backed(&self, binding: &Signature, subkey: &PublicSubkey) -> bool {
        binding.embedded_signature().is_some_and(|back| {
            back.verify_primary_key_binding(subkey, &self.primary).is_ok()
                && check_strength(back, subkey.public_params()).is_ok()
        })
    }
}

/// Whether a signature on a key says what the key is for, or until when.
fn describes_key(signature: &Signature) -> bool {
    signature.config().is_some_and(|config| {
        let describes =
            |data: &_| matches!(data, SubpacketData::KeyFlags(_) | SubpacketData::KeyExpirationTime(_));
        config.hashed_subpackets().any(|part| describes(&part.data))
    })
}

fn made(signature: &Signature) -> Option<Seconds> {
    signature.created().map(|time| time.as_secs().into())
}

/// Whether the primary key may have signed so; else why not.
fn check_strength(signature: &Signature, key: &PublicParams) -> Result<Seconds, String> {
    let (Some(config), Some(made)) = (signature.config(), made(signature)) else {
        return Err("without a date".to_owned());
    };
    strength::check_self_signature(config.hash_alg, key, made)?;
    strength::check_critical(config)?;
    Ok(made)
}

/// What a certificate says of each of its keys.
#[derive(Debug)]
struct Records {
    primary: Record,
    subkeys: BTreeMap<String, Record>,
}

/// What a certificate says of one key.
#[derive(Debug, Default)]
struct Record {
    claims: Vec<Claim>,
    revocations: Vec<Revocation>,
    /// Why a claim was left out.
    doubt: Option<String>,
}

/// A self-signature that holds: this key is mine, and this is what it is for.
#[derive(Debug, Default)]
struct Claim {
    made: Seconds,
    /// When the claim itself expires.
    ends: Option<Seconds>,
    /// How long the key lives from its creation on.
    lifetime: Option<Seconds>,
    may_sign: bool,
    /// For a subkey: whether it agrees.
    backed: bool,
    /// The user ID that it is about, and whether that is the main one.
    user: Option<String>,
    is_main: bool,
}

#[derive(Debug)]
struct Revocation {
    /// Since when it counts; always, if there is no saying.
    since: Option<Seconds>,
    reason: &'static str,
}

impl Record {
    /// Takes in a self-signature of `signer` that fits. `known` is what it is about.
    fn claim(&mut self, signature: &Signature, signer: &PublicKey, known: Claim) {
        let made = match check_strength(signature, signer.public_params()) {
            Ok(made) => made,
            Err(why) => {
                self.doubt = Some(why);
                return;
            }
        };
        let flags = signature.config().and_then(|config| {
            config.hashed_subpackets().find_map(|part| match &part.data {
                SubpacketData::KeyFlags(flags) => Some(flags.sign()),
                _ => None,
            })
        });
        // Zero seconds stand for no end (sections 5.2.3.13 and 5.2.3.18).
        let seconds =
            |time: Option<pgp::types::Duration>| time.map(|time| time.as_secs().into()).filter(|&n| n > 0);
        self.claims.push(Claim {
            made,
            ends: seconds(signature.signature_expiration_time()).map(|ends: Seconds| made + ends),
            lifetime: seconds(signature.key_expiration_time()),
            may_sign: flags.unwrap_or(true),
            is_main: signature.is_primary(),
            ..known
        });
    }

    fn revoke(&mut self, signature: &Signature) {
        let code = signature.revocation_reason_code();
        let (soft, reason) = match code {
            Some(RevocationCode::KeySuperseded) => (true, "superseded"),
            Some(RevocationCode::KeyRetired) => (true, "retired"),
            Some(RevocationCode::CertUserIdInvalid) => (true, "no longer valid"),
            Some(RevocationCode::KeyCompromised) => (false, "compromised"),
            _ => (false, "no longer to be trusted"),
        };
        self.revocations.push(Revocation { since: made(signature).filter(|_| soft), reason });
    }

    /// The claim that counts at `at`.
    fn current(&self, at: Seconds) -> Option<&Claim> {
        let live = || self.claims.iter().filter(|claim| claim.ends.is_none_or(|ends| ends > at));
        let newest = live().filter(|claim| claim.made <= at).max_by_key(|claim| claim.made);
        newest.or_else(|| live().min_by_key(|claim| claim.made))
    }

    /// The claim that counts for a key made at `created`, if the key is good at `at`.
    fn check(&self, created: Seconds, at: Seconds) -> Result<&Claim, Refusal> {
        let counts = |revocation: &&Revocation| revocation.since.is_none_or(|since| since <= at);
        if let Some(Revocation { reason, .. }) = self.revocations.iter().find(counts) {
            return Err(Refusal::Revoked { reason });
        }
        let claim = self.current(at).ok_or_else(|| {
            let doubt = self.doubt.iter().map(|why| format!(": there is one {why}")).collect::<String>();
            Refusal::NotAllowed(format!("its certificate has no self-signature for it that holds{doubt}"))
        })?;
        match claim.lifetime.map(|lifetime| created + lifetime) {
            Some(end) if end <= at => Err(Refusal::KeyExpired { when: system_time(end) }),
            _ => Ok(claim),
        }
    }

    /// The user ID to call the certificate by: the main one, or the newest.
    fn user(&self, at: Seconds) -> Option<&str> {
        let live = self.claims.iter().filter(|claim| claim.ends.is_none_or(|ends| ends > at));
        let named = live.filter_map(|claim| Some((claim.is_main, claim.made, claim.user.as_deref()?)));
        named.max_by_key(|&(is_main, made, _)| (is_main, made)).map(|(_, _, user)| user)
    }
}

/// A key of a certificate.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key<'a> {
    certificate: &'a Certificate,
    fingerprint: &'a str,
    subkey: Option<&'a PublicSubkey>,
}

impl<'a> Key<'a> {
    pub(super) fn fingerprint(self) -> &'a str {
        self.fingerprint
    }

    /// The fingerprint of its certificate.
    pub(super) fn primary(self) -> &'a str {
        &self.certificate.fingerprint
    }

    /// What the name of its certificate is at `at`.
    pub(super) fn user(self, at: Seconds) -> Option<&'a str> {
        self.certificate.records().primary.user(at)
    }

    /// The key itself, which knows nothing of its certificate.
    pub(super) fn material(self) -> &'a dyn VerifyingKey {
        match self.subkey {
            Some(subkey) => subkey,
            None => &self.certificate.primary,
        }
    }

    /// Whether the key may have signed data at `made`, as seen at `at`.
    pub(super) fn check(self, made: Seconds, at: Seconds) -> Result<(), Refusal> {
        let Certificate { primary, .. } = self.certificate;
        let records = self.certificate.records();
        let mut claim = records.primary.check(created(primary), at)?;
        if let Some(record) = records.subkeys.get(self.fingerprint).filter(|_| self.subkey.is_some()) {
            claim = record.check(created(self.material()), at)?;
            if !claim.backed {
                return Err(Refusal::NotAllowed(
                    "the subkey has not signed that it belongs to its certificate".into(),
                ));
            }
        }
        if !claim.may_sign {
            return Err(Refusal::NotAllowed("the key is not one for signing".into()));
        }
        if made < created(primary) || made < created(self.material()) {
            return Err(Refusal::NotAllowed("the signature is older than the key".into()));
        }
        Ok(())
    }
}

fn created(key: &dyn VerifyingKey) -> Seconds {
    key.created_at().as_secs().into()
}

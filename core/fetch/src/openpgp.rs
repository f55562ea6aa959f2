//! OpenPGP signatures of package repositories (RFC 9580).
//!
//! A repository signs an index, and the index names the digest of everything
//! else. So one signature carries all the trust there is, over a text that comes
//! from a mirror nobody has to trust. This module answers two questions about
//! such a text: which bytes are signed, and by which of the repository's keys.
//! Packets and cryptography come from the `pgp` crate; what counts is decided
//! here, because the answer must depend on the time that is handed in and on
//! nothing else.
//!
//! | module | what it holds |
//! |---|---|
//! | `cleartext` | the frame of a clear-signed message, read strictly |
//! | `message` | a message with its signature around it |
//! | `armor`, `packets` | ASCII armour; packets, cut but not yet understood |
//! | `keyring` | certificates from files, and which of them may sign |
//! | `certificate` | what a certificate says of its own keys, and when that holds |
//! | `strength` | which algorithms count |
//! | `digest` | the digests of all signatures in one pass over the data |
//! | `verify` | the signatures of a text, weighed |
//!
//! # Which signatures count
//!
//! - One good signature by a key of the ring is needed, and enough. Signatures by
//!   other keys are named in the answer and otherwise ignored.
//! - One by a key of the ring that does not fit the data is an error, whatever
//!   else is there.
//! - One by a key of the ring that fits but is refused (see below) does not count.
//!   Where none counts, the first refusal is the error.
//!
//! The hash must be SHA-256, SHA-384, SHA-512 or SHA-3; the key RSA of at least
//! 2048 bits, EdDSA, or ECDSA on a NIST curve. All others are refused, DSA too. Those
//! that are not even known, such as ML-DSA, are passed over beside one that counts.
//!
//! Signatures are of version 6, 4 or 3 (section 5.2.2); many RPM packages still have
//! the last. One of version 3 or 4 cannot be taken for one of the other over other
//! data: what is hashed last would be no type of signature of data.
//!
//! # When a key may sign
//!
//! - Its certificate has a self-signature that holds: a certification of a user ID
//!   that is not revoked, or a signature on the key itself that states its usage or
//!   its expiry. (Archive keys carry newer ones that name revokers and state
//!   neither; they must not hide the expiry in the older.) Of several the newest
//!   made by the reference time counts, as with gpg; failing that, the oldest made
//!   later, so that a renewed certificate still verifies what it signed before.
//! - A subkey is bound by the primary key, and has signed that itself (the back
//!   signature, section 10.1.5): else anybody could adopt the key of another.
//! - Its key flags, if there are any, allow signing (section 5.2.3.29).
//! - Neither it nor the primary key has expired at the reference time, and the data
//!   was not signed before either existed. So it was valid at both ends: at the
//!   signature, and now.
//! - Neither is revoked. A revocation as retired or superseded counts from its date
//!   on; every other one always, for a thief may date signatures as he likes.
//! - Self-signatures that are weak (SHA-1, DSA, RSA below 2048 bits) count if made
//!   before 1 February 2023; those with MD5 or RIPEMD-160 never. Revocations count
//!   however weak they are.
//!
//! A signature itself may not be expired, nor lie more than [`FUTURE_TOLERANCE`]
//! beyond the reference time, nor contain a critical part that is not understood.
//!
//! Not supported: revocation by another key (a designated revoker), and keys of
//! versions other than 4 and 6.
//!
//! # Which text
//!
//! A clear-signed message must be the whole file: `BEGIN PGP SIGNED MESSAGE` its
//! first line, `END PGP SIGNATURE` its last. The text returned is that which was
//! hashed: dash escapes undone, blanks at the ends of lines removed, and lines
//! ended by one LF each, the last one too. That is what `gpgv --output` writes, but
//! for CRLF, which it keeps as found: line ends are not signed, so a mirror could
//! choose them.

mod armor;
mod certificate;
mod cleartext;
mod digest;
mod error;
mod keyring;
mod message;
mod packets;
mod strength;
#[cfg(test)]
mod tests;
mod verify;

pub use error::{KeyringError, Refusal, VerifyError};
pub use keyring::{Keyring, MAX_KEYRING, Skipped};
pub use packets::MAX_SIGNATURES;
pub use verify::{
    FUTURE_TOLERANCE, MAX_CLEARTEXT, MAX_SIGNATURE, Policy, Rejected, Signer, Verified, verify_cleartext,
    verify_detached, verify_message,
};

//! What the header of signatures has about the main header.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::digest::{Algorithm, of};
use super::error::{RpmError, beginning};
use super::header::Header;
use super::tag;

/// Most signatures of one package that are looked at: more than any has.
const MAX_SIGNATURES: usize = 16;

/// Signatures over the main header: those of version 6 packages, of which there may be many, and
/// the older ones of a single key. rpm looks at the older ones only where there are no others;
/// here one good signature suffices, whichever it is.
pub(super) fn all(signature: &Header) -> Result<Vec<Vec<u8>>, RpmError> {
    let decode = |(index, text): (usize, &[u8])| {
        let text: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
        STANDARD.decode(text).map_err(|source| RpmError::Signature { number: index + 1, source })
    };
    let texts = signature.strings(tag::OPENPGP).enumerate().take(MAX_SIGNATURES);
    let mut all: Vec<Vec<u8>> = texts.map(decode).collect::<Result<_, _>>()?;
    // The tag says what kind of key there was when the format was made: ECDSA and EdDSA are in
    // the one that is named after DSA.
    let older = [tag::RSAHEADER, tag::DSAHEADER].into_iter().filter_map(|tag| signature.binary(tag));
    for one in older {
        // Some packages have the same one in both places.
        if !all.iter().any(|known| known == one) {
            all.push(one.to_vec());
        }
    }
    all.truncate(MAX_SIGNATURES);
    Ok(all)
}

/// Compares the main header with each of its digests that is there. That of SHA-3 is not looked
/// at: what has it has that of SHA-256, too.
pub(super) fn compare_digests(signature: &Header, header: &Header) -> Result<(), RpmError> {
    for (tag, algorithm) in [(tag::SHA256HEADER, Algorithm::Sha256), (tag::SHA1HEADER, Algorithm::Sha1)] {
        let Some(expected) = signature.text(tag) else { continue };
        let found = of(algorithm, header.bytes());
        if !expected.eq_ignore_ascii_case(&found) {
            let (algorithm, expected) = (algorithm.name(), beginning(&expected));
            return Err(RpmError::Damaged { algorithm, expected, found });
        }
    }
    Ok(())
}

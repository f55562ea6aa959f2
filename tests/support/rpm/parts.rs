//! Where the parts of a package file are, for damage to them (rpm's `docs/manual/format_v4.md`).

use std::ops::Range;

/// Bytes of the lead, which nobody reads but for its first four.
const LEAD: usize = 96;

/// The parts that digests and signatures are of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// Signatures and digests of what follows.
    pub signature: Range<usize>,
    /// What the package says of itself.
    pub header: Range<usize>,
    /// What it installs, compressed.
    pub payload: Range<usize>,
}

impl Parts {
    /// Finds them in a whole package.
    pub fn of(package: &[u8]) -> Self {
        let signature = LEAD..end(package, LEAD);
        let header = signature.end.next_multiple_of(8);
        let header = header..end(package, header);
        Self { signature, payload: header.end..package.len(), header }
    }
}

/// Where the header ends that begins here: entries of 16 bytes and data, behind 16 bytes that count them.
fn end(package: &[u8], start: usize) -> usize {
    let number = |at: usize| u32::from_be_bytes(package[start + at..][..4].try_into().unwrap()) as usize;
    start + 16 + 16 * number(8) + number(12)
}

/// Changes the first letter of the name in the header: what it says of itself is not what was signed.
pub fn tamper_header(package: &mut [u8]) {
    let Parts { header, .. } = Parts::of(package);
    let entries = u32::from_be_bytes(package[header.start + 8..][..4].try_into().unwrap()) as usize;
    // The data begins with the languages, which are `C` alone, and the name.
    package[header.start + 16 + 16 * entries + 2] ^= 1;
}

/// Changes a byte in the middle of the payload.
pub fn tamper_payload(package: &mut [u8]) {
    let middle = Parts::of(package).payload;
    package[(middle.start + middle.end) / 2] ^= 1;
}

/// Takes the end of the payload away.
pub fn truncate(package: &mut Vec<u8>) {
    let Parts { payload, .. } = Parts::of(package);
    package.truncate((payload.start + payload.end) / 2);
}

//! The lead: the 96 bytes that a package file begins with.
//!
//! rpm looks at its magic number and at nothing else (`docs/manual/format_lead.md`). Two more
//! fields are looked at here, since they tell kinds of packages that are not read.

use std::io::Read;

use super::error::RpmError;

const SIZE: usize = 96;
const MAGIC: [u8; 4] = [0xed, 0xab, 0xee, 0xdb];

pub(super) fn check(reader: &mut impl Read) -> Result<(), RpmError> {
    let mut lead = [0; SIZE];
    reader.read_exact(&mut lead)?;
    if lead[..4] != MAGIC {
        return Err(RpmError::Lead);
    }
    // rpm itself has written 3 from its version 2 on, and 4 for packages of version 6.
    if lead[4] < 3 {
        return Err(RpmError::Old);
    }
    match lead[6..8] {
        [0, 1] => Err(RpmError::Source),
        _ => Ok(()),
    }
}

//! File capabilities without the user namespace they were set in.
//!
//! Capabilities set inside a user namespace are stored as version 3 with the
//! uid that is root there (`linux/capability.h`, `struct vfs_ns_cap_data`).
//! That uid is an accident of the build and means nothing in an image, where
//! the file would grant nothing; version 2 is the same without it.

use crate::Xattrs;

const NAME: &[u8] = b"security.capability";
/// The top byte of the little-endian first word is the version.
const REVISION: usize = 3;
/// Length of version 2: a word of flags, then two words for each of two sets.
const V2_LENGTH: usize = 20;
/// Version 3 has the root uid behind that.
const V3_LENGTH: usize = 24;

/// Turns capabilities of version 3 into version 2; leaves all else alone.
pub(crate) fn forget_namespace(xattrs: &mut Xattrs) {
    if let Some(value) = xattrs.get(NAME)
        && value.len() == V3_LENGTH
        && value[REVISION] == 3
    {
        let mut value = value[..V2_LENGTH].to_vec();
        value[REVISION] = 2;
        xattrs.insert(NAME, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forgotten(value: &[u8]) -> Vec<u8> {
        let mut xattrs = Xattrs::default();
        xattrs.insert(NAME, value);
        forget_namespace(&mut xattrs);
        xattrs.get(NAME).unwrap().to_vec()
    }

    #[test]
    fn version_3_becomes_version_2() {
        // cap_net_raw=ep, set where uid 100000 is root.
        let mut v3 = [1, 0, 0, 3, 0, 0x20, 0, 0].to_vec();
        v3.extend([0; 12]);
        v3.extend(100_000_u32.to_le_bytes());
        let mut v2 = v3[..V2_LENGTH].to_vec();
        v2[REVISION] = 2;
        assert_eq!(forgotten(&v3), v2);
        assert_eq!(forgotten(&v2), v2);
        assert_eq!(forgotten(b"odd"), b"odd");
    }
}

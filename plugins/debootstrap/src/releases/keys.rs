//! The public keys of the distributions' archives, compiled in.
//!
//! A host that is not Debian or Ubuntu has no keyring package of theirs, and one that is may
//! have an old one; so the plugin brings its own. `keys/README.md` says where they come from.

macro_rules! certificates {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_bytes!(concat!("../../keys/", $path, ".gpg")))),*]
    };
}

/// File of a certificate, and its packets (RFC 9580 section 10.1).
const CERTIFICATES: &[(&str, &[u8])] = certificates![
    "debian/04B54C3CDCA79751B16BC6B5225629DF75B188BD",
    "debian/05AB90340C0C5E797F44A8C8254CF3B5AEC0A8F0",
    "debian/1F89983E0081FDE018F3CC9673A4F27B8DD47936",
    "debian/41587F7DB8C774BCCF131416762F67A0B2C39DE4",
    "debian/4D64FEC119C2029067D6E791F8D2585B8783D481",
    "debian/5E04A1E3223A19A20706E20F9904613D4CCE68C6",
    "debian/A4285295FC7B1A81600062A9605C66F00D6C9793",
    "debian/AC530D520F2F3269F5E98313A48449044AAD5C5D",
    "debian/B8B80B5B623EAB6AD8775C45B7C5D7D6350947F8",
    "ubuntu/790BC7277767219C42C86F933B4FE6ACC0B21F32",
    "ubuntu/F6ECB3762474EDA9D21B7022871920D1991BC93C",
];

/// The certificate with this fingerprint (40 hexadecimal digits) as binary OpenPGP packets,
/// if it comes with the plugin.
pub fn key(fingerprint: &str) -> Option<&'static [u8]> {
    let named =
        |path: &str| path.rsplit('/').next().is_some_and(|name| name.eq_ignore_ascii_case(fingerprint));
    CERTIFICATES.iter().find(|(path, _)| named(path)).map(|(_, packets)| *packets)
}

#[cfg(test)]
pub(super) fn fingerprints() -> Vec<&'static str> {
    CERTIFICATES.iter().filter_map(|(path, _)| path.rsplit('/').next()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_is_the_certificate_that_its_name_says() {
        for fingerprint in fingerprints() {
            let packets = key(&fingerprint.to_lowercase()).unwrap();
            // A public-key packet, tag 6 in either format of header (RFC 9580 section 4.2).
            assert!([0x98, 0x99, 0xc6].contains(&packets[0]), "{fingerprint}: {:#x}", packets[0]);
            // Its self-signature names the issuer by the fingerprint's last eight bytes.
            let byte = |at: usize| u8::from_str_radix(&fingerprint[at..at + 2], 16).unwrap();
            let issuer: Vec<u8> = (24..40).step_by(2).map(byte).collect();
            assert!(packets.windows(8).any(|window| window == issuer), "{fingerprint}");
        }
    }

    #[test]
    fn an_unknown_key_is_none() {
        assert_eq!(key(""), None);
        assert_eq!(key("0000000000000000000000000000000000000000"), None);
    }
}

//! The public keys of the distributions, compiled in.
//!
//! A host that is not of the distribution has none of its keys, so the plugin brings them.
//! `keys/README.md` says where they come from.

macro_rules! certificates {
    ($($fingerprint:literal),* $(,)?) => {
        &[$(($fingerprint, include_bytes!(concat!("../../keys/", $fingerprint, ".gpg")))),*]
    };
}

/// Fingerprint of a certificate, and its packets (RFC 9580 section 10.1).
const CERTIFICATES: &[(&str, &[u8])] = certificates![
    "115DF9AEF857853EE8445D0A0727707EA15B79CC",
    "1C59D66FCD52563A16933DBCFEC28EAF09D9EA69",
    "21CB256AE16FC54C6E652949702D426D350D275D",
    "2BC94FFF7015A5F28F1537AD0CD9FED33135CE90",
    "363FC0972F64B699AED3968E1FF6A2171D997668",
    "36F612DCF27F7D1A48A835E4DBFCF71C6D9F90A6",
    "466CF2D8B60BC3057AA9453ED0622462E99D6AD1",
    "4F50A6114CD5C6976A7F1179655A4B02F577861E",
    "5E9B8F5617B5066CE92057C3488FCF7C3ABB34F8",
    "7051C470A929F454CEBE37B715AF5DAC6D745A60",
    "7F009157B127B994D5CFBE76F74F09BC3FA1D6CE",
    "99DB70FAE1D7CE227FB6488205B555B38483C65D",
    "AD485664E901B867051AB15F35A2F86E29B700A4",
    "B0F4950458F69E1150C6C5EDC8AC4916105EF944",
    "B21C50FA44A99720EAA72F7FE951904AD832C631",
    "BC528686B50D79E339D3721CEB3E94ADBE1229CF",
    "BC5EDDCADF502C077F1582882AE81E8ACED7258B",
    "BF18AC2876178908D6E71267D36CB86CB86B3716",
    "BF3F9A67D3A2FF98A73F5E07488C583D287A0027",
    "C6E7F081CF80E13146676E88829B606631645531",
    "D924B10D3E810DABDD8B56B596E7E91491211FCE",
    "EE6DB7B98F5BF5EDD9DA0DE5DEE5C11CC2A1E572",
    "F044C2C507A1262B538AAADD8A49EB0325DB7AE0",
    "FC226859C0860BF0DDB95B085B106C736FEDFC85",
    "FEAB502539D846DB2C0961CA70AF9E8139DB7C82",
];

/// The certificate with this fingerprint (40 hexadecimal digits) as binary OpenPGP packets, if it
/// comes with the plugin.
pub fn key(fingerprint: &str) -> Option<&'static [u8]> {
    let found = CERTIFICATES.iter().find(|(known, _)| known.eq_ignore_ascii_case(fingerprint));
    found.map(|(_, packets)| *packets)
}

#[cfg(test)]
pub(super) fn fingerprints() -> Vec<&'static str> {
    CERTIFICATES.iter().map(|(fingerprint, _)| *fingerprint).collect()
}

#[cfg(test)]
mod tests {
    use sha1::Digest as _;

    use super::*;
    use crate::rpmdb::pubkey;

    /// The body of the first packet, which has to be a public key (RFC 9580 sections 4.2, 5.5.2).
    fn public_key(packets: &[u8]) -> &[u8] {
        match packets {
            [0x98, length, rest @ ..] => &rest[..usize::from(*length)],
            [0x99, high, low, rest @ ..] => &rest[..usize::from(u16::from_be_bytes([*high, *low]))],
            _ => panic!("no public key comes first"),
        }
    }

    #[test]
    fn each_file_is_the_certificate_that_its_name_says() {
        for fingerprint in fingerprints() {
            let body = public_key(key(&fingerprint.to_lowercase()).unwrap());
            assert_eq!(body[0], 4, "{fingerprint} is of another version");
            // RFC 9580 section 5.5.4.2.
            let length = u16::try_from(body.len()).unwrap().to_be_bytes();
            let digest = sha1::Sha1::new().chain_update([0x99]).chain_update(length).chain_update(body);
            let digest: String = digest.finalize().iter().map(|byte| format!("{byte:02X}")).collect();
            assert_eq!(digest, fingerprint);
        }
    }

    /// `rpm -qa gpg-pubkey` of an image has the keys of its release.
    #[test]
    fn the_package_database_takes_each() {
        for fingerprint in fingerprints() {
            let keys = pubkey::keys(&[key(fingerprint).unwrap()], "4.18.0").unwrap();
            let names: Vec<String> = keys
                .iter()
                .map(|key| key.fingerprint.iter().map(|byte| format!("{byte:02X}")).collect())
                .collect();
            assert_eq!(names, [fingerprint]);
        }
    }

    #[test]
    fn an_unknown_key_is_none() {
        assert_eq!(key(""), None);
        assert_eq!(key("0000000000000000000000000000000000000000"), None);
    }
}

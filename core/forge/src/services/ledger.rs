//! What was checked here for one job.
//!
//! A plugin reports a chain from keys to packages. Which of its links the host
//! has seen with its own eyes is written beside them: the rest is the plugin's word.

use std::collections::{BTreeMap, BTreeSet};

use ctr_forge_plugin::{CheckedBy, SourceReport, TrustLink, Vouch};

/// Digests that were compared, and signatures that hold.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ledger {
    compared: BTreeSet<String>,
    /// Signers' fingerprints by the digest of what they signed.
    signed: BTreeMap<String, BTreeSet<String>>,
    /// The text that was signed, by the same digest.
    texts: BTreeMap<String, Vec<u8>>,
}

/// Signed texts that are kept to look digests up in, in bytes together. One of Debian's has 200 kB.
const MAX_TEXTS: usize = 64 << 20;

impl Ledger {
    /// A file was seen to have the digest that was asked for.
    pub(crate) fn compared(&mut self, digest: &str) {
        self.compared.insert(digest.to_owned());
    }

    /// What has this digest was seen to be signed with this key.
    pub(crate) fn signed(&mut self, digest: &str, fingerprint: &str) {
        self.signed.entry(digest.to_owned()).or_default().insert(fingerprint.to_owned());
    }

    /// What has this digest was seen to be signed with this text.
    pub(crate) fn listed(&mut self, digest: &str, text: &[u8]) {
        if self.texts.values().map(Vec::len).sum::<usize>() + text.len() <= MAX_TEXTS {
            self.texts.insert(digest.to_owned(), text.to_vec());
        }
    }

    /// Marks what was checked here in a plugin's report, and nothing else.
    pub(crate) fn mark(&self, report: &mut SourceReport) {
        for package in &mut report.packages {
            let compared = package.digest.as_ref().is_some_and(|digest| self.compared.contains(digest));
            package.checked_by = if compared { CheckedBy::Host } else { CheckedBy::Plugin };
        }
        let checked: Vec<bool> =
            report.trust.iter().map(|link| self.has_checked(link, &report.trust)).collect();
        for (link, checked) in report.trust.iter_mut().zip(checked) {
            link.checked_by = if checked { CheckedBy::Host } else { CheckedBy::Plugin };
        }
    }

    fn has_checked(&self, link: &TrustLink, chain: &[TrustLink]) -> bool {
        match link.how {
            Vouch::Signature => {
                let signers = self.signed.get(&link.digest);
                !link.signers.is_empty()
                    && signers.is_some_and(|signers| link.signers.iter().all(|key| signers.contains(key)))
            }
            // The file has that digest, and the signed text that is named has it too.
            Vouch::Digest => {
                let parent = chain.iter().find(|other| Some(&other.subject) == link.listed_in.as_ref());
                let text = parent
                    .filter(|parent| parent.how == Vouch::Signature && self.has_checked(parent, chain))
                    .and_then(|parent| self.texts.get(&parent.digest));
                self.compared.contains(&link.digest) && text.is_some_and(|text| has(text, &link.digest))
            }
            // The user's words are nothing that could be checked.
            Vouch::Lock | Vouch::User => false,
        }
    }
}

/// Whether a text has the digits of a digest, as a word.
fn has(text: &[u8], digest: &str) -> bool {
    let digits = digest.rsplit(':').next().unwrap_or(digest).as_bytes();
    text.split(u8::is_ascii_whitespace).any(|word| word.eq_ignore_ascii_case(digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(subject: &str, digest: &str, how: Vouch, listed_in: Option<&str>) -> TrustLink {
        TrustLink {
            subject: subject.into(),
            digest: digest.into(),
            how,
            signers: vec!["KEY".into()],
            listed_in: listed_in.map(str::to_owned),
            checked_by: CheckedBy::Host,
        }
    }

    #[test]
    fn only_what_was_seen_here_is_marked() {
        let mut ledger = Ledger::default();
        ledger.signed("sha256:aa", "KEY");
        ledger.listed("sha256:aa", b"SHA256:\n bb 12 main/Packages\n");
        ledger.compared("sha256:bb");
        ledger.compared("sha256:cc");
        let mut report = SourceReport {
            trust: vec![
                link("release", "sha256:aa", Vouch::Signature, None),
                link("packages", "sha256:bb", Vouch::Digest, Some("release")),
                link("invented", "sha256:cc", Vouch::Digest, Some("release")),
                link("unseen", "sha256:dd", Vouch::Digest, Some("release")),
                link("orphan", "sha256:bb", Vouch::Digest, None),
                link("forged", "sha256:bb", Vouch::Signature, None),
            ],
            ..SourceReport::default()
        };
        ledger.mark(&mut report);
        let by_host = |link: &TrustLink| link.checked_by == CheckedBy::Host;
        let marks: Vec<bool> = report.trust.iter().map(by_host).collect();
        assert_eq!(marks, [true, true, false, false, false, false]);
    }
}

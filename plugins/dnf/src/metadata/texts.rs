//! Texts and versions that many packages share, kept once.
//!
//! Fedora's 70 000 packages say the same few hundred thousand texts some millions of times.

use std::collections::HashSet;
use std::sync::Arc;

use crate::version::Evr;

/// What was read so far. One may be used for all repositories of a request.
#[derive(Debug, Default)]
pub struct Texts {
    texts: HashSet<Arc<str>>,
    evrs: HashSet<Arc<Evr>>,
}

impl Texts {
    /// The shared form of a text.
    pub fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return known.clone();
        }
        let text: Arc<str> = text.into();
        self.texts.insert(text.clone());
        text
    }

    /// The shared form of a version.
    pub fn evr(&mut self, evr: Evr) -> Arc<Evr> {
        if let Some(known) = self.evrs.get(&evr) {
            return known.clone();
        }
        let evr = Arc::new(evr);
        self.evrs.insert(evr.clone());
        evr
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_text_is_the_same_memory() {
        let mut texts = Texts::default();
        let (one, two) = (texts.text("glibc"), texts.text("glibc"));
        assert!(Arc::ptr_eq(&one, &two) && !Arc::ptr_eq(&one, &texts.text("bash")));
        let mut evr = || {
            let evr = Evr { epoch: 1, version: texts.text("2"), release: None };
            texts.evr(evr)
        };
        assert!(Arc::ptr_eq(&evr(), &evr()));
    }
}

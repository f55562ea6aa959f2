//! What is no image but says something of one: a signature, a bill of materials
//! (image-spec `manifest.md`, "Guidelines for Artifact Usage").

use std::collections::BTreeMap;

use ctr_forge_plugin::Result;

use crate::Descriptor;
use crate::image::{Document, digest};
use crate::manifest::{Manifest, media_type};

/// The configuration of what has none.
pub const EMPTY_CONFIG: &[u8] = b"{}";

/// An artifact, before its manifest is made.
#[derive(Debug)]
pub struct Artifact<'a> {
    /// What it is, as a media type: `application/spdx+json`.
    pub artifact_type: &'a str,
    /// The manifest that it is about.
    pub subject: &'a Descriptor,
    /// Its content.
    pub blobs: &'a [Descriptor],
    /// Free words on it.
    pub annotations: &'a BTreeMap<String, String>,
}

impl Artifact<'_> {
    /// Its manifest, whose descriptor says what a list of referrers says of it (distribution-spec
    /// 1.1, "Listing Referrers").
    pub fn manifest(&self) -> Result<Document> {
        let empty = empty_config();
        let manifest = Manifest {
            artifact_type: Some(self.artifact_type),
            subject: Some(self.subject),
            ..Manifest::new(&empty, self.blobs, self.annotations)
        };
        let mut document = Document::new(media_type::MANIFEST, &manifest)?;
        document.descriptor.artifact_type = Some(self.artifact_type.to_owned());
        let words = self.annotations.iter();
        document.descriptor.annotations =
            words.map(|(name, value)| (name.clone().into(), value.clone())).collect();
        Ok(document)
    }
}

/// The descriptor of [`EMPTY_CONFIG`].
pub fn empty_config() -> Descriptor {
    Descriptor::new(media_type::EMPTY, digest(EMPTY_CONFIG), EMPTY_CONFIG.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_as_the_specification_has_it() {
        let subject = Descriptor::new(media_type::MANIFEST, format!("sha256:{}", "a".repeat(64)), 7);
        let blob = Descriptor::new("text/plain", format!("sha256:{}", "b".repeat(64)), 8);
        let artifact = Artifact {
            artifact_type: "text/x-note",
            subject: &subject,
            blobs: &[blob],
            annotations: &[("k".to_owned(), "v".to_owned())].into(),
        };
        let document = artifact.manifest().unwrap();
        let expected = [
            r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","#,
            r#""artifactType":"text/x-note","config":{"mediaType":"application/vnd.oci.empty.v1+json","#,
            r#""digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"#,
            &format!(
                r#""layers":[{{"mediaType":"text/plain","digest":"sha256:{}","size":8}}],"#,
                "b".repeat(64)
            ),
            &format!(
                r#""subject":{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:{}","size":7}},"#,
                "a".repeat(64)
            ),
            r#""annotations":{"k":"v"}}"#,
        ];
        assert_eq!(String::from_utf8(document.bytes).unwrap(), expected.concat());
        assert_eq!(document.descriptor.artifact_type.as_deref(), Some("text/x-note"));
    }
}

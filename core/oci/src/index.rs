//! `index.json`: which images a layout has (image-spec `image-index.md`).
//!
//! A layout may belong to others too. So an index is read only as far as needed
//! to tell which entry a new one replaces; all else in it (entries of other
//! tools, fields of newer specifications) is kept as the bytes it was.

use std::collections::HashSet;
use std::fmt;

use ctr_forge_plugin::{Error, Result};
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

use crate::Descriptor;
use crate::image::to_json;
use crate::layout::INDEX_FILE;
use crate::manifest::{annotation, media_type};

/// Largest index that is read, in bytes: the limit that registries have for manifests.
pub const MAX_INDEX: u64 = 4 << 20;

const MANIFESTS: &str = "manifests";

/// An image index.
#[derive(Debug)]
pub struct Index {
    /// All fields in their order; the value of `manifests` stands in `entries`.
    fields: Vec<(String, Box<RawValue>)>,
    entries: Vec<Entry>,
}

/// An entry of `manifests`: its text, and what of it is understood.
#[derive(Debug)]
struct Entry {
    raw: Box<RawValue>,
    known: Known,
}

/// As much of a descriptor as decides whether another one replaces it.
/// Any JSON is good where it is only compared.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Known {
    media_type: Option<Value>,
    artifact_type: Option<Value>,
    annotations: Option<Map<String, Value>>,
    platform: Option<Value>,
}

impl Known {
    fn tag(&self) -> Option<&Value> {
        self.annotations.as_ref()?.get(annotation::REF_NAME)
    }

    /// Whether both would be found by the same reference. Without a tag that takes
    /// an image for the same platform and no annotation at all, for these are how
    /// signatures and attestations, which have no tag either, say what they are.
    fn is_same(&self, other: &Self) -> bool {
        match (self.tag(), other.tag()) {
            (None, None) => self == other,
            (one, other) => one == other,
        }
    }
}

impl Entry {
    fn new(raw: Box<RawValue>) -> serde_json::Result<Self> {
        Ok(Self { known: serde_json::from_str(raw.get())?, raw })
    }
}

impl Default for Index {
    fn default() -> Self {
        Self::new()
    }
}

impl Index {
    /// An index without images.
    pub fn new() -> Self {
        let raw = |json: String| RawValue::from_string(json).expect("a constant that is JSON");
        let fields = [
            ("schemaVersion", raw("2".into())),
            ("mediaType", raw(format!("\"{}\"", media_type::INDEX))),
            (MANIFESTS, raw("[]".into())),
        ];
        Self { fields: fields.map(|(key, value)| (key.to_owned(), value)).into(), entries: Vec::new() }
    }

    /// Reads `index.json`. Fails with [`ErrorKind::Input`](ctr_forge_plugin::ErrorKind::Input)
    /// if it is none.
    pub fn read(json: &[u8]) -> Result<Self> {
        serde_json::from_slice(json)
            .map_err(|e| Error::input(format!("\"{INDEX_FILE}\" is not an image index")).because(&e))
    }

    /// How many entries it has.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it has no entries.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds an entry, whatever else is there.
    pub fn push(&mut self, entry: &Descriptor) -> Result<()> {
        self.entries.push(new_entry(entry)?);
        Ok(())
    }

    /// Adds an entry without a tag, unless one for the same manifest is there.
    pub fn add(&mut self, entry: &Descriptor) -> Result<()> {
        #[derive(Deserialize)]
        struct Pointer {
            digest: Option<Value>,
        }
        let is_it = |old: &Entry| {
            let pointer: Option<Pointer> = serde_json::from_str(old.raw.get()).ok();
            pointer.is_some_and(|pointer| pointer.digest.is_some_and(|digest| digest == *entry.digest))
        };
        match self.entries.iter().any(is_it) {
            true => Ok(()),
            false => self.push(entry),
        }
    }

    /// Puts an entry in the place of those with the same tag, or at the end if there are none.
    /// A tag that stands there twice is ambiguous to some readers, and an error to others.
    ///
    /// An entry without a tag replaces one for the same platform that has neither
    /// tag nor other annotations. All other entries stay as they are.
    pub fn replace(&mut self, entry: &Descriptor) -> Result<()> {
        let new = new_entry(entry)?;
        let place = self.entries.iter().position(|old| old.known.is_same(&new.known));
        self.entries.retain(|old| !old.known.is_same(&new.known));
        // All that stood before the first of them is still there, so its place is too.
        self.entries.insert(place.unwrap_or(self.entries.len()), new);
        Ok(())
    }

    /// The JSON: what was read stands in it as it was, the rest without white space.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        to_json(self)
    }
}

fn new_entry(descriptor: &Descriptor) -> Result<Entry> {
    let failed = |e| Error::input("cannot encode an entry of the index").because(&e);
    to_raw_value(descriptor).and_then(Entry::new).map_err(failed)
}

impl Serialize for Index {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let entries: Vec<&RawValue> = self.entries.iter().map(|entry| &*entry.raw).collect();
        let mut map = serializer.serialize_map(Some(self.fields.len()))?;
        for (key, value) in &self.fields {
            match key.as_str() {
                MANIFESTS => map.serialize_entry(key, &entries)?,
                _ => map.serialize_entry(key, value)?,
            }
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Index {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(IndexVisitor)
    }
}

struct IndexVisitor;

impl<'de> Visitor<'de> for IndexVisitor {
    type Value = Index;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Index, A::Error> {
        let mut fields: Vec<(String, Box<RawValue>)> = Vec::new();
        let mut seen = HashSet::new();
        while let Some((key, value)) = map.next_entry::<String, _>()? {
            // Readers differ in which of the two they take.
            if !seen.insert(key.clone()) {
                return Err(A::Error::custom(format_args!(
                    "\"{}\" stands there twice",
                    key.escape_default()
                )));
            }
            fields.push((key, value));
        }
        let field = |name| fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.get());
        if field("schemaVersion") != Some("2") {
            return Err(A::Error::custom("its \"schemaVersion\" is not 2"));
        }
        let manifests = field(MANIFESTS).ok_or_else(|| A::Error::missing_field(MANIFESTS))?;
        // Tools written in Go write a list that they never filled as `null`.
        let manifests: Option<Vec<Box<RawValue>>> =
            serde_json::from_str(manifests).map_err(A::Error::custom)?;
        let entries = manifests.unwrap_or_default().into_iter().map(Entry::new);
        Ok(Index { entries: entries.collect::<Result<_, _>>().map_err(A::Error::custom)?, fields })
    }
}

#[cfg(test)]
mod tests {
    use ctr_forge_plugin::ErrorKind;

    use super::*;
    use crate::Platform;

    fn entry(digest: &str, tag: Option<&str>) -> Descriptor {
        let platform = Platform { architecture: "amd64".into(), os: "linux".into(), variant: None };
        let annotations = tag.map(|tag| (annotation::REF_NAME.into(), tag.to_owned()));
        Descriptor {
            annotations: annotations.into_iter().collect(),
            platform: Some(platform),
            ..Descriptor::new(media_type::MANIFEST, digest.into(), 1)
        }
    }

    fn text(index: &Index) -> String {
        String::from_utf8(index.to_json().unwrap()).unwrap()
    }

    #[test]
    fn a_new_index() {
        let mut index = Index::new();
        index.replace(&entry("sha256:aa", Some("1"))).unwrap();
        assert_eq!(
            text(&index),
            concat!(
                r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":["#,
                r#"{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:aa","size":1,"#,
                r#""annotations":{"org.opencontainers.image.ref.name":"1"},"#,
                r#""platform":{"architecture":"amd64","os":"linux"}}]}"#
            )
        );
        assert_eq!(text(&Index::read(text(&index).as_bytes()).unwrap()), text(&index));
    }

    #[test]
    fn what_others_wrote_is_kept_byte_for_byte() {
        // White space, the order of keys, numbers that no float holds, escapes, unknown types.
        let foreign = concat!(
            r#"{ "mediaType" :"x/y", "size":18446744073709551617e3, "a\u0062":"\u00e9\/", "n": [ 1.50 , null ],"#,
            r#" "annotations":{"org.opencontainers.image.ref.name":"other","k":7} }"#
        );
        let json = format!(
            r#"{{ "future":{{"b":1, "a":2}}, "manifests":[ {foreign},{{"digest":"sha256:00"}} ], "schemaVersion":2 }}"#
        );
        let mut index = Index::read(json.as_bytes()).unwrap();
        index.replace(&entry("sha256:aa", Some("1"))).unwrap();
        let text = text(&index);
        let start = format!(
            r#"{{"future":{{"b":1, "a":2}},"manifests":[{foreign},{{"digest":"sha256:00"}},{{"mediaType":"#
        );
        assert!(text.starts_with(&start) && text.ends_with(r#"}],"schemaVersion":2}"#), "{text}");
        assert_eq!(index.len(), 3);
    }

    #[test]
    fn a_tag_is_replaced_where_it_stands() {
        let mut index = Index::new();
        for (digest, tag) in [("sha256:aa", "1"), ("sha256:bb", "2"), ("sha256:cc", "3")] {
            index.push(&entry(digest, Some(tag))).unwrap();
        }
        let before = text(&index);
        index.push(&entry("sha256:dd", Some("2"))).unwrap();
        index.replace(&entry("sha256:ee", Some("2"))).unwrap();
        assert_eq!(text(&index), before.replace("sha256:bb", "sha256:ee"));
    }

    #[test]
    fn what_is_attached_stands_there_once_and_replaces_nothing() {
        let mut index = Index::new();
        index.replace(&entry("sha256:aa", None)).unwrap();
        for digest in ["sha256:bb", "sha256:cc", "sha256:bb"] {
            let note = Descriptor { artifact_type: Some("text/x-note".into()), ..entry(digest, None) };
            index.add(&note).unwrap();
        }
        assert_eq!(index.len(), 3);
        index.replace(&entry("sha256:dd", None)).unwrap();
        assert_eq!(index.len(), 3);
    }

    #[test]
    fn without_a_tag_only_an_image_without_annotations_is_replaced() {
        let mut index = Index::new();
        let signature = Descriptor {
            annotations: [("vnd.docker.reference.type".into(), "attestation-manifest".to_owned())].into(),
            ..entry("sha256:bb", None)
        };
        let arm = Platform { architecture: "arm64".into(), os: "linux".into(), variant: None };
        let other_platform = Descriptor { platform: Some(arm), ..entry("sha256:cc", None) };
        let tagged = entry("sha256:dd", Some("1"));
        for entry in [&entry("sha256:aa", None), &signature, &other_platform, &tagged] {
            index.replace(entry).unwrap();
        }
        let before = text(&index);
        index.replace(&entry("sha256:ee", None)).unwrap();
        assert_eq!(text(&index), before.replace("sha256:aa", "sha256:ee"));
    }

    #[test]
    fn a_list_never_filled_is_empty() {
        let mut index = Index::read(br#"{"schemaVersion":2,"manifests":null}"#).unwrap();
        assert!(index.is_empty());
        index.replace(&entry("sha256:aa", None)).unwrap();
        assert!(text(&index).starts_with(r#"{"schemaVersion":2,"manifests":[{"#));
    }

    #[test]
    fn refuses_what_is_no_index() {
        for broken in [
            "",
            "[]",
            "{}",
            r#"{"schemaVersion":2}"#,
            r#"{"schemaVersion":1,"manifests":[]}"#,
            r#"{"schemaVersion":2,"manifests":{}}"#,
            r#"{"schemaVersion":2,"manifests":[1]}"#,
            r#"{"schemaVersion":2,"manifests":[{"annotations":[]}]}"#,
            r#"{"schemaVersion":2,"manifests":[],"manifests":[]}"#,
            r#"{"schemaVersion":2,"manifests":[]} x"#,
        ] {
            assert_eq!(Index::read(broken.as_bytes()).unwrap_err().kind, ErrorKind::Input, "{broken}");
        }
        let deep = format!("{{\"schemaVersion\":2,\"manifests\":[{}", "[".repeat(100_000));
        assert!(Index::read(deep.as_bytes()).is_err());
    }
}

//! Where things lie in an OCI image layout (image-spec `image-layout.md`).
//!
//! ```text
//! oci-layout                  what makes the directory a layout
//! index.json                  the images by tag
//! blobs/sha256/<64 digits>    manifests, configurations, layers
//! ```

use ctr_forge_plugin::{Error, ErrorKind, Result};
use serde::Deserialize;

/// The file that makes a directory an image layout.
pub const LAYOUT_FILE: &str = "oci-layout";
/// Its content.
pub const LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;
/// The index.
pub const INDEX_FILE: &str = "index.json";
/// The directory of all blobs.
pub const BLOBS: &str = "blobs";
/// The directory below [`BLOBS`] of blobs named by SHA-256.
pub const SHA256: &str = "sha256";

/// The only version there is: it stayed when the specification became 1.1.
const VERSION: &str = "1.0.0";

/// Refuses a directory whose `oci-layout` file, with this content, is broken or of another version.
pub fn check(content: &[u8]) -> Result<()> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Layout {
        image_layout_version: String,
    }
    let layout: Layout = serde_json::from_slice(content)
        .map_err(|e| Error::input(format!("\"{LAYOUT_FILE}\" cannot be read")).because(&e))?;
    if layout.image_layout_version != VERSION {
        let message = format!(
            "the image layout has version \"{}\", not \"{VERSION}\"",
            layout.image_layout_version.escape_default()
        );
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    Ok(())
}

/// The name of a blob in its directory: the 64 digits of `digest`, which must be a SHA-256.
pub fn blob_name(digest: &str) -> Result<&str> {
    let is_digit = |digit: u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
    digest
        .strip_prefix("sha256:")
        .filter(|hex| hex.len() == 64 && hex.bytes().all(is_digit))
        .ok_or_else(|| Error::input(format!("\"{}\" is not a SHA-256 digest", digest.escape_default())))
}

/// The path of a blob in the layout: `blobs/sha256/…`.
pub fn blob_path(digest: &str) -> Result<String> {
    Ok(format!("{BLOBS}/{SHA256}/{}", blob_name(digest)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_version_1_0_0_is_a_layout() {
        check(LAYOUT).unwrap();
        check(b"{\n \"imageLayoutVersion\": \"1.0.0\", \"more\": [] }\n").unwrap();
        let newer = check(br#"{"imageLayoutVersion":"2.0.0"}"#).unwrap_err();
        assert_eq!(newer.kind, ErrorKind::Unsupported);
        for broken in ["", "{}", "[]", r#"{"imageLayoutVersion":1}"#] {
            assert_eq!(check(broken.as_bytes()).unwrap_err().kind, ErrorKind::Input, "{broken}");
        }
    }

    #[test]
    fn a_digest_that_would_leave_the_directory_has_no_path() {
        let hex = "0123456789abcdef".repeat(4);
        assert_eq!(blob_path(&format!("sha256:{hex}")).unwrap(), format!("blobs/sha256/{hex}"));
        let climbing = format!("sha256:{}", "../".repeat(22));
        let upper = format!("sha256:{}", hex.to_uppercase());
        for bad in ["", "sha256:", "sha256:00", &hex, &climbing[..71], &upper, "sha512:00"] {
            assert!(blob_path(bad).is_err(), "{bad}");
        }
    }
}

//! Package URLs: the name of a package in bills of materials.
//!
//! ECMA-427 ("purl"), and the definition of its type `deb`.

use std::fmt::Write as _;

use super::Package;

impl Package<'_> {
    /// The package's URL, such as `pkg:deb/debian/curl@7.88.1-10%2Bdeb12u12?arch=amd64&distro=bookworm`.
    ///
    /// `distribution` is `debian` or `ubuntu`; `release` is its codename or number, and no
    /// qualifier if empty. The colon of an epoch stays as it is: ECMA-427 forbids to encode it
    /// anywhere, and the examples of the type have it so.
    pub fn purl(&self, distribution: &str, release: &str) -> String {
        let mut purl = "pkg:deb/".to_owned();
        encode(&mut purl, &distribution.to_ascii_lowercase());
        purl.push('/');
        encode(&mut purl, &self.name.to_ascii_lowercase());
        purl.push('@');
        encode(&mut purl, self.version);
        // Qualifiers are sorted by their names.
        for (separator, name, value) in [('?', "arch", self.arch), ('&', "distro", release)] {
            if !value.is_empty() {
                purl.push(separator);
                purl.push_str(name);
                purl.push('=');
                encode(&mut purl, value);
            }
        }
        purl
    }
}

/// Appends `text`, with all encoded that is not plain in any component of a purl.
fn encode(purl: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'.' | b'-' | b'_' | b'~' | b':' => {
                purl.push(char::from(byte));
            }
            _ => write!(purl, "%{byte:02X}").expect("a string takes all that is written to it"),
        }
    }
}

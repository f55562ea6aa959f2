//! Metalinks: which mirrors have a repository, and what its metadata is to be, as MirrorManager
//! of Fedora writes them.

use crate::debian::Hash;

use super::DATE;

/// Says that these URLs of `repomd.xml` lead to this one, and that some may still have one of the
/// older ones. The first URL is the best.
pub fn metalink<'a>(urls: &[String], repomd: &[u8], older: impl IntoIterator<Item = &'a [u8]>) -> String {
    let alternate = |(age, repomd)| {
        format!("<mm0:alternate>\n{}</mm0:alternate>\n", described(repomd, DATE - 86_400 * (age as u32 + 1)))
    };
    let alternates: String = older.into_iter().enumerate().map(alternate).collect();
    let alternates = match alternates.is_empty() {
        true => alternates,
        false => format!("<mm0:alternates>\n{alternates}</mm0:alternates>\n"),
    };
    let url = |(place, url): (usize, &String)| {
        let protocol = url.split(':').next().unwrap();
        let preference = 100 - place;
        format!(
            "<url protocol=\"{protocol}\" type=\"{protocol}\" location=\"DE\" preference=\"{preference}\">{url}</url>\n"
        )
    };
    let urls: String = urls.iter().enumerate().map(url).collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
         <metalink version=\"3.0\" xmlns=\"http://www.metalinker.org/\" type=\"dynamic\" \
         pubdate=\"Tue, 14 Nov 2023 22:13:20 GMT\" generator=\"mirrormanager\" \
         xmlns:mm0=\"http://fedorahosted.org/mirrormanager\">\n<files>\n<file name=\"repomd.xml\">\n{}{alternates}\
         <resources maxconnections=\"1\">\n{urls}</resources>\n</file>\n</files>\n</metalink>\n",
        described(repomd, DATE)
    )
}

/// What a file is to be.
fn described(repomd: &[u8], date: u32) -> String {
    let hashes =
        [("md5", Hash::Md5), ("sha1", Hash::Sha1), ("sha256", Hash::Sha256), ("sha512", Hash::Sha512)];
    let hash = |(name, hash): (&str, Hash)| format!("<hash type=\"{name}\">{}</hash>\n", hash.of(repomd));
    let hashes: String = hashes.into_iter().map(hash).collect();
    format!(
        "<mm0:timestamp>{date}</mm0:timestamp>\n<size>{}</size>\n<verification>\n{hashes}</verification>\n",
        repomd.len()
    )
}

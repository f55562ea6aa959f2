//! Mirror lists: a URL in each line.

use super::Variables;

/// Most mirrors that are looked at.
const MAX_MIRRORS: usize = 1000;

/// The mirrors of a list, in its order, without slashes at their ends. Comments, and what is no
/// http, https or file URL, are passed over. Variables are replaced, as some lists leave
/// `$basearch` to their readers.
pub fn parse(text: &str, variables: &Variables) -> Vec<String> {
    let lines = text.lines().map(str::trim).filter(|line| super::is_url(line));
    let urls = lines.map(|line| variables.expand(line)).filter(|url| super::is_url(url));
    urls.map(|url| url.trim_end_matches('/').to_owned()).take(MAX_MIRRORS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_urls_and_comments() {
        let text = "# repo = x\r\nhttps://a/$basearch/os/\r\n\n ftp://b/\nhttp://c/os\nrsync://d\nhttps://e f\nhttp://\nfile:///\nhttp://$releasever_minor/\n";
        let mirrors = parse(text, &Variables::new("9", "aarch64"));
        assert_eq!(mirrors, ["https://a/aarch64/os", "http://c/os"]);
    }
}

//! Which proxy a URL goes through, by curl's rules.
//!
//! The HTTP library would read the environment and knows other rules for
//! exceptions, so it is told the answer for each request.

use std::net::IpAddr;

use percent_encoding::percent_decode_str;
use ureq::{Proxy, ProxyProtocol};
use url::{Host, Url};

use crate::address;
use crate::config::Proxies;
use crate::error::FetchError;

/// In a request: no proxy, whatever is configured.
const DIRECT: &str = "DIRECT";

/// The proxy for `url`; `wanted` is what the request itself says.
pub(crate) fn choose(
    proxies: &Proxies,
    wanted: Option<&str>,
    url: &Url,
) -> Result<Option<Proxy>, FetchError> {
    let text = match wanted {
        Some(text) => Some(text).filter(|text| *text != DIRECT),
        None if is_direct(&proxies.no_proxy, url) => None,
        None if url.scheme() == "https" => proxies.https.as_deref().or(proxies.all.as_deref()),
        None => proxies.http.as_deref().or(proxies.all.as_deref()),
    };
    text.filter(|text| !text.is_empty()).map(parse).transpose()
}

/// Reads `[scheme://][user:password@]host[:port]`.
fn parse(text: &str) -> Result<Proxy, FetchError> {
    let refuse = |reason: String| FetchError::Url {
        url: address::redact(text),
        reason: format!("as a proxy: {reason}"),
    };
    let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
    let (protocol, port) = match scheme.to_ascii_lowercase().as_str() {
        "http" => (ProxyProtocol::Http, 1080),
        "https" => (ProxyProtocol::Https, 443),
        "socks4" => (ProxyProtocol::Socks4, 1080),
        "socks4a" => (ProxyProtocol::Socks4A, 1080),
        "socks" | "socks5" => (ProxyProtocol::Socks5, 1080),
        "socks5h" => (ProxyProtocol::Socks5h, 1080),
        _ => return Err(refuse(format!("{scheme:?} is none of http, https and socks"))),
    };
    // Under the scheme http, "host:80" would lose its port, which is not our default.
    let url = Url::parse(&format!("proxy://{rest}")).map_err(|error| refuse(error.to_string()))?;
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| refuse("no host".to_owned()))?;
    let mut proxy = Proxy::builder(protocol).host(host).port(url.port().unwrap_or(port));
    let decode = |text| percent_decode_str(text).decode_utf8_lossy().into_owned();
    if !url.username().is_empty() {
        proxy = proxy.username(&decode(url.username()));
        if let Some(password) = url.password() {
            proxy = proxy.password(&decode(password));
        }
    }
    proxy.build().map_err(|error| refuse(error.to_string()))
}

/// Whether `no_proxy` names the host.
fn is_direct(no_proxy: &[String], url: &Url) -> bool {
    let patterns =
        no_proxy.iter().flat_map(|text| text.split([',', ' ', '\t'])).filter(|text| !text.is_empty());
    let Some(host) = url.host() else { return false };
    let address = match host {
        Host::Ipv4(address) => Some(IpAddr::V4(address)),
        Host::Ipv6(address) => Some(IpAddr::V6(address)),
        Host::Domain(_) => None,
    };
    let name = host.to_string();
    patterns.into_iter().any(|pattern| {
        pattern == "*"
            || match address {
                Some(address) => holds(pattern, address),
                None => is_below(name.trim_end_matches('.'), pattern),
            }
    })
}

/// Whether `name` is the domain `pattern` or below it. A dot before the pattern says nothing.
fn is_below(name: &str, pattern: &str) -> bool {
    let pattern = pattern.trim_matches('.');
    let Some(start) = name.len().checked_sub(pattern.len()) else { return false };
    !pattern.is_empty()
        && name.as_bytes()[start..].eq_ignore_ascii_case(pattern.as_bytes())
        && (start == 0 || name.as_bytes()[start - 1] == b'.')
}

/// Whether `pattern` is this address or a network (`ADDRESS/BITS`) that has it.
fn holds(pattern: &str, address: IpAddr) -> bool {
    let (network, bits) =
        pattern.split_once('/').map_or((pattern, None), |(network, bits)| (network, Some(bits)));
    let Ok(network) = network.trim_matches(['[', ']']).parse::<IpAddr>() else { return false };
    let (network, address, width) = match (network, address) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (u128::from(u32::from(a)), u128::from(u32::from(b)), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => (u128::from(a), u128::from(b), 128),
        _ => return false,
    };
    match bits.map_or(Some(width), |bits| bits.parse().ok()) {
        Some(bits) if bits <= width => (network ^ address).checked_shr(width - bits).unwrap_or(0) == 0,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies() -> Proxies {
        Proxies {
            http: Some("cache:3128".to_owned()),
            https: None,
            all: Some("socks5h://u:p%40ss@[::1]".to_owned()),
            no_proxy: vec![".example.org, 192.0.2.0/24".to_owned(), "::1".to_owned()],
        }
    }

    fn chosen(url: &str, wanted: Option<&str>) -> Option<Proxy> {
        choose(&proxies(), wanted, &Url::parse(url).unwrap()).unwrap()
    }

    #[test]
    fn by_scheme_then_for_all() {
        let http = chosen("http://a/", None).unwrap();
        assert_eq!((http.protocol(), http.host(), http.port()), (ProxyProtocol::Http, "cache", 3128));
        let https = chosen("https://a/", None).unwrap();
        assert_eq!((https.protocol(), https.host(), https.port()), (ProxyProtocol::Socks5h, "[::1]", 1080));
        assert_eq!((https.username(), https.password()), (Some("u"), Some("p@ss")));
    }

    #[test]
    fn exceptions_are_domains_addresses_and_networks() {
        for direct in [
            "http://example.org",
            "http://A.Example.org",
            "http://example.org.",
            "http://192.0.2.9",
            "http://[::1]",
        ] {
            assert!(chosen(direct, None).is_none(), "{direct}");
        }
        for proxied in ["http://badexample.org", "http://example.org.uk", "http://192.0.3.1", "http://[::2]"]
        {
            assert!(chosen(proxied, None).is_some(), "{proxied}");
        }
        assert!(is_direct(&["*".to_owned()], &Url::parse("http://a").unwrap()));
        assert!(holds("0.0.0.0/0", IpAddr::from([9, 9, 9, 9])) && !holds("0.0.0.0/33", IpAddr::from([0; 4])));
    }

    #[test]
    fn the_request_decides() {
        assert!(chosen("http://a/", Some(DIRECT)).is_none());
        assert_eq!(chosen("http://example.org/", Some("http://x:80/")).unwrap().port(), 80);
        let bad = choose(&proxies(), Some("ftp://u:secret@h"), &Url::parse("http://a").unwrap()).unwrap_err();
        assert!(matches!(bad, FetchError::Url { .. }) && !bad.to_string().contains("secret"), "{bad}");
    }
}

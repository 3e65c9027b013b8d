//! Addresses that the operator names, and this machine's own.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use anyhow::ensure;
use ipnet::IpNet;
use ureq::Agent;
use ureq::http::Uri;
use ureq::tls::{RootCerts, TlsConfig, TlsProvider};

use crate::aws::ec2::Source;
use crate::error::Problem;

/// The time limit for the service that reports this machine's address.
const LIMIT: Duration = Duration::from_secs(10);

/// Reads an address or a range. An address is a range of one.
pub(super) fn parse_range(text: &str) -> Result<IpNet, String> {
    let range = text.parse::<IpAddr>().map(|address| IpNet::from(address.to_canonical()));
    let range = range.or_else(|_| text.parse::<IpNet>());
    range
        .map(|range| canonical(range.trunc()))
        .map_err(|_| "use an address such as 192.0.2.1, or a range such as 192.0.2.0/24".to_owned())
}

/// The range of IPv4 addresses that a range of IPv4-mapped IPv6 addresses means:
/// <https://www.rfc-editor.org/rfc/rfc4291#section-2.5.5.2>
fn canonical(range: IpNet) -> IpNet {
    let IpNet::V6(mapped) = range else { return range };
    let address = mapped.addr().to_ipv4_mapped().filter(|_| mapped.prefix_len() >= 96);
    let range_of = |address: Ipv4Addr| IpNet::new(address.into(), mapped.prefix_len() - 96).ok();
    address.and_then(range_of).unwrap_or(range)
}

/// Reads the URL of a service that reports the address.
pub(super) fn parse_url(text: &str) -> Result<String, String> {
    let url = text.parse::<Uri>().ok();
    let is_web = |url: &Uri| matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some();
    url.filter(is_web)
        .map(|_| text.to_owned())
        .ok_or_else(|| "use a URL such as https://checkip.amazonaws.com".to_owned())
}

/// Scheme and host: the rest may hold a password or a token.
fn shown(url: &str) -> String {
    let url = url.parse::<Uri>().ok();
    let parts = url.as_ref().and_then(|url| Some((url.scheme_str()?, url.host()?)));
    parts.map_or_else(|| "the service".to_owned(), |(scheme, host)| format!("{scheme}://{host}"))
}

/// This machine's address, as the service at `url` sees it. No proxy is used: the service would report the proxy's.
pub(super) fn find_own(url: &str) -> anyhow::Result<IpNet> {
    let tls = TlsConfig::builder().provider(TlsProvider::NativeTls).root_certs(RootCerts::PlatformVerifier).build();
    let agent = Agent::config_builder().timeout_global(Some(LIMIT)).tls_config(tls).proxy(None).build().new_agent();
    let shown = shown(url);
    let answer = agent.get(url).call().and_then(|mut answer| answer.body_mut().read_to_string());
    let answer = answer.map_err(|error| {
        let problem = format!("{shown} does not report this machine's address");
        Problem::new(problem, "name the address with --cidr").because(cause(&error))
    })?;
    let address = answer.trim().parse::<IpAddr>().map_err(|_| {
        let problem = format!("the answer of {shown} is no address");
        Problem::new(problem, "name the address with --cidr, or another service with --address-url")
    })?;
    let address = address.to_canonical();
    ensure!(
        is_public(address),
        Problem::new(
            format!("{shown} reports {address}, which is no address on the internet"),
            "name the address with --cidr, or another service with --address-url"
        )
    );
    Ok(IpNet::from(address))
}

/// The cause, unless it quotes the URL.
fn cause(error: &ureq::Error) -> String {
    match error {
        ureq::Error::BadUri(_) => "its URL cannot be used".to_owned(),
        error => error.to_string(),
    }
}

/// Whether an address of the range can be one on the internet. Of a network's size, a range that holds both kinds has a
/// public address at one end; a larger one holds them all.
pub(super) fn has_public_part(range: IpNet) -> bool {
    Source::Range(range).is_internet() || is_public(range.network()) || is_public(range.broadcast())
}

/// Whether the address can be one on the internet: AWS sees no other one, unless it comes from within a VPC.
/// <https://www.iana.org/assignments/iana-ipv4-special-registry/>,
/// <https://www.iana.org/assignments/iana-ipv6-special-registry/>
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    let is_shared = first == 100 && second & 0xc0 == 64;
    let is_of_benchmarks = first == 198 && second & 0xfe == 18;
    let is_of_protocols = (first, second, third) == (192, 0, 0);
    let is_reserved = first == 0 || first >= 240;
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || is_shared
        || is_of_benchmarks
        || is_of_protocols
        || is_reserved)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    // All that is assigned to networks: https://www.iana.org/assignments/ipv6-unicast-address-assignments/
    address.segments()[0] & 0xe000 == 0x2000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_range_of_one() {
        let read = |text| parse_range(text).map(|range| range.to_string());
        assert_eq!(read("192.0.2.7").as_deref(), Ok("192.0.2.7/32"));
        assert_eq!(read("192.0.2.7/24").as_deref(), Ok("192.0.2.0/24"));
        assert_eq!(read("2001:db8::7").as_deref(), Ok("2001:db8::7/128"));
        assert_eq!(read("::ffff:192.0.2.7").as_deref(), Ok("192.0.2.7/32"));
        assert_eq!(read("::ffff:192.0.2.7/120").as_deref(), Ok("192.0.2.0/24"));
        assert_eq!(read("::ffff:0:0/96").as_deref(), Ok("0.0.0.0/0"));
        assert_eq!(read("::ffff:0:0/95").as_deref(), Ok("::fffe:0:0/95"));
        assert!(read("home").is_err_and(|error| error.contains("such as 192.0.2.1")));
    }

    #[test]
    fn a_range_is_judged_by_all_its_addresses() {
        let has_public_part = |text: &str| has_public_part(text.parse().expect("a range"));
        for range in
            ["0.0.0.0/0", "::/0", "0.0.0.0/1", "192.0.0.0/8", "192.168.0.0/15", "203.0.113.7/32", "2001:db8::/32"]
        {
            assert!(has_public_part(range), "{range}");
        }
        for range in ["10.0.0.0/8", "10.1.2.0/24", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fd00::/16"] {
            assert!(!has_public_part(range), "{range}");
        }
    }

    #[test]
    fn only_an_address_on_the_internet_is_public() {
        for address in [
            "127.0.0.1",
            "0.0.0.0",
            "0.1.2.3",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.20",
            "169.254.1.1",
            "100.64.3.4",
            "100.127.255.255",
            "192.0.0.8",
            "198.19.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fd00::1",
            "fc00::1",
            "ff02::1",
            "64:ff9b::1",
        ] {
            assert!(!is_public(address.parse().expect("an address")), "{address}");
        }
        for address in ["8.8.8.8", "100.63.255.255", "100.128.0.1", "172.32.0.1", "192.0.2.7", "2606:4700::1111"] {
            assert!(is_public(address.parse().expect("an address")), "{address}");
        }
    }
}

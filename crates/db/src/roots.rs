//! The root certificates that this crate carries: Amazon RDS has its own in every region.
//!
//! `infra/dev/roots.sh` refreshes them and names their source.

/// PEM, by region.
const RDS: &[(&str, &str)] = &include!("../roots/regions.rs");

/// Amazon's public roots, PEM: of RDS Proxy, and of AWS's own endpoints.
pub(crate) const AMAZON: &str = include_str!("../roots/amazon.pem");

/// The roots of the DB instances in this region, PEM, if it is known.
pub(crate) fn of_region(region: &str) -> Option<&'static str> {
    RDS.iter().find_map(|(known, pem)| (*known == region).then_some(*pem))
}

#[cfg(test)]
mod tests {
    use openssl::asn1::{Asn1Time, Asn1TimeRef};
    use openssl::x509::X509;

    use super::*;

    /// Why this certificate cannot serve as a root at that time.
    fn fault(root: &X509, now: &Asn1TimeRef) -> Option<&'static str> {
        let key = root.public_key().expect("a certificate has a key");
        if !root.verify(&key).expect("a signature can be checked") {
            Some("it is not self-signed")
        } else if root.not_after() < now {
            Some("it has expired; run infra/dev/roots.sh")
        } else if root.not_before() > now {
            Some("it is not valid yet")
        } else {
            None
        }
    }

    fn parse(pem: &str) -> Vec<X509> {
        X509::stack_from_pem(pem.as_bytes()).expect("the roots are PEM")
    }

    #[test]
    fn every_root_is_self_signed_and_will_be_valid_for_another_year() {
        let now = Asn1Time::days_from_now(0).expect("a time");
        let next_year = Asn1Time::days_from_now(365).expect("a time");
        for (name, pem) in RDS.iter().chain(&[("Amazon", AMAZON)]) {
            for root in parse(pem) {
                assert_eq!(fault(&root, &now), None, "{name}: {:?}", root.subject_name());
                assert_eq!(fault(&root, &next_year), None, "{name}, in a year: {:?}", root.subject_name());
            }
        }
    }

    #[test]
    fn every_region_has_its_own_three_roots() {
        assert_eq!(RDS.len(), 27);
        for (region, pem) in RDS {
            let roots = parse(pem);
            assert_eq!(roots.len(), 3, "{region}");
            for root in roots {
                let subject = format!("{:?}", root.subject_name());
                assert!(subject.contains(&format!("Amazon RDS {region} Root CA")), "{region}: {subject}");
            }
        }
    }

    #[test]
    fn an_outdated_root_is_noticed() {
        let root = parse(AMAZON).remove(0);
        let in_a_century = Asn1Time::days_from_now(36_500).expect("a time");
        assert_eq!(fault(&root, &in_a_century), Some("it has expired; run infra/dev/roots.sh"));
    }

    #[test]
    fn a_region_without_roots_is_not_guessed() {
        assert_eq!(of_region("xx-nowhere-1"), None);
        assert_eq!(of_region("eu-central"), None);
    }
}

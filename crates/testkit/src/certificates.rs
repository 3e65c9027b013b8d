//! A certificate authority that nobody else trusts.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};

/// A throw-away certificate authority.
#[derive(Debug)]
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate with its private key.
#[derive(Debug)]
pub struct Identity {
    /// PEM.
    pub certificate: String,
    /// PKCS #8, PEM.
    pub key: String,
}

impl Authority {
    /// A new authority by this name, with a key of its own.
    pub fn new(name: &str) -> anyhow::Result<Self> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Ok(Self { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate()?)? })
    }

    /// The root certificate, PEM.
    pub fn root_certificate(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate for the host `name`, signed by this authority.
    pub fn issue(&self, name: &str) -> anyhow::Result<Identity> {
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new([name.to_owned()])?.signed_by(&key, &self.issuer)?;
        Ok(Identity { certificate: certificate.pem(), key: key.serialize_pem() })
    }
}

//! A certificate authority for tests alone.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose, date_time_ymd,
};

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
    /// Creates an authority by this name, with a new key.
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

    /// Issues a certificate for the host `name`.
    pub fn issue(&self, name: &str) -> anyhow::Result<Identity> {
        self.issue_for_all(&[name])
    }

    /// Issues one certificate for all these hosts.
    pub(crate) fn issue_for_all(&self, names: &[&str]) -> anyhow::Result<Identity> {
        self.sign(&CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>())?)
    }

    /// Issues a certificate that expired at the end of 2020.
    pub(crate) fn issue_expired(&self, name: &str) -> anyhow::Result<Identity> {
        let mut params = CertificateParams::new([name.to_owned()])?;
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2020, 12, 31));
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> anyhow::Result<Identity> {
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Identity { certificate: certificate.pem(), key: key.serialize_pem() })
    }
}

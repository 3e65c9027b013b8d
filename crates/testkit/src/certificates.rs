//! A certificate authority for tests alone.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_RSA_SHA256, PKCS_RSA_SHA384, RsaKeySize, date_time_ymd,
};

/// The keys of an authority and of what it signs, and the digest of its signatures. The last three are those of Amazon RDS.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.SSL.html>
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keys {
    /// Made at once.
    #[default]
    P256,
    /// `rds-ca-rsa2048-g1`.
    Rsa2048,
    /// `rds-ca-rsa4096-g1`.
    Rsa4096,
    /// `rds-ca-ecc384-g1`.
    P384,
}

/// A throw-away certificate authority.
#[derive(Debug)]
pub struct Authority {
    keys: Keys,
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

impl Keys {
    fn generate(self) -> anyhow::Result<KeyPair> {
        Ok(match self {
            Self::P256 => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
            Self::Rsa2048 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048),
            Self::Rsa4096 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA384, RsaKeySize::_4096),
            Self::P384 => KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384),
        }?)
    }
}

impl Authority {
    /// Creates an authority by this name, with a new key.
    pub fn new(name: &str) -> anyhow::Result<Self> {
        Self::with_keys(name, Keys::default())
    }

    /// The same, with keys of this kind.
    pub fn with_keys(name: &str, keys: Keys) -> anyhow::Result<Self> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Ok(Self { keys, issuer: CertifiedIssuer::self_signed(params, keys.generate()?)? })
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
        let key = self.keys.generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Identity { certificate: certificate.pem(), key: key.serialize_pem() })
    }
}

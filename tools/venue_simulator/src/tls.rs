//! The simulator's own certificate authority and server certificate, made anew at each start.
//!
//! Invariants: the private keys never leave memory; only the CA certificate is written, as PEM.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// A server configuration and the PEM of the authority that vouches for it.
pub(crate) struct ServerIdentity {
    pub(crate) tls: Arc<ServerConfig>,
    pub(crate) ca_pem: String,
}

/// Makes an authority, a certificate for `names`, and a TLS 1.2/1.3 configuration (h2, http/1.1).
pub(crate) fn make_identity(names: &[String], is_expired: bool) -> anyhow::Result<ServerIdentity> {
    let ca_key = KeyPair::generate().context("making the CA key")?;
    let mut ca = CertificateParams::new(Vec::new()).context("CA parameters")?;
    ca.distinguished_name
        .push(DnType::CommonName, "millrun venue simulator CA");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let ca_certificate = ca.self_signed(&ca_key).context("signing the CA")?;
    let issuer = Issuer::from_params(&ca, &ca_key);
    let key = KeyPair::generate().context("making the server key")?;
    let mut leaf = CertificateParams::new(names.to_vec()).context("server names")?;
    leaf.distinguished_name
        .push(DnType::CommonName, "millrun venue simulator");
    if is_expired {
        leaf.not_before = rcgen::date_time_ymd(2019, 1, 1);
        leaf.not_after = rcgen::date_time_ymd(2020, 1, 1);
    }
    leaf.use_authority_key_identifier_extension = true;
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = leaf
        .signed_by(&key, &issuer)
        .context("signing the server certificate")?;
    let private_key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let tls = server_config(certificate.der().clone(), private_key)?;
    Ok(ServerIdentity {
        tls,
        ca_pem: ca_certificate.pem(),
    })
}

fn server_config(
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
) -> anyhow::Result<Arc<ServerConfig>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("TLS versions")?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .context("server certificate")?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Writes the authority's certificate where clients can read it.
pub(crate) fn write_ca(path: &Path, ca_pem: &str) -> anyhow::Result<()> {
    std::fs::write(path, ca_pem).with_context(|| format!("writing the CA to {}", path.display()))
}

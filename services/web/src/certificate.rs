//! The page's own certificate: made once, known by its fingerprint.
//!
//! *Does*: make a self-signed certificate for P-256, set up TLS with it.
//! *Never does*: renew: people have compared the fingerprint with the console, so it stays.
//! *Spec*: RFC 5280; RFC 8446.

use std::sync::Arc;

use patronus_types::Ipv4Net;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ECDSA_P256_SHA256, SanType, date_time_ymd};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};

use crate::{setup, store::StoredIdentity};

const VALID_YEARS: i32 = 10;

/// Why there is no certificate. What happens next: the service exits.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// It could not be made.
    #[error("making the certificate: {0}")]
    Make(#[from] rcgen::Error),
    /// The stored one cannot be used.
    #[error("using the certificate: {0}")]
    Use(#[from] rustls::Error),
    /// The day the image was built is no day.
    #[error("the build time is out of range")]
    BuildTime,
}

/// Makes a key and a certificate for the address of first boot, valid from the day before `build_unix_s`: the clock may not be right yet. Where the
/// LAN has another address later, its fingerprint is what people know it by.
///
/// # Errors
/// See [`CertificateError`].
pub fn make(build_unix_s: i64) -> Result<StoredIdentity, CertificateError> {
    let mut params = CertificateParams::new(vec!["patronus.lan".to_owned(), "patronus".to_owned()])?;
    let first_boot = setup::LAN_ADDRESS.parse::<Ipv4Net>().map(|net| SanType::IpAddress(net.addr().into()));
    params.subject_alt_names.extend(first_boot);
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "Patronus router");
    let first_day = day_before(build_unix_s).ok_or(CertificateError::BuildTime)?;
    let at = |date: jiff::civil::Date| {
        date_time_ymd(date.year().into(), date.month().unsigned_abs(), date.day().unsigned_abs())
    };
    let last_day =
        first_day.checked_add(jiff::Span::new().years(VALID_YEARS)).map_err(|_| CertificateError::BuildTime)?;
    (params.not_before, params.not_after) = (at(first_day), at(last_day));
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let certificate = params.self_signed(&key)?;
    Ok(StoredIdentity { key: key.serialize_der(), certificate: certificate.der().to_vec() })
}

fn day_before(unix_s: i64) -> Option<jiff::civil::Date> {
    let built = jiff::Timestamp::from_second(unix_s).ok()?;
    built.to_zoned(jiff::tz::TimeZone::UTC).date().yesterday().ok()
}

/// TLS 1.2 and 1.3 with this certificate; HTTP/1.1 only.
///
/// # Errors
/// See [`CertificateError`].
pub fn tls_config(identity: &StoredIdentity) -> Result<Arc<ServerConfig>, CertificateError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(identity.key.clone()));
    let chain = vec![CertificateDer::from(identity.certificate.clone())];
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_certificate_serves_tls() {
        let identity = make(1_700_000_000).unwrap();
        tls_config(&identity).unwrap();
    }

    #[test]
    fn a_leap_day_and_the_epoch_are_good_days_to_build() {
        for day in [0, 86_400 * 60, 1_709_251_200] {
            assert!(make(day).is_ok(), "{day}");
        }
        assert!(make(i64::MAX).is_err());
    }
}

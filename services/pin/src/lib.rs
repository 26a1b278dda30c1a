//! TLS that trusts one certificate by its fingerprint.
//!
//! *Does*: accept exactly the pinned certificate, or (before there is a pin) remember the one that was shown.
//! *Never does*: skip the signature: that the other end holds the key is always checked.
//! *Spec*: RFC 8446 section 4.4.3 for the signature; the fingerprint is SHA-256 over the certificate's DER, as browsers show it.
#![forbid(unsafe_code)]

mod fingerprint;

use std::sync::{Arc, Mutex, PoisonError};

pub use fingerprint::{Fingerprint, NotAFingerprint};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};

/// Goes by the fingerprint, for one connection.
#[derive(Debug)]
pub struct Verifier {
    pin: Option<Fingerprint>,
    seen: Mutex<Option<Fingerprint>>,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    /// With a pin only that certificate passes; without, the handshake is for looking at the certificate.
    #[must_use]
    pub fn new(pin: Option<Fingerprint>) -> Arc<Self> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        Arc::new(Self { pin, seen: Mutex::new(None), provider })
    }

    /// What the other end showed, whether it passed or not.
    #[must_use]
    pub fn seen(&self) -> Option<Fingerprint> {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A client that verifies by this and nothing else.
    ///
    /// # Errors
    /// If the provider knows no version of TLS.
    pub fn client_config(self: &Arc<Self>) -> Result<ClientConfig, rustls::Error> {
        let verifier: Arc<Self> = Arc::clone(self);
        let builder = ClientConfig::builder_with_provider(Arc::clone(&self.provider));
        let builder = builder.with_safe_default_protocol_versions()?;
        Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let shown = Fingerprint::of(certificate);
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(shown);
        match self.pin {
            Some(pin) if pin != shown => Err(CertificateError::ApplicationVerificationFailure.into()),
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_pinned_certificate_passes_and_the_other_is_known_by_its_fingerprint() {
        let certificate = CertificateDer::from(b"certificate".to_vec());
        let other = CertificateDer::from(b"another".to_vec());
        let name = ServerName::try_from("patronus.lan").unwrap();
        let verifier = Verifier::new(Some(Fingerprint::of(&certificate)));
        assert!(verifier.verify_server_cert(&certificate, &[], &name, &[], UnixTime::now()).is_ok());
        assert!(verifier.verify_server_cert(&other, &[], &name, &[], UnixTime::now()).is_err());
        assert_eq!(verifier.seen(), Some(Fingerprint::of(&other)));
    }
}

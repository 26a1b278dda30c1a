//! A certificate's fingerprint, and a verifier that goes by it alone.
//!
//! *Does*: accept exactly the pinned certificate, or (before there is a pin) remember the one that was shown.
//! *Never does*: skip the signature: that the other end holds the key is always checked.

use std::{
    fmt,
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
};

use rustls::{
    CertificateError, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use sha2::{Digest, Sha256};

use crate::error::Error;

/// SHA-256 of a certificate's DER.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint([u8; 32]);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs: Vec<String> = self.0.iter().map(|byte| format!("{byte:02X}")).collect();
        f.write_str(&pairs.join(":"))
    }
}

impl FromStr for Fingerprint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let digits: String = text.chars().filter(|letter| *letter != ':').collect();
        let mut bytes = [0; 32];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| Error::BadFingerprint)?;
        Ok(Self(bytes))
    }
}

/// Goes by the fingerprint.
#[derive(Debug)]
pub(crate) struct Verifier {
    pin: Option<Fingerprint>,
    seen: Mutex<Option<Fingerprint>>,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    /// With a pin only that certificate passes; without, the handshake is for looking at the certificate.
    pub(crate) fn new(pin: Option<Fingerprint>, provider: Arc<CryptoProvider>) -> Self {
        Self { pin, seen: Mutex::new(None), provider }
    }

    /// What the other end showed.
    pub(crate) fn seen(&self) -> Option<Fingerprint> {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
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
        let shown = Fingerprint(Sha256::digest(certificate).into());
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
    fn a_fingerprint_reads_as_the_console_shows_it() {
        let text = vec!["AB"; 32].join(":");
        let fingerprint: Fingerprint = text.parse().unwrap();
        assert_eq!(fingerprint.to_string(), text);
        assert_eq!("ab".repeat(32).parse::<Fingerprint>().unwrap(), fingerprint);
        for bad in ["", "AB", &"AB".repeat(31), &"AB".repeat(33), &"GG".repeat(32)] {
            assert!(bad.parse::<Fingerprint>().is_err(), "{bad}");
        }
    }

    #[test]
    fn only_the_pinned_certificate_passes() {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let certificate = CertificateDer::from(b"certificate".to_vec());
        let other = CertificateDer::from(b"another".to_vec());
        let pin = Fingerprint(Sha256::digest(&certificate).into());
        let verifier = Verifier::new(Some(pin), provider);
        let name = ServerName::try_from("patronus.lan").unwrap();
        assert!(verifier.verify_server_cert(&certificate, &[], &name, &[], UnixTime::now()).is_ok());
        assert!(verifier.verify_server_cert(&other, &[], &name, &[], UnixTime::now()).is_err());
    }
}

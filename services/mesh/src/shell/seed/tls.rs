//! TLS with identity keys instead of certificates.
//!
//! *Does*: prove the own identity key, have the far end prove its own (RFC 7250, RFC 8446 section 4.4.3).
//! *Never does*: speak anything older than TLS 1.3; know whether a key is a member's.

use std::sync::Arc;

use ed25519_dalek::SigningKey;
use patronus_wire::IdentityKey;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, ServerConfig, SignatureScheme,
    client::{
        AlwaysResolvesClientRawPublicKeys,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring, verify_tls13_signature_with_raw_key},
    pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime},
    server::{
        AlwaysResolvesServerRawPublicKeys,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    sign::CertifiedKey,
    version::TLS13,
};

/// SubjectPublicKeyInfo of an Ed25519 key before the key itself (RFC 8410 section 4).
const PUBLIC_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// PrivateKeyInfo of an Ed25519 key before the seed (RFC 8410 section 7).
const PRIVATE_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// Both ends of a connection as this site speaks them.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(super) client: Arc<ClientConfig>,
    pub(super) server: Arc<ServerConfig>,
}

impl Identity {
    /// With this site's identity key.
    pub(crate) fn new(identity: &SigningKey) -> Result<Self, Error> {
        let provider = Arc::new(ring::default_provider());
        let private = [PRIVATE_PREFIX.as_slice(), &identity.to_bytes()].concat();
        let key = ring::sign::any_eddsa_type(&PrivatePkcs8KeyDer::from(private))?;
        let public = [PUBLIC_PREFIX.as_slice(), identity.verifying_key().as_bytes()].concat();
        let own = Arc::new(CertifiedKey::new(vec![CertificateDer::from(public)], key));
        let any = Arc::new(AnyIdentity(Arc::clone(&provider)));
        let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&any) as Arc<dyn ServerCertVerifier>)
            .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(Arc::clone(&own))));
        let server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(any)
            .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(own)));
        Ok(Self { client: Arc::new(client), server: Arc::new(server) })
    }
}

/// The key that the far end has proved to have.
pub(super) fn peer(certificates: Option<&[CertificateDer<'_>]>) -> Option<IdentityKey> {
    let [public] = certificates? else { return None };
    identity(public).ok()
}

fn identity(public: &CertificateDer<'_>) -> Result<IdentityKey, Error> {
    let key = public.strip_prefix(PUBLIC_PREFIX.as_slice()).and_then(|key| key.try_into().ok());
    let key = key.and_then(|key| IdentityKey::from_bytes(key).ok());
    key.ok_or(Error::InvalidCertificate(CertificateError::BadEncoding))
}

/// Anybody who has the key that he shows. Who that is, the roster knows.
#[derive(Debug)]
struct AnyIdentity(Arc<CryptoProvider>);

impl AnyIdentity {
    fn verify(
        &self,
        message: &[u8],
        public: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let public = SubjectPublicKeyInfoDer::from(public.as_ref());
        verify_tls13_signature_with_raw_key(message, &public, signature, &self.0.signature_verification_algorithms)
    }
}

/// Both ends check the handshake in the same way.
macro_rules! handshake_signatures {
    () => {
        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Err(Error::General("TLS 1.2 is not spoken".to_owned()))
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            public: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            self.verify(message, public, signature)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            vec![SignatureScheme::ED25519]
        }

        fn requires_raw_public_keys(&self) -> bool {
            true
        }
    };
}

impl ServerCertVerifier for AnyIdentity {
    fn verify_server_cert(
        &self,
        public: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        identity(public).map(|_| ServerCertVerified::assertion())
    }

    handshake_signatures!();
}

impl ClientCertVerifier for AnyIdentity {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        public: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        identity(public).map(|_| ClientCertVerified::assertion())
    }

    handshake_signatures!();
}

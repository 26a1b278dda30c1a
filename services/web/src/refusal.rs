//! Why a connection or a request got no further than the front door: one name for logs, counters, API and tests.
//!
//! *Does*: the names, what a client is told, and a counter for each.
//! *Never does*: repeat what the client sent.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

/// Declares each refusal once: its variant, its name, its HTTP status and what to do about it.
macro_rules! refusals {
    ($($(#[$doc:meta])* $variant:ident $name:literal $status:literal $message:literal)*) => {
        /// Why a connection or a request was refused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Refusal { $($(#[$doc])* $variant,)* }

        impl Refusal {
            /// All of them, in the order of their counters.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name that counters, logs and the API use.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The HTTP status of the answer, where there is one.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }

            /// What is wrong and what to do.
            #[must_use]
            pub const fn message(self) -> &'static str {
                match self { $(Self::$variant => $message,)* }
            }
        }
    };
}

refusals! {
    /// Nobody could be asked to leave for this connection.
    TooManyConnections "too-many-connections" 503 "Too many connections. Try again in a few seconds."
    /// The same, for one source address.
    TooManyFromSource "too-many-from-source" 503 "Too many connections from your address. Close some."
    /// Its place was given to a newer connection while it had sent no whole request.
    Evicted "evicted" 408 "The connection was closed to make room: it had sent no whole request."
    /// The TLS handshake was not over in time.
    HandshakeTimeout "handshake-timeout" 408 "The TLS handshake took too long."
    /// Not TLS, or no version or cipher in common.
    HandshakeFailed "handshake-failed" 400 "The TLS handshake failed. Use https and TLS 1.2 or 1.3."
    /// The head was not there in time.
    HeadTimeout "head-timeout" 408 "The request took too long."
    /// The head is longer than the limit.
    HeadTooLarge "head-too-large" 431 "The request's head is over the limit of 8 KiB."
    /// More header fields than the limit.
    TooManyHeaders "too-many-headers" 431 "The request has more than 40 header fields."
    /// Not HTTP.
    Malformed "malformed" 400 "This is not a well-formed HTTP/1.1 request."
    /// Neither HTTP/1.0 nor HTTP/1.1.
    Version "version" 505 "Use HTTP/1.1."
    /// A method that no route has.
    Method "method" 405 "Use GET, POST, PUT or DELETE."
    /// Absolute-form, authority-form or asterisk-form (RFC 9112 section 3.2).
    TargetForm "target-form" 400 "The request target must be a path."
    /// A path that only somebody looking for a gap would write.
    OddPath "odd-path" 404 "There is no such page."
    /// A query over the limit or with bytes that do not belong there.
    OddQuery "odd-query" 400 "The query is too long or holds characters that must be percent-encoded."
    /// No Host, several, or an ill-formed one.
    HostMissing "host-missing" 400 "The request must name one host."
    /// A host that is none of our names: DNS rebinding.
    HostForeign "host-foreign" 421 "This router does not answer to that name. Use the address that its console shows."
    /// Any Transfer-Encoding: we take Content-Length only.
    TransferEncoding "transfer-encoding" 400 "Transfer-Encoding is not accepted. Send Content-Length."
    /// Content-Length given twice, or not a number.
    ContentLength "content-length" 400 "Content-Length must be one number."
    /// A method that carries a body came without Content-Length.
    LengthRequired "length-required" 411 "Send Content-Length."
    /// A body where none belongs.
    BodyUnexpected "body-unexpected" 400 "This request must not have a body."
    /// The body is longer than the limit.
    BodyTooLarge "body-too-large" 413 "The body is longer than this address takes."
    /// The body was not there in time.
    BodyTimeout "body-timeout" 408 "The request's body took too long."
    /// The body ended early.
    BodyBroken "body-broken" 400 "The request's body ended early."
    /// Expect: we never answer 100.
    Expectation "expectation" 417 "Expect is not supported. Send the request at once."
    /// Another content type than the route takes.
    ContentType "content-type" 415 "The body has the wrong content type."
    /// The form or JSON cannot be read.
    BadBody "bad-body" 400 "The body cannot be read. Check its fields."
    /// Another site's page made the browser ask.
    OriginForeign "origin-foreign" 403 "This request came from another site's page. Open the router's own page and try again."
    /// The form's token is not the session's.
    CsrfToken "csrf-token" 403 "This form is out of date. Go back, reload the page and try again."
    /// No such route.
    NoRoute "no-route" 404 "There is no such page."
    /// The path exists, the method does not.
    NoMethod "no-method" 405 "This address does not take that method."
    /// Set-up routes of a claimed box.
    AlreadyClaimed "already-claimed" 404 "There is no such page."
    /// Everything but set-up on an unclaimed box.
    NotClaimed "not-claimed" 403 "This router is not set up yet. Open its page in a browser and enter the claim code."
    /// No session, or an expired one.
    NotSignedIn "not-signed-in" 401 "Sign in first."
    /// A set-up request without the session that the claim code gives.
    NoSetupSession "no-setup-session" 403 "Enter the claim code first."
    /// A wrong password.
    WrongPassword "wrong-password" 401 "The password is not right."
    /// Too many logins.
    LoginsTooFast "logins-too-fast" 429 "Too many attempts to sign in. Wait before the next one."
    /// A wrong claim code.
    WrongClaimCode "wrong-claim-code" 403 "The claim code is not right. It is shown on the router's screen."
    /// Claim codes faster than one per second.
    ClaimTooFast "claim-too-fast" 429 "One attempt per second. Try again."
    /// The lock after ten wrong codes.
    ClaimLocked "claim-locked" 429 "Ten wrong codes: locked for 15 minutes."
    /// An upgrade to something else than a WebSocket, or one that is ill-formed (RFC 6455 section 4.2.1).
    BadUpgrade "bad-upgrade" 400 "This becomes a WebSocket of version 13, with a key, and nothing else."
    /// All places of those who follow events are taken.
    TooManyFollowers "too-many-followers" 503 "Eight programs follow the events already. End one."
    /// Another service does not answer.
    Unavailable "unavailable" 503 "A part of the router does not answer. It is restarted by itself; try again in a few seconds."
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How often each refusal happened since the service started.
#[derive(Debug)]
pub struct Refusals(Vec<AtomicU64>);

impl Default for Refusals {
    fn default() -> Self {
        Self(Refusal::ALL.iter().map(|_| AtomicU64::new(0)).collect())
    }
}

impl Refusals {
    /// Counts one.
    pub fn count(&self, refusal: Refusal) {
        if let Some(counter) = self.0.get(refusal as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Those that happened, with how often.
    pub fn seen(&self) -> impl Iterator<Item = (Refusal, u64)> {
        let counters = self.0.iter().map(|counter| counter.load(Ordering::Relaxed));
        Refusal::ALL.iter().copied().zip(counters).filter(|(_, count)| *count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_has_its_own_name_and_counter() {
        let refusals = Refusals::default();
        for (index, refusal) in Refusal::ALL.iter().enumerate() {
            assert_eq!(*refusal as usize, index);
            refusals.count(*refusal);
        }
        let names: std::collections::BTreeSet<_> = refusals.seen().map(|(refusal, _)| refusal.name()).collect();
        assert_eq!(names.len(), Refusal::ALL.len());
    }
}

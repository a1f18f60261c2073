//! Proofs of possession of a key: JWTs of the type `dbsc+jwt`, signed with ES256.
//!
//! The only algorithm is fixed here, whatever a JWT says. A key comes from the JWT itself only at the registration.

use crate::refusal::Refusal;
use base64ct::{Base64UrlUnpadded, Encoding};
use p256::ecdsa::signature::Verifier;
use p256::ecdsa::{Signature, VerifyingKey};
use p256::{FieldBytes, Sec1Point};
use serde::Deserialize;
use serde_json::Value;

/// The longest JWT that is looked at, in bytes. Chrome's have about 400.
pub(crate) const LONGEST: usize = 4096;

/// The public key of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DeviceKey(VerifyingKey);

/// A JWT whose signature has not been verified.
pub(crate) struct Proof<'t> {
    /// What was signed: the first two parts.
    signed: &'t str,
    signature: Signature,
    jwk: Option<Jwk>,
    challenge: String,
}

// Fields that occur twice are an error of serde's, unknown ones are ignored.
#[derive(Deserialize)]
struct Header {
    typ: String,
    alg: String,
    jwk: Option<Jwk>,
    /// Extensions that must be understood. There are none that this crate understands.
    crit: Option<Value>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    crv: String,
    x: String,
    y: String,
}

#[derive(Deserialize)]
struct Payload {
    jti: String,
}

impl<'t> Proof<'t> {
    pub(crate) fn parse(jwt: &'t str) -> Result<Self, Refusal> {
        if jwt.len() > LONGEST {
            return Err(Refusal::Malformed);
        }
        let (signed, signature) = jwt.rsplit_once('.').ok_or(Refusal::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(Refusal::Malformed)?;
        let header: Header = part(header)?;
        if header.typ != "dbsc+jwt" || header.alg != "ES256" || header.crit.is_some() {
            return Err(Refusal::Algorithm);
        }
        let Payload { jti: challenge } = part(payload)?;
        let signature = Base64UrlUnpadded::decode_vec(signature).map_err(|_| Refusal::Malformed)?;
        let signature = Signature::from_slice(&signature).map_err(|_| Refusal::Signature)?;
        Ok(Self { signed, signature, jwk: header.jwk, challenge })
    }

    /// The key that the JWT brings along, which has signed it. For a registration.
    pub(crate) fn own_key(&self) -> Result<DeviceKey, Refusal> {
        let key = self.jwk.as_ref().ok_or(Refusal::Key)?.key().ok_or(Refusal::Key)?;
        self.verify(&key)?;
        Ok(key)
    }

    /// Checks that this key has signed the JWT. For a refresh, whose JWT brings no key along.
    pub(crate) fn is_signed_by(&self, key: &DeviceKey) -> Result<(), Refusal> {
        if self.jwk.is_some() {
            return Err(Refusal::Key);
        }
        self.verify(key)
    }

    /// The challenge that it answers.
    pub(crate) fn challenge(&self) -> &str {
        &self.challenge
    }

    fn verify(&self, DeviceKey(key): &DeviceKey) -> Result<(), Refusal> {
        key.verify(self.signed.as_bytes(), &self.signature).map_err(|_| Refusal::Signature)
    }
}

fn part<T: for<'a> Deserialize<'a>>(text: &str) -> Result<T, Refusal> {
    let bytes = Base64UrlUnpadded::decode_vec(text).map_err(|_| Refusal::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| Refusal::Malformed)
}

impl Jwk {
    /// `None` if it is not a point on P-256.
    fn key(&self) -> Option<DeviceKey> {
        if self.kty != "EC" || self.crv != "P-256" {
            return None;
        }
        let coordinate = |text: &str| -> Option<FieldBytes> {
            let bytes: [u8; 32] = Base64UrlUnpadded::decode_vec(text).ok()?.try_into().ok()?;
            Some(bytes.into())
        };
        let point = Sec1Point::from_affine_coordinates(&coordinate(&self.x)?, &coordinate(&self.y)?, false);
        VerifyingKey::from_sec1_point(&point).ok().map(DeviceKey)
    }
}

impl DeviceKey {
    /// The compressed point as base64url.
    pub(crate) fn to_text(&self) -> String {
        Base64UrlUnpadded::encode_string(self.0.to_sec1_point(true).as_bytes())
    }

    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let bytes = Base64UrlUnpadded::decode_vec(text).ok()?;
        VerifyingKey::from_sec1_bytes(&bytes).ok().map(Self)
    }
}

//! The first messages of an OKX private connection: login and subscriptions.
//!
//! okx.com/docs-v5, "WebSocket / Login": sign = base64(HMAC-SHA256(secret, Unix seconds + `GET` +
//! `/users/self/verify`)), valid for 30 s. Must not know: when to send them. Threads: none.

use model::UnixNs;
use model::time::NS_PER_S;

use crate::byte_writer::{BufferTooShort, ByteWriter, DIGITS_MAX, write_digits};
use crate::venue::okx::credentials::{Credentials, SIGNATURE_BYTES};

/// What the login signs behind the time.
pub const LOGIN_PAYLOAD: &str = "GET/users/self/verify";
/// Largest text of a login or of our subscriptions in bytes: three secrets of 128, all escaped.
pub const MAX_SESSION_MESSAGE_BYTES: usize = 2_048;

/// One subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelTerms<'a> {
    /// `channel`.
    pub channel: &'a str,
    /// `instType`.
    pub inst_type: Option<&'a str>,
    /// `instId`.
    pub inst_id: Option<&'a str>,
    /// `extraParams`, itself JSON.
    pub extra_params: Option<&'a str>,
}

/// Writes the login for the second of `now`; returns the bytes written and the signature, which
/// must be masked in whatever comes back.
///
/// # Errors
/// [`BufferTooShort`]: never with [`MAX_SESSION_MESSAGE_BYTES`].
pub fn encode_login(
    out: &mut [u8],
    credentials: &Credentials,
    now: UnixNs,
) -> Result<(usize, [u8; SIGNATURE_BYTES]), BufferTooShort> {
    let mut digits = [b'0'; DIGITS_MAX];
    let seconds = write_digits(now.0 / NS_PER_S, &mut digits);
    let signature = credentials.sign(&[seconds, LOGIN_PAYLOAD.as_bytes()]);
    let mut writer = ByteWriter::new(out);
    writer.put(b"{\"op\":\"login\",\"args\":[{\"apiKey\":");
    writer.put_json_text(credentials.api_key().as_bytes());
    writer.put(b",\"passphrase\":");
    writer.put_json_text(credentials.passphrase().as_bytes());
    writer.put(b",\"timestamp\":\"");
    writer.put(seconds);
    writer.put(b"\",\"sign\":\"");
    writer.put(&signature);
    writer.put(b"\"}]}");
    Ok((writer.finish()?, signature))
}

/// Writes one `subscribe` of all `channels`; returns the bytes written.
///
/// # Errors
/// [`BufferTooShort`].
pub fn encode_subscribe(
    out: &mut [u8],
    request_id: &str,
    channels: &[ChannelTerms<'_>],
) -> Result<usize, BufferTooShort> {
    let mut writer = ByteWriter::new(out);
    writer.put(b"{\"id\":");
    writer.put_json_text(request_id.as_bytes());
    writer.put(b",\"op\":\"subscribe\",\"args\":[");
    for (place, channel) in channels.iter().enumerate() {
        writer.put(if place > 0 { b",{" } else { b"{" });
        writer.put(b"\"channel\":");
        writer.put_json_text(channel.channel.as_bytes());
        for (name, value) in [
            (&b",\"instType\":"[..], channel.inst_type),
            (b",\"instId\":", channel.inst_id),
            (b",\"extraParams\":", channel.extra_params),
        ] {
            if let Some(text) = value {
                writer.put(name);
                writer.put_json_text(text.as_bytes());
            }
        }
        writer.put(b"}");
    }
    writer.put(b"]}");
    writer.finish()
}

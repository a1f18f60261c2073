//! Arguments of scripts.

use crate::record::milliseconds;
use cloakroom::{Audience, Timeouts};
use core::time::Duration;

/// The longest that browsers keep a cookie, 400 days (RFC 6265bis, section 5.5).
const LONGEST_COOKIE: Duration = Duration::from_secs(400 * 24 * 60 * 60);

pub(crate) fn number(number: u64) -> Vec<u8> {
    number.to_string().into_bytes()
}

/// The idle timeout, the absolute timeout and the lifetime of the cookie: nothing leaves one as it is, 0 takes it away.
pub(crate) fn timeouts(timeouts: Timeouts) -> [Vec<u8>; 3] {
    let span = |span: Duration| number(milliseconds(span));
    let absolute = timeouts.absolute_timeout().map(|timeout| match timeout {
        Duration::MAX => number(0),
        timeout => span(timeout),
    });
    let cookie = timeouts.cookie_lifetime().map(|life| life.map_or(number(0), |life| span(life.min(LONGEST_COOKIE))));
    [timeouts.idle_timeout().map(span), absolute, cookie].map(Option::unwrap_or_default)
}

pub(crate) fn audience(audience: Option<Audience>) -> Vec<u8> {
    audience.map_or([0; 16], Audience::to_bytes).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_milliseconds_nothing_or_zero() {
        let second = Duration::from_secs(1);
        let written = |given| timeouts(given).map(|argument| String::from_utf8(argument).unwrap());
        assert_eq!(written(Timeouts::default()), ["", "", ""]);
        let given = Timeouts::default().idle(second).absolute(2 * second).cookie(Some(Duration::MAX));
        assert_eq!(written(given), ["1000", "2000", "34560000000"]);
        assert_eq!(written(Timeouts::default().absolute(Duration::MAX).cookie(None)), ["", "0", "0"]);
    }
}

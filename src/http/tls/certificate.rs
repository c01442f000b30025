//! When a certificate is valid, read from its bytes. Does not own whether it is
//! trusted, nor what follows from a date.
//!
//! rustls checks dates of others' certificates and never shows those of one's
//! own. They stand near the beginning (RFC 5280, 4.1), after four fields that are
//! stepped over:
//!
//! ```text
//! Certificate    ::= SEQUENCE { TBSCertificate, … }
//! TBSCertificate ::= SEQUENCE { [0] version OPTIONAL, serialNumber INTEGER,
//!                    signature SEQUENCE, issuer SEQUENCE, Validity, … }
//! Validity       ::= SEQUENCE { notBefore, notAfter }
//! ```

use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

/// From when until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// Not valid before.
    pub begins: OffsetDateTime,
    /// Not valid after.
    pub ends: OffsetDateTime,
}

impl Validity {
    /// Of a certificate; nothing if it is none.
    #[must_use]
    pub fn of(certificate: &[u8]) -> Option<Self> {
        let mut signed = Fields(Fields(certificate).expect(SEQUENCE)?).within(SEQUENCE)?;
        if signed.0.first() == Some(&VERSION) {
            signed.expect(VERSION)?;
        }
        for field in [INTEGER, SEQUENCE, SEQUENCE] {
            signed.expect(field)?;
        }
        let mut validity = signed.within(SEQUENCE)?;
        Some(Self { begins: validity.time()?, ends: validity.time()? })
    }

    /// When both are valid.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { begins: self.begins.max(other.begins), ends: self.ends.min(other.ends) }
    }
}

/// A moment as the log shows it.
#[must_use]
pub fn shown(moment: OffsetDateTime) -> String {
    moment.format(&Rfc3339).expect("the years of certificates have four digits")
}

/// Values one after the other, each with a tag and a length.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = if first < 0x80 {
            (usize::from(first), rest)
        } else {
            // The length of the length, which more than four bytes never have.
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            if digits.len() > 4 {
                return None;
            }
            (digits.iter().fold(0, |length, &digit| length << 8 | usize::from(digit)), rest)
        };
        let (value, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, value))
    }

    fn expect(&mut self, wanted: u8) -> Option<&'a [u8]> {
        self.next().filter(|(tag, _)| *tag == wanted).map(|(_, value)| value)
    }

    fn within(&mut self, wanted: u8) -> Option<Self> {
        self.expect(wanted).map(Self)
    }

    fn time(&mut self) -> Option<OffsetDateTime> {
        let (tag, digits) = self.next()?;
        let digits = std::str::from_utf8(digits).ok()?;
        let text = match (tag, digits.as_bytes().first()?) {
            (UTC_TIME, b'0'..=b'4') => format!("20{digits}"),
            (UTC_TIME, _) => format!("19{digits}"),
            (GENERALIZED_TIME, _) => digits.to_owned(),
            _ => return None,
        };
        let format = format_description!("[year][month][day][hour][minute][second]Z");
        PrimitiveDateTime::parse(&text, &format).ok().map(PrimitiveDateTime::assume_utc)
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};
    use time::macros::datetime;

    use super::*;

    fn certificate(begins: OffsetDateTime, ends: OffsetDateTime) -> Vec<u8> {
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        (params.not_before, params.not_after) = (begins, ends);
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn both_ways_to_write_a_date_are_read() {
        let dates = [
            datetime!(1999-12-31 23:59:59 UTC),
            datetime!(2026-11-25 20:00:01 UTC),
            datetime!(2049-12-31 23:59:59 UTC),
            datetime!(2050-01-01 0:00 UTC),
            datetime!(9999-12-31 23:59:59 UTC),
        ];
        for pair in dates.windows(2) {
            let [begins, ends] = pair else { unreachable!("windows of two") };
            let read = Validity::of(&certificate(*begins, *ends)).unwrap();
            assert_eq!((read.begins, read.ends), (*begins, *ends));
        }
        assert_eq!(shown(dates[1]), "2026-11-25T20:00:01Z");
    }

    #[test]
    fn whatever_is_cut_or_changed_is_no_panic() {
        let whole = certificate(datetime!(2020-01-01 0:00 UTC), datetime!(2030-01-01 0:00 UTC));
        for end in 0..120 {
            assert_eq!(Validity::of(&whole[..end]), None, "{end}");
        }
        for at in 0..200 {
            for byte in [0, 0x7f, 0x80, 0x84, 0x85, 0xff] {
                let mut other = whole.clone();
                other[at] = byte;
                let _ = Validity::of(&other);
            }
        }
    }
}

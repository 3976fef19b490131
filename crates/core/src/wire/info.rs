//! `INFO` and `CLUSTER INFO`: lines of `name:value`, with `# Section` headings.

use crate::observation::Fields;

/// Fields kept of one reply. `INFO everything` of a busy server has about 400 and its
/// `commandstats` as many again.
const FIELDS_MAX: usize = 4_096;

/// Reads a reply. Headings, blank lines and lines without a colon are passed over; the first value
/// of a name counts.
pub fn parse(text: &[u8]) -> Fields {
    Fields::of_lines(String::from_utf8_lossy(text).into_owned(), FIELDS_MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_may_hold_colons_and_headings_are_no_fields() {
        let fields = parse(b"# Server\r\nredis_version:7.0.15\r\nconfig_file:\r\nx:a:b\r\n");
        assert_eq!(fields.get("redis_version"), Some("7.0.15"));
        assert_eq!(fields.get("config_file"), Some(""));
        assert_eq!(fields.get("x"), Some("a:b"));
        assert_eq!(fields.iter().count(), 3);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            parse(&bytes);
        }
    }
}

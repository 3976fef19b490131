//! Our decoder against the one of redis-rs: what both read, they read alike.

use proptest::collection::vec;
use proptest::prelude::*;
use slotwright_core::wire::resp::{Decoder, Value, encode_value};

/// The same value in the words of redis-rs. Errors are compared by their being errors: redis-rs
/// takes their text apart. A set is an array to us, a push one with its kind in front.
fn same(ours: &Value<'_>, theirs: &redis::Value) -> bool {
    match (ours, theirs) {
        (Value::Null, redis::Value::Nil) => true,
        // A push of -1 elements: no value to us, an empty one to redis-rs.
        (Value::Null, redis::Value::Push { data, .. }) => data.is_empty(),
        (Value::Integer(a), redis::Value::Int(b)) => a == b,
        (Value::Bulk(a), redis::Value::BulkString(b)) => *a == b.as_slice(),
        (Value::Status(a), redis::Value::Okay) => *a == b"OK",
        (Value::Status(a), redis::Value::SimpleString(b)) => *a == b.as_bytes(),
        (Value::Error(_), redis::Value::ServerError(_)) => true,
        (Value::Boolean(a), redis::Value::Boolean(b)) => a == b,
        (Value::Number(a), redis::Value::BigNumber(b)) => a == b,
        (Value::Number(a), redis::Value::Double(b)) => same_double(a, *b),
        (Value::Bulk(a), redis::Value::VerbatimString { text, .. }) => {
            String::from_utf8_lossy(a).split_once(':').is_some_and(|(_, ours)| ours == text)
        }
        (Value::Array(a), redis::Value::Array(b) | redis::Value::Set(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Array(a), redis::Value::Push { data, .. }) => {
            a.len().saturating_sub(1) == data.len()
                && a.iter().skip(1).zip(data).all(|(a, b)| same(a, b))
        }
        (Value::Map(a), redis::Value::Map(b)) => {
            let pair = |(a, b): (&(Value<'_>, Value<'_>), &(redis::Value, redis::Value))| {
                same(&a.0, &b.0) && same(&a.1, &b.1)
            };
            a.len() == b.len() && a.iter().zip(b).all(pair)
        }
        _ => false,
    }
}

/// A double that we keep as its text. No number equals no number here.
fn same_double(ours: &[u8], theirs: f64) -> bool {
    let text = std::str::from_utf8(ours).unwrap_or_default().trim(); // as redis-rs does
    text.parse::<f64>().is_ok_and(|ours| ours == theirs || (ours.is_nan() && theirs.is_nan()))
}

/// What our decoder makes of the bytes, if it is a value.
fn with_ours<T>(bytes: &[u8], use_it: impl FnOnce(&Value<'_>) -> T) -> Option<T> {
    let mut decoder = Decoder::new();
    decoder.feed(bytes);
    decoder.next_value().ok().flatten().map(|value| use_it(&value))
}

fn values() -> impl Strategy<Value = Value<'static>> {
    let leaf = prop_oneof![
        Just(Value::Null),
        "[ -~]{0,12}".prop_map(|text| Value::Status(text.into_bytes().leak())),
        "[A-Z]{1,8} [ -~]{0,12}".prop_map(|text| Value::Error(text.into_bytes().leak())),
        any::<i64>().prop_map(Value::Integer),
        vec(any::<u8>(), 0..40).prop_map(|bytes| Value::Bulk(bytes.leak())),
        any::<bool>().prop_map(Value::Boolean),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::Array),
            vec((inner.clone(), inner), 0..4).prop_map(Value::Map),
        ]
    })
}

/// What RESP3 added and our encoder has no use for.
const OF_RESP3: [&[u8]; 8] = [
    b"(-12345678901234567890\r\n",
    b",-1.5e3\r\n",
    b",inf\r\n",
    b",nan\r\n",
    b"=8\r\ntxt:text\r\n",
    b"~2\r\n:1\r\n+two\r\n",
    b">2\r\n+invalidate\r\n:1\r\n",
    b"!5\r\nERR x\r\n",
];

/// Valid RESP with a few bytes changed.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let ours = values().prop_map(|value| {
        let mut bytes = Vec::new();
        encode_value(&value, &mut bytes);
        bytes
    });
    let of_resp3 = prop::sample::select(&OF_RESP3[..]).prop_map(<[u8]>::to_vec);
    let valid = prop_oneof![3 => ours, 1 => of_resp3];
    (valid, vec((any::<prop::sample::Index>(), any::<u8>()), 0..4)).prop_map(
        |(mut bytes, changes)| {
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes
        },
    )
}

proptest! {
    #[test]
    fn valid_bytes_are_read_alike(value in values()) {
        let mut bytes = Vec::new();
        encode_value(&value, &mut bytes);
        let theirs = redis::parse_redis_value(&bytes).expect("valid");
        prop_assert_eq!(with_ours(&bytes, |ours| *ours == value), Some(true));
        prop_assert!(same(&value, &theirs), "{:?} and {:?}", value, theirs);
    }

    #[test]
    fn damaged_bytes_are_never_read_differently(bytes in damaged()) {
        let theirs = redis::parse_redis_value(&bytes);
        if let Ok(theirs) = theirs {
            let differ = with_ours(&bytes, |ours| {
                (!same(ours, &theirs)).then(|| format!("{ours:?} and {theirs:?}"))
            });
            prop_assert_eq!(differ.flatten(), None);
        }
    }
}

#[test]
fn what_resp3_added_is_read_alike() {
    for bytes in OF_RESP3 {
        let theirs = redis::parse_redis_value(bytes).expect("valid");
        let alike = with_ours(bytes, |ours| same(ours, &theirs));
        assert_eq!(alike, Some(true), "{theirs:?}");
    }
}

//! Our decoder against the one of redis-rs: what both read, they read alike.

use proptest::collection::vec;
use proptest::prelude::*;
use slotwright_core::wire::resp::{Decoder, Value, encode_value};

/// The same value in the words of redis-rs. Errors are compared by their being errors: redis-rs
/// takes their text apart.
fn same(ours: &Value, theirs: &redis::Value) -> bool {
    match (ours, theirs) {
        (Value::Null, redis::Value::Nil) => true,
        (Value::Integer(a), redis::Value::Int(b)) => a == b,
        (Value::Bulk(a), redis::Value::BulkString(b)) => a == b,
        (Value::Status(a), redis::Value::Okay) => a == b"OK",
        (Value::Status(a), redis::Value::SimpleString(b)) => a == b.as_bytes(),
        (Value::Error(_), redis::Value::ServerError(_)) => true,
        (Value::Boolean(a), redis::Value::Boolean(b)) => a == b,
        (Value::Array(a), redis::Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Map(a), redis::Value::Map(b)) => {
            let pair = |(a, b): (&(Value, Value), &(redis::Value, redis::Value))| {
                same(&a.0, &b.0) && same(&a.1, &b.1)
            };
            a.len() == b.len() && a.iter().zip(b).all(pair)
        }
        _ => false,
    }
}

fn ours(bytes: &[u8]) -> Option<Value> {
    let mut decoder = Decoder::new();
    decoder.feed(bytes);
    decoder.next_value().ok().flatten()
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        "[ -~]{0,12}".prop_map(|text| Value::Status(text.into_bytes())),
        "[A-Z]{1,8} [ -~]{0,12}".prop_map(|text| Value::Error(text.into_bytes())),
        any::<i64>().prop_map(Value::Integer),
        vec(any::<u8>(), 0..40).prop_map(Value::Bulk),
        any::<bool>().prop_map(Value::Boolean),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::Array),
            vec((inner.clone(), inner), 0..4).prop_map(Value::Map),
        ]
    })
}

/// Valid RESP with a few bytes changed.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    (values(), vec((any::<prop::sample::Index>(), any::<u8>()), 0..4)).prop_map(
        |(value, changes)| {
            let mut bytes = Vec::new();
            encode_value(&value, &mut bytes);
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
        prop_assert_eq!(ours(&bytes), Some(value.clone()));
        prop_assert!(same(&value, &theirs), "{:?} and {:?}", value, theirs);
    }

    #[test]
    fn damaged_bytes_are_never_read_differently(bytes in damaged()) {
        let theirs = redis::parse_redis_value(&bytes);
        if let (Some(ours), Ok(theirs)) = (ours(&bytes), theirs) {
            prop_assert!(same(&ours, &theirs), "{:?} and {:?}", ours, theirs);
        }
    }
}

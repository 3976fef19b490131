//! redis-cli --bigkeys that stops with MOVED: it cut a key off at its first zero byte, and asked
//! for the type of another one.

use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::seen::Seen;
use crate::explain::template::list;
use crate::model::Slot;

pub(super) static CAUSES: &[Cause] = &[Cause {
    code: "BIGKEYS_CUTS_BINARY_KEYS",
    title: "redis-cli --bigkeys cuts binary keys off, so it is told MOVED for a key that is none",
    side: Side::Command,
    when: cut,
    cause: "--bigkeys takes keys from a SCAN of this one node and asks the same node for the TYPE \
        of each. The node holds the keys that it names, so it could answer for all of them. A \
        redis-cli before 6.0.6 (redis/redis#7471) sends the key as text that ends at its first \
        zero byte; what is left of a binary key hashes to another slot, and the node answers MOVED \
        for that one, rightly.[[ <<keys>>]][[ <<java>>]] The keys themselves are in their right \
        slots, and the cluster is healthy.",
    check: "SCAN 0 COUNT 10 in redis-cli at this node: keys with \\x00 in them are such ones; and \
        ROLE there says master.",
    fix: &[
        "Run --bigkeys (or --memkeys) of a redis-cli of 6.0.6 or later, or valkey-cli, against \
         each primary in turn; it speaks to old servers too. -c does not help: it would follow to \
         the node of the piece that is left of the key.",
        "For keys that people and tools can read: a text serializer for keys in the application \
         (Spring Data Redis: setKeySerializer(new StringRedisSerializer()), or \
         StringRedisTemplate). Keys that stand there keep their binary names until the \
         application has written them anew or they have expired.",
    ],
    never: &[
        "Do not move slots or keys because of this MOVED, and do not run --cluster fix.",
        "Do not take the keys for broken ones: they are whole.",
    ],
    like: &["KEYS_IN_FOREIGN_SLOT"],
}];

/// The beginning of what Java's own serializer writes; the third byte is zero.
const JAVA: &[u8] = &[0xac, 0xed];

/// Keys that are compared.
const KEYS_MAX: usize = 200;

/// What --bigkeys says when it stops.
const STOPS: &[&str] = &["type returned an error"];

fn cut(seen: &Seen) -> Option<Hit> {
    let stops = seen.lines_with(STOPS);
    let redirect = seen.redirects.iter().find(|one| stops.contains(&one.line))?;
    let of_java = Slot::of_key(JAVA).get() == redirect.slot;
    let proof = pieces(seen).find(|(_, key, piece)| {
        Slot::of_key(piece).get() == redirect.slot && Slot::of_key(key).get() != redirect.slot
    });
    let java = of_java.then(|| {
        format!(
            "Slot {} is that of the two bytes ac ed, with which every object begins that Java's own \
             serializer writes (\\xac\\xed\\x00\\x05...): the application stores its keys with it \
             (Spring's RedisTemplate does unless it is told otherwise).",
            redirect.slot
        )
    });
    let score = if proof.is_some() { 94 } else { 86 };
    if proof.is_none() && !of_java {
        return None;
    }
    let hit = Hit::of(score).quote(redirect.line).fact_if("java", java);
    let Some((line, key, piece)) = proof else { return Some(hit) };
    let whole: Vec<String> = own_slots(seen, &piece);
    Some(hit.quote(line).fact(
        "keys",
        format!(
            "So it is here: {} up to the zero byte is in slot {}, the one of the message (computed), \
             and the whole {} {}.",
            shown(&piece),
            redirect.slot,
            if whole.len() > 1 { "keys of the SCAN are in slots" } else { "key is in slot" },
            if whole.len() > 1 { list(&whole, 4) } else { Slot::of_key(&key).to_string() },
        ),
    ))
}

/// The slots of the whole keys that share a piece.
fn own_slots(seen: &Seen, piece: &[u8]) -> Vec<String> {
    let mut slots: Vec<u16> = pieces(seen)
        .filter(|(_, _, other)| other == piece)
        .map(|(_, key, _)| Slot::of_key(&key).get())
        .collect();
    slots.dedup();
    slots.iter().map(ToString::to_string).collect()
}

/// The keys with a zero byte that stand in the paste, each with its line and what is before the
/// byte.
fn pieces(seen: &Seen) -> impl Iterator<Item = (usize, Vec<u8>, Vec<u8>)> {
    let with_zero = seen.lines.iter().enumerate().filter(|(_, line)| line.lower.contains("\\x00"));
    let keys = with_zero.filter_map(|(at, line)| {
        let key = quoted(&line.text)?;
        let end = key.iter().position(|byte| *byte == 0).filter(|end| *end > 0)?;
        let piece = key.iter().take(end).copied().collect();
        Some((at, key, piece))
    });
    keys.take(KEYS_MAX)
}

/// The bytes of the last quoted text of a line, as redis-cli writes them: `1) "\xac\xed\x00"`.
fn quoted(text: &str) -> Option<Vec<u8>> {
    let inner = text.trim_end().strip_suffix('"')?;
    let (_, inner) = inner.split_once(" \"").or_else(|| inner.split_once('"'))?;
    let mut bytes = Vec::new();
    let mut rest = inner.as_bytes().iter().copied();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next()? {
            b'x' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'a' => 7,
            b'b' => 8,
            other => other,
        });
    }
    Some(bytes)
}

/// Bytes as redis-cli writes them.
fn shown(bytes: &[u8]) -> String {
    let one = |byte: &u8| match byte {
        0x20..=0x7e => char::from(*byte).to_string(),
        byte => format!("\\x{byte:02x}"),
    };
    let text: String = bytes.iter().take(24).map(one).collect();
    format!("\"{text}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_redis_cli_writes_them() {
        let key = quoted(r#"2) 1) "\xac\xed\x00\x05t\x00\x03a\"b""#).expect("a key");
        assert_eq!(key, b"\xac\xed\x00\x05t\x00\x03a\"b");
        assert_eq!(shown(JAVA), r#""\xac\xed""#);
        assert_eq!(Slot::of_key(JAVA).get(), 13456);
    }

    #[test]
    fn another_slot_proves_nothing() {
        let text = "$ redis-cli --bigkeys\nTYPE returned an error: MOVED 866 10.0.0.7:6379\n";
        assert_eq!(cut(&Seen::of(text)), None);
    }

    #[test]
    fn the_cause_reads_well_without_figures() {
        crate::explain::causes::reads_well_without_figures("BIGKEYS_CUTS_BINARY_KEYS");
    }
}

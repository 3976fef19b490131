//! RESP: bytes of a connection to values, and commands to bytes.
//!
//! A [`Decoder`] is fed whatever arrives and yields whole values. Invariants: nothing is allocated
//! by a length that the peer only announced; every bound of [`crate::limits`] is checked before
//! the bytes are waited for; each byte is looked at a constant number of times, however the input
//! is cut. After an error the stream has lost its frame, so the decoder stays broken.
//!
//! RESP2, and of RESP3 whatever has a fixed length. Deliberately absent: streamed RESP3 strings
//! and attributes, which no server sends to a client that did not ask for them.

use std::borrow::Cow;

use super::decimal;
use crate::limits::{
    BULK_BYTES_MAX, LINE_BYTES_MAX, REPLY_BYTES_MAX, REPLY_DEPTH_MAX, REPLY_ELEMENTS_MAX,
};

/// One value of a reply. Its bytes are those of the decoder's input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// `$-1`, `*-1` or `_`.
    Null,
    /// `+text`.
    Status(&'a [u8]),
    /// `-text` or a bulk error `!`: what the server refuses, without the leading sign.
    Error(&'a [u8]),
    /// `:number`.
    Integer(i64),
    /// `$length`, or a RESP3 verbatim string `=` with its format in front.
    Bulk(&'a [u8]),
    /// `*count`, or a RESP3 set `~` or push `>`.
    Array(Vec<Value<'a>>),
    /// A RESP3 map `%`.
    Map(Vec<(Value<'a>, Value<'a>)>),
    /// A RESP3 boolean `#`.
    Boolean(bool),
    /// A RESP3 double `,` or big number `(`, as its text.
    Number(&'a [u8]),
}

impl<'a> Value<'a> {
    /// The bytes of a status or a bulk string.
    pub fn bytes(&self) -> Option<&'a [u8]> {
        match self {
            Self::Status(bytes) | Self::Bulk(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The text of a status or a bulk string; bytes that are no UTF-8 are replaced.
    pub fn text(&self) -> Option<Cow<'a, str>> {
        self.bytes().map(String::from_utf8_lossy)
    }

    /// The number of an integer, or of a text that is one.
    pub fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(value) => Some(*value),
            other => number(other.bytes()?),
        }
    }

    /// The elements of an array.
    pub fn array(&self) -> Option<&[Value<'a>]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// Names and values: a map, or an array that lists them in turn (RESP2). None for others; a
    /// last name without a value is left out.
    pub fn pairs(&self) -> impl Iterator<Item = (&Value<'a>, &Value<'a>)> {
        let (map, list): (&[(Self, Self)], &[[Self; 2]]) = match self {
            Self::Map(pairs) => (pairs, &[]),
            Self::Array(items) => (&[], items.as_chunks().0),
            _ => (&[], &[]),
        };
        let listed = list.iter().map(|[name, value]| (name, value));
        map.iter().map(|(name, value)| (name, value)).chain(listed)
    }

    /// The text of an error reply.
    pub fn error(&self) -> Option<Cow<'a, str>> {
        match self {
            Self::Error(text) => Some(String::from_utf8_lossy(text)),
            _ => None,
        }
    }
}

/// Why the bytes are no RESP, or more of it than anybody needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RespError {
    /// No value begins with this byte.
    #[error("no value begins with the byte {0:#04x}")]
    Type(u8),
    /// A length that is no number, or below -1.
    #[error("a length is no number")]
    Length,
    /// An integer that is no number of 64 bits.
    #[error("an integer is no number")]
    Integer,
    /// A bulk string that does not end where it announced to.
    #[error("a bulk string does not end where its length says")]
    BulkEnd,
    /// More than [`LINE_BYTES_MAX`].
    #[error("a line is longer than {LINE_BYTES_MAX} bytes")]
    LineTooLong,
    /// More than [`BULK_BYTES_MAX`].
    #[error("a bulk string of {0} bytes is announced, the limit is {BULK_BYTES_MAX}")]
    BulkTooLarge(u64),
    /// More than [`REPLY_BYTES_MAX`].
    #[error("one reply has more than {REPLY_BYTES_MAX} bytes")]
    ReplyTooLarge,
    /// More than [`REPLY_ELEMENTS_MAX`].
    #[error("one reply has more than {REPLY_ELEMENTS_MAX} elements")]
    TooManyElements,
    /// More than [`REPLY_DEPTH_MAX`].
    #[error("arrays are nested deeper than {REPLY_DEPTH_MAX}")]
    TooDeep,
}

/// What the header of a value asks for next.
enum Head<'a> {
    Whole(Value<'a>),
    Bulk { length: usize, error: bool },
    Open { count: usize, map: bool },
}

/// Takes bytes as they arrive and yields values. See the module.
///
/// The bytes are first walked over, as far as they are there; once a value is whole it is read from
/// them where they lie.
#[derive(Debug, Default)]
pub struct Decoder {
    input: Vec<u8>,
    /// Bytes of `input` that are done with: where the next value begins.
    at: usize,
    /// Bytes of that value that were walked over.
    walked: usize,
    /// Bytes behind those in which no end of a line was found.
    searched: usize,
    /// For each open array how many elements are missing, outermost first.
    open: Vec<usize>,
    /// The length of a bulk string whose bytes are awaited.
    awaited: Option<usize>,
    /// Elements of all arrays of the value.
    elements: usize,
    whole: bool,
    broken: Option<RespError>,
}

/// Memory that an element of a reply takes beside its bytes.
const ELEMENT_BYTES: usize = std::mem::size_of::<Value<'_>>();

impl Decoder {
    /// A decoder at the beginning of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes that arrived.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.broken.is_none() {
            self.input().extend_from_slice(bytes);
        }
    }

    /// Where a reader may append what arrives, without a copy in between. Only append.
    pub fn input(&mut self) -> &mut Vec<u8> {
        if self.at == self.input.len() {
            self.input.clear();
            self.at = 0;
        } else if self.at * 2 >= self.input.len() {
            // Moves fewer bytes than were taken since the last time, so time stays linear.
            self.input.drain(..self.at);
            self.at = 0;
        }
        &mut self.input
    }

    /// Bytes of memory that are held, or will be once the value that was begun is whole.
    pub fn held_bytes(&self) -> usize {
        self.input.capacity() + self.elements * ELEMENT_BYTES
    }

    /// Gives back the memory of the input if nothing of it waits.
    pub fn trim(&mut self) {
        if self.is_idle() {
            self.input = Vec::new();
            self.at = 0;
        }
    }

    /// Whether nothing of a value was begun.
    pub fn is_idle(&self) -> bool {
        self.at == self.input.len()
    }

    /// The next whole value; `None` when more bytes are needed.
    ///
    /// # Errors
    /// As [`Self::is_whole`].
    pub fn next_value(&mut self) -> Result<Option<Value<'_>>, RespError> {
        Ok(if self.is_whole()? { self.take() } else { None })
    }

    /// Whether all bytes of the next value are there.
    ///
    /// # Errors
    /// The first [`RespError`] of the stream, for ever.
    pub fn is_whole(&mut self) -> Result<bool, RespError> {
        if let Some(error) = self.broken {
            return Err(error);
        }
        self.walk().inspect_err(|error| {
            *self = Self { broken: Some(*error), ..Self::default() };
        })
    }

    /// Takes the value that [`Self::is_whole`] found to be there; `None` before that.
    pub fn take(&mut self) -> Option<Value<'_>> {
        if !std::mem::take(&mut self.whole) {
            return None;
        }
        let from = self.at;
        self.at += std::mem::take(&mut self.walked);
        self.elements = 0;
        let mut bytes = self.input.get(from..self.at)?;
        read(&mut bytes)
    }

    fn walk(&mut self) -> Result<bool, RespError> {
        while !self.whole {
            if self.walk_over_plain_part()? {
                continue;
            }
            let is_there = match self.awaited {
                Some(length) => self.walk_over_bulk(length)?,
                None => self.walk_over_line()?,
            };
            if !is_there {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Walks over a part that [`plain`] can read. False, and nothing done, when it is none.
    fn walk_over_plain_part(&mut self) -> Result<bool, RespError> {
        if self.awaited.is_some() || self.searched > 0 {
            return Ok(false);
        }
        let rest = self.input.get(self.at + self.walked..).unwrap_or_default();
        let Some((_, length)) = plain(rest) else { return Ok(false) };
        self.walked += length;
        if self.walked > REPLY_BYTES_MAX {
            return Err(RespError::ReplyTooLarge);
        }
        self.close_part();
        Ok(true)
    }

    fn walk_over_bulk(&mut self, length: usize) -> Result<bool, RespError> {
        let from = self.at + self.walked;
        let Some(bytes) = self.input.get(from..from + length + 2) else { return Ok(false) };
        if !bytes.ends_with(END) {
            return Err(RespError::BulkEnd);
        }
        self.walked += bytes.len();
        self.awaited = None;
        self.close_part();
        Ok(true)
    }

    fn walk_over_line(&mut self) -> Result<bool, RespError> {
        let rest = self.input.get(self.at + self.walked..).unwrap_or_default();
        let unsearched = rest.get(self.searched..).unwrap_or_default();
        let Some(found) = find_end(unsearched) else {
            // The last byte may be the first half of the end.
            self.searched = rest.len().saturating_sub(1);
            let too_long = rest.len() > LINE_BYTES_MAX;
            return if too_long { Err(RespError::LineTooLong) } else { Ok(false) };
        };
        let length = self.searched + found;
        if length > LINE_BYTES_MAX {
            return Err(RespError::LineTooLong);
        }
        self.searched = 0;
        let head = head(rest.get(..length).unwrap_or_default())?;
        self.walked += length + END.len();
        match head {
            Head::Whole(_) | Head::Open { count: 0, .. } => self.close_part(),
            Head::Bulk { length, .. } => self.awaited = Some(length),
            Head::Open { count, .. } => {
                self.elements = self.elements.saturating_add(count);
                if self.elements > REPLY_ELEMENTS_MAX {
                    return Err(RespError::TooManyElements);
                }
                if self.open.len() >= REPLY_DEPTH_MAX {
                    return Err(RespError::TooDeep);
                }
                self.open.push(count);
            }
        }
        if self.walked + self.awaited.unwrap_or(0) > REPLY_BYTES_MAX {
            return Err(RespError::ReplyTooLarge);
        }
        Ok(true)
    }

    /// A part is over, and with it each array of which it was the last one.
    fn close_part(&mut self) {
        while let Some(missing) = self.open.last_mut() {
            *missing -= 1;
            if *missing > 0 {
                return;
            }
            self.open.pop();
        }
        self.whole = true;
    }
}

/// Ends a line, and the bytes of a bulk string.
const END: &[u8] = b"\r\n";

fn find_end(bytes: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + bytes.get(from..)?.iter().position(|byte| *byte == b'\r')?;
        if *bytes.get(at + 1)? == b'\n' {
            return Some(at);
        }
        from = at + 1;
    }
}

/// Digits of a length or number that [`plain`] reads: no overflow, no bulk string over the limit.
const PLAIN_DIGITS_MAX: usize = 7;

/// Reads what nearly all of a reply consists of, in one go: a bulk string or a small number that is
/// there whole. Also tells its bytes. What is anything else, or wrong, is left to [`head`].
fn plain(bytes: &[u8]) -> Option<(Value<'_>, usize)> {
    let (kind, rest) = bytes.split_first().filter(|(kind, _)| matches!(kind, b'$' | b':'))?;
    let (mut number, mut digits) = (0_u32, 0);
    loop {
        let digit = rest.get(digits)?.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        number = number * 10 + u32::from(digit);
        digits += 1;
        if digits > PLAIN_DIGITS_MAX {
            return None;
        }
    }
    let rest = rest.get(digits..)?.strip_prefix(END).filter(|_| digits > 0)?;
    let header = 1 + digits + END.len();
    if *kind == b':' {
        return Some((Value::Integer(i64::from(number)), header));
    }
    let length = usize::try_from(number).ok()?;
    let body = rest.get(..length)?;
    rest.get(length..)?.starts_with(END).then_some((Value::Bulk(body), header + length + END.len()))
}

/// Reads a value that was walked over, and leaves what is behind it. As deep as
/// [`REPLY_DEPTH_MAX`] at most.
fn read<'a>(rest: &mut &'a [u8]) -> Option<Value<'a>> {
    if let Some((value, length)) = plain(rest) {
        rest.split_off(..length)?;
        return Some(value);
    }
    let line = rest.split_off(..find_end(rest)?)?;
    rest.split_off(..END.len())?;
    Some(match head(line).ok()? {
        Head::Whole(value) => value,
        Head::Bulk { length, error } => {
            let bytes = rest.split_off(..length)?;
            rest.split_off(..END.len())?;
            if error { Value::Error(bytes) } else { Value::Bulk(bytes) }
        }
        Head::Open { count, map: false } => {
            // An element has three bytes at least, so this is no more than what is there.
            let mut items = Vec::with_capacity(count.min(rest.len()));
            for _ in 0..count {
                items.push(read(rest)?);
            }
            Value::Array(items)
        }
        Head::Open { count, map: true } => {
            let mut pairs = Vec::with_capacity(count.min(rest.len()) / 2);
            for _ in 0..count / 2 {
                pairs.push((read(rest)?, read(rest)?));
            }
            Value::Map(pairs)
        }
    })
}

fn head(line: &[u8]) -> Result<Head<'_>, RespError> {
    let Some((kind, rest)) = line.split_first() else { return Err(RespError::Type(b'\r')) };
    Ok(match kind {
        b'+' => Head::Whole(Value::Status(rest)),
        b'-' => Head::Whole(Value::Error(rest)),
        b':' => Head::Whole(Value::Integer(number(rest).ok_or(RespError::Integer)?)),
        b'_' => Head::Whole(Value::Null),
        b'#' => Head::Whole(Value::Boolean(rest == b"t")),
        b',' | b'(' => Head::Whole(Value::Number(rest)),
        b'$' | b'=' => bulk(rest, false)?,
        b'!' => bulk(rest, true)?,
        b'*' | b'~' | b'>' => elements(rest, 1)?,
        b'%' => elements(rest, 2)?,
        other => return Err(RespError::Type(*other)),
    })
}

fn bulk(length: &[u8], error: bool) -> Result<Head<'_>, RespError> {
    let Some(length) = announced(length)? else { return Ok(Head::Whole(Value::Null)) };
    match usize::try_from(length) {
        Ok(length) if length <= BULK_BYTES_MAX => Ok(Head::Bulk { length, error }),
        _ => Err(RespError::BulkTooLarge(length)),
    }
}

fn elements(count: &[u8], each: usize) -> Result<Head<'_>, RespError> {
    let Some(count) = announced(count)? else { return Ok(Head::Whole(Value::Null)) };
    let count = usize::try_from(count)
        .ok()
        .and_then(|count| count.checked_mul(each))
        .ok_or(RespError::TooManyElements)?;
    Ok(Head::Open { count, map: each == 2 })
}

/// A length; `None` for -1.
fn announced(text: &[u8]) -> Result<Option<u64>, RespError> {
    match number(text).ok_or(RespError::Length)? {
        -1 => Ok(None),
        length => u64::try_from(length).map(Some).map_err(|_| RespError::Length),
    }
}

fn number(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    // Eighteen digits fit in any case; nearly all numbers of a reply have fewer.
    if digits.len() > 18 {
        return std::str::from_utf8(text).ok()?.parse().ok();
    }
    let value = i64::try_from(decimal(digits)?).ok()?;
    Some(if negative { -value } else { value })
}

/// Appends a command as an array of bulk strings.
pub fn encode_command<P: AsRef<[u8]>>(parts: &[P], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("*{}\r\n", parts.len()).as_bytes());
    for part in parts {
        encode_bulk(b'$', part.as_ref(), out);
    }
}

/// Appends a value: what a server would send.
pub fn encode_value(value: &Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"$-1\r\n"),
        Value::Status(text) => encode_line(b'+', text, out),
        Value::Error(text) => encode_line(b'-', text, out),
        Value::Integer(number) => encode_line(b':', number.to_string().as_bytes(), out),
        Value::Bulk(bytes) => encode_bulk(b'$', bytes, out),
        Value::Boolean(yes) => encode_line(b'#', if *yes { b"t" } else { b"f" }, out),
        Value::Number(text) => encode_line(b',', text, out),
        Value::Array(items) => {
            encode_line(b'*', items.len().to_string().as_bytes(), out);
            for item in items {
                encode_value(item, out);
            }
        }
        Value::Map(pairs) => {
            encode_line(b'%', pairs.len().to_string().as_bytes(), out);
            for (name, value) in pairs {
                encode_value(name, out);
                encode_value(value, out);
            }
        }
    }
}

/// A line cannot hold its own end, so one that would is sent as a bulk string of the same meaning.
fn encode_line(kind: u8, text: &[u8], out: &mut Vec<u8>) {
    if text.windows(2).any(|pair| pair == b"\r\n") {
        return encode_bulk(if kind == b'-' { b'!' } else { b'$' }, text, out);
    }
    out.push(kind);
    out.extend_from_slice(text);
    out.extend_from_slice(b"\r\n");
}

fn encode_bulk(kind: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(kind);
    out.extend_from_slice(bytes.len().to_string().as_bytes());
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// A value that outlives its decoder.
    fn kept(value: &Value<'_>) -> Value<'static> {
        let bytes = |bytes: &[u8]| -> &'static [u8] { bytes.to_vec().leak() };
        match value {
            Value::Null => Value::Null,
            Value::Status(text) => Value::Status(bytes(text)),
            Value::Error(text) => Value::Error(bytes(text)),
            Value::Integer(number) => Value::Integer(*number),
            Value::Bulk(text) => Value::Bulk(bytes(text)),
            Value::Array(items) => Value::Array(items.iter().map(kept).collect()),
            Value::Map(pairs) => {
                Value::Map(pairs.iter().map(|(a, b)| (kept(a), kept(b))).collect())
            }
            Value::Boolean(yes) => Value::Boolean(*yes),
            Value::Number(text) => Value::Number(bytes(text)),
        }
    }

    fn all(bytes: &[u8]) -> (Vec<Value<'static>>, Option<RespError>) {
        let mut decoder = Decoder::new();
        decoder.feed(bytes);
        drain(&mut decoder)
    }

    fn drain(decoder: &mut Decoder) -> (Vec<Value<'static>>, Option<RespError>) {
        let mut values = Vec::new();
        loop {
            match decoder.next_value() {
                Ok(Some(value)) => values.push(kept(&value)),
                Ok(None) => return (values, None),
                Err(error) => return (values, Some(error)),
            }
        }
    }

    #[test]
    fn every_kind_is_read() {
        let (values, error) =
            all(b"+OK\r\n-ERR no\r\n:-7\r\n$3\r\na\r\n\r\n$-1\r\n*-1\r\n*2\r\n*0\r\n_\r\n\
            %1\r\n+k\r\n#t\r\n,1.5\r\n!3\r\nBAD\r\n=5\r\ntxt:a\r\n~1\r\n:1\r\n");
        assert_eq!(error, None);
        assert_eq!(
            values,
            [
                Value::Status(b"OK"),
                Value::Error(b"ERR no"),
                Value::Integer(-7),
                Value::Bulk(b"a\r\n"),
                Value::Null,
                Value::Null,
                Value::Array(vec![Value::Array(Vec::new()), Value::Null]),
                Value::Map(vec![(Value::Status(b"k"), Value::Boolean(true))]),
                Value::Number(b"1.5"),
                Value::Error(b"BAD"),
                Value::Bulk(b"txt:a"),
                Value::Array(vec![Value::Integer(1)]),
            ]
        );
    }

    #[test]
    fn numbers_are_read_as_the_standard_library_does() {
        for text in [
            "0",
            "-0",
            "+7",
            "-9223372036854775808",
            "9223372036854775808",
            "12a",
            "",
            "-",
            "+",
            "--1",
            "999999999999999999",
            "-999999999999999999",
            "00000000000000000012",
        ] {
            assert_eq!(number(text.as_bytes()), text.parse().ok(), "{text}");
        }
    }

    #[test]
    fn announced_lengths_are_not_trusted() {
        for (bytes, error) in [
            (&b"$16777217\r\n"[..], RespError::BulkTooLarge(16_777_217)),
            (b"$9223372036854775807\r\n", RespError::BulkTooLarge(i64::MAX as u64)),
            (b"*1048577\r\n", RespError::TooManyElements),
            (b"*1048576\r\n*1\r\n", RespError::TooManyElements),
            (b"%9223372036854775807\r\n", RespError::TooManyElements),
            (b"$-2\r\n", RespError::Length),
            (b"$?\r\n", RespError::Length),
            (b"$1\r\nab\r\n", RespError::BulkEnd),
            (b"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n", RespError::TooDeep),
            (b"HTTP/1.1 400 Bad Request\r\n", RespError::Type(b'H')),
            (b"\r\n", RespError::Type(b'\r')),
            (b":x\r\n", RespError::Integer),
        ] {
            assert_eq!(all(bytes).1, Some(error), "{:?}", String::from_utf8_lossy(bytes));
        }
        let mut decoder = Decoder::new();
        decoder.feed(b"*1048576\r\n$16777216\r\n");
        assert_eq!(decoder.next_value(), Ok(None));
        assert!(decoder.input.capacity() < 1024 && decoder.open == [1_048_576]);
    }

    #[test]
    fn what_has_no_end_is_cut_off() {
        let mut decoder = Decoder::new();
        decoder.feed(b"+");
        let line = (0..100).find_map(|_| {
            decoder.feed(&[b'a'; 1024]);
            decoder.is_whole().err()
        });
        assert_eq!(line, Some(RespError::LineTooLong));
        let mut decoder = Decoder::new();
        decoder.feed(b"*100\r\n");
        let reply = (0..100).find_map(|_| {
            decoder.feed(b"$1000000\r\n");
            decoder.feed(&vec![b'x'; 1_000_000]);
            decoder.feed(b"\r\n");
            decoder.is_whole().err()
        });
        assert_eq!(reply, Some(RespError::ReplyTooLarge));
        assert_eq!(decoder.next_value(), Err(RespError::ReplyTooLarge));
        assert_eq!(decoder.held_bytes(), 0);
    }

    #[test]
    fn a_command_is_an_array_of_bulk_strings() {
        let mut out = Vec::new();
        encode_command(&["CLUSTER", "NODES"], &mut out);
        assert_eq!(out, b"*2\r\n$7\r\nCLUSTER\r\n$5\r\nNODES\r\n");
    }

    fn values() -> impl Strategy<Value = Value<'static>> {
        let line = || {
            vec(any::<u8>(), 0..20).prop_filter("no end", |t| {
                !t.windows(2).any(|pair| pair == b"\r\n") && t.last() != Some(&b'\r')
            })
        };
        let leaf = prop_oneof![
            Just(Value::Null),
            line().prop_map(|text| Value::Status(text.leak())),
            line().prop_map(|text| Value::Error(text.leak())),
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

    /// Bytes that look like RESP more often than chance would have it.
    fn noise() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            vec(any::<u8>(), 0..8),
            Just(b"\r\n".to_vec()),
            "[-+:$*%~!=_#,(>][0-9-]{0,4}(\r\n)?".prop_map(String::into_bytes),
        ];
        vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_read_back(sent in vec(values(), 0..5)) {
            let mut out = Vec::new();
            for value in &sent {
                encode_value(value, &mut out);
            }
            prop_assert_eq!(all(&out), (sent, None));
        }

        #[test]
        fn cuts_change_nothing(input in noise(), cuts in vec(1_usize..9, 1..50)) {
            let whole = all(&input);
            let mut decoder = Decoder::new();
            let (mut values, mut error, mut rest) = (Vec::new(), None, &input[..]);
            for cut in cuts.iter().cycle() {
                let (piece, after) = rest.split_at((*cut).min(rest.len()));
                decoder.feed(piece);
                let (more, failed) = drain(&mut decoder);
                values.extend(more);
                error = error.or(failed);
                rest = after;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!((values, error), whole);
        }
    }

    /// Ten times the input may take about ten times the steps, also byte by byte.
    #[test]
    fn a_byte_is_looked_at_a_constant_number_of_times() {
        let mut decoder = Decoder::new();
        let long = vec![b'a'; LINE_BYTES_MAX - 1];
        decoder.feed(b"+");
        for byte in &long {
            decoder.feed(std::slice::from_ref(byte));
            assert_eq!(decoder.next_value(), Ok(None));
            assert!(decoder.input.len() - decoder.searched <= 2);
        }
        decoder.feed(b"\r\n");
        assert_eq!(decoder.next_value(), Ok(Some(Value::Status(&long))));
        assert!(decoder.is_idle());
    }
}

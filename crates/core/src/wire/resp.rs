//! RESP: bytes of a connection to values, and commands to bytes.
//!
//! A [`Decoder`] is fed whatever arrives and yields whole values. Invariants: nothing is allocated
//! by a length that the peer only announced; every bound of [`crate::limits`] is checked before
//! the bytes are waited for; each byte is looked at a constant number of times, however the input
//! is cut. After an error the stream has lost its frame, so the decoder stays broken.
//!
//! RESP2, and of RESP3 whatever has a fixed length. Deliberately absent: streamed RESP3 strings
//! and attributes, which no server sends to a client that did not ask for them.

use crate::limits::{
    BULK_BYTES_MAX, LINE_BYTES_MAX, REPLY_BYTES_MAX, REPLY_DEPTH_MAX, REPLY_ELEMENTS_MAX,
};

/// One value of a reply. Bytes are kept as they came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `$-1`, `*-1` or `_`.
    Null,
    /// `+text`.
    Status(Vec<u8>),
    /// `-text` or a bulk error `!`: what the server refuses, without the leading sign.
    Error(Vec<u8>),
    /// `:number`.
    Integer(i64),
    /// `$length`, or a RESP3 verbatim string `=` with its format in front.
    Bulk(Vec<u8>),
    /// `*count`, or a RESP3 set `~` or push `>`.
    Array(Vec<Value>),
    /// A RESP3 map `%`.
    Map(Vec<(Value, Value)>),
    /// A RESP3 boolean `#`.
    Boolean(bool),
    /// A RESP3 double `,` or big number `(`, as its text.
    Number(Vec<u8>),
}

impl Value {
    /// The bytes of a status or a bulk string.
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Status(bytes) | Self::Bulk(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The text of a status or a bulk string; bytes that are no UTF-8 are replaced.
    pub fn text(&self) -> Option<std::borrow::Cow<'_, str>> {
        self.bytes().map(String::from_utf8_lossy)
    }

    /// The number of an integer, or of a text that is one.
    pub fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            other => std::str::from_utf8(other.bytes()?).ok()?.parse().ok(),
        }
    }

    /// The elements of an array.
    pub fn array(&self) -> Option<&[Value]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// Names and values: a map, or an array that lists them in turn (RESP2). Empty for others; a
    /// last name without a value is left out.
    pub fn pairs(&self) -> Vec<(&Value, &Value)> {
        match self {
            Self::Map(pairs) => pairs.iter().map(|(name, value)| (name, value)).collect(),
            Self::Array(items) => {
                items.as_chunks::<2>().0.iter().map(|[name, value]| (name, value)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The text of an error reply.
    pub fn error(&self) -> Option<std::borrow::Cow<'_, str>> {
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

/// A value that is being gathered: its elements so far and how many are missing.
#[derive(Debug)]
struct Frame {
    missing: usize,
    items: Vec<Value>,
    map: bool,
}

/// What a whole bulk string becomes.
type Wrap = fn(Vec<u8>) -> Value;

/// What the header of a value asks for next.
enum Head {
    Whole(Value),
    Bulk { length: usize, wrap: Wrap },
    Open { count: usize, map: bool },
}

/// Takes bytes as they arrive and yields values. See the module.
#[derive(Debug, Default)]
pub struct Decoder {
    input: Vec<u8>,
    /// Bytes of `input` that are done with.
    at: usize,
    /// Bytes from `at` in which no end of a line was found.
    searched: usize,
    open: Vec<Frame>,
    /// A bulk string whose length was read and whose bytes are awaited.
    awaited: Option<(usize, Wrap)>,
    reply_bytes: usize,
    reply_elements: usize,
    broken: Option<RespError>,
}

/// Memory that a finished element takes beside its bytes.
const ELEMENT_BYTES: usize = std::mem::size_of::<Value>();

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

    /// Bytes of memory that are held: input that waits, and elements of an unfinished reply.
    pub fn held_bytes(&self) -> usize {
        self.input.capacity() + self.reply_bytes + self.reply_elements * ELEMENT_BYTES
    }

    /// Gives back the memory of the input if nothing of it waits.
    pub fn trim(&mut self) {
        if self.at == self.input.len() {
            self.input = Vec::new();
            self.at = 0;
        }
    }

    /// Whether nothing of a value was begun.
    pub fn is_idle(&self) -> bool {
        self.at == self.input.len() && self.open.is_empty() && self.awaited.is_none()
    }

    /// The next whole value; `None` when more bytes are needed.
    ///
    /// # Errors
    /// The first [`RespError`] of the stream, for ever.
    pub fn next_value(&mut self) -> Result<Option<Value>, RespError> {
        if let Some(error) = self.broken {
            return Err(error);
        }
        self.advance().inspect_err(|error| {
            self.broken = Some(*error);
            self.input = Vec::new();
            self.open = Vec::new();
            self.at = 0;
            self.reply_bytes = 0;
            self.reply_elements = 0;
        })
    }

    fn advance(&mut self) -> Result<Option<Value>, RespError> {
        loop {
            let Some(value) = self.next_part()? else { return Ok(None) };
            if let Some(value) = self.place(value) {
                self.reply_bytes = 0;
                self.reply_elements = 0;
                return Ok(Some(value));
            }
        }
    }

    /// Puts a value into the innermost open array; gives back what is whole by that.
    fn place(&mut self, mut value: Value) -> Option<Value> {
        while let Some(frame) = self.open.last_mut() {
            frame.items.push(value);
            frame.missing -= 1;
            if frame.missing > 0 {
                return None;
            }
            value = close(self.open.pop()?);
        }
        Some(value)
    }

    /// The next value that has no parts, or an empty array. Opens arrays on the way.
    fn next_part(&mut self) -> Result<Option<Value>, RespError> {
        loop {
            if let Some((length, wrap)) = self.awaited {
                return Ok(self.take_bulk(length)?.map(wrap));
            }
            let Some(line) = self.take_line()? else { return Ok(None) };
            match head(self.input.get(line).unwrap_or_default())? {
                Head::Whole(value) => return Ok(Some(value)),
                Head::Bulk { length, wrap } => {
                    self.spend(length + 2)?;
                    self.awaited = Some((length, wrap));
                }
                Head::Open { count: 0, map } => {
                    return Ok(Some(close(Frame { missing: 0, items: Vec::new(), map })));
                }
                Head::Open { count, map } => {
                    self.reply_elements = self.reply_elements.saturating_add(count);
                    if self.reply_elements > REPLY_ELEMENTS_MAX {
                        return Err(RespError::TooManyElements);
                    }
                    if self.open.len() >= REPLY_DEPTH_MAX {
                        return Err(RespError::TooDeep);
                    }
                    self.open.push(Frame { missing: count, items: Vec::new(), map });
                }
            }
        }
    }

    /// Where in `input` the next line is, without its end, and past it.
    fn take_line(&mut self) -> Result<Option<std::ops::Range<usize>>, RespError> {
        let rest = self.input.get(self.at..).unwrap_or_default();
        let unsearched = rest.get(self.searched..).unwrap_or_default();
        let Some(end) = unsearched.windows(2).position(|pair| pair == b"\r\n") else {
            // The last byte may be the first half of the end.
            self.searched = rest.len().saturating_sub(1);
            return if rest.len() > LINE_BYTES_MAX {
                Err(RespError::LineTooLong)
            } else {
                Ok(None)
            };
        };
        let length = self.searched + end;
        if length > LINE_BYTES_MAX {
            return Err(RespError::LineTooLong);
        }
        self.spend(length + 2)?;
        let line = self.at..self.at + length;
        self.at = line.end + 2;
        self.searched = 0;
        Ok(Some(line))
    }

    fn take_bulk(&mut self, length: usize) -> Result<Option<Vec<u8>>, RespError> {
        let Some(bytes) = self.input.get(self.at..self.at + length + 2) else { return Ok(None) };
        let (body, end) = bytes.split_at(length);
        if end != b"\r\n" {
            return Err(RespError::BulkEnd);
        }
        let body = body.to_vec();
        self.at += length + 2;
        self.awaited = None;
        Ok(Some(body))
    }

    fn spend(&mut self, bytes: usize) -> Result<(), RespError> {
        self.reply_bytes = self.reply_bytes.saturating_add(bytes);
        if self.reply_bytes > REPLY_BYTES_MAX { Err(RespError::ReplyTooLarge) } else { Ok(()) }
    }
}

fn close(frame: Frame) -> Value {
    if !frame.map {
        return Value::Array(frame.items);
    }
    let mut items = frame.items.into_iter();
    let mut pairs = Vec::new();
    while let (Some(name), Some(value)) = (items.next(), items.next()) {
        pairs.push((name, value));
    }
    Value::Map(pairs)
}

fn head(line: &[u8]) -> Result<Head, RespError> {
    let Some((kind, rest)) = line.split_first() else { return Err(RespError::Type(b'\r')) };
    Ok(match kind {
        b'+' => Head::Whole(Value::Status(rest.to_vec())),
        b'-' => Head::Whole(Value::Error(rest.to_vec())),
        b':' => Head::Whole(Value::Integer(number(rest).ok_or(RespError::Integer)?)),
        b'_' => Head::Whole(Value::Null),
        b'#' => Head::Whole(Value::Boolean(rest == b"t")),
        b',' | b'(' => Head::Whole(Value::Number(rest.to_vec())),
        b'$' | b'=' => bulk(rest, Value::Bulk)?,
        b'!' => bulk(rest, Value::Error)?,
        b'*' | b'~' | b'>' => elements(rest, 1)?,
        b'%' => elements(rest, 2)?,
        other => return Err(RespError::Type(*other)),
    })
}

fn bulk(length: &[u8], wrap: Wrap) -> Result<Head, RespError> {
    let Some(length) = announced(length)? else { return Ok(Head::Whole(Value::Null)) };
    match usize::try_from(length) {
        Ok(length) if length <= BULK_BYTES_MAX => Ok(Head::Bulk { length, wrap }),
        _ => Err(RespError::BulkTooLarge(length)),
    }
}

fn elements(count: &[u8], each: usize) -> Result<Head, RespError> {
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
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Appends a command as an array of bulk strings.
pub fn encode_command<P: AsRef<[u8]>>(parts: &[P], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("*{}\r\n", parts.len()).as_bytes());
    for part in parts {
        encode_bulk(b'$', part.as_ref(), out);
    }
}

/// Appends a value: what a server would send.
pub fn encode_value(value: &Value, out: &mut Vec<u8>) {
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

    fn all(bytes: &[u8]) -> (Vec<Value>, Option<RespError>) {
        let mut decoder = Decoder::new();
        decoder.feed(bytes);
        drain(&mut decoder)
    }

    fn drain(decoder: &mut Decoder) -> (Vec<Value>, Option<RespError>) {
        let mut values = Vec::new();
        loop {
            match decoder.next_value() {
                Ok(Some(value)) => values.push(value),
                Ok(None) => return (values, None),
                Err(error) => return (values, Some(error)),
            }
        }
    }

    fn bytes(text: &str) -> Vec<u8> {
        text.as_bytes().to_vec()
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
                Value::Status(bytes("OK")),
                Value::Error(bytes("ERR no")),
                Value::Integer(-7),
                Value::Bulk(bytes("a\r\n")),
                Value::Null,
                Value::Null,
                Value::Array(vec![Value::Array(Vec::new()), Value::Null]),
                Value::Map(vec![(Value::Status(bytes("k")), Value::Boolean(true))]),
                Value::Number(bytes("1.5")),
                Value::Error(bytes("BAD")),
                Value::Bulk(bytes("txt:a")),
                Value::Array(vec![Value::Integer(1)]),
            ]
        );
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
        assert!(decoder.input.capacity() < 1024 && decoder.open[0].items.capacity() == 0);
    }

    #[test]
    fn what_has_no_end_is_cut_off() {
        let mut decoder = Decoder::new();
        decoder.feed(b"+");
        let line = (0..100).find_map(|_| {
            decoder.feed(&[b'a'; 1024]);
            decoder.next_value().err()
        });
        assert_eq!(line, Some(RespError::LineTooLong));
        let mut decoder = Decoder::new();
        decoder.feed(b"*100\r\n");
        let reply = (0..100).find_map(|_| {
            decoder.feed(b"$1000000\r\n");
            decoder.feed(&vec![b'x'; 1_000_000]);
            decoder.feed(b"\r\n");
            decoder.next_value().err()
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

    fn values() -> impl Strategy<Value = Value> {
        let line = || {
            vec(any::<u8>(), 0..20).prop_filter("no end", |t| {
                !t.windows(2).any(|pair| pair == b"\r\n") && t.last() != Some(&b'\r')
            })
        };
        let leaf = prop_oneof![
            Just(Value::Null),
            line().prop_map(Value::Status),
            line().prop_map(Value::Error),
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
        assert_eq!(decoder.next_value(), Ok(Some(Value::Status(long))));
        assert!(decoder.is_idle());
    }
}

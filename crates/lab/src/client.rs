//! A plain connection to a server of the lab.
//!
//! It talks only to servers that the lab started itself, so it has deadlines but no other limits;
//! what must stand against hostile peers is in `slotwright-net`.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// An answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// A status or a bulk.
    Text(String),
    /// An error, without the leading `-`.
    Error(String),
    /// A number.
    Number(i64),
    /// Nothing.
    Nil,
    /// Several.
    List(Vec<Value>),
}

impl Value {
    /// The answer as text: what a person would read.
    pub fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Error(text) => format!("-{text}"),
            Self::Number(number) => number.to_string(),
            Self::Nil => String::new(),
            Self::List(values) => values.iter().map(Self::text).collect::<Vec<_>>().join("\n"),
        }
    }

    /// Whether it, or one of its parts, is an error.
    pub fn error(&self) -> Option<&str> {
        match self {
            Self::Error(text) => Some(text),
            Self::List(values) => values.iter().find_map(Self::error),
            _ => None,
        }
    }
}

/// A connection.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// As the machine says, or after the deadline.
    pub fn connect(to: SocketAddr, deadline: Duration) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&to, deadline)?;
        stream.set_read_timeout(Some(deadline))?;
        stream.set_write_timeout(Some(deadline))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Sets how long an answer may take.
    ///
    /// # Errors
    /// As the machine says.
    pub fn set_deadline(&mut self, deadline: Duration) -> io::Result<()> {
        self.stream.get_ref().set_read_timeout(Some(deadline))
    }

    /// Sends a command and waits for its answer.
    ///
    /// # Errors
    /// When the connection breaks or the deadline passes; the connection is then of no more use.
    pub fn ask(&mut self, words: &[impl AsRef<[u8]>]) -> io::Result<Value> {
        self.send(words)?;
        self.receive()
    }

    /// Sends many commands at once and returns their answers.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn ask_all(&mut self, commands: &[Vec<String>]) -> io::Result<Vec<Value>> {
        let mut bytes = Vec::new();
        for words in commands {
            encode(words, &mut bytes);
        }
        self.stream.get_mut().write_all(&bytes)?;
        commands.iter().map(|_| self.receive()).collect()
    }

    /// Sends a command and does not wait.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn send(&mut self, words: &[impl AsRef<[u8]>]) -> io::Result<()> {
        let mut bytes = Vec::new();
        encode(words, &mut bytes);
        self.stream.get_mut().write_all(&bytes)
    }

    fn receive(&mut self) -> io::Result<Value> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end();
        let (kind, rest) = line.split_at_checked(1).unwrap_or_default();
        let number =
            || rest.parse::<i64>().map_err(|_| io::Error::from(io::ErrorKind::InvalidData));
        Ok(match kind {
            "+" => Value::Text(rest.to_owned()),
            "-" => Value::Error(rest.to_owned()),
            ":" => Value::Number(number()?),
            "$" => match usize::try_from(number()?) {
                Ok(length) => Value::Text(self.bulk(length)?),
                Err(_) => Value::Nil,
            },
            "*" => match number()? {
                count if count < 0 => Value::Nil,
                count => Value::List((0..count).map(|_| self.receive()).collect::<Result<_, _>>()?),
            },
            _ => return Err(io::ErrorKind::InvalidData.into()),
        })
    }

    fn bulk(&mut self, length: usize) -> io::Result<String> {
        let mut bytes = vec![0; length + 2];
        self.stream.read_exact(&mut bytes)?;
        bytes.truncate(length);
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

fn encode(words: &[impl AsRef<[u8]>], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        let word = word.as_ref();
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}

/// Splits a command line into words; `"` and `'` hold together, as at a shell.
pub fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for letter in line.chars() {
        match (quote, letter) {
            (Some(open), _) if letter == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, _) if letter.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn quotes_hold_words_together_and_may_be_empty() {
        let line = "MIGRATE 127.0.0.1 6379 \"\" 0 5000 KEYS 'a b'  c";
        assert_eq!(
            words(line),
            ["MIGRATE", "127.0.0.1", "6379", "", "0", "5000", "KEYS", "a b", "c"]
        );
        assert_eq!(words("  "), Vec::<String>::new());
    }
}

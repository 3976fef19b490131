//! One connection to one server: dial, handshake, one pipeline of questions at a time.
//!
//! Invariant: whatever the peer does, every question gets exactly one answer or [`Silence`], within
//! the deadlines and the memory of its [`Share`].

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use slotwright_core::model::SlotSet;
use slotwright_core::observation::{Certificate, Silence};
use slotwright_core::wire::resp::{self, Decoder, RespError, Value};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use crate::act::{ActToken, may_change};
use crate::command::{Command, is_allowed};
use crate::memory::{Memory, Share};
use crate::target::Login;
use crate::tls::Tls;

/// How long each part of a conversation may take, and when all of it must be over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    pub(crate) connect: Duration,
    pub(crate) handshake: Duration,
    pub(crate) reply: Duration,
    pub(crate) until: Instant,
}

impl Patience {
    /// For a node of a look that may take so long in all. A node that takes most of it to connect
    /// is as good as down, and one that takes most of the rest to shake hands is no better: that
    /// leaves time to hear the others out.
    pub(crate) fn of_look(timeout: Duration, until: Instant) -> Self {
        Self { connect: timeout * 3 / 5, handshake: timeout * 3 / 5, reply: timeout, until }
    }

    /// Each part may take all the time until then.
    pub(crate) fn until(until: Instant) -> Self {
        let all = until.saturating_duration_since(Instant::now());
        Self { connect: all, handshake: all, reply: all, until }
    }

    fn end_of(&self, part: Duration) -> Instant {
        self.until.min(Instant::now() + part)
    }
}

/// A stream of bytes that RESP can be spoken over: TCP, TLS, or a forwarded port.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// Spare room made before each read; doubles with the size of the answer.
const READ_BYTES: usize = 4 * 1024;

/// An open connection.
pub(crate) struct Connection {
    wire: Box<dyn Wire>,
    decoder: Decoder,
    share: Share,
    patience: Patience,
    /// Answers that we gave up on and that may still come.
    owed: usize,
    /// Whether a question went out in part, or not at all.
    torn: bool,
}

/// What came of dialling: a stream, and the certificate if one was shown (also when refused).
pub(crate) struct Dialled {
    pub(crate) wire: Result<Box<dyn Wire>, Silence>,
    pub(crate) certificate: Option<Certificate>,
}

/// Connects, and shakes hands when TLS is wanted.
pub(crate) async fn dial(
    address: SocketAddr,
    host: &str,
    tls: Option<&Tls>,
    patience: &Patience,
) -> Dialled {
    let stream = match timeout_at(patience.end_of(patience.connect), connect(address)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Dialled { wire: Err(silence_of(&error)), certificate: None },
        Err(_) => return Dialled { wire: Err(Silence::TimedOut), certificate: None },
    };
    let Some(tls) = tls else {
        return Dialled { wire: Ok(Box::new(stream)), certificate: None };
    };
    let Some(name) = tls.name_for(host) else {
        let why = Silence::Tls("the host is no name that TLS can ask for".to_owned());
        return Dialled { wire: Err(why), certificate: None };
    };
    let (connector, eye) = tls.connector();
    let shaken =
        timeout_at(patience.end_of(patience.handshake), connector.connect(name, stream)).await;
    let wire: Result<Box<dyn Wire>, Silence> = match shaken {
        Ok(Ok(stream)) => Ok(Box::new(stream)),
        Ok(Err(error)) => Err(handshake_silence(&error)),
        Err(_) => Err(Silence::NoReply),
    };
    Dialled { wire, certificate: eye.certificate() }
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

impl Connection {
    /// Speaks RESP over a stream.
    pub(crate) fn over(wire: Box<dyn Wire>, memory: &Arc<Memory>, patience: Patience) -> Self {
        Self {
            wire,
            decoder: Decoder::new(),
            share: Share::of(memory),
            patience,
            owed: 0,
            torn: false,
        }
    }

    /// Sends all questions at once, a login in front if there is one, and hands over each answer
    /// as it comes. An error reply is a silence. Returns what was wrong with the login.
    pub(crate) async fn ask(
        &mut self,
        login: Option<&Login>,
        commands: &[Command],
        answer: impl FnMut(usize, Result<Value<'_>, Silence>) + Send,
    ) -> Option<Silence> {
        let mut question = Vec::with_capacity(commands.len() * 40);
        if let Some(login) = login {
            encode_login(login, &mut question);
        }
        for command in commands {
            command.encode(&mut question);
        }
        self.exchange(&[&question], login.is_some(), commands.len(), answer).await
    }

    /// Sends command lines that change something, all at once, and hands over each answer.
    ///
    /// # Panics
    /// When a line is on neither list of what may be sent: a bug, and better a crash than harm to
    /// somebody's cluster.
    pub(crate) async fn change(
        &mut self,
        login: Option<&Login>,
        lines: &[Vec<Vec<u8>>],
        _token: &ActToken,
        answer: impl FnMut(usize, Result<Value<'_>, Silence>) + Send,
    ) -> Option<Silence> {
        let mut question = Vec::new();
        if let Some(login) = login {
            encode_login(login, &mut question);
        }
        for line in lines {
            let verb = line.first().map(|word| String::from_utf8_lossy(word).into_owned());
            assert!(
                may_change(line) || is_allowed(line),
                "{verb:?} is on neither list of what may be sent"
            );
            resp::encode_command(line, &mut question);
        }
        self.exchange(&[&question], login.is_some(), lines.len(), answer).await
    }

    /// Waits so long from now on.
    pub(crate) const fn be_patient(&mut self, patience: Patience) {
        self.patience = patience;
    }

    /// Asks for the number of keys in each of these slots, ascending.
    pub(crate) async fn ask_counts(
        &mut self,
        slots: &SlotSet,
        mut answer: impl FnMut(Result<Value<'_>, Silence>) + Send,
    ) {
        let parts: Vec<&[u8]> = slots
            .ranges()
            .iter()
            .map(|range| crate::census::questions(range.first, range.last))
            .collect();
        let count = usize::from(slots.len());
        self.exchange(&parts, false, count, |_, value| answer(value)).await;
    }

    /// From now on all must be over by then.
    pub(crate) fn wait_until(&mut self, until: Instant) {
        self.patience = Patience::until(until);
    }

    /// Sends questions that were encoded, the first of them a login if there is one. Private, so
    /// that nothing is sent that is not on a list.
    async fn exchange(
        &mut self,
        parts: &[&[u8]],
        login: bool,
        questions: usize,
        mut answer: impl FnMut(usize, Result<Value<'_>, Silence>) + Send,
    ) -> Option<Silence> {
        let total = questions + usize::from(login);
        let mut heard = Heard { done: 0, first_error: None, login_wrong: None };
        let deadline = self.patience.end_of(self.patience.reply);
        let Self { wire, decoder, share, owed, torn, .. } = self;
        if *torn {
            heard.give_up(&Silence::Closed, total, login, &mut answer);
            return heard.login_wrong;
        }
        let (mut reader, mut writer) = tokio::io::split(wire);
        // Until all of it is written: half a question makes nonsense of the next.
        *torn = true;
        // A failed write is not the end: the server may have said why before it closed.
        let send = async {
            for part in parts {
                if writer.write_all(part).await.is_err() {
                    break;
                }
            }
            *torn = writer.flush().await.is_err();
            std::future::pending::<()>().await;
        };
        let receive = async {
            while heard.done < total {
                fill(&mut reader, decoder, share).await?;
                match decoder.take() {
                    // The answer to a question that was given up.
                    Some(_) if *owed > 0 => *owed -= 1,
                    Some(value) => heard.take(value, login, &mut answer),
                    None => {}
                }
            }
            Ok(())
        };
        let ended = tokio::select! {
            biased;
            ended = receive => ended,
            () = send => Ok(()),
            () = tokio::time::sleep_until(deadline) => Err(Silence::NoReply),
        };
        decoder.trim();
        *owed += total - heard.done;
        *torn &= ended.is_err();
        if let Err(silence) = ended {
            heard.give_up(&silence, total, login, &mut answer);
        }
        heard.login_wrong
    }
}

/// The progress of one pipeline.
struct Heard {
    done: usize,
    first_error: Option<Silence>,
    login_wrong: Option<Silence>,
}

impl Heard {
    fn take(
        &mut self,
        value: Value<'_>,
        login: bool,
        answer: &mut impl FnMut(usize, Result<Value<'_>, Silence>),
    ) {
        let result = match value.error() {
            Some(text) => Err(Silence::from_error(&cut(&text))),
            None => Ok(value),
        };
        if self.done == 0 {
            self.first_error = result.as_ref().err().cloned();
        }
        match (login, self.done) {
            (true, 0) => self.login_wrong = result.err().filter(is_wrong_login),
            (true, number) => answer(number - 1, result),
            (false, number) => answer(number, result),
        }
        self.done += 1;
    }

    /// A server that refuses us says so once and closes: that error is the answer to the rest.
    fn give_up(
        &mut self,
        silence: &Silence,
        total: usize,
        login: bool,
        answer: &mut impl FnMut(usize, Result<Value<'_>, Silence>),
    ) {
        let why = match &self.first_error {
            Some(error) if self.done == 1 && *silence == Silence::Closed => error,
            _ => silence,
        };
        if login && self.done == 0 {
            self.login_wrong = Some(why.clone());
            self.done = 1;
        }
        for number in self.done..total {
            answer(number - usize::from(login), Err(why.clone()));
        }
    }
}

/// A server without passwords refuses `AUTH` with this text, and answers everything else.
fn is_wrong_login(silence: &Silence) -> bool {
    !matches!(silence, Silence::Error(text) if text.contains("without any password configured"))
}

/// Reads until a whole value is there.
async fn fill(
    reader: &mut (impl AsyncRead + Unpin),
    decoder: &mut Decoder,
    share: &mut Share,
) -> Result<(), Silence> {
    loop {
        if decoder.is_whole().map_err(|error| garbage(&error))? {
            return Ok(());
        }
        if decoder.is_idle() && decoder.held_bytes() > READ_BYTES {
            decoder.trim();
        }
        let input = decoder.input();
        let (held, room) = (input.len(), input.capacity() - input.len());
        if room < READ_BYTES {
            // By a quarter, and asked for before it is taken: doubling would hold more than the
            // share knows of.
            let more = READ_BYTES.max(held / 4);
            share.fit(decoder.held_bytes() - room + more).await?;
            decoder.input().reserve_exact(more);
        } else {
            share.fit(decoder.held_bytes()).await?;
        }
        let read = tokio::select! {
            biased;
            read = reader.read_buf(decoder.input()) => read,
            () = share.turn_is_over() => return Err(Silence::NoReply),
        };
        match read {
            Ok(0) => return Err(Silence::Closed),
            Ok(_) => {}
            Err(error) => return Err(silence_of(&error)),
        }
    }
}

fn garbage(error: &RespError) -> Silence {
    Silence::Garbage(match error {
        RespError::Type(0x15 | 0x16) => format!("{error}: it speaks TLS"),
        RespError::Type(b'H') => format!("{error}: it may speak HTTP"),
        other => other.to_string(),
    })
}

fn encode_login(login: &Login, out: &mut Vec<u8>) {
    let password = login.password.expose();
    match &login.user {
        Some(user) => resp::encode_command(&["AUTH", user, password], out),
        None => resp::encode_command(&["AUTH", password], out),
    }
}

/// Errors are kept for a person to read; a peer's may be as long as a line can be.
fn cut(text: &str) -> String {
    text.chars().take(slotwright_core::limits::QUOTE_BYTES_MAX).collect()
}

/// What an error of the operating system means.
pub(crate) fn silence_of(error: &io::Error) -> Silence {
    if let Some(inner) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return Silence::Tls(inner.to_string());
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Silence::Refused,
        io::ErrorKind::TimedOut => Silence::TimedOut,
        io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::NetworkDown
        | io::ErrorKind::AddrNotAvailable
        | io::ErrorKind::PermissionDenied
        | io::ErrorKind::InvalidInput => Silence::NoRoute,
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::NotConnected
        | io::ErrorKind::UnexpectedEof => Silence::Closed,
        _ => Silence::Error(format!("our system says: {error}")),
    }
}

/// Closing during the handshake is what a port without TLS does.
fn handshake_silence(error: &io::Error) -> Silence {
    match silence_of(error) {
        Silence::Closed => Silence::Tls("the peer closed the connection".to_owned()),
        other => other,
    }
}

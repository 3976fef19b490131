//! The cluster bus: one PING of a stranger out, the header of one PONG in (`clusterMsg`).
//!
//! A PING from an id that the receiver does not know is answered and joins nothing
//! (`clusterProcessPacket`: only a MEET adds a node); tried on Redis 7.0.15, 8.2.3 and Valkey
//! 9.1.2. One side effect stands in the server's code: a receiver that does not know its own IP
//! learns it from the socket, so the shell leaves out nodes that show an empty IP for themselves.
//!
//! Deliberately absent: every other type of message. Nothing here can encode a MEET.

use crate::model::{ConfigEpoch, CurrentEpoch, Flag, Flags, NodeId, ReplOffset, SlotSet};
use crate::observation::BusIdentity;

/// Bytes of a `clusterMsg` header: the whole of a PING without gossip, and all we read of a PONG.
/// It is more than one Ethernet frame, so a network that loses big packets shows.
pub const HEADER_BYTES: usize = 2256;

const SIGNATURE: &[u8; 4] = b"RCmb";
const VERSION: u16 = 1;
const TYPE_PING: u16 = 0;
const TYPE_PONG: u16 = 1;
const FLAG_PRIMARY: u16 = 1;

/// Where the fields of `clusterMsg` begin.
mod at {
    pub const TOTLEN: usize = 4;
    pub const VER: usize = 8;
    pub const PORT: usize = 10;
    pub const TYPE: usize = 12;
    pub const CURRENT_EPOCH: usize = 16;
    pub const CONFIG_EPOCH: usize = 24;
    pub const OFFSET: usize = 32;
    pub const SENDER: usize = 40;
    pub const SLOTS: usize = 80;
    pub const PRIMARY: usize = 2128;
    pub const IP: usize = 2168;
    pub const CPORT: usize = 2248;
    pub const FLAGS: usize = 2250;
    pub const STATE: usize = 2252;
}

/// The bits of the flags field, by the names of `cluster.h`.
const BITS: [(u16, Flag); 8] = [
    (FLAG_PRIMARY, Flag::Primary),
    (2, Flag::Replica),
    (4, Flag::Suspected),
    (8, Flag::Failed),
    (16, Flag::Myself),
    (32, Flag::Handshake),
    (64, Flag::NoAddress),
    (512, Flag::NoFailover),
];

/// Why the bytes are no PONG.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BusError {
    /// They do not begin with `RCmb`.
    #[error("the answer is no message of the cluster bus")]
    Signature,
    /// A version of the bus protocol that we do not know.
    #[error("the bus speaks version {0} of its protocol, we know {VERSION}")]
    Version(u16),
    /// A message of another type.
    #[error("the bus sent a message of type {0} instead of a PONG")]
    Type(u16),
    /// A length that a PONG cannot have.
    #[error("the bus announces a PONG of {0} bytes")]
    Length(u32),
    /// A sender that is no node id.
    #[error("the PONG names no node id")]
    Sender,
}

/// A PING from `sender`, an id that no cluster knows: 160 random bits.
pub fn encode_ping(sender: NodeId) -> Vec<u8> {
    let mut message = vec![0_u8; HEADER_BYTES];
    let mut put = |at: usize, bytes: &[u8]| {
        if let Some(room) = message.get_mut(at..at + bytes.len()) {
            room.copy_from_slice(bytes);
        }
    };
    put(0, SIGNATURE);
    put(at::TOTLEN, &u32::try_from(HEADER_BYTES).unwrap_or(0).to_be_bytes());
    put(at::VER, &VERSION.to_be_bytes());
    put(at::TYPE, &TYPE_PING.to_be_bytes());
    put(at::SENDER, sender.to_string().as_bytes());
    put(at::FLAGS, &FLAG_PRIMARY.to_be_bytes());
    message
}

/// Reads the header of a PONG from the first bytes of an answer; `None` while there are fewer
/// than [`HEADER_BYTES`] and nothing is wrong with them.
///
/// # Errors
/// [`BusError`] as soon as the bytes cannot become a PONG.
pub fn decode_pong(bytes: &[u8]) -> Result<Option<BusIdentity>, BusError> {
    let shown = bytes.get(..SIGNATURE.len()).unwrap_or(bytes);
    if !SIGNATURE.starts_with(shown) {
        return Err(BusError::Signature);
    }
    let (Some(length), Some(version), Some(kind)) =
        (array(bytes, at::TOTLEN), array(bytes, at::VER), array(bytes, at::TYPE))
    else {
        return Ok(None);
    };
    let (length, version) = (u32::from_be_bytes(length), u16::from_be_bytes(version));
    if version != VERSION {
        return Err(BusError::Version(version));
    }
    match u16::from_be_bytes(kind) {
        TYPE_PONG if usize::try_from(length).is_ok_and(|length| length >= HEADER_BYTES) => {}
        TYPE_PONG => return Err(BusError::Length(length)),
        other => return Err(BusError::Type(other)),
    }
    if bytes.len() < HEADER_BYTES {
        return Ok(None);
    }
    identity(bytes).map(Some).ok_or(BusError::Sender)
}

/// `None` when a field is missing or the sender is no id.
fn identity(bytes: &[u8]) -> Option<BusIdentity> {
    let bits = u16::from_be_bytes(array(bytes, at::FLAGS)?);
    let flags = BITS
        .iter()
        .filter(|(bit, _)| bits & bit != 0)
        .fold(Flags::none(), |flags, (_, flag)| flags.with(*flag));
    Some(BusIdentity {
        id: NodeId::parse(&array::<40>(bytes, at::SENDER)?).ok()?,
        flags,
        primary: NodeId::parse(&array::<40>(bytes, at::PRIMARY)?).ok(),
        config_epoch: ConfigEpoch(u64::from_be_bytes(array(bytes, at::CONFIG_EPOCH)?)),
        current_epoch: CurrentEpoch(u64::from_be_bytes(array(bytes, at::CURRENT_EPOCH)?)),
        offset: ReplOffset(u64::from_be_bytes(array(bytes, at::OFFSET)?)),
        slots: slots(&array::<2048>(bytes, at::SLOTS)?),
        ip: text(&array::<46>(bytes, at::IP)?),
        port: u16::from_be_bytes(array(bytes, at::PORT)?),
        bus_port: u16::from_be_bytes(array(bytes, at::CPORT)?),
        state_ok: array::<1>(bytes, at::STATE)? == [0],
    })
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

/// `bitmapTestBit`: slot n is bit n % 8 of byte n / 8.
fn slots(bitmap: &[u8; 2048]) -> SlotSet {
    let mut set = SlotSet::new();
    for (byte, bits) in (0_u16..).zip(bitmap) {
        match bits {
            0 => {}
            0xff => {
                set.insert(byte * 8, byte * 8 + 7);
            }
            some => (0..8).filter(|bit| some >> bit & 1 == 1).for_each(|bit| {
                set.insert(byte * 8 + bit, byte * 8 + bit);
            }),
        }
    }
    set
}

fn text(padded: &[u8; 46]) -> String {
    let end = padded.iter().position(|byte| *byte == 0).unwrap_or(padded.len());
    String::from_utf8_lossy(padded.split_at(end).0).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pong() -> Vec<u8> {
        let mut message = encode_ping(NodeId::made_up(7));
        message[at::TYPE + 1] = 1;
        message[at::PORT..at::PORT + 2].copy_from_slice(&7001_u16.to_be_bytes());
        message[at::CPORT..at::CPORT + 2].copy_from_slice(&17001_u16.to_be_bytes());
        message[at::IP..at::IP + 9].copy_from_slice(b"127.0.0.1");
        message[at::CONFIG_EPOCH + 7] = 3;
        message[at::CURRENT_EPOCH + 7] = 9;
        message[at::FLAGS + 1] = 1 | 16;
        message[at::SLOTS] = 0b1000_0001;
        message[at::SLOTS + 2047] = 0b1000_0000;
        message
    }

    #[test]
    fn a_pong_tells_who_answers() {
        let seen = decode_pong(&pong()).expect("a pong").expect("whole");
        assert_eq!(seen.id, NodeId::made_up(7));
        assert_eq!((seen.port, seen.bus_port, seen.ip.as_str()), (7001, 17001, "127.0.0.1"));
        assert_eq!(seen.slots.to_string(), "0,7,16383");
        assert_eq!((seen.config_epoch.0, seen.current_epoch.0), (3, 9));
        assert_eq!(seen.flags.to_string(), "myself,master");
        assert!(seen.state_ok && seen.primary.is_none());
    }

    #[test]
    fn our_ping_is_a_ping_and_never_a_meet() {
        let ping = encode_ping(NodeId::made_up(1));
        assert_eq!(ping.len(), HEADER_BYTES);
        assert_eq!(ping[at::TYPE..at::TYPE + 4], [0, 0, 0, 0], "type PING, no gossip");
        assert_eq!(decode_pong(&ping), Err(BusError::Type(TYPE_PING)));
    }

    #[test]
    fn what_is_no_pong_is_told_apart() {
        let change = |at: usize, value: u8| {
            let mut message = pong();
            message[at] = value;
            decode_pong(&message)
        };
        assert_eq!(change(at::VER + 1, 9), Err(BusError::Version(9)));
        assert_eq!(change(at::TOTLEN + 2, 0), Err(BusError::Length(208)));
        assert_eq!(change(at::SENDER, b'!'), Err(BusError::Sender));
        assert_eq!(decode_pong(b"-ERR"), Err(BusError::Signature));
        assert_eq!(decode_pong(b"RC"), Ok(None));
        assert_eq!(decode_pong(&pong()[..2255]), Ok(None));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(
            noise in proptest::collection::vec(any::<u8>(), 0..2400),
            places in proptest::collection::vec((0_usize..2256, any::<u8>()), 0..20),
        ) {
            let _ = decode_pong(&noise);
            let mut message = pong();
            for (place, value) in places {
                message[place] = value;
            }
            if let Ok(Some(seen)) = decode_pong(&message) {
                prop_assert!(seen.slots.len() <= 16_384);
            }
        }
    }
}

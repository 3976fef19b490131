//! The bus as a witness: one PING of a stranger, one PONG (rule 6 of the design).

use std::net::SocketAddr;

use slotwright_core::model::NodeId;
use slotwright_core::observation::{BusIdentity, Said, Silence};
use slotwright_core::wire::bus;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout_at;

use crate::connection::{Patience, Wire, dial, silence_of};
use crate::tls::Tls;

/// What came of a probe.
pub(crate) struct Probe {
    pub(crate) said: Said<BusIdentity>,
    pub(crate) over_tls: Option<bool>,
}

/// Asks the bus port at an address who it is: by TLS first when TLS is wanted, else plainly.
pub(crate) async fn probe(
    address: SocketAddr,
    host: &str,
    tls: Option<&Tls>,
    patience: &Patience,
) -> Probe {
    let mut first = None;
    if let Some(tls) = tls {
        match ask(address, host, Some(tls), patience).await {
            Ok(identity) => return Probe { said: Said::This(identity), over_tls: Some(true) },
            // Only what TLS itself may have caused is worth another try.
            Err(why @ (Silence::Tls(_) | Silence::Closed | Silence::Garbage(_))) => {
                first = Some(why);
            }
            Err(why) => return Probe { said: Said::Nothing(why), over_tls: None },
        }
    }
    match ask(address, host, None, patience).await {
        Ok(identity) => Probe { said: Said::This(identity), over_tls: Some(false) },
        Err(why) => Probe { said: Said::Nothing(first.unwrap_or(why)), over_tls: None },
    }
}

async fn ask(
    address: SocketAddr,
    host: &str,
    tls: Option<&Tls>,
    patience: &Patience,
) -> Result<BusIdentity, Silence> {
    let mut wire = dial(address, host, tls, patience).await.wire?;
    let answer = timeout_at(patience.until, converse(&mut *wire));
    answer.await.unwrap_or(Err(Silence::NoReply))
}

async fn converse(wire: &mut dyn Wire) -> Result<BusIdentity, Silence> {
    wire.write_all(&bus::encode_ping(stranger())).await.map_err(|error| silence_of(&error))?;
    wire.flush().await.map_err(|error| silence_of(&error))?;
    let mut bytes = Vec::with_capacity(bus::HEADER_BYTES);
    loop {
        match wire.read_buf(&mut bytes).await {
            Ok(0) => return Err(Silence::Closed),
            Ok(_) => {}
            Err(error) => return Err(silence_of(&error)),
        }
        match bus::decode_pong(&bytes) {
            Ok(Some(identity)) => return Ok(identity),
            Ok(None) => {}
            Err(error) => return Err(Silence::Garbage(error.to_string())),
        }
    }
}

/// An id that no cluster knows. The seed of a hash map is random enough: a collision with one of
/// 2^160 ids is all that must not happen.
fn stranger() -> NodeId {
    use std::hash::{BuildHasher, RandomState};
    let mut bytes = [0_u8; 20];
    for (number, chunk) in bytes.chunks_mut(8).enumerate() {
        let random = RandomState::new().hash_one(number).to_be_bytes();
        chunk.iter_mut().zip(random).for_each(|(byte, random)| *byte = random);
    }
    NodeId::from_bytes(bytes)
}

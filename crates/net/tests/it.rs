//! What `slotwright-net` does on the wire: with peers that are made up, with peers that are
//! hostile, and with real servers. One binary, so that it links once.

mod it {
    mod client;
    pub mod fakes;
    mod hostile;
    mod named;
    pub mod real;
    mod resp;
    mod servers;
    mod tls;
    mod trust;
    mod wire;
}

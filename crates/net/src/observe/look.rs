//! The engine of one look: takes what tasks report, and decides what is dialled next.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use slotwright_core::model::{Endpoint, Flag, NodeAddress, NodeId};
use slotwright_core::observation::{
    BusSighting, NameLookup, NodesView, Observation, RowTable, Said, Sighting, Silence,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::context::{Context, now_ms};
use super::conversation::{Plan, WITHHELD, census, converse};
use super::place::{Place, Stage};
use super::questions::Depth;
use super::{Event, Trusted, doubtful, tokens};
use crate::bus::{self, Probe};
use crate::names;
use crate::target::{Limits, Target};

/// The bus port of a node whose table does not tell it (`CLUSTER_PORT_INCR`).
const BUS_PORT_OFFSET: u16 = 10_000;
/// Host names that tables announce and that are looked up.
const NAMES_MAX: usize = 1_024;
/// Tasks end by themselves at the deadline; this much later they are cut off.
const GRACE: Duration = Duration::from_millis(50);

/// A thing to do at an address, once the address is known.
enum Errand {
    Node(Endpoint, Plan),
    Bus(Endpoint),
}

pub(super) struct Look {
    context: Arc<Context>,
    limits: Limits,
    begun: Instant,
    timeout: Duration,
    observation: Observation,
    send: UnboundedSender<Event>,
    receive: UnboundedReceiver<Event>,
    tasks: JoinSet<()>,
    running: usize,
    places: BTreeMap<Endpoint, Place>,
    /// Each bus address with the places it goes with.
    bus_of: BTreeMap<Endpoint, BTreeSet<Endpoint>>,
    bus: BTreeMap<Endpoint, Option<Probe>>,
    trusted: BTreeSet<Endpoint>,
    known: BTreeSet<Endpoint>,
    names: BTreeMap<String, Option<Result<Vec<IpAddr>, Silence>>>,
    parked: BTreeMap<String, Vec<Errand>>,
    rows_read: Vec<bool>,
    asked_all: usize,
    ticks: usize,
    census_begun: bool,
}

impl Look {
    pub(super) fn new(target: &Target, limits: &Limits) -> Self {
        let begun = Instant::now();
        let (send, receive) = unbounded_channel();
        let mut observation = Observation::empty();
        observation.at_ms = now_ms();
        observation.named.clone_from(&target.seeds);
        Self {
            context: Arc::new(Context::new(target, limits, begun + target.timeout)),
            limits: *limits,
            begun,
            timeout: target.timeout,
            observation,
            send,
            receive,
            tasks: JoinSet::new(),
            running: 0,
            places: BTreeMap::new(),
            bus_of: BTreeMap::new(),
            bus: BTreeMap::new(),
            trusted: target.seeds.iter().chain(&target.trusted).cloned().collect(),
            known: target.known.clone(),
            names: BTreeMap::new(),
            parked: BTreeMap::new(),
            rows_read: Vec::new(),
            asked_all: 0,
            ticks: 0,
            census_begun: target.census,
        }
    }

    pub(super) async fn run(mut self) -> (Observation, Trusted) {
        let named = self.observation.named.clone();
        for at in named.iter().chain(&self.known.clone()) {
            if self.add_place(at) {
                self.start(at);
            }
        }
        let end = self.begun + self.timeout + GRACE;
        loop {
            if self.running == 0 && !self.anything_left() {
                break;
            }
            tokio::select! {
                biased;
                () = sleep_until(end) => break,
                () = sleep_until(self.next_tick()) => self.tick(),
                Some(event) = self.receive.recv() => self.take(event),
            }
            while self.tasks.try_join_next().is_some() {}
        }
        self.finish()
    }

    /// The moments at which what still waits is no longer waited for: a quarter, a half and six
    /// tenths of the time.
    fn next_tick(&self) -> Instant {
        let parts = [25, 50, 60].get(self.ticks).copied().unwrap_or(1_000);
        self.begun + self.timeout * parts / 100
    }

    fn tick(&mut self) {
        self.ticks += 1;
        match self.ticks {
            1 => {
                self.start_all_buses();
                self.prove_by_bus();
            }
            2 => self.start_waiting(),
            _ => self.start_census(),
        }
    }

    /// Starts what waited for everything else to be over. False when there was nothing.
    fn anything_left(&mut self) -> bool {
        for start in [Self::start_waiting, Self::start_all_buses, Self::start_census] {
            start(self);
            if self.running > 0 {
                return true;
            }
        }
        false
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Table { from, rows } => self.take_table(&from, &rows),
            Event::Sighting(sighting) => {
                self.running -= 1;
                self.take_sighting(sighting);
            }
            Event::Bus { address, probe } => {
                self.running -= 1;
                self.take_bus(address, probe);
            }
            Event::Name { name, found } => {
                self.running -= 1;
                self.take_name(name, found);
            }
            Event::Census { from, said } => {
                self.running -= 1;
                let place = self.places.get_mut(&from);
                if let Some(sighting) = place.and_then(|place| place.sighting.as_mut()) {
                    sighting.census = said;
                }
            }
        }
    }

    fn take_table(&mut self, from: &Endpoint, rows: &[u32]) {
        let witness = self.places.get(from).is_some_and(Place::is_trusted).then_some(from);
        let mut fresh = Vec::new();
        let mut knows_its_ip = true;
        {
            let table = self.context.rows();
            self.rows_read.resize(table.as_slice().len(), false);
            for number in rows {
                let index = usize::try_from(*number).unwrap_or(usize::MAX);
                let Some(row) = table.get(*number) else { continue };
                if row.flags.has(Flag::Myself) && row.address.ip.is_empty() {
                    knows_its_ip = false;
                }
                if self.rows_read.get(index) == Some(&false) {
                    fresh.push((index, row.id, row.address.clone()));
                }
            }
        }
        // All first, so that the size of the cluster is known before anybody is asked.
        for client in fresh.iter().filter_map(|(_, _, address)| address.client()) {
            self.add_place(&client);
        }
        for (index, id, address) in fresh {
            let done = self.learn(id, &address, witness);
            if let Some(read) = self.rows_read.get_mut(index) {
                *read = done;
            }
        }
        if !knows_its_ip {
            self.withhold_bus(from);
        }
        self.start_buses_of(from);
    }

    /// Takes in where a table says that a node is. Returns whether the row can tell nothing more.
    fn learn(&mut self, id: NodeId, address: &NodeAddress, witness: Option<&Endpoint>) -> bool {
        if let Some(name) = address.hostname.as_ref().filter(|name| !name.is_empty()) {
            self.look_up(name);
        }
        let Some(client) = address.client() else { return true };
        if !self.add_place(&client) {
            return true;
        }
        let bus = address
            .bus()
            .or_else(|| Some(Endpoint::new(address.ip.clone(), guess_bus(client.port)?)));
        if let Some(bus) = bus {
            self.go_together(&client, &bus);
        }
        let Some(place) = self.places.get_mut(&client) else { return true };
        place.claim(id, witness);
        self.start(&client);
        self.places.get(&client).is_some_and(Place::is_trusted) || !self.must_prove()
    }

    /// False when there are too many addresses already.
    fn add_place(&mut self, endpoint: &Endpoint) -> bool {
        if self.places.contains_key(endpoint) {
            return true;
        }
        if self.places.len() >= self.limits.nodes_max {
            let note = format!(
                "More than {} addresses turned up; the rest was not dialled.",
                self.limits.nodes_max
            );
            if !self.observation.notes.contains(&note) {
                self.observation.notes.push(note);
            }
            return false;
        }
        let named = self.trusted.contains(endpoint);
        self.places.insert(endpoint.clone(), Place::new(named));
        true
    }

    fn go_together(&mut self, client: &Endpoint, bus: &Endpoint) {
        let Some(place) = self.places.get_mut(client) else { return };
        if !place.bus.insert(bus.clone()) {
            return;
        }
        self.bus_of.entry(bus.clone()).or_default().insert(client.clone());
        // The answer may be there already, for another client address.
        if let Some(Some(Probe { said: Said::This(identity), .. })) = self.bus.get(bus) {
            place.bus_shows(identity.id);
        }
    }

    /// Whether credentials are at stake: there are some, and no certificate proves the peer.
    fn must_prove(&self) -> bool {
        let proved_by_tls = self.context.tls.as_ref().is_some_and(crate::Tls::proves_identity);
        self.context.login.is_some() && !proved_by_tls
    }

    /// Dials an address if that may be done by now.
    fn start(&mut self, endpoint: &Endpoint) {
        let must_prove = self.must_prove();
        let Some(place) = self.places.get(endpoint) else { return };
        let may_see_login = place.is_trusted() || !must_prove;
        match place.stage {
            Stage::Waiting if may_see_login => self.dial(endpoint, self.context.login.is_some()),
            Stage::Waiting => self.start_buses_of(endpoint),
            // It was asked without credentials before it was proved.
            Stage::Done { login: false } if may_see_login && was_refused(place) => {
                self.dial(endpoint, true);
            }
            _ => {}
        }
    }

    fn dial(&mut self, endpoint: &Endpoint, login: bool) {
        let next = Depth::of_next(self.places.len(), self.asked_all);
        let Some(place) = self.places.get_mut(endpoint) else { return };
        place.stage = Stage::Running { login };
        // Who is asked again, with credentials, is asked the same.
        let depth = *place.depth.get_or_insert_with(|| {
            self.asked_all += usize::from(next == Depth::All);
            next
        });
        self.running += 1;
        self.go(&endpoint.host, Errand::Node(endpoint.clone(), Plan { login, depth }));
    }

    fn start_waiting(&mut self) {
        let waiting: Vec<Endpoint> = self
            .places
            .iter()
            .filter(|(_, place)| place.stage == Stage::Waiting)
            .map(|(endpoint, _)| endpoint.clone())
            .collect();
        for endpoint in waiting {
            self.dial(&endpoint, false);
        }
    }

    fn withhold_bus(&mut self, endpoint: &Endpoint) {
        let Some(place) = self.places.get_mut(endpoint) else { return };
        place.bus_withheld = true;
        self.observation.notes.push(format!(
            "The bus of {endpoint} was not probed: the node does not know its own IP, and would \
             learn one from the probe."
        ));
    }

    fn start_buses_of(&mut self, endpoint: &Endpoint) {
        let Some(place) = self.places.get(endpoint).filter(|place| !place.bus_withheld) else {
            return;
        };
        for address in place.bus.clone() {
            if !self.bus.contains_key(&address) {
                self.bus.insert(address.clone(), None);
                self.running += 1;
                self.go(&address.host.clone(), Errand::Bus(address));
            }
        }
    }

    fn start_all_buses(&mut self) {
        let all: Vec<Endpoint> = self.places.keys().cloned().collect();
        for endpoint in all {
            self.start_buses_of(&endpoint);
        }
    }

    fn take_sighting(&mut self, sighting: Box<Sighting>) {
        let from = sighting.from.clone();
        let has_table = sighting.nodes.get().is_some();
        let followed = followed(&sighting);
        let Some(place) = self.places.get_mut(&from) else { return };
        let login = matches!(place.stage, Stage::Running { login: true });
        place.stage = Stage::Done { login };
        place.sighting = Some(sighting);
        let named = place.is_named();
        // One that is in no table and tells nothing may still be known by its bus.
        let in_no_table = named || self.known.contains(&from);
        let only_the_bus_is_left = in_no_table && !has_table && place.bus.is_empty();
        if let Some(port) = guess_bus(from.port).filter(|_| only_the_bus_is_left) {
            self.go_together(&from, &Endpoint::new(from.host.clone(), port));
        }
        self.start_buses_of(&from);
        self.start(&from);
        if named {
            self.prove_by_bus();
        }
        // Nobody vouches for it: it is not sent credentials.
        if let Some(at) = followed.filter(|at| self.add_place(at)) {
            self.start(&at);
        }
    }

    fn take_bus(&mut self, address: Endpoint, probe: Probe) {
        let id = probe.said.get().map(|identity| identity.id);
        let clients = self.bus_of.get(&address).cloned().unwrap_or_default();
        self.bus.insert(address, Some(probe));
        let Some(id) = id else { return };
        for client in clients {
            if let Some(place) = self.places.get_mut(&client) {
                place.bus_shows(id);
            }
            self.start(&client);
        }
        self.prove_by_bus();
    }

    /// Believes the bus of addresses that a trusted node names, once the nodes that the user named
    /// have told their tables, or are too slow to: none of them may know that node and not what it
    /// says.
    fn prove_by_bus(&mut self) {
        let still_speaks = |place: &Place| matches!(place.stage, Stage::Running { .. });
        let mut named = self.places.values().filter(|place| place.is_named());
        if self.ticks == 0 && named.any(still_speaks) {
            return;
        }
        let candidates: Vec<(Endpoint, Vec<(NodeId, Endpoint)>)> = self
            .places
            .iter()
            .filter(|(_, place)| !place.is_trusted())
            .map(|(at, place)| (at.clone(), place.shown_as_claimed()))
            .filter(|(_, claims)| !claims.is_empty())
            .collect();
        if candidates.is_empty() {
            return;
        }
        let mut proved = Vec::new();
        {
            let rows = self.context.rows();
            let named = self.places.iter().filter(|(_, place)| place.is_named());
            let tables: Vec<NamedTable> = named
                .filter_map(|(at, place)| Some(NamedTable::of(at, view_of(place)?, &rows)))
                .collect();
            for (at, claims) in candidates {
                let holds = |(id, witness): &(NodeId, Endpoint)| {
                    !tables.iter().any(|table| table.contradicts(witness, *id, &at))
                };
                if claims.iter().any(holds) {
                    proved.push(at);
                }
            }
        }
        for at in proved {
            if let Some(place) = self.places.get_mut(&at) {
                place.prove();
            }
            self.start(&at);
        }
    }

    fn look_up(&mut self, name: &str) {
        let known = names::literal(name).is_some() || self.names.contains_key(name);
        if known || self.names.len() >= NAMES_MAX {
            return;
        }
        self.names.insert(name.to_owned(), None);
        self.running += 1;
        let (name, send, until) = (name.to_owned(), self.send.clone(), self.context.until);
        self.tasks.spawn(async move {
            let found = names::look_up(&name, until).await;
            let _ = send.send(Event::Name { name, found });
        });
    }

    fn take_name(&mut self, name: String, found: Result<Vec<IpAddr>, Silence>) {
        let several: Vec<IpAddr> = found
            .as_ref()
            .map(|all| if all.len() > 1 { all.clone() } else { Vec::new() })
            .unwrap_or_default();
        self.names.insert(name.clone(), Some(found));
        for errand in self.parked.remove(&name).unwrap_or_default() {
            self.go(&name, errand);
        }
        // A name of several addresses stands for all of them; a client takes the first.
        let ports: Vec<u16> = self
            .observation
            .named
            .iter()
            .filter(|seed| seed.host == name)
            .map(|seed| seed.port)
            .collect();
        for (port, ip) in ports.iter().flat_map(|port| several.iter().map(move |ip| (*port, ip))) {
            let endpoint = Endpoint::new(ip.to_string(), port);
            self.trusted.insert(endpoint.clone());
            if self.add_place(&endpoint) {
                if let Some(place) = self.places.get_mut(&endpoint) {
                    place.name();
                }
                self.start(&endpoint);
            }
        }
    }

    /// Does an errand as soon as the address of the host is known.
    fn go(&mut self, host: &str, errand: Errand) {
        let address = match (names::literal(host), self.names.get(host)) {
            (Some(ip), _) => Ok(ip),
            (None, Some(Some(Ok(found)))) => found.first().copied().ok_or(Silence::NameNotFound),
            (None, Some(Some(Err(silence)))) => Err(silence.clone()),
            (None, _) => {
                self.look_up(host);
                if !self.names.contains_key(host) {
                    return self.spawn(Err(Silence::NotAsked), errand);
                }
                self.parked.entry(host.to_owned()).or_default().push(errand);
                return;
            }
        };
        self.spawn(address, errand);
    }

    fn spawn(&mut self, ip: Result<IpAddr, Silence>, errand: Errand) {
        let (context, send) = (Arc::clone(&self.context), self.send.clone());
        match errand {
            Errand::Node(endpoint, plan) => {
                let address = ip.map(|ip| SocketAddr::new(ip, endpoint.port));
                self.tasks.spawn(converse(context, endpoint, address, plan, send));
            }
            Errand::Bus(endpoint) => {
                let address = ip.map(|ip| SocketAddr::new(ip, endpoint.port));
                self.tasks.spawn(async move {
                    let probe = probe(&context, &endpoint, address).await;
                    let _ = send.send(Event::Bus { address: endpoint, probe });
                });
            }
        }
    }

    /// Counts the keys of doubtful slots, once, on every node that told a table.
    fn start_census(&mut self) {
        if std::mem::replace(&mut self.census_begun, true) {
            return;
        }
        let told = || self.places.values().filter_map(view_of);
        let views = told().count();
        let slots = Arc::new(doubtful::slots(&self.context.rows(), told()));
        if slots.is_empty() {
            return;
        }
        if usize::from(slots.len()).saturating_mul(views) > self.limits.census_questions_max {
            self.observation.notes.push(format!(
                "The keys of {} doubtful slots were not counted: too many for {} nodes.",
                slots.len(),
                views
            ));
            return;
        }
        for (endpoint, place) in &self.places {
            let (Stage::Done { login }, Some(_)) = (place.stage, view_of(place)) else { continue };
            let ip = match (names::literal(&endpoint.host), self.names.get(&endpoint.host)) {
                (Some(ip), _) => Some(ip),
                (None, Some(Some(Ok(found)))) => found.first().copied(),
                _ => None,
            };
            let address = ip.map(|ip| SocketAddr::new(ip, endpoint.port));
            let address = address.ok_or(Silence::NameNotFound);
            let (context, send) = (Arc::clone(&self.context), self.send.clone());
            let errand =
                census(context, endpoint.clone(), address, login, Arc::clone(&slots), send);
            self.tasks.spawn(errand);
            self.running += 1;
        }
    }

    fn trusted(&self) -> Trusted {
        let proved = self.places.iter().filter(|(_, place)| place.is_trusted());
        Trusted {
            everybody: self.context.tls.as_ref().is_some_and(crate::Tls::proves_identity),
            at: proved.map(|(at, _)| at.clone()).chain(self.trusted.iter().cloned()).collect(),
        }
    }

    fn finish(mut self) -> (Observation, Trusted) {
        let trusted = self.trusted();
        drop(self.tasks);
        let total = self.places.len();
        let little = |place: &&Place| place.depth == Some(Depth::Little);
        let asked_little = self.places.values().filter(little).count();
        if asked_little > 0 {
            self.observation.notes.push(format!(
                "CLUSTER SLOTS, SHARDS and LINKS were not asked of {asked_little} of {total} \
                 addresses: their answers grow with the cluster."
            ));
        }
        for (endpoint, place) in self.places {
            let sighting = match (place.sighting, place.stage) {
                (Some(sighting), _) => *sighting,
                (None, stage) => unfinished(endpoint, stage),
            };
            self.observation.sightings.push(sighting);
        }
        tokens::renumber(&mut self.observation.sightings);
        for (address, probe) in self.bus {
            let (said, over_tls) = match probe {
                Some(probe) => (probe.said, probe.over_tls),
                None => (Said::Nothing(Silence::NoReply), None),
            };
            self.observation.bus.push(BusSighting { address, said, over_tls });
        }
        for (name, found) in self.names {
            let said = match found {
                Some(found) => Said::from(found)
                    .map(|found: Vec<IpAddr>| found.iter().map(IpAddr::to_string).collect()),
                None => Said::Nothing(Silence::TimedOut),
            };
            self.observation.names.push(NameLookup { name, said });
        }
        self.observation.rows = std::mem::take(&mut *self.context.rows());
        self.observation.rows.seal();
        (self.observation, trusted)
    }
}

/// What a node that the user named says of where the others are.
struct NamedTable {
    from: Endpoint,
    rows: BTreeSet<(Endpoint, NodeId)>,
}

impl NamedTable {
    fn of(from: &Endpoint, view: &NodesView, table: &RowTable) -> Self {
        let rows = view.rows.iter().filter_map(|shown| table.get(shown.row));
        let rows = rows.filter_map(|row| Some((row.address.client()?, row.id))).collect();
        Self { from: from.clone(), rows }
    }

    /// Whether it knows the witness, and does not know what the witness says.
    fn contradicts(&self, witness: &Endpoint, id: NodeId, at: &Endpoint) -> bool {
        let knows = |of: &Endpoint| {
            let first = self.rows.range((of.clone(), NodeId::from_bytes([0; 20]))..).next();
            first.is_some_and(|(at, _)| at == of)
        };
        self.from != *witness && knows(witness) && !self.rows.contains(&(at.clone(), id))
    }
}

async fn probe(
    context: &Context,
    endpoint: &Endpoint,
    address: Result<SocketAddr, Silence>,
) -> Probe {
    let nothing = |silence| Probe { said: Said::Nothing(silence), over_tls: None };
    let address = match address {
        Ok(address) => address,
        Err(silence) => return nothing(silence),
    };
    let Ok(Ok(_socket)) = tokio::time::timeout_at(context.until, context.sockets.acquire()).await
    else {
        return nothing(Silence::NotAsked);
    };
    bus::probe(address, &endpoint.host, context.tls.as_ref(), &context.patience()).await
}

fn view_of(place: &Place) -> Option<&NodesView> {
    place.sighting.as_ref()?.nodes.get()
}

fn guess_bus(port: u16) -> Option<u16> {
    port.checked_add(BUS_PORT_OFFSET)
}

fn was_refused(place: &Place) -> bool {
    let silence = place.sighting.as_ref().and_then(|sighting| sighting.nodes.silence());
    matches!(silence, Some(Silence::AuthFailed(_)))
}

fn unfinished(endpoint: Endpoint, stage: Stage) -> Sighting {
    let mut sighting = Sighting::new(endpoint);
    sighting.ping = Said::Nothing(match stage {
        Stage::Waiting => Silence::AuthFailed(WITHHELD.to_owned()),
        _ => Silence::NoReply,
    });
    sighting
}

/// Where a replica copies from, where that is not a name: a node that lost its table stands there
/// although no table shows its address any more.
fn followed(sighting: &Sighting) -> Option<Endpoint> {
    let info = sighting.info.get()?;
    let port = u16::try_from(info.number("master_port")?).ok()?;
    let ip: IpAddr = info.get("master_host")?.parse().ok()?;
    info.is("master_link_status", "up").then(|| Endpoint::new(ip.to_string(), port))
}

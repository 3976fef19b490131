//! One node, from dialling to the last answer. Whatever happens, a sighting comes of it.

use std::net::SocketAddr;
use std::sync::Arc;

use slotwright_core::model::{Endpoint, SlotSet};
use slotwright_core::observation::{Said, Sighting, Silence};
use slotwright_core::wire::resp::Value;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::{Instant, timeout_at};

use super::Event;
use super::context::{Context, now_ms};
use super::questions::{self, Depth, Question, questions, second_round};
use crate::census::count;
use crate::command::Command;
use crate::connection::{Connection, Dialled, dial};

/// What a node is to be asked, and whether it may see the credentials.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) login: bool,
    pub(super) depth: Depth,
}

/// What is said of an address that asks for credentials it may not see.
pub(crate) const WITHHELD: &str = "credentials withheld: only one peer says that this address \
                                   belongs to the cluster, and its bus does not prove it";

/// Talks to a node and reports what it said.
pub(super) async fn converse(
    context: Arc<Context>,
    from: Endpoint,
    address: Result<SocketAddr, Silence>,
    plan: Plan,
    events: UnboundedSender<Event>,
) {
    let begun = Instant::now();
    let mut sighting = Box::new(Sighting::new(from.clone()));
    sighting.at_ms = now_ms();
    match open(&context, address, &from, &mut sighting).await {
        Ok((mut connection, _socket)) => {
            speak(&context, &mut connection, plan, &mut sighting, &events).await;
        }
        Err(silence) => {
            for question in questions(plan.depth) {
                question.keep(&mut sighting, Err(silence.clone()), &context);
            }
        }
    }
    sighting.took_ms = u32::try_from(begun.elapsed().as_millis()).unwrap_or(u32::MAX);
    // Nobody listens any more only when the look is over.
    let _ = events.send(Event::Sighting(sighting));
}

/// Asks a node only what the facts of a plan are about; with credentials if it may see them.
pub(super) async fn brief(
    context: &Context,
    from: Endpoint,
    address: Result<SocketAddr, Silence>,
    login: bool,
    (slots, settings): (&SlotSet, bool),
) -> Sighting {
    let mut sighting = Sighting::new(from.clone());
    sighting.at_ms = now_ms();
    let Ok((mut connection, _socket)) = open(context, address, &from, &mut sighting).await else {
        return sighting;
    };
    let asked = questions::brief(settings);
    let commands: Vec<Command> = asked.iter().map(|question| question.command).collect();
    let withheld = context.login.is_some() && !login;
    connection
        .ask(context.login.as_ref().filter(|_| login), &commands, |number, answer| {
            if let Some(question) = asked.get(number) {
                question.keep(&mut sighting, explain(answer, withheld), context);
            }
        })
        .await;
    if !slots.is_empty() && sighting.nodes.get().is_some() {
        sighting.census = count(&mut connection, slots, &context.census_room).await;
    }
    sighting
}

type Open = (Connection, tokio::sync::OwnedSemaphorePermit);

async fn open(
    context: &Context,
    address: Result<SocketAddr, Silence>,
    from: &Endpoint,
    sighting: &mut Sighting,
) -> Result<Open, Silence> {
    let address = address?;
    let sockets = Arc::clone(&context.sockets);
    let socket = match timeout_at(context.until, sockets.acquire_owned()).await {
        Ok(Ok(socket)) => socket,
        _ => return Err(Silence::NotAsked),
    };
    let patience = context.patience();
    let Dialled { wire, certificate } =
        dial(address, &from.host, context.tls.as_ref(), &patience).await;
    if context.tls.is_some() {
        sighting.certificate = match (certificate, &wire) {
            (Some(certificate), _) => Said::This(certificate),
            (None, Err(silence)) => Said::Nothing(silence.clone()),
            (None, Ok(_)) => Said::Nothing(Silence::Garbage("no readable certificate".into())),
        };
    }
    Ok((Connection::over(wire?, &context.memory, patience), socket))
}

async fn speak(
    context: &Context,
    connection: &mut Connection,
    plan: Plan,
    sighting: &mut Sighting,
    events: &UnboundedSender<Event>,
) {
    let login = context.login.as_ref().filter(|_| plan.login);
    let withheld = context.login.is_some() && !plan.login;
    let first = questions(plan.depth);
    let commands: Vec<Command> = first.iter().map(|question| question.command).collect();
    let login_wrong = connection
        .ask(login, &commands, |number, answer| {
            let Some(question) = first.get(number) else { return };
            question.keep(sighting, explain(answer, withheld), context);
            if question.command == Command::ClusterNodes {
                report_table(sighting, events);
            }
        })
        .await;
    if let Some(wrong) = login_wrong {
        blame_login(sighting, &wrong);
    }
    // A PING may be refused where questions are answered: NOPERM, MISCONF.
    if sighting.ping.get().is_none() && sighting.nodes.get().is_none() {
        return;
    }
    let more = second_round(sighting, plan.depth);
    ask_more(context, connection, &more, sighting, withheld).await;
    if context.census && sighting.nodes.get().is_some() {
        sighting.census = count(connection, &SlotSet::all(), &context.census_room).await;
    }
}

fn report_table(sighting: &Sighting, events: &UnboundedSender<Event>) {
    if let Some(view) = sighting.nodes.get() {
        let rows = view.rows.iter().map(|row| row.row).collect();
        let _ = events.send(Event::Table { from: sighting.from.clone(), rows });
    }
}

fn explain(answer: Result<Value<'_>, Silence>, withheld: bool) -> Result<Value<'_>, Silence> {
    match answer {
        Err(Silence::AuthFailed(_)) if withheld => Err(Silence::AuthFailed(WITHHELD.to_owned())),
        other => other,
    }
}

/// `NOAUTH` to the questions follows from what was wrong with the login, which says more.
fn blame_login(sighting: &mut Sighting, wrong: &Silence) {
    let blame = |silence: &mut Silence| {
        if matches!(silence, Silence::AuthFailed(_)) {
            *silence = wrong.clone();
        }
    };
    let Sighting {
        ping,
        myid,
        nodes,
        cluster_info,
        slots,
        shards,
        links,
        info,
        config,
        whoami,
        acl,
        ..
    } = sighting;
    each_silence(myid, blame);
    each_silence(nodes, blame);
    each_silence(cluster_info, blame);
    each_silence(slots, blame);
    each_silence(shards, blame);
    each_silence(links, blame);
    each_silence(info, blame);
    each_silence(config, blame);
    each_silence(whoami, blame);
    each_silence(acl, blame);
    each_silence(&mut sighting.functions, blame);
    each_silence(&mut sighting.clock_ms, blame);
    *ping = Said::Nothing(wrong.clone());
}

fn each_silence<T>(said: &mut Said<T>, change: impl FnOnce(&mut Silence)) {
    if let Said::Nothing(silence) = said {
        change(silence);
    }
}

async fn ask_more(
    context: &Context,
    connection: &mut Connection,
    more: &[Question],
    sighting: &mut Sighting,
    withheld: bool,
) {
    if more.is_empty() {
        return;
    }
    let commands: Vec<Command> = more.iter().map(|question| question.command).collect();
    connection
        .ask(None, &commands, |number, answer| {
            if let Some(question) = more.get(number) {
                question.keep(sighting, explain(answer, withheld), context);
            }
        })
        .await;
}

/// Counts keys once all tables are known: a conversation of its own.
pub(super) async fn census(
    context: Arc<Context>,
    from: Endpoint,
    address: Result<SocketAddr, Silence>,
    login: bool,
    slots: Arc<SlotSet>,
    events: UnboundedSender<Event>,
) {
    let mut unused = Sighting::new(from.clone());
    let said = match open(&context, address, &from, &mut unused).await {
        Ok((mut connection, _socket)) => {
            let login = context.login.as_ref().filter(|_| login);
            connection.ask(login, &[], |_, _| {}).await;
            count(&mut connection, &slots, &context.census_room).await
        }
        Err(silence) => Said::Nothing(silence),
    };
    let _ = events.send(Event::Census { from, said });
}

//! redis-trib.rb against nodes with a password: it has no option for one, and every failure of it
//! is worded as one of the connection.

use super::command_line::{Call, calls, is_address};
use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::seen::Seen;

pub(super) static CAUSES: &[Cause] = &[Cause {
    code: "OLD_TOOL_WITHOUT_PASSWORD",
    title: "redis-trib.rb cannot log in, and calls that 'can't connect'",
    side: Side::Command,
    when: refused,
    cause: "redis-trib.rb (of 3.x and 4.x) has no option for a password. Its first command is \
        refused where requirepass is set, and it words every failure so: 'can't connect to node'. \
        It is the login, not the network.[[ <<answered>>]][[ <<line>>]]",
    check: "redis-cli -h <host> -p <port> ping for each node of the line, without a password: \
        NOAUTH is the answer of a node that is reached.",
    fix: &[
        "Use a redis-cli of 5.0 or later (or valkey-cli) in its place: --cluster takes the same \
         subcommands, works with these servers too, and logs in with -a <password>, which must be \
         the same on all nodes.",
    ],
    never: &[
        "Do not open ports or look at the firewall for it, and do not install Ruby or its gem anew.",
        "Do not leave the nodes without a password on a network that others reach.",
    ],
    like: &[],
}];

const CANNOT: [&str; 2] = ["can't connect to node", "cannot connect to node"];

fn refused(seen: &Seen) -> Option<Hit> {
    let at = *seen.lines_with(&CANNOT).first()?;
    let call = calls(seen).into_iter().rfind(|call| call.ruby);
    if call.is_none() && !seen.has(&["redis-trib"]) {
        return None;
    }
    // The forks of the tool that take one.
    let forked = |call: &Call| call.option(&["--password", "--auth", "-a"]).is_some();
    if call.as_ref().is_some_and(forked) {
        return None;
    }
    let answer = asked(seen, "noauth");
    let set = seen.setting("requirepass").filter(|set| !set.value.is_empty());
    if answer.is_none() && set.is_none() {
        return None;
    }
    let pong = asked(seen, "pong");
    let node = seen.lines.get(at).and_then(|line| {
        let word = line.text.split_whitespace().find(|word| is_address(word))?;
        Some(word.trim_end_matches('.').to_owned())
    });
    let place = node.as_deref().unwrap_or("the node");
    let port = place.rsplit(':').next().unwrap_or_default();
    let same = answer.and_then(|at| seen.lines.get(at)).is_some_and(|line| {
        let default = port == "6379" && !line.text.contains(" -p ");
        default || (!port.is_empty() && line.text.contains(port))
    });
    let answered = answer.map(|_| {
        let with = if pong.is_some() { ", and PONG once a password is given" } else { "" };
        let port =
            if same { format!(" on the port {port} that the tool names") } else { String::new() };
        format!("The server listens: it answers redis-cli{port} with NOAUTH{with}.")
    });
    let told = set.filter(|_| answered.is_none()).map(|_| {
        "The pasted configuration sets requirepass: each node demands a login.".to_owned()
    });
    let line = call.as_ref().and_then(in_new_words);
    let hit = Hit::of(if same { 94 } else { 82 })
        .quote(at)
        .quotes(call.as_ref().map(|call| call.line))
        .quotes(answer.map(|at| at + 1))
        .quotes(set.map(|set| set.line))
        .fact_if("answered", answered.or(told))
        .fact_if("line", line);
    let creates = call.is_some_and(|call| call.name == "create");
    Some(if creates { created(seen, hit) } else { hit })
}

/// The line of a question whose answer has the word.
fn asked(seen: &Seen, word: &str) -> Option<usize> {
    seen.lines.windows(2).position(|pair| match pair {
        [ask, answer] => {
            let cli = ["redis-cli", "valkey-cli"].iter().any(|tool| ask.lower.contains(tool))
                || ask.text.contains("> ");
            cli && answer.lower.contains(word)
        }
        _ => false,
    })
}

/// The same as redis-cli takes it.
fn in_new_words(call: &Call) -> Option<String> {
    let of_tool = |word: &String| match word.as_str() {
        "--replicas" | "--slave" | "--master-id" | "--from" | "--to" | "--slots" | "--yes"
        | "--timeout" | "--pipeline" | "--weight" | "--threshold" | "--simulate" => {
            format!("--cluster-{}", word.trim_start_matches('-'))
        }
        _ => word.clone(),
    };
    if call.words.is_empty() || !call.words.iter().all(|word| is_address(word) || word.len() == 40)
    {
        return None;
    }
    let options: Vec<String> = call.options.iter().map(of_tool).collect();
    let words = call.words.iter().chain(&options).cloned().collect::<Vec<_>>().join(" ");
    Some(format!("As redis-cli takes it: redis-cli -a <password> --cluster {} {words}", call.name))
}

/// A cluster that is to be made: it can be made before there is a password.
fn created(seen: &Seen, hit: Hit) -> Hit {
    let masterauth = seen.setting("masterauth").is_some_and(|set| !set.value.is_empty());
    let replicas =
        if masterauth { "" } else { " masterauth with the same password belongs to it." };
    hit.step(format!(
        "Make the cluster with a redis-cli of 5.0 or later (or valkey-cli), in the line that is \
         written above, with -a and the password of the nodes; it works with these servers \
         too.{replicas}"
    ))
    .step(
        "Or keep the old tool: where nobody else reaches the nodes, start them without \
         requirepass, make the cluster, then on EVERY node first CONFIG SET masterauth <password>, \
         then CONFIG SET requirepass <password>, then (logged in) CONFIG REWRITE.",
    )
    .step(
        "A later reshard with this password wants redis-cli too, and servers of 4.0.7 or later \
         (their MIGRATE knows AUTH).",
    )
    .only_these_steps()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_cause_reads_well_without_figures() {
        crate::explain::causes::reads_well_without_figures("OLD_TOOL_WITHOUT_PASSWORD");
    }
}

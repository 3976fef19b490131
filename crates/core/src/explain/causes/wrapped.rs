//! Commands with one key each that the client library sends as one transaction.
//!
//! Whoever writes `pipeline()` sees two reads; the server sees MULTI with keys of two slots. The
//! names in the code are looked at as well: braces of a template are none of the key.

use super::clients::CLUSTER_CLASSES;
use crate::explain::cause::Hit;
use crate::explain::seen::Seen;
use crate::explain::template::list;

/// A call that makes one transaction of what follows.
struct Wrapper {
    /// How it stands in code, in small letters and without blanks.
    calls: &'static [&'static str],
    /// What takes the transaction away, in the same form.
    unless: &'static [&'static str],
    /// Words of which the paste must have one.
    of: &'static [&'static str],
    /// Whether the library's cluster class does not do so.
    plain_only: bool,
    /// What it does.
    says: &'static str,
    /// What to call in its place.
    step: &'static str,
}

static WRAPPERS: &[Wrapper] = &[
    Wrapper {
        calls: &[".pipeline()", ".pipeline(transaction=true"],
        unless: &["transaction=false"],
        of: &["redis.exceptions", "redis-py", "import redis", "from redis", "redis.strictredis"],
        plain_only: true,
        says: "pipeline() of redis-py is a TRANSACTION by default: what is called on it goes out \
            between MULTI and EXEC, unless it is made with transaction=False.",
        step: "pipeline(transaction=False): the commands still go out together and come back \
            together, without MULTI, so each key may be in its own slot. (A wrapper around \
            redis-py must hand the argument on.)",
    },
    Wrapper {
        calls: &[".txpipeline()", ".txpipelined("],
        unless: &[],
        of: &["go-redis", "redis.new", "redis.universal", "rdb."],
        plain_only: false,
        says: "TxPipeline and TxPipelined of go-redis put MULTI and EXEC around their commands.",
        step: "Pipeline() or Pipelined(...) in place of TxPipeline() or TxPipelined(...): without \
            MULTI, and the cluster client sends each command to the node of its slot.",
    },
    Wrapper {
        calls: &[".createtransaction("],
        unless: &[],
        of: &["stackexchange"],
        plain_only: false,
        says: "CreateTransaction of StackExchange.Redis puts MULTI and EXEC around its commands.",
        step: "CreateBatch() in place of CreateTransaction(): the commands go out together without \
            MULTI.",
    },
    Wrapper {
        calls: &[".atomic()"],
        unless: &[],
        of: &["redis::pipe", "redis-rs", "use redis::"],
        plain_only: false,
        says: "atomic() makes a transaction (MULTI, EXEC) of a pipe of redis-rs.",
        step: "redis::pipe() (or cluster_pipe()) without .atomic().",
    },
    Wrapper {
        calls: &["redis::transaction("],
        unless: &[],
        of: &["laravel", "illuminate", "redis::transaction("],
        plain_only: false,
        says: "Redis::transaction of Laravel puts MULTI and EXEC around what the closure calls.",
        step: "Single calls, or Redis::pipeline(...) where the connection has it, in place of \
            Redis::transaction(...).",
    },
    Wrapper {
        calls: &["->multi()", "->multi(redis::multi", "->transaction("],
        unless: &["redis::pipeline"],
        of: &["redis", "predis"],
        plain_only: false,
        says: "multi() (Predis: transaction()) puts MULTI and EXEC around the calls that follow.",
        step: "Single calls in place of multi(); multi(Redis::PIPELINE) on a plain connection \
            sends them together without a transaction.",
    },
    Wrapper {
        calls: &[".multido", ".multi{", ".multi()", ".multi(["],
        unless: &["pipeline:false"],
        of: &["ioredis", "node-redis", "@redis/client", "redis::commanderror", "createclient"],
        plain_only: false,
        says: "multi() puts MULTI and EXEC around the commands that follow.",
        step: "Without multi(): node-redis Promise.all([...]) of the single calls (or \
            multi().execAsPipeline()), ioredis pipeline() per slot or single calls, redis-rb \
            pipelined { |p| ... }.",
    },
    Wrapper {
        calls: &["setenabletransactionsupport(true)"],
        unless: &[],
        of: &["redistemplate"],
        plain_only: false,
        says: "With setEnableTransactionSupport(true) a RedisTemplate puts all its calls within a \
            @Transactional method into one MULTI.",
        step: "A RedisTemplate without setEnableTransactionSupport for what need not be atomic.",
    },
];

/// Commands that have several keys themselves: then it need not be the transaction.
const SEVERAL: [&str; 12] = [
    "mget(", "mset(", "sunion", "sinter", "sdiff", "zunion", "zinter", "rename", "pfmerge(",
    "eval(", "evalsha(", "bitop(",
];

/// Lines behind the call in which its commands stand.
const NEAR: usize = 14;

/// Calls on a pipeline that carry no key.
const NO_KEY: [&str; 5] = ["execute(", "exec(", "pipeline(", "format(", "multi("];

fn bare(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

fn wrapper(seen: &Seen) -> Option<(usize, &'static Wrapper)> {
    let clustered = seen.has(&CLUSTER_CLASSES);
    WRAPPERS.iter().filter(|one| seen.has(one.of) && !(one.plain_only && clustered)).find_map(
        |one| {
            let at = seen.lines.iter().position(|line| {
                let code = bare(&line.lower);
                let has = |words: &[&str]| words.iter().any(|word| code.contains(word));
                has(one.calls) && !has(one.unless)
            })?;
            Some((at, one))
        },
    )
}

/// The first text in quotes that an own call is given, as a name of a key: `visits:<day>` for
/// `"visits:" + day`.
fn key(text: &str) -> Option<String> {
    let (call, rest) = text.split_once('(')?;
    let named = call.contains('.') || call.contains("->");
    let lower = format!("{}(", call.rsplit(['.', '>']).next()?.trim().to_lowercase());
    if !named || NO_KEY.iter().any(|word| lower.ends_with(word)) {
        return None;
    }
    let from = rest.find(['"', '\'', '`'])?;
    // f"..." of Python, a context of Go; anything else in front is another argument.
    let lead = rest.get(..from)?.trim().to_lowercase();
    let quote = rest.get(from..)?.chars().next()?;
    let inner = rest.get(from + 1..)?;
    let end = inner.find(quote)?;
    let (name, behind) = (inner.get(..end)?, inner.get(end + 1..)?.trim_start());
    let joined = behind.strip_prefix('+').or_else(|| behind.strip_prefix(". "));
    let part = joined.map(|rest| rest.split([',', ')', ' ', '+']).find(|w| !w.is_empty()));
    ["", "f", "ctx,"].contains(&lead.as_str()).then(|| match part.flatten() {
        Some(part) => format!("{name}<{}>", part.trim_start_matches('$')),
        None => name.to_owned(),
    })
}

/// What a template becomes: `{}_total` filled with `self.account` is `<account>_total`. The second
/// value says whether its braces were those of the template.
fn filled(text: &str, line: &str) -> (String, bool) {
    let argument = line.split_once(".format(").map(|(_, rest)| rest);
    let argument = argument.and_then(|rest| rest.split([',', ')']).next()).unwrap_or_default();
    let python = argument.len() > 1 || line.contains("f\"") || line.contains("f'");
    let marks = [("${", true), ("#{", true), ("{", python)];
    let Some((mark, _)) = marks.iter().find(|(mark, fits)| *fits && text.contains(mark)) else {
        return (text.to_owned(), false);
    };
    let Some((before, rest)) = text.split_once(mark) else { return (text.to_owned(), false) };
    let (inner, after) = rest.split_once('}').unwrap_or((rest, ""));
    if inner.starts_with('{') || before.ends_with('{') {
        return (text.to_owned(), false);
    }
    let name = if inner.is_empty() { argument } else { inner };
    let name = name.rsplit(['.', '=']).next().unwrap_or(name).trim();
    (format!("{before}<{name}>{after}"), true)
}

/// The keys of the commands behind the call, with their lines.
fn keys(seen: &Seen, from: usize) -> (Vec<(usize, String)>, bool) {
    let paste = seen.lines.get(from).map(|line| line.paste);
    let (mut found, mut template) = (Vec::new(), false);
    for (at, line) in seen.lines.iter().enumerate().skip(from).take(NEAR) {
        if Some(line.paste) != paste {
            break;
        }
        // The call itself may be chained with the first command.
        let text = line.text.trim().trim_start_matches("await ");
        let Some(name) = key(text) else { continue };
        let (name, of_template) = filled(&name, text);
        template |= of_template;
        if !found.iter().any(|(_, other)| *other == name) {
            found.push((at, name));
        }
    }
    (found, template)
}

/// The tag of a name, if it has one that counts.
fn tag(name: &str) -> Option<&str> {
    let (_, rest) = name.split_once('{')?;
    rest.split_once('}').map(|(tag, _)| tag).filter(|tag| !tag.is_empty())
}

/// The library put commands of one key each into one transaction.
pub(super) fn one_transaction(seen: &Seen, hit: Hit) -> Hit {
    let Some((at, wrapper)) = wrapper(seen) else { return hit };
    let near = seen.lines.iter().skip(at).take(NEAR);
    if near.into_iter().any(|line| SEVERAL.iter().any(|word| line.lower.contains(word))) {
        return hit;
    }
    let (keys, template) = keys(seen, at);
    let names: Vec<String> = keys.iter().map(|(_, name)| name.clone()).collect();
    let tags: Vec<Option<&str>> = names.iter().map(|name| tag(name)).collect();
    let one_tag = tags.iter().all(|tag| tag.is_some() && Some(tag) == tags.first());
    if names.len() < 2 || one_tag {
        return hit;
    }
    let hit = hit.quote(at).quotes(keys.iter().map(|(line, _)| *line).take(3));
    let hit = hit.note(wrapper.says).note(format!(
        "So commands with one key each ({}) became one transaction, and all keys of a transaction \
         must be in one slot: these names have no tag in common.",
        list(&names, 4)
    ));
    let hit = if template { hit.note(TEMPLATE) } else { hit };
    let hit = past_a_proxy(seen, hit);
    let tagged = names.iter().map(|name| braced(name)).collect::<Vec<_>>();
    hit.check(
        "MONITOR at a node (or the proxy's log) for a second: MULTI stands before the commands; \
         and the same commands, called one by one without the wrapper, succeed.",
    )
    .step(wrapper.step)
    .step(format!(
        "Only if they must be atomic: one tag with REAL braces in every name ({}), and bring the \
         keys that exist under the old names over.{}",
        list(&tagged, 2),
        if template { DOUBLED } else { "" }
    ))
    .only_these_steps()
}

const TEMPLATE: &str = "The braces in the code are those of the template: they are filled in and \
    do not stand in the key, so they are no hash tag.";

const DOUBLED: &str = " In str.format and f-strings of Python braces are doubled to stay: \
    '{{{}}}_x'.format(a) gives '{a}_x'.";

/// The varying part of a name in braces.
fn braced(name: &str) -> String {
    match name.split_once('<').and_then(|(head, rest)| Some((head, rest.split_once('>')?))) {
        Some((head, (part, tail))) => format!("{head}{{{part}}}{tail}"),
        None => match name.split_once(':') {
            Some((head, tail)) => format!("{{{head}}}:{tail}"),
            None => format!("{{tag}}:{name}"),
        },
    }
}

/// An option that lets a proxy split commands.
fn past_a_proxy(seen: &Seen, hit: Hit) -> Hit {
    let option = seen.lines_with(&["enable-cross-slot"]);
    match option.last() {
        Some(at) => hit.quote(*at).note(
            "The proxy's enable-cross-slot lets it split ONE command of several keys (MGET, DEL) \
             over the nodes; a transaction is not split by it. The proxy and the nodes do what \
             they should.",
        ),
        None => hit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_keys_in_code() {
        assert_eq!(key("p.hgetall(\"{}_total\".format(self.a))"), Some("{}_total".to_owned()));
        assert_eq!(key("pipe.set(f\"{user}:name\", x)"), Some("{user}:name".to_owned()));
        let joined = key("pipe.Incr(ctx, \"visits:\" + day)");
        assert_eq!(joined, Some("visits:<day>".to_owned()));
        assert_eq!(key("a, b = p.execute()"), None);
        assert_eq!(key("print(\"x\")"), None);
    }

    #[test]
    fn braces_of_templates_leave_no_tag() {
        let line = "p.hgetall(\"{}_total\".format(self.account))";
        assert_eq!(filled("{}_total", line), ("<account>_total".to_owned(), true));
        let text = "tx.set(`${id}:name`, x)";
        assert_eq!(filled("${id}:name", text), ("<id>:name".to_owned(), true));
        assert_eq!(filled("{42}:name", "tx.set('{42}:name', x)"), ("{42}:name".to_owned(), false));
        assert_eq!(braced("<account>_total"), "{account}_total");
    }
}

//! Command lines of `redis-cli --cluster` and `redis-trib.rb`, read as the tool reads them: what it
//! counts as arguments, where an option ends them, and whose password stands there.

use crate::explain::seen::Seen;
use crate::explain::table::looks_like_id;

/// A call of the tool.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Call {
    /// The line in which it begins.
    pub line: usize,
    /// Everything up to the subcommand, without a prompt.
    pub head: Vec<String>,
    /// `add-node`.
    pub name: String,
    /// What the tool counts as arguments.
    pub words: Vec<String>,
    /// Words that are no options and that it does not count, for they stand behind one.
    pub late: Vec<String>,
    /// The options with their values.
    pub options: Vec<String>,
    /// Whether it is `redis-trib.rb`, which wants its options before its arguments.
    pub ruby: bool,
}

/// Options without a value.
const FLAGS: [&str; 26] = [
    "--cluster-slave",
    "--cluster-replica",
    "--cluster-yes",
    "--cluster-copy",
    "--cluster-replace",
    "--cluster-simulate",
    "--cluster-search-multiple-owners",
    "--cluster-fix-with-unreachable-masters",
    "--cluster-use-empty-masters",
    "--cluster-use-empty-primaries",
    "--cluster-use-atomic-slot-migration",
    "--cluster-from-askpass",
    "--tls",
    "--insecure",
    "--askpass",
    "--no-auth-warning",
    "--verbose",
    "--slave",
    "--yes",
    "--copy",
    "--simulate",
    "--use-empty-masters",
    "--auto-weights",
    "--replace",
    "-c",
    "-3",
];

/// Programs in front of the tool that belong to the command.
const AROUND: [&str; 6] = ["docker", "kubectl", "podman", "oc", "sudo", "docker-compose"];

impl Call {
    /// The value of an option.
    pub fn option(&self, names: &[&str]) -> Option<&str> {
        let words = || self.head.iter().chain(&self.options);
        let at = words().position(|word| names.contains(&word.as_str()))?;
        words().nth(at + 1).map(String::as_str).filter(|word| !word.starts_with('-'))
    }

    /// The same command with these arguments, without its password.
    pub fn with(&self, words: &[String]) -> String {
        let (first, second) =
            if self.ruby { (&self.options[..], words) } else { (words, &self.options[..]) };
        let name = std::slice::from_ref(&self.name);
        let all: Vec<&String> = self.head.iter().chain(name).chain(first).chain(second).collect();
        let hidden = |at: usize| {
            let before = at.checked_sub(1).and_then(|before| all.get(before));
            before.is_some_and(|word| ["-a", "--pass"].contains(&word.as_str()))
        };
        let shown = all.iter().enumerate().map(|(at, word)| match hidden(at) {
            true => "<password>",
            false => word.as_str(),
        });
        shown.collect::<Vec<_>>().join(" ")
    }
}

/// All calls, in their order.
pub(super) fn calls(seen: &Seen) -> Vec<Call> {
    (0..seen.lines.len()).filter_map(|at| call(seen, at)).collect()
}

/// The call in the line, and in those that it goes on in.
fn call(seen: &Seen, at: usize) -> Option<Call> {
    let mut text = String::new();
    for line in seen.lines.get(at..)?.iter().take(20) {
        let part = line.text.trim_end().strip_suffix('\\');
        text.push_str(part.unwrap_or(&line.text));
        text.push(' ');
        if part.is_none() {
            break;
        }
    }
    let words: Vec<&str> =
        text.split_whitespace().map(|word| word.trim_matches(['`', '"', '\''])).collect();
    let is = |word: &&str, name: &str| word.rsplit('/').next() == Some(name);
    let tool =
        |word: &&str| ["redis-cli", "valkey-cli", "keydb-cli"].iter().any(|name| is(word, name));
    let trib = |word: &&str| ["redis-trib.rb", "redis-trib"].iter().any(|name| is(word, name));
    if let Some(program) = words.iter().position(trib) {
        return by_ruby(at, &words, program);
    }
    let program = words.iter().position(tool)?;
    let cluster = words.iter().position(|word| *word == "--cluster").filter(|at| *at > program)?;
    let name = words.get(cluster + 1).filter(|word| !word.starts_with('-'))?;
    let rest = words.get(cluster + 2..).unwrap_or_default();
    let counted = rest.iter().take_while(|word| !word.starts_with('-')).count();
    let (counted, rest) = rest.split_at(counted);
    let (options, late) = parted(rest);
    Some(Call {
        line: at,
        head: owned(words.get(start(&words, program)..=cluster)?),
        name: (*name).to_owned(),
        words: owned(counted),
        late,
        options,
        ruby: false,
    })
}

/// `redis-trib.rb <subcommand> <options> <arguments>`.
fn by_ruby(line: usize, words: &[&str], program: usize) -> Option<Call> {
    let name = words.get(program + 1).filter(|word| !word.starts_with('-'))?;
    let (options, arguments) = parted(words.get(program + 2..).unwrap_or_default());
    Some(Call {
        line,
        head: owned(words.get(start(words, program)..=program)?),
        name: (*name).to_owned(),
        words: arguments,
        late: Vec::new(),
        options,
        ruby: true,
    })
}

/// Options with their values, and the words that are neither.
fn parted(words: &[&str]) -> (Vec<String>, Vec<String>) {
    let (mut options, mut others) = (Vec::new(), Vec::new());
    let mut wants = false;
    for word in words {
        let option = word.starts_with('-');
        let value = !option && (wants || (word.contains('=') && !options.is_empty()));
        if option || value {
            options.push((*word).to_owned());
        } else {
            others.push((*word).to_owned());
        }
        wants = option && !FLAGS.contains(word) && !word.contains('=');
    }
    (options, others)
}

fn start(words: &[&str], program: usize) -> usize {
    words.iter().take(program).position(|word| AROUND.contains(word)).unwrap_or(program)
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// `host:port`, also with brackets and a name.
pub(super) fn is_address(word: &str) -> bool {
    let Some((host, port)) = word.rsplit_once(':') else { return false };
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:[]%".contains(c);
    let named = !host.is_empty() && host.chars().all(plain);
    let port = port.split('@').next().unwrap_or(port);
    named && port.parse::<u16>().is_ok()
}

/// The whole id of a node.
pub(super) fn is_id(word: &str) -> bool {
    word.len() == 40 && looks_like_id(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Call {
        let seen = Seen::of(text);
        calls(&seen).first().cloned().expect("a call")
    }

    #[test]
    fn an_option_ends_the_arguments() {
        let call = read("$ sudo redis-cli -a s3 --cluster create --cluster-replicas 1 a:1 \\\nb:2");
        assert_eq!((call.words.len(), call.late.len()), (0, 2));
        let words = call.late.clone();
        let said = "sudo redis-cli -a <password> --cluster create a:1 b:2 --cluster-replicas 1";
        assert_eq!(call.with(&words), said);
    }

    #[test]
    fn the_tool_in_ruby_takes_its_options_first() {
        let call = read("./redis-trib.rb add-node --slave --master-id abc 10.0.0.1:1");
        assert_eq!(call.words, ["10.0.0.1:1"]);
        assert_eq!(call.option(&["--master-id"]), Some("abc"));
    }
}

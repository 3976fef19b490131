//! What the text says of a general symptom's own reason: the frames of a crash, the room on a disk,
//! the directive that was refused.

use crate::explain::cause::Hit;
use crate::explain::lines::Line;
use crate::explain::seen::Seen;

/// Libraries of the system and what the server itself is built of.
const OF_THE_SYSTEM: [&str; 14] = [
    "libc.",
    "libc-",
    "libpthread",
    "ld-linux",
    "ld-musl",
    "libm.",
    "libm-",
    "libjemalloc",
    "linux-vdso",
    "libstdc++",
    "libgcc",
    "libssl",
    "libcrypto",
    "libsystemd",
];

/// A frame of a stack: the program or library, and its line.
fn frame(line: &Line) -> Option<&str> {
    let (path, rest) = line.text.trim().split_once('(')?;
    let path = path.trim().rsplit(' ').next()?;
    let file = path.rsplit('/').next()?;
    let is_frame = rest.contains("+0x") && (path.contains('/') || file.contains("redis"));
    let ours = !OF_THE_SYSTEM.iter().any(|system| file.starts_with(system));
    (is_frame && ours).then_some(path)
}

/// A crash in a module: its own frames are the first.
pub(super) fn crash(seen: &Seen, hit: Hit) -> Hit {
    let mut frames =
        seen.lines.iter().enumerate().filter_map(|(at, line)| Some((at, frame(line)?, line)));
    // The server's own handler writes the report, and stands first in some.
    let told =
        ["sigsegvhandler", "logstacktrace", "printcrashreport", "_serverassert", "_serverpanic"];
    let own = |line: &Line| told.iter().any(|name| line.lower.contains(name));
    let first = frames.find(|(_, _, line)| !own(line));
    let Some((at, path, _)) = first.filter(|(_, path, _)| path.contains(".so")) else { return hit };
    let name = path.rsplit('/').next().unwrap_or(path);
    let exit = seen.lines_with(&["137"]);
    let hit = hit.quote(at).fact("module", name).more_if(6, true).note(format!(
        "The instruction that faulted and the first frames are in {path}: it is a fault of that \
         module, not of the server, and every process that loads this build and comes to the same \
         place crashes again."
    ));
    let hit = if exit.is_empty() {
        hit
    } else {
        hit.note(
            "Exit code 137 does not speak against it: the process crashed by a signal of its own, \
             and the platform ended the rest; more memory changes nothing.",
        )
    };
    hit.check(format!(
        "MODULE LIST (name and version) on a node that runs, beside the module's releases for this \
         server version; search its issues for the frames of {name}."
    ))
    .step(format!(
        "Replace {name} by a build of another release that fits this server's version and \
         distribution, the same on all nodes; or take its loadmodule line out where no data of it \
         exists. Report the stack to the module's project."
    ))
    .step(
        "While it crashes: leave the primaries that run alone (no restart, no failover to a node \
         that crashes), and keep the report and the data files.",
    )
    .only_these_steps()
}

/// Bytes of `281M`, `2.0G`, `1048576` (of df without -h: blocks of 1 KiB).
fn bytes(word: &str) -> Option<f64> {
    let unit = word.chars().next_back()?;
    let factor = match unit.to_ascii_uppercase() {
        'K' => 1024.0,
        'M' => 1024.0 * 1024.0,
        'G' => 1024.0 * 1024.0 * 1024.0,
        'T' => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        '0'..='9' => return Some(word.parse::<f64>().ok()? * 1024.0),
        _ => return None,
    };
    Some(word.trim_end_matches(unit).parse::<f64>().ok()? * factor)
}

/// A row of `df`: the mount, its free bytes and how they were written.
fn free(line: &Line) -> Option<(&str, f64, &str)> {
    let words: Vec<&str> = line.text.split_whitespace().collect();
    let mount = words.last().filter(|word| word.starts_with('/'))?;
    let used = words.get(words.len().checked_sub(2)?)?;
    let avail = words.get(words.len().checked_sub(3)?)?;
    used.ends_with('%').then_some((*mount, bytes(avail)?, *avail))
}

/// What a replica says when it cannot write the copy that it receives.
const NOT_WRITTEN: [&str; 3] = [
    "write error or short write writing to the db dump file",
    "write error writing to the db dump file",
    "failed to write the rdb file received",
];

/// A replica that has no room for the copy that it receives.
pub(super) fn no_room(seen: &Seen) -> Option<Hit> {
    let at = *seen.lines_with(&NOT_WRITTEN).first()?;
    let receiving = seen.lines.iter().enumerate().find_map(|(line, text)| {
        let rest = text.lower.split_once("receiving ")?.1;
        let size = rest.split_whitespace().next()?.parse::<f64>().ok()?;
        rest.contains("bytes from").then_some((line, size))
    });
    let dir = seen.setting("dir").map(|setting| setting.value.clone()).unwrap_or_default();
    let rows = seen.lines.iter().enumerate().filter_map(|(line, text)| {
        let (mount, free, told) = free(text)?;
        let under = dir.starts_with(mount) || dir.is_empty() && mount.len() > 1;
        under.then_some((line, mount, free, told))
    });
    let disk = rows.max_by_key(|(_, mount, ..)| mount.len());
    let hit = Hit::of(91).quote(at).quotes(receiving.map(|(line, _)| line));
    let told = match (disk, receiving) {
        (Some((line, mount, free, told)), Some((_, size))) if free < size => {
            return Some(full(hit.quote(line), mount, told, size));
        }
        (Some((_, mount, _, told)), _) => format!(" ({mount} has {told} free)"),
        _ => String::new(),
    };
    Some(small(hit, &told))
}

/// The disk is too small for the copy, by figures.
fn full(hit: Hit, mount: &str, free: &str, size: f64) -> Hit {
    let megabytes = (size / 1024.0 / 1024.0).ceil();
    let hit = Hit { score: 95, ..hit };
    let hit = hit.fact("why", "the replica's disk is too small for the copy");
    let hit = hit.note(format!(
        "Here it is the replica's disk: the copy has {size:.0} bytes ({megabytes:.0} MiB), and \
         {mount}, where 'dir' lies, has {free} free. So the file cannot be written to its end, and \
         the replica begins anew for ever. The text of the system behind the line ('Resource \
         temporarily unavailable' and the like) is left from an earlier call and means nothing."
    ));
    room(hit)
}

/// The copy could not be written; how much room there is was not pasted.
fn small(hit: Hit, told: &str) -> Hit {
    let hit = hit.fact("why", "the replica cannot write the copy");
    room(hit.note(format!(
        "Here it is the replica that cannot write what it receives into its 'dir'{told}: the disk \
         (or a quota, an emptyDir limit) is full before the copy ends. The text of the system \
         behind the line may be left from an earlier call."
    )))
}

/// Check and steps where room is missing.
fn room(hit: Hit) -> Hit {
    hit.check(
        "On the replica: CONFIG GET dir, df -h and df -i of it, against the bytes of 'receiving N \
         bytes' (the file is written beside the old RDB, so both need room).",
    )
    .step(
        "Make room on that file system (other files, temp-*.rdb left from earlier attempts), enlarge \
         it, or CONFIG SET dir to a larger one (and in redis.conf; with cluster mode nodes.conf \
         lies there, so do that with the server stopped and move its files). The next attempt then \
         ends by itself.",
    )
    .step(
        "Where memory allows, repl-diskless-load swapdb (6.0 and later) needs no file for the copy.",
    )
    .only_these_steps()
}

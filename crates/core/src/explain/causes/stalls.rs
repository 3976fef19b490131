//! Stalls by a disk: how often, on what kind of storage, and that nobody died of them.

use crate::explain::cause::Hit;
use crate::explain::clock;
use crate::explain::seen::Seen;

/// Words of storage behind a network, with what they are called.
const SHARES: [(&str, &[&str]); 4] = [
    ("NFS", &["nfs"]),
    ("an Azure file or blob share", &["azure file", "azurefile", "blob nfs", "blobfuse", "blobs"]),
    ("EFS", &["efs-sc", "amazon efs", "efs volume"]),
    ("GlusterFS or CephFS", &["glusterfs", "cephfs"]),
];

/// Adds how often the disk was late, what it is, and which nodes were marked and came back.
pub(super) fn slow_disk(seen: &Seen, hit: Hit) -> Hit {
    let late = seen.count(&["aof fsync is taking too long"]);
    let share = SHARES.iter().find(|(_, words)| seen.has(words)).map(|(name, _)| *name);
    let mut hit = hit;
    if late >= 2 {
        hit = hit.note(format!("The disk was late {late} times in what was pasted."));
    }
    if let Some((at, seconds)) = marked_and_back(seen) {
        hit = hit.quote(at).note(format!(
            "A node was marked failing and cleared {seconds} s later: nothing died, its main \
             thread waited for the disk for longer than the node timeout. That is why it goes on \
             and on, and why no probe restarts it."
        ));
    }
    let Some(share) = share else { return hit };
    hit.note(format!(
        "The data lie on {share}: each write and fsync goes over the network, and one slow answer \
         stops the server."
    ))
    .step(
        "Put the data on a block device of its own (managed disk, EBS, local SSD) in place of the \
         share: one node at a time, replicas first, each copied or synchronised anew. Until then \
         appendfsync no takes the waiting away (up to some 30 s of writes may be lost when a \
         machine crashes).",
    )
}

/// The first node that was marked failing and was reachable again within two minutes.
fn marked_and_back(seen: &Seen) -> Option<(usize, u32)> {
    let id = |text: &str, mark: &str| {
        let (_, rest) = text.split_once(mark)?;
        let word = rest.split_whitespace().next()?;
        (word.len() >= 8).then(|| word.trim_end_matches(':').to_owned())
    };
    let marks = seen.lines.iter().enumerate().filter(|(_, line)| line.lower.contains("as failing"));
    marks.take(16).find_map(|(at, line)| {
        let name = id(&line.lower, "marking node ")?;
        let cleared = seen.lines.iter().enumerate().skip(at).find(|(_, later)| {
            id(&later.lower, "clear fail state for node ").as_deref() == Some(name.as_str())
        });
        let seconds = clock::between(seen, at, cleared?.0)?;
        (seconds <= 120).then_some((at, seconds))
    })
}

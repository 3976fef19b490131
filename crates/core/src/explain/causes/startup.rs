//! Servers that do not start, were ended, or cannot reach their files.

use super::no_directory;
use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::seen::Seen;

pub(super) static CAUSES: &[Cause] = &[
    Cause {
        code: "SERVER_REFUSES_TO_START",
        title: "The server ends at its start, and its own last line says why",
        side: Side::Platform,
        when: |_| None,
        cause: "The process reads its configuration and ends before it serves anybody. What the \
            cluster, an operator, a probe or a client says after that is a consequence.",
        check: "Start it once by hand with the same configuration (or kubectl logs --previous): \
            the last line names the setting or the file.",
        fix: &[
            "Correct what that line names, on this node and in the source of the configuration \
             (ConfigMap, chart values, template), so that the other nodes do not meet it at \
             their next start.",
            "Then start it with its own nodes.conf and data: it comes back under its id, and no \
             slot has to be touched.",
        ],
        never: &[
            "Do not delete nodes.conf, the data files or the volume: they are not at fault.",
            "Do not create the cluster anew or remove the node because it does not start.",
        ],
        like: &["UNKNOWN_DIRECTIVE", "CONFIG_FILE_NOT_READ"],
    },
    Cause {
        code: "DATA_FILE_NOT_OPENED",
        title: "The server cannot open or write one of its files[[: <<errno>>]]",
        side: Side::Platform,
        when: file_not_opened,
        cause: "The server ends (or refuses) because of a file of its own[[: <<line>>]]. The disk, \
            its mount or the rights to it are at fault; Redis, the slots and the other nodes are \
            not, and all that is said afterwards (crash loop, refused connections, missing slots) \
            follows from it.",
        check: "In the container or on the machine: ls -ld of the directory in the message, mount \
            or findmnt of it, df -h and df -i.",
        fix: &[
            "Mend the mount, the directory or its owner first; then start the node with its own \
             nodes.conf and data, and it comes back under its id.",
            "While it lasts: is its shard served by a replica (CLUSTER NODES on another node)?",
        ],
        never: &[
            "Do not delete the append only file, the RDB or nodes.conf to make it start.",
            "Do not create the cluster again: the others still have it.",
        ],
        like: &["DISK_ERROR_MISCONF", "SELINUX_OR_PERMISSION", "NODES_CONF_UNWRITABLE"],
    },
    Cause {
        code: "SERVER_WAS_STOPPED",
        title: "The server was told to stop; it did not crash",
        side: Side::Platform,
        when: |_| None,
        cause: "SIGTERM (SIGINT, SHUTDOWN) came from outside: systemd, kubelet (a failed liveness \
            probe, an eviction, a roll-out), Docker, a script or a person. A clean shutdown is no \
            fault of the server; while it is away its shard waits for a replica to take over, \
            cluster-node-timeout at least.",
        check: "Who sent it: kubectl describe pod (Events, Last State), journalctl -u of the \
            service, docker events, at that very time.",
        fix: &[
            "Remove the reason of the stop (probe, limits, roll-out, restart policy), and let it \
             start again with its own files.",
            "For a planned stop of a primary: CLUSTER FAILOVER on a replica in sync first.",
        ],
        never: &["Do not remove the node from the cluster because it is stopped."],
        like: &["K8S_LIVENESS_KILLS_LOADING", "OOM_KILLED", "K8S_TERMINATION_TOO_FAST"],
    },
    Cause {
        code: "SAVE_CHILD_KILLED",
        title: "The child that saves or copies was killed[[: <<why>>]]",
        side: Side::Platform,
        when: super::killed_child::ended,
        cause: "A save, a rewrite or a copy for a replica is done by a forked child, and a signal \
            ended it.",
        check: "dmesg (oom-kill) or the container's Last State at that second; free memory against \
            used_memory; INFO persistence: rdb_last_bgsave_status.",
        fix: &[
            "By the number of the signal. 9: leave room for a second copy of what is written \
             during a save (maxmemory well below the limit), vm.overcommit_memory=1, save when \
             few writes come. 7 or 11: the disk, the memory modules, the stack in the log. 10 or \
             15: who stopped it.",
            "Until saves succeed there is no new copy on disk, and full syncs fail too: have a \
             replica in sync before anything is restarted.",
        ],
        never: &[
            "Do not switch stop-writes-on-bgsave-error off in place of mending it.",
            "Do not restart the primary while no replica is in sync, and no CLUSTER FAILOVER \
             (FORCE, TAKEOVER) on a replica whose copy is not done: it has not the data.",
        ],
        like: &["FORK_FAILED", "DISK_ERROR_MISCONF"],
    },
];

/// What a server says when a file does not open or does not take what is written.
const FILE_LINES: [&str; 14] = [
    "can't open the append-only file",
    "can't open the append only file",
    "can't open or create append-only dir",
    "can't open the rdb file",
    "can't open the append log file",
    "can't open the aof manifest",
    "in order to acquire a lock:",
    "error trying to rename the temporary aof",
    "error trying to write the temporary aof",
    "can't create the append-only",
    "can't chdir to",
    "fatal error: can't open the append",
    "fatal error: can't open the rdb",
    "failed to write pid file",
];

/// What the system says of a file, and what that means.
const ERRNOS: [(&str, &str); 10] = [
    (
        "read-only file system",
        "The volume is mounted read-only: on purpose (a readOnly mount, readOnlyRootFilesystem), \
         or the kernel remounted it after errors of the disk (dmesg). Remount or repair the \
         volume, or move the pod to a machine where it mounts in order.",
    ),
    (
        "no such file or directory",
        "The directory does not exist here: no volume is mounted at that path (persistence \
         switched off, another mountPath), or the setting (dir, cluster-config-file, \
         appenddirname) names a path of another image. Mount a lasting volume there, or set a \
         path that exists; on a volume that goes with the pod the node loses its id at each \
         restart.",
    ),
    (
        "permission denied",
        "The directory belongs to another user than the one that the server runs as: chown it, or \
         in Kubernetes securityContext.fsGroup (and runAsUser); SELinux and AppArmor deny too.",
    ),
    (
        "no space left",
        "The disk (df -h) or its inodes (df -i) are used up: make room or enlarge it.",
    ),
    ("input/output error", DISK_FAILS),
    // So says musl, the C library of Alpine images.
    ("i/o error", DISK_FAILS),
    ("is a directory", "A directory has the name of the file (often a mount of a missing file)."),
    ("too many open files", "The limit of open files is used up: LimitNOFILE, ulimits, nofile."),
    (
        "stale file handle",
        "The network file system lost the file: mount it anew; local disks do not.",
    ),
    (
        "operation not permitted",
        "The file is locked against changes (chattr) or the mount forbids it.",
    ),
];

fn file_not_opened(seen: &Seen) -> Option<Hit> {
    let at = seen.lines_with(&FILE_LINES).into_iter().next()?;
    let line = seen.lines.get(at)?;
    let errno = ERRNOS.iter().find(|(errno, _)| line.lower.contains(errno));
    let said = line.text.split_once(" # ").map_or(line.text.as_str(), |(_, said)| said);
    let told: String = said.trim().chars().take(120).collect();
    let denied = errno.is_some_and(|(errno, _)| *errno == "permission denied");
    let hit = Hit::of(93).quote(at).fact("line", told.trim_end_matches('.'));
    let hit = hit.less_if(26, errno.is_none());
    if let Some(hit) = no_directory::made(seen, &line.text, &hit) {
        return Some(hit);
    }
    let read_only = errno.is_some_and(|(errno, _)| *errno == "read-only file system");
    if let Some(unit) = by_the_unit(seen).filter(|_| read_only) {
        return Some(hit.fact("errno", READ_ONLY).quote(unit).note(BY_THE_UNIT).step(ALLOW));
    }
    if let Some(owner) = foreign_owner(seen).filter(|_| denied) {
        return Some(hit.fact("errno", DENIED).quote(owner).note(OWNER).step(CHOWN));
    }
    let hit = hit.less_if(34, denied);
    Some(match errno {
        Some((errno, means)) => hit.fact("errno", *errno).note(*means),
        None => hit,
    })
}

const DISK_FAILS: &str = "The disk or the network volume itself fails (sed, ls or cat on it fail \
    too): dmesg on the machine, the events of the volume (CSI, NFS, iSCSI). Rights, the server and \
    its configuration have no part in it. Attach or mount it anew, or move the pod to a machine \
    where it mounts; when the disk is damaged, copy what can be read before anything writes to it.";

const READ_ONLY: &str = "read-only file system";

const DENIED: &str = "permission denied";

/// Lines of a unit of systemd that take the right to write away from its process.
fn by_the_unit(seen: &Seen) -> Option<usize> {
    const MARKS: [&str; 5] = [
        "protectsystem=",
        "readwritepaths=",
        "readwritedirectories=",
        "readonlypaths=",
        "protecthome=",
    ];
    seen.lines_with(&MARKS).first().copied()
}

const BY_THE_UNIT: &str = "Here systemd does it: with ProtectSystem (strict: everything; full: \
    /usr, /boot and /etc) the unit's process sees the file system as read-only except \
    ReadWritePaths, whatever the mount and the owner say; the same user can write from a shell. \
    The directory in the message is not among those paths.";

const ALLOW: &str = "systemctl edit <unit>: [Service] with ReadWritePaths=<the directory of dir, \
    of cluster-config-file and of the log>; systemctl daemon-reload; systemctl restart <unit>.";

/// `drwxr-xr-x 2 1000 1000 ...` of `ls -ln`, or a container with a directory of the host in it.
fn foreign_owner(seen: &Seen) -> Option<usize> {
    let listed = seen.lines.iter().position(|line| {
        let mut words = line.text.split_whitespace();
        let mode = words.next().unwrap_or_default();
        let is_dir = mode.len() >= 10 && mode.starts_with("drwx");
        is_dir && words.nth(1).is_some_and(|owner| owner.parse::<u32>().is_ok())
    });
    let mounts = |lower: &str| {
        lower.contains("docker run") && (lower.contains(" -v ") || lower.contains("--mount"))
    };
    listed.or_else(|| seen.lines.iter().position(|line| mounts(&line.lower)))
}

const CHOWN: &str = "On the host: chown -R <uid of the server in the container> <the mounted \
    directory of dir and cluster-config-file>, then start the container again.";

const OWNER: &str = "The directory is one of the host, mounted into the container, and belongs to \
    another user than the server's there: in the official images redis (valkey) runs as uid 999 \
    (1000 in some newer ones, 1001 in Bitnami's; 'id' in the container tells), and gives up root \
    before it opens files. On the host: chown -R <that uid> <the directory of dir and \
    cluster-config-file>. --privileged, root and chmod 777 are not needed.";

//! What a server says of its files: saves, the append only file, the table of the cluster.

use super::{Saying, say};

pub(super) static SAYINGS: &[Saying] = &[
    say(
        "NODES_CONF_UNWRITABLE",
        91,
        &[
            "could not rename tmp cluster config file",
            "could not sync tmp cluster config file",
            "could not sync cluster config file dir",
            "even though writing the cluster config file to disk failed",
            "unable to obtain the cluster node config file stat",
        ],
        "",
    ),
    say(
        "NODES_CONF_CORRUPT",
        90,
        &["unknown flag in*cluster config file"],
        "A flag in the file is unknown to this version: the file was written by a newer one, or \
         was edited. Start the newer version again, it reads the file.",
    ),
    say(
        "DISK_ERROR_MISCONF",
        88,
        &[
            "error writing to the aof file",
            "fail to fsync the aof file",
            "short write while writing to the aof file",
            "can't recover from aof write error",
            "can't persist aof for fsync error",
            "write error writing append only file on disk",
            "write error while saving db to the disk",
            "replica was unable to write command to disk",
            "replica is applying a command even though it is unable to write to disk",
        ],
        "",
    ),
    say(
        "DISK_ERROR_MISCONF",
        76,
        &[
            "background saving error",
            "failed to fsync directory while saving db",
            "error moving temp db file",
            "error moving temp append only file",
        ],
        "The lines just before it, with the pid of the child, name the reason (no space, no \
         rights, no memory).",
    ),
    say(
        "FORK_FAILED",
        88,
        &[
            "can't rewrite append only file in background: fork",
            "can't begin slot migration snapshot in background: fork",
        ],
        "",
    ),
    say(
        "FORK_FAILED",
        86,
        &["fork operation failed"],
        "This is the port for Windows, where a save or rewrite needs the whole heap once more in \
         the page file: make the page file and the disk larger (at least the data set once more), \
         or lower maxmemory. That port is not maintained: run the nodes on Linux (WSL, Docker, a \
         VM). Until then auto-aof-rewrite-percentage 0 stops the endless attempts; the AOF itself \
         is to be kept.",
    ),
    say(
        "SAVE_CHILD_KILLED",
        72,
        &[
            "background saving terminated by signal",
            "background aof rewrite terminated by signal",
            "background transfer terminated by signal",
            "background rdb transfer terminated by signal",
        ],
        "",
    ),
    say(
        "AOF_OR_RDB_CORRUPT",
        90,
        &[
            "unrecoverable error reading the append only file",
            "unexpected end of file reading the append only file",
            "rdb preamble of aof file is not sane",
            "unknown type or opcode when loading db",
            "terminating server after rdb file reading failure",
            "error reading the rdb base file",
            "unexpected eof reading rdb file",
            "error reading the append only file",
            "ziplist integrity check failed",
            "listpack integrity check failed",
            "intset integrity check failed",
        ],
        "",
    ),
    say(
        "AOF_OR_RDB_CORRUPT",
        88,
        &["unknown command*reading the append only file"],
        "A command in the file is unknown to this server: it was renamed (rename-command), it \
         belongs to a module that is not loaded, or the file is of a newer version. Nothing is \
         damaged then: start with the old settings, module or version.",
    ),
    say(
        "RDB_VERSION_INCOMPATIBLE",
        90,
        &[
            "can't handle foreign type or opcode",
            "in rdb file with future version",
            "unsupported foreign data type",
        ],
        "",
    ),
    say(
        "RDB_VERSION_INCOMPATIBLE",
        88,
        &["contains module data i can't load", "contains auxdata for module"],
        "The data were written with a module that this server has not loaded: load the same \
         module on every node.",
    ),
    say("AOF_OR_RDB_CORRUPT", 88, &["fatal error loading the db"], ""),
    say(
        "DISK_ERROR_MISCONF",
        82,
        &["fatal: aof can't be turned on", "failed to enable aof! trying it again"],
        "",
    ),
];

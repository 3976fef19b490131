//! A wrong clock for one server.
//!
//! A time namespace does not cover the clock of the day, so the server gets a small library in
//! front of the system's that adds to it. The compiler is the one that Rust links with. The
//! monotonic clock is left alone: timers go on as they should.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Doing, Error, Result};

/// Adds `SLOTWRIGHT_CLOCK_AHEAD_S` to the clock of the day.
const SOURCE: &str = r#"
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long ahead(void) {
    const char *text = getenv("SLOTWRIGHT_CLOCK_AHEAD_S");
    return text ? atol(text) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = syscall(SYS_clock_gettime, clock, now);
    if (!failed && clock == CLOCK_REALTIME) now->tv_sec += ahead();
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec exact;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &exact)) return -1;
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *out) {
    struct timespec exact;
    if (clock_gettime(CLOCK_REALTIME, &exact)) return -1;
    if (out) *out = exact.tv_sec;
    return exact.tv_sec;
}
"#;

/// A clock that goes ahead of the machine's.
#[derive(Clone, Debug)]
pub struct Clock {
    library: PathBuf,
    ahead_s: i32,
}

impl Clock {
    /// A clock that is ahead by so many seconds; its library is built in `folder`.
    ///
    /// # Errors
    /// When there is no C compiler, or it fails.
    pub fn new(folder: &Path, ahead_s: i32) -> Result<Self> {
        let (source, library) = (folder.join("clock.c"), folder.join("clock.so"));
        std::fs::write(&source, SOURCE).doing(|| format!("writing {}", source.display()))?;
        let built = Command::new("cc")
            .args(["-O1", "-shared", "-fPIC", "-o"])
            .arg(&library)
            .arg(&source)
            .output()
            .doing(|| "starting the C compiler `cc`".to_owned())?;
        if !built.status.success() {
            return Err(Error::Missing {
                what: format!("cc: {}", String::from_utf8_lossy(&built.stderr).trim()),
                hint: "A wrong clock needs a C compiler, as Rust does for linking.".to_owned(),
            });
        }
        Ok(Self { library, ahead_s })
    }

    /// Makes a process that is about to start go by it.
    pub fn give_to(&self, command: &mut Command) {
        command
            .env("LD_PRELOAD", &self.library)
            .env("SLOTWRIGHT_CLOCK_AHEAD_S", self.ahead_s.to_string());
    }
}

//! The journal as a file: append only, and on disk before anything is sent.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use slotwright_core::journal::{Entry, encode};

/// A journal that is being written.
#[derive(Debug)]
pub struct JournalFile {
    file: File,
    path: PathBuf,
}

impl JournalFile {
    /// Begins a journal under a name that nobody has in this folder; the folder is made if it is
    /// not there.
    ///
    /// # Errors
    /// When the folder or the file cannot be made.
    pub fn begin(folder: &Path, name: &str) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let mut options = OpenOptions::new();
        options.append(true).create_new(true);
        let mut number = 0_u32;
        let (file, path) = loop {
            let suffix = if number == 0 { String::new() } else { format!("-{number}") };
            let path = folder.join(format!("{name}{suffix}.journal"));
            match options.open(&path) {
                Ok(file) => break (file, path),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(error),
            }
        };
        // The name of the file must be on disk as well.
        File::open(folder)?.sync_all()?;
        Ok(Self { file, path })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds an entry, and returns when it is on disk.
    ///
    /// # Errors
    /// When it cannot be written. Nothing may be sent then.
    pub fn append(&mut self, entry: &Entry) -> io::Result<()> {
        let line = encode(entry).map_err(io::Error::other)?;
        self.file.write_all(&line)?;
        self.file.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use slotwright_core::journal::read;

    #[test]
    fn what_is_appended_can_be_read_and_names_do_not_clash() {
        let folder = tempfile::tempdir().expect("a folder");
        let deep = folder.path().join("a/b");
        let mut one = JournalFile::begin(&deep, "run").expect("a file");
        let two = JournalFile::begin(&deep, "run").expect("another file");
        assert_ne!(one.path(), two.path());
        let entry = Entry::RunBegun { tool: "t".to_owned(), at_ms: 1, target: "a:1".to_owned() };
        one.append(&entry).expect("written");
        let bytes = std::fs::read(one.path()).expect("read");
        assert_eq!(read(&bytes).entries, [entry]);
    }
}

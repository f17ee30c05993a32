//! A copy of the runs of one moment.

use std::fs;
use std::io;
use std::path::Path;

use super::super::error::StateError;
use super::super::layout;
use super::super::table::Table;
use super::{FOLDER, Listed, MetaEntry, Runs, entry, file_name};

impl Runs {
    /// What copies all runs of this moment into the folder of another state, and gives what its [`Table::Meta`] has to
    /// say of them, and how many entries they have.
    pub(in super::super) fn copier(
        &self,
    ) -> impl FnOnce(&Path) -> Result<(Vec<MetaEntry>, u64), StateError> + use<> {
        let lists = Table::HASHED.map(|table| self.list(table));
        move |target| {
            let folder = target.join(FOLDER);
            let failed = || StateError::io("write", &folder);
            fs::create_dir_all(&folder).map_err(failed())?;
            let (mut entries, mut count) = (Vec::new(), 0);
            for (table, list) in Table::HASHED.into_iter().zip(lists) {
                for Listed { number, run } in &*list {
                    let path = folder.join(file_name(table, *number));
                    let copy = || -> io::Result<()> {
                        // By its handle: it may have no name any more.
                        let mut to = fs::File::create(&path)?;
                        let from = ReadAt { file: run.file(), at: 0 };
                        io::copy(&mut io::BufReader::with_capacity(1 << 20, from), &mut to)?;
                        to.sync_all()
                    };
                    copy().map_err(StateError::io("write", &path))?;
                    count += run.entries();
                }
                entries.push(entry(table, &list));
            }
            layout::sync_folder(&folder).map_err(failed())?;
            Ok((entries, count))
        }
    }
}

/// Reads a file from a place of its own, whoever else reads it.
struct ReadAt<'a> {
    file: &'a fs::File,
    at: u64,
}

impl io::Read for ReadAt<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = std::os::unix::fs::FileExt::read_at(self.file, into, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

//! Lines of JSON to a file or standard output.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use tokio::sync::{mpsc, oneshot};

use super::failure::{SendError, with_causes};

/// Where lines go.
#[derive(Clone, Debug)]
pub(super) enum LinesTarget {
    File(PathBuf),
    Stdout,
}

/// A thread that writes lines: a disk or a terminal that hangs holds up nobody but it.
#[derive(Debug)]
pub(super) struct Lines {
    target: LinesTarget,
    jobs: mpsc::Sender<Job>,
}

#[derive(Debug)]
struct Job {
    line: Vec<u8>,
    done: oneshot::Sender<std::io::Result<()>>,
}

impl Lines {
    pub(super) fn start(target: LinesTarget) -> std::io::Result<Self> {
        // One at a time: the next is sent when this one is written.
        let (jobs, mut queue) = mpsc::channel::<Job>(1);
        let own = target.clone();
        let run = move || {
            while let Some(Job { line, done }) = queue.blocking_recv() {
                let written = match &own {
                    LinesTarget::File(path) => append(path, &line),
                    LinesTarget::Stdout => print(&line),
                };
                // Whoever waited may have gone.
                drop(done.send(written));
            }
        };
        std::thread::Builder::new().name("alert-lines".to_owned()).spawn(run)?;
        Ok(Self { target, jobs })
    }

    /// Where it writes.
    pub(super) fn shown(&self) -> String {
        match &self.target {
            LinesTarget::File(path) => path.display().to_string(),
            LinesTarget::Stdout => "standard output".to_owned(),
        }
    }

    /// Writes a line; the line end is added.
    pub(super) async fn write(&self, mut line: Vec<u8>) -> Result<String, SendError> {
        line.push(b'\n');
        let bytes = line.len();
        let (done, written) = oneshot::channel();
        let gone = |()| SendError::later("the thread that writes has ended");
        self.jobs.send(Job { line, done }).await.map_err(|_| gone(()))?;
        match written.await.map_err(|_| gone(()))? {
            Ok(()) => Ok(format!("{bytes} bytes written")),
            Err(error) => Err(SendError::later(format!("{}: {}", self.shown(), with_causes(&error)))),
        }
    }
}

fn print(line: &[u8]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(line)?;
    out.flush()
}

/// Adds a line and has it on disk. The file is opened anew each time, so that it can be moved away at any moment; half a
/// line that a crash left is ended first, and half a line of our own is taken back.
fn append(path: &Path, line: &[u8]) -> std::io::Result<()> {
    let mut file = File::options().create(true).append(true).read(true).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return file.write_all(line);
    }
    let length = metadata.len();
    let mut text = Vec::with_capacity(line.len() + 1);
    if length > 0 {
        let mut last = [0];
        file.seek(SeekFrom::Start(length - 1))?;
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            text.push(b'\n');
        }
    }
    text.extend_from_slice(line);
    file.write_all(&text).and_then(|()| file.sync_data()).inspect_err(|_| {
        // Where even this fails, the next line begins with a line end.
        drop(file.set_len(length));
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_added_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alerts.jsonl");
        std::fs::write(&path, "{\"half").unwrap();
        let lines = Lines::start(LinesTarget::File(path.clone())).unwrap();
        assert_eq!(lines.write(b"{}".to_vec()).await.unwrap(), "3 bytes written");
        lines.write(b"[1]".to_vec()).await.unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"half\n{}\n[1]\n");
        // Moved away by whoever keeps logs.
        std::fs::rename(&path, folder.path().join("alerts.jsonl.1")).unwrap();
        lines.write(b"[2]".to_vec()).await.unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "[2]\n");
    }

    #[tokio::test]
    async fn a_place_that_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let lines = Lines::start(LinesTarget::File(folder.path().join("none/alerts.jsonl"))).unwrap();
        let error = lines.write(Vec::new()).await.unwrap_err();
        assert!(
            matches!(&error, SendError::Later { reason, .. } if reason.contains("none/alerts.jsonl")),
            "{error:?}"
        );
    }
}

//! A small file that remembers where a strategy stands, across its own death.
//!
//! Owns: two slots of five words, written in turn. Invariants: a slot counts only if its words
//! agree with their check word, so a write that was cut leaves the other slot in force; the newer
//! good slot wins. What it does not survive: power loss (nothing is synced). Must not know: what
//! the numbers are used for. Threads: one owner.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use model::RequestId;

use crate::resync::Resume;

const WORDS: usize = 5;
const SLOT_BYTES: usize = WORDS * 8;
/// Second slot: a page of its own.
const SLOT_STRIDE_BYTES: u64 = 4096;
const MAGIC: u64 = u64::from_le_bytes(*b"MILLRESU");

/// The file. Each save is one write of 40 bytes into the page cache (1 to 2 µs).
#[derive(Debug)]
pub struct ResumeFile {
    file: File,
    saved: Saved,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Saved {
    save_no: u64,
    last_event_seq: u64,
    last_request_id: u64,
}

impl ResumeFile {
    /// Opens the file, or makes it with mode 0600.
    ///
    /// # Errors
    /// The system's error; `InvalidData` when the file has contents and no good slot.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)?;
        let slots = [read_slot(&file, 0)?, read_slot(&file, 1)?];
        let newest = slots
            .into_iter()
            .flatten()
            .max_by_key(|saved| saved.save_no);
        let saved = match newest {
            Some(saved) => saved,
            None if file.metadata()?.len() == 0 => Saved {
                save_no: 0,
                last_event_seq: 0,
                last_request_id: 0,
            },
            None => {
                let what = "neither slot of the resume file is good";
                return Err(io::Error::new(io::ErrorKind::InvalidData, what));
            }
        };
        Ok(Self { file, saved })
    }

    /// Where the strategy stood; the start of everything for a new file.
    pub fn resume(&self) -> Resume {
        Resume {
            last_event_seq: Some(self.saved.last_event_seq),
            last_request_id: RequestId(self.saved.last_request_id),
        }
    }

    pub(crate) fn save_request(&mut self, last_request_id: RequestId) -> io::Result<()> {
        self.save(Saved {
            last_request_id: last_request_id.0,
            ..self.saved
        })
    }

    pub(crate) fn save_event(&mut self, last_event_seq: u64) -> io::Result<()> {
        self.save(Saved {
            last_event_seq,
            ..self.saved
        })
    }

    fn save(&mut self, mut saved: Saved) -> io::Result<()> {
        if saved == self.saved {
            return Ok(());
        }
        saved.save_no += 1;
        let words = saved.words();
        let mut bytes = [0; SLOT_BYTES];
        for (place, word) in bytes.chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        let offset = (saved.save_no % 2) * SLOT_STRIDE_BYTES;
        self.file.write_all_at(&bytes, offset)?;
        self.saved = saved;
        Ok(())
    }
}

impl Saved {
    fn words(&self) -> [u64; WORDS] {
        let check = [self.save_no, self.last_event_seq, self.last_request_id]
            .iter()
            .fold(MAGIC, |sum, word| {
                (sum.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15)
            });
        [
            MAGIC,
            self.save_no,
            self.last_event_seq,
            self.last_request_id,
            check,
        ]
    }
}

fn read_slot(file: &File, slot: u64) -> io::Result<Option<Saved>> {
    let mut bytes = [0; SLOT_BYTES];
    match file.read_exact_at(&mut bytes, slot * SLOT_STRIDE_BYTES) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let mut words = [0; WORDS];
    for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(8)) {
        *word = u64::from_le_bytes(bytes.try_into().expect("chunks of eight"));
    }
    let saved = Saved {
        save_no: words[1],
        last_event_seq: words[2],
        last_request_id: words[3],
    };
    Ok((saved.words() == words).then_some(saved))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_saved_last_is_found_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("resume");
        let mut file = ResumeFile::open(&path).unwrap();
        assert_eq!(file.resume(), Resume::FROM_START);
        file.save_request(RequestId(5)).unwrap();
        file.save_event(9).unwrap();
        file.save_request(RequestId(6)).unwrap();
        let expected = file.resume();
        drop(file);
        assert_eq!(ResumeFile::open(&path).unwrap().resume(), expected);
        assert_eq!(expected.last_event_seq, Some(9));
        assert_eq!(expected.last_request_id, RequestId(6));
    }

    #[test]
    fn a_write_that_was_cut_anywhere_leaves_the_one_before_it_in_force() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("resume");
        let mut file = ResumeFile::open(&path).unwrap();
        file.save_event(1).unwrap();
        file.save_event(2).unwrap();
        let before = std::fs::read(&path).unwrap();
        file.save_event(3).unwrap();
        let after = std::fs::read(&path).unwrap();
        let at = SLOT_STRIDE_BYTES as usize;
        for cut in 0..SLOT_BYTES {
            let mut torn = before.clone();
            torn[at..at + cut].copy_from_slice(&after[at..at + cut]);
            std::fs::write(&path, &torn).unwrap();
            let found = ResumeFile::open(&path).unwrap().resume().last_event_seq;
            let whole = torn == after;
            assert_eq!(found, Some(if whole { 3 } else { 2 }), "cut at {cut}");
        }
        std::fs::write(&path, vec![7; 8_192]).unwrap();
        let error = ResumeFile::open(&path).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}

//! Torn ends, and damage.

use std::fs;

use super::header::HEADER_BYTES;
use super::*;

/// Three batches, the last of three payloads; the path of the one file, and its bytes after each batch.
fn three_batches(folder: &Path, spec: JournalSpec) -> (PathBuf, Vec<Vec<u8>>) {
    let (mut journal, _) = Journal::open(folder, spec, Arc::new(OsFiles)).unwrap();
    let path = segment::path_of(folder, 1);
    let contents = [1..=2, 3..=3, 4..=6].map(|numbers| {
        journal.append(&payloads(numbers)).unwrap();
        fs::read(&path).unwrap()
    });
    (path, contents.into())
}

/// The numbers of the frames in a file's bytes, with the byte after each.
fn frame_ends(bytes: &[u8]) -> Vec<usize> {
    let header = Header::decode(bytes).unwrap();
    let mut frames = frames::Frames::new(bytes, header);
    std::iter::from_fn(|| frames.next().map(|_| frames.at())).collect()
}

#[test]
fn a_torn_end_is_cut_off_wherever_it_tears() {
    let folder = tempfile::tempdir().unwrap();
    let (path, contents) = three_batches(folder.path(), SPEC);
    let whole = contents.last().unwrap();
    let ends = frame_ends(whole);
    assert_eq!(ends.len(), 6);
    for length in contents[1].len()..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        let (mut journal, opened) = open(folder.path());
        let good = ends.iter().filter(|&&end| end <= length).count();
        let at_byte = ends[good - 1];
        assert_eq!(opened.last_seq, good as u64, "{length} bytes");
        let cut =
            JournalCut { path: path.clone(), at_byte: at_byte as u64, bytes: (length - at_byte) as u64 };
        assert_eq!(opened.cut, (length > at_byte).then_some(cut), "{length} bytes");
        assert_eq!(fs::read(&path).unwrap(), whole[..at_byte], "{length} bytes");
        assert_eq!(replayed(&mut journal, 0).unwrap(), payloads(1..=good as u64), "{length} bytes");
        assert_eq!(open(folder.path()).1.cut, None);
    }
}

#[test]
fn bytes_of_the_last_batch_that_never_reached_the_disk_are_cut_off() {
    // Pages are written in any order: the beginning of the last batch may be missing while its end is there.
    let folder = tempfile::tempdir().unwrap();
    let (path, contents) = three_batches(folder.path(), SPEC);
    let mut bytes = contents[2].clone();
    let begin = contents[1].len();
    bytes[begin..begin + 40].fill(0);
    fs::write(&path, &bytes).unwrap();
    let (mut journal, opened) = open(folder.path());
    assert_eq!((opened.last_seq, opened.cut.unwrap().at_byte), (3, begin as u64));
    assert_eq!(replayed(&mut journal, 0).unwrap(), payloads(1..=3));
    journal.append(&payloads(4..=4)).unwrap();
    assert_eq!(replayed(&mut open(folder.path()).0, 0).unwrap(), payloads(1..=4));
}

#[test]
fn with_an_interval_all_that_was_not_synced_may_tear() {
    let folder = tempfile::tempdir().unwrap();
    let (path, contents) = three_batches(folder.path(), INTERVAL);
    let mut bytes = contents[2].clone();
    bytes[HEADER_BYTES + 5] ^= 1;
    fs::write(&path, &bytes).unwrap();
    assert_eq!(open(folder.path()).1.last_seq, 0);
}

#[test]
fn any_flipped_bit_of_a_durable_batch_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    let (path, contents) = three_batches(folder.path(), SPEC);
    let whole = contents.last().unwrap();
    let durable = contents[1].len();
    for bit in 0..durable * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &bytes).unwrap();
        let error = Journal::open(folder.path(), SPEC, Arc::new(OsFiles)).unwrap_err();
        match error {
            JournalError::Damaged { path: at, at_byte, unreadable_bytes } => {
                assert_eq!(at, path);
                assert!(at_byte <= bit as u64 / 8, "bit {bit}: byte {at_byte}");
                assert!(unreadable_bytes > 0);
            }
            JournalError::Newer { .. } => assert!((32..48).contains(&bit), "bit {bit}"),
            other => panic!("bit {bit}: {other:?}"),
        }
        assert_eq!(fs::read(&path).unwrap(), bytes, "nothing is touched");
    }
}

#[test]
fn damage_says_what_to_do_and_doing_it_loses_no_more_than_that() {
    let folder = tempfile::tempdir().unwrap();
    let (path, contents) = three_batches(folder.path(), SPEC);
    let mut bytes = contents[2].clone();
    let ends = frame_ends(&bytes);
    bytes[ends[0] + 3] ^= 0x10;
    fs::write(&path, &bytes).unwrap();
    let error = Journal::open(folder.path(), SPEC, Arc::new(OsFiles)).unwrap_err().to_string();
    let (at_byte, lost) = (ends[0], ends[1] - ends[0]);
    let expected = format!(
        "{} is damaged at byte {at_byte}: {lost} bytes of acknowledged batches cannot be read; restore the file from \
         a backup, or rename it to end in .journal.lost to go on without those bytes",
        path.display()
    );
    assert_eq!(error, expected);

    fs::rename(&path, path.with_extension("journal.lost")).unwrap();
    let (mut journal, opened) = open(folder.path());
    assert_eq!(opened.last_seq, 6);
    assert_eq!(journal.append(&payloads(7..=7)).unwrap(), 7);
    let (mut journal, _) = open(folder.path());
    let mut seqs = Vec::new();
    let shown = journal.replay(0, |frame| {
        assert_eq!(frame.payload, payload(frame.seq));
        seqs.push(frame.seq);
        Ok::<_, Infallible>(())
    });
    assert_eq!(seqs, [1, 3, 4, 5, 6, 7]);
    assert_eq!(shown.unwrap().lost, 1);
    journal.append(&payloads(8..=8)).unwrap();
    journal.forget(8).unwrap();
    assert_eq!(journal.segment_count(), 1, "the lost one went too");
}

#[test]
fn damage_in_a_file_before_the_last_is_found_by_the_replay() {
    let folder = tempfile::tempdir().unwrap();
    let (path, contents) = three_batches(folder.path(), SPEC);
    let (mut journal, _) = open(folder.path());
    journal.append(&payloads(7..=7)).unwrap();
    let whole = contents.last().unwrap();
    let ends = frame_ends(whole);
    // The last batch of the file stands in the next one again. A file that is cut short, on a frame and within one,
    // and a flipped bit in the very last frame that counts.
    assert_eq!(journal.segments.back().unwrap().first_seq, 4);
    for (length, flip) in [(ends[1], None), (ends[1] + 5, None), (whole.len(), Some(ends[2] - 1))] {
        let mut bytes = whole[..length].to_vec();
        if let Some(flip) = flip {
            bytes[flip] ^= 1;
        }
        fs::write(&path, &bytes).unwrap();
        let (mut journal, opened) = open(folder.path());
        assert_eq!((opened.last_seq, opened.cut), (7, None));
        let error = replayed(&mut journal, 0).unwrap_err();
        if length == ends[1] {
            assert!(matches!(error, JournalError::Missing { from: 3, to: 3, .. }), "{error:?}");
        } else {
            assert!(
                matches!(error, JournalError::Damaged { at_byte, .. } if at_byte == ends[1] as u64),
                "{error:?}"
            );
        }
        assert_eq!(replayed(&mut journal, 3).unwrap(), payloads(4..=7), "what is checkpointed is not missed");
    }
}

#[test]
fn a_missing_file_can_be_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(folder.path());
    for number in 1..=3 {
        journal.append(&[payload(number)]).unwrap();
        journal.start_segment().unwrap();
    }
    let path = segment::path_of(folder.path(), 2);
    fs::remove_file(&path).unwrap();
    let (mut journal, _) = open(folder.path());
    let error = replayed(&mut journal, 0).unwrap_err();
    assert!(matches!(&error, JournalError::Missing { from: 2, to: 2, path: at } if *at == path), "{error:?}");
    fs::write(path.with_extension("journal.lost"), "").unwrap();
    let mut seqs = Vec::new();
    let (mut journal, _) = open(folder.path());
    let shown = journal.replay(0, |frame| {
        seqs.push(frame.seq);
        Ok::<_, Infallible>(())
    });
    assert_eq!(shown.unwrap().lost, 1);
    assert_eq!(seqs, [1, 3]);
}

#[test]
fn a_file_that_was_given_up_and_is_there_again_counts() {
    let folder = tempfile::tempdir().unwrap();
    let (path, _) = three_batches(folder.path(), SPEC);
    fs::write(path.with_extension("journal.lost"), "").unwrap();
    let (mut journal, opened) = open(folder.path());
    assert_eq!(opened.segments, 1);
    assert_eq!(replayed(&mut journal, 0).unwrap(), payloads(1..=6));
}

#[test]
fn a_newer_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (path, contents) = three_batches(folder.path(), SPEC);
    let mut bytes = contents[0].clone();
    bytes[4] = 9;
    fs::write(&path, &bytes).unwrap();
    let error = Journal::open(folder.path(), SPEC, Arc::new(OsFiles)).unwrap_err();
    assert!(error.to_string().contains("has format version 9, this build reads up to 1: upgrade"), "{error}");
}

//! Random lives of a journal, against a model: every acknowledged payload is replayed once and in order, refused
//! ones never, whatever failed, whether the service was killed or the power went.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::files::{FaultyFiles, FragileFiles, Operation};

#[derive(Clone, Debug)]
enum Step {
    /// Appends so many payloads of a length.
    Append { count: usize, length: usize },
    /// Syncs.
    Sync,
    /// A checkpoint is so far (of 256) on the way from the last one to the end; what is before it is forgotten.
    Checkpoint { far: u64 },
    /// An operation fails some times.
    Fail { operation: usize, passes: u64, times: u64 },
    /// Syncs fail as they do on Linux.
    FailSyncs { times: u64 },
    /// One in so many operations fails.
    FailByChance { seed: u64, one_in: u64 },
    /// The disk is full soon.
    Fill { bytes: u64 },
    /// All works again.
    Heal,
    /// The service is killed and started again.
    Kill,
    /// The machine loses power and is started again.
    LosePower,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (1..5_usize, 0..400_usize).prop_map(|(count, length)| Step::Append { count, length }),
        1 => (4_000..9_000_usize).prop_map(|length| Step::Append { count: 1, length }),
        2 => Just(Step::Sync),
        2 => (0..=256_u64).prop_map(|far| Step::Checkpoint { far }),
        3 => (0..Operation::CHANGES.len(), 0..4_u64, prop_oneof![Just(1), Just(2), Just(u64::MAX)])
            .prop_map(|(operation, passes, times)| Step::Fail { operation, passes, times }),
        2 => (1..4_u64).prop_map(|times| Step::FailSyncs { times }),
        1 => (any::<u64>(), 2..8_u64).prop_map(|(seed, one_in)| Step::FailByChance { seed, one_in }),
        1 => (0..2_000_u64).prop_map(|bytes| Step::Fill { bytes }),
        3 => Just(Step::Heal),
        2 => Just(Step::Kill),
        2 => Just(Step::LosePower),
    ]
}

/// A journal, and what must be in it.
struct Life {
    disk: FragileFiles,
    files: FaultyFiles,
    journal: Journal,
    spec: JournalSpec,
    /// What was acknowledged after the checkpoint.
    acknowledged: BTreeMap<u64, Vec<u8>>,
    checkpoint: u64,
    /// What no power cut may take.
    durable: u64,
    /// Tells payloads apart.
    made: u64,
    /// What was refused since the journal was last known to be sound.
    doubtful: Vec<Vec<u8>>,
}

impl Life {
    fn new(seed: u64, spec: JournalSpec) -> Self {
        let disk = FragileFiles::new(seed);
        let files = FaultyFiles::new(Arc::new(disk.clone()));
        let (journal, _) =
            Journal::open(Path::new("journal"), spec.clone(), Arc::new(files.clone())).unwrap();
        Self {
            disk,
            files,
            journal,
            spec,
            acknowledged: BTreeMap::new(),
            checkpoint: 0,
            durable: 0,
            made: 0,
            doubtful: Vec::new(),
        }
    }

    fn is_sound(&self) -> bool {
        self.journal.active.as_ref().is_none_or(|active| active.sound)
    }

    fn live(&mut self, step: &Step) {
        match *step {
            Step::Append { count, length } => self.append(count, length),
            Step::Sync => {
                if self.journal.sync().is_ok() {
                    self.durable = self.journal.last_seq();
                }
            }
            Step::Checkpoint { far } => {
                self.checkpoint += (self.journal.last_seq() - self.checkpoint) * far / 256;
                self.acknowledged = self.acknowledged.split_off(&(self.checkpoint + 1));
                // What cannot be removed now is removed later.
                self.journal.forget(self.checkpoint).ok();
            }
            Step::Fail { operation, passes, times } => {
                self.files.fail(Operation::CHANGES[operation], passes, times, io::ErrorKind::Other);
            }
            Step::FailSyncs { times } => self.disk.fail_syncs(times),
            Step::FailByChance { seed, one_in } => self.files.fail_by_chance(seed, one_in),
            Step::Fill { bytes } => self.files.set_bytes_left(Some(bytes)),
            Step::Heal => self.heal(),
            Step::Kill => self.start_again(self.journal.last_seq()),
            Step::LosePower => {
                self.disk.lose_power();
                self.start_again(self.durable);
            }
        }
    }

    fn heal(&mut self) {
        self.files.heal();
        self.disk.fail_syncs(0);
    }

    fn append(&mut self, count: usize, length: usize) {
        let group: Vec<Vec<u8>> = (0..count)
            .map(|_| {
                self.made += 1;
                let mut payload = self.made.to_le_bytes().to_vec();
                payload.resize(8 + length, 0xee);
                payload
            })
            .collect();
        let before = self.journal.last_seq();
        match self.journal.append(&group) {
            Ok(last) => {
                assert_eq!(last, before + count as u64);
                if self.spec.fsync == Fsync::Always {
                    self.durable = last;
                }
                self.acknowledged.extend((before + 1..).zip(group));
                self.doubtful.clear();
            }
            Err(_) => {
                assert_eq!(self.journal.last_seq(), before);
                self.doubtful.extend(group);
            }
        }
        if self.is_sound() {
            self.doubtful.clear();
        }
    }

    /// Opens what is on the disk, and looks whether all that must be there up to a number is.
    fn start_again(&mut self, certain: u64) {
        // It may fail to start while the disk fails, and is started again.
        let mut opened = Journal::open(Path::new("journal"), self.spec.clone(), Arc::new(self.files.clone()));
        if opened.is_err() {
            self.heal();
            opened = Journal::open(Path::new("journal"), self.spec.clone(), Arc::new(self.files.clone()));
        }
        self.journal = opened.unwrap().0;
        let mut found = BTreeMap::new();
        let replayed = self.journal.replay(self.checkpoint, |frame| {
            assert_eq!(frame.seq, self.checkpoint + found.len() as u64 + 1);
            found.insert(frame.seq, frame.payload.to_vec());
            Ok::<_, Infallible>(())
        });
        if let Err(error) = replayed {
            panic!("cannot be replayed: {error:?}");
        }
        for (seq, payload) in &self.acknowledged {
            match found.get(seq) {
                Some(found) => assert_eq!(found, payload, "{seq}"),
                None => assert!(*seq > certain, "{seq} was acknowledged and is not there"),
            }
        }
        for (_, payload) in found.iter().filter(|(seq, _)| !self.acknowledged.contains_key(seq)) {
            assert!(self.doubtful.contains(payload), "{:?} was refused and is there", &payload[..8]);
        }
        self.doubtful.clear();
        self.acknowledged = found;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_acknowledged_is_kept_and_what_is_refused_is_not(
        seed: u64,
        interval: bool,
        steps in vec(step(), 1..80),
    ) {
        let mut life = Life::new(seed, if interval { INTERVAL } else { SPEC });
        for step in &steps {
            life.live(step);
        }
        life.start_again(life.journal.last_seq());
        life.heal();
        let before = life.journal.last_seq();
        prop_assert_eq!(life.journal.append(&payloads(1..=2)).unwrap(), before + 2, "it works again");
        life.journal.forget(before).unwrap();
        prop_assert_eq!(life.journal.bytes(), life.disk.bytes());
    }
}

//! A windower that is stored and restored, again and again, and whose panes roll up, against one that is neither.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod support;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use driftline_events::EventTime;
use driftline_window::{
    Expired, Grids, IdKey, MemoryPending, PaneKey, Pending, PendingError, PendingStore, TimeOptions,
    TimeSpec, WindowOptions, WindowSummary, Windower, Word,
};
use proptest::prelude::*;
use support::*;

/// The bytes of an id's prediction and of its waiting label.
type Entry = (Option<Vec<u8>>, Option<Vec<u8>>);

/// The bytes of what is pending, as a disk would have them.
#[derive(Clone, Default)]
struct Disk(Arc<Mutex<BTreeMap<IdKey, Entry>>>);

/// A store in memory that writes everything to a disk too, and begins with what is there.
struct OnDisk {
    memory: MemoryPending,
    disk: Disk,
}

impl OnDisk {
    fn new(disk: Disk) -> Self {
        let mut memory = MemoryPending::new(100_000);
        for (&id, (prediction, word)) in disk.0.lock().unwrap().iter() {
            if let Some(bytes) = prediction {
                memory.put_prediction(id, Pending::decode(bytes).unwrap());
            }
            if let Some(bytes) = word {
                memory.put_waiting(id, Word::decode(bytes).unwrap());
            }
        }
        Self { memory, disk }
    }

    fn write(&self, id: IdKey) {
        let mut bytes: Entry = (None, None);
        if let Some(pending) = self.memory.prediction(id) {
            pending.encode(bytes.0.get_or_insert_default());
        }
        if let Some(word) = self.memory.waiting(id) {
            word.encode(bytes.1.get_or_insert_default());
        }
        self.disk.0.lock().unwrap().insert(id, bytes);
    }
}

impl PendingStore for OnDisk {
    fn load(&mut self, ids: &[IdKey]) -> Result<(), PendingError> {
        self.memory.load(ids)
    }

    fn prediction(&self, id: IdKey) -> Option<&Pending> {
        self.memory.prediction(id)
    }

    fn put_prediction(&mut self, id: IdKey, pending: Pending) {
        self.memory.put_prediction(id, pending);
        self.write(id);
    }

    fn set_label(&mut self, id: IdKey, word: Word) {
        self.memory.set_label(id, word);
        self.write(id);
    }

    fn waiting(&self, id: IdKey) -> Option<&Word> {
        self.memory.waiting(id)
    }

    fn put_waiting(&mut self, id: IdKey, word: Word) {
        self.memory.put_waiting(id, word);
        self.write(id);
    }

    fn take_waiting(&mut self, id: IdKey) -> Option<Word> {
        let word = self.memory.take_waiting(id);
        self.write(id);
        word
    }

    fn each_labelled(&self, show: &mut dyn FnMut(&Pending)) -> Result<(), PendingError> {
        self.memory.each_labelled(show)
    }

    fn expire(&mut self, before: EventTime) -> Expired {
        self.memory.expire(before)
    }

    fn predictions(&self) -> usize {
        self.memory.predictions()
    }

    fn waiting_labels(&self) -> usize {
        self.memory.waiting_labels()
    }
}

fn windows() -> [WindowOptions; 2] {
    [window("1h", "1h", "1h"), window("2h", "2h", "1h")]
}

fn fresh(time: &TimeOptions, pending: impl PendingStore + 'static, learned: bool) -> Windower {
    let schema = schema(&["country"]);
    let grids = if learned { Grids::Learned { rows: 40 } } else { Grids::Given(grids(&schema)) };
    let spec = TimeSpec::try_new(time, &windows()).unwrap();
    Windower::new(schema, grids, spec, Duration::ZERO, 3, Box::new(pending))
}

/// What a checkpoint holds of one windower.
#[derive(Default)]
struct Checkpoint {
    state: Vec<u8>,
    panes: BTreeMap<[u8; 12], Vec<u8>>,
    disk: Disk,
}

impl Checkpoint {
    fn save(&mut self, windower: &mut Windower) {
        self.state = windower.encode_state();
        let panes = &mut self.panes;
        windower.take_pane_changes(&mut |key, bytes| match bytes {
            Some(bytes) => drop(panes.insert(key.to_bytes(), bytes)),
            None => drop(panes.remove(&key.to_bytes())),
        });
    }

    fn restore(&self, time: &TimeOptions, learned: bool) -> Windower {
        let mut windower = fresh(time, OnDisk::new(self.disk.clone()), learned);
        windower.note_changes();
        windower.restore_state(&self.state).unwrap();
        for (key, bytes) in &self.panes {
            windower.restore_pane(PaneKey::from_bytes(key).unwrap(), bytes).unwrap();
        }
        windower
    }
}

#[derive(Clone, Debug)]
enum Step {
    Rows(Vec<Row>),
    Labels(Vec<Label>),
    Tick,
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let id = || (0..300_u32).prop_map(|id| format!("id-{id}"));
    // Twelve hours of events in any order: panes of all ages are hit.
    let row = (id(), 0..43_200_i64, 0..10_u8, 0..6_usize).prop_map(|(id, second, x, country)| Row {
        country: Some(["a", "b", "c", "d", "e", "f"][country].to_owned()),
        ..Row::new(&id, second, f64::from(x))
    });
    let label = (id(), 0..43_200_i64, 0..3_usize).prop_map(|(id, second, class)| Label {
        id,
        second,
        class: [Some("yes"), Some("no"), None][class],
    });
    let step = prop_oneof![
        4 => proptest::collection::vec(row, 1..20).prop_map(Step::Rows),
        3 => proptest::collection::vec(label, 1..20).prop_map(Step::Labels),
        1 => Just(Step::Tick),
        2 => Just(Step::Restart),
    ];
    proptest::collection::vec(step, 1..40)
}

/// The last evaluation of every window.
type Figures = BTreeMap<(String, EventTime, String), String>;

fn tick(windower: &mut Windower, figures: &mut Figures) {
    for window in due(windower) {
        let WindowSummary { name, end, key, current, .. } = window;
        let key = (name.to_string(), end, format!("{key:?}"));
        figures.insert(key, format!("{:?}", figures_of(&current)));
    }
    windower.roll_up().unwrap();
    windower.expire();
}

/// Everything that is exact in whatever order it was added.
fn figures_of(current: &driftline_summary::CellSummary) -> impl std::fmt::Debug {
    (
        current.traffic.total.rows,
        format!("{:?}", current.prediction),
        format!("{:?}", current.outcomes.labels),
        format!("{:?}", current.arrivals.labels),
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn restarts_and_roll_ups_change_no_figure(steps in steps(), learned in any::<bool>()) {
        let never = TimeOptions { roll_up_after: "300days".parse().unwrap(), ..options() };
        let soon = TimeOptions { roll_up_after: "1h".parse().unwrap(), ..options() };
        let mut undisturbed = fresh(&never, MemoryPending::new(100_000), learned);
        let mut checkpoint = Checkpoint::default();
        let mut stored = fresh(&soon, OnDisk::new(checkpoint.disk.clone()), learned);
        stored.note_changes();
        let (mut left, mut right) = (Figures::new(), Figures::new());
        for step in steps.iter().chain([&Step::Restart, &Step::Tick]) {
            match step {
                Step::Rows(rows) => {
                    let batch = predictions(rows);
                    let one = undisturbed.push_predictions(&batch, None).unwrap();
                    let two = stored.push_predictions(&batch, None).unwrap();
                    prop_assert_eq!(
                        (one.accepted, one.duplicates, one.too_late, one.labelled, one.learned.is_some()),
                        (two.accepted, two.duplicates, two.too_late, two.labelled, two.learned.is_some())
                    );
                }
                Step::Labels(rows) => {
                    let batch = labels(rows);
                    prop_assert_eq!(undisturbed.push_labels(&batch).unwrap(), stored.push_labels(&batch).unwrap());
                }
                Step::Tick => {
                    tick(&mut undisturbed, &mut left);
                    tick(&mut stored, &mut right);
                    prop_assert_eq!(&left, &right);
                }
                Step::Restart => {
                    checkpoint.save(&mut stored);
                    stored = checkpoint.restore(&soon, learned);
                }
            }
        }
        prop_assert!(stored.sizes().panes <= undisturbed.sizes().panes);
    }
}

#[test]
fn old_panes_become_hours_and_then_days_where_windows_allow() {
    let time = TimeOptions {
        roll_up_after: "1h".parse().unwrap(),
        retention: "9days".parse().unwrap(),
        ..options()
    };
    let panes_of = |windows: &[WindowOptions]| {
        let mut windower = windower_of(&time, windows, &[]);
        // A row a minute for three days.
        for hour in 0..72 {
            let rows: Vec<Row> =
                (0..60).map(|minute| Row::anonymous(hour * 3_600 + minute * 60, 1.0)).collect();
            windower.push_predictions(&predictions(&rows), None).unwrap();
        }
        let mut rolled = 0;
        while windower.roll_up().unwrap() > 0 {
            rolled += 1;
        }
        assert!(rolled > 1 || windows[0].name == "1m", "one step rolls up a bounded number");
        (windower.sizes().panes, windower)
    };
    let (days, windower) = panes_of(&[window("1d", "1day", "1day")]);
    // One day as a whole, the second in hours from its 22nd on, the last hour and a bit in minutes.
    assert!((1..=50 + 61 + 60).contains(&days), "{days}");
    let ten = at(10 * 3_600);
    assert_eq!(windower.whole_panes(ten, ten), (at(0), at(86_400)));
    let (hours, _) = panes_of(&[window("1h", "1h", "1h"), window("1d", "1day", "1h")]);
    assert!(hours > days && hours <= 72 + 120, "{hours}");
    // The watermark is at 71:58: what ended by 70:55 is in slices of five minutes.
    assert_eq!(panes_of(&[window("5m", "5m", "5m")]).0, 851 + 65);
    assert_eq!(panes_of(&[window("1m", "5m", "1m")]).0, 72 * 60);
}

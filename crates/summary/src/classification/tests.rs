use super::*;
use crate::{Actual, Predicted};

fn outcome(label: Option<&str>, score: Option<f64>, scores: &[(&str, f64)], actual: &str) -> Outcome {
    let scores: Option<Arc<[_]>> = (!scores.is_empty())
        .then(|| scores.iter().map(|&(class, score)| (Arc::from(class), score)).collect());
    Outcome {
        predicted: Predicted { label: label.map(Arc::from), score, value: None, scores },
        actual: Actual::Class(actual.into()),
        weight: 1.0,
        delay_seconds: 0.0,
    }
}

fn add(classes: &mut Classification, outcome: &Outcome) {
    let Actual::Class(actual) = &outcome.actual else { panic!("{outcome:?}") };
    classes.add(outcome, actual);
}

fn close(a: Option<f64>, b: f64) {
    assert!(a.is_some_and(|a| (a - b).abs() < 1e-12), "{a:?} is not {b}");
}

#[test]
fn binary_losses_and_matrix_are_those_of_scikit_learn() {
    let actual = [1, 0, 1, 1, 0, 0, 1, 0].map(|y| if y == 1 { "1" } else { "0" });
    let scores = [0.9, 0.2, 0.6, 0.3, 0.45, 0.7, 1.0, 0.0];
    let mut classes = Classification::new(Some("1".into()));
    for (actual, score) in actual.into_iter().zip(scores) {
        let label = if score >= 0.5 { "1" } else { "0" };
        add(&mut classes, &outcome(Some(label), Some(score), &[], actual));
    }
    // scikit-learn 1.6.0: log_loss(y, p), brier_score_loss(y, p), roc_auc_score(y, p), confusion_matrix(y, p >= .5).
    close(classes.log_loss.mean(), 0.4806390375181899);
    close(classes.brier.mean(), 0.17406249999999998);
    let auc = classes.scores["1"].roc_auc().unwrap();
    assert_eq!((auc.value, auc.bound), (0.8125, 0.0));
    assert_eq!([(0, 0), (0, 1), (1, 0), (1, 1)].map(|(a, p)| classes.weight(a, p)), [3.0, 1.0, 1.0, 3.0]);
    assert_eq!((classes.correct, classes.graded.weight), (6.0, 8.0));
}

#[test]
fn multiclass_losses_are_those_of_scikit_learn() {
    let rows =
        [("a", [0.7, 0.2, 0.1]), ("b", [0.1, 0.3, 0.6]), ("c", [0.25, 0.25, 0.5]), ("a", [0.2, 0.5, 0.3])];
    let mut classes = Classification::new(None);
    for (actual, [a, b, c]) in rows {
        add(&mut classes, &outcome(None, None, &[("a", a), ("b", b), ("c", c)], actual));
    }
    // scikit-learn 1.6.0: log_loss(y, p); numpy 2.0.2: ((p - onehot)**2).sum(1).mean() and .var().
    close(classes.log_loss.mean(), 0.9658082103146786);
    close(classes.brier.mean(), 0.58875);
    close(classes.brier.population_variance(), 0.11842968749999999);
    assert_eq!(classes.scores.keys().map(|class| &**class).collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!(classes.graded, Tally::default());
}

#[test]
fn a_certain_mistake_costs_a_bounded_log_loss() {
    let mut classes = Classification::new(Some("1".into()));
    add(&mut classes, &outcome(None, Some(0.0), &[], "1"));
    close(classes.log_loss.mean(), -1e-15_f64.ln());
    let mut classes = Classification::new(None);
    add(&mut classes, &outcome(None, None, &[("a", 1.0)], "never scored"));
    close(classes.log_loss.mean(), -1e-15_f64.ln());
    close(classes.brier.mean(), 2.0);
}

#[test]
fn beyond_the_limit_the_first_by_name_are_kept_in_any_order() {
    let names: Vec<String> = (0..250).map(|i| format!("c{i:03}")).collect();
    let row = |i: usize| outcome(Some(&names[i]), None, &[(&names[i], 0.5)], &names[(i * 7) % 250]);
    let mut forward = Classification::new(None);
    let mut backward = Classification::new(None);
    let (mut even, mut odd) = (Classification::new(None), Classification::new(None));
    for i in 0..250 {
        add(&mut forward, &row(i));
        add(&mut backward, &row(249 - i));
        add(if i % 2 == 0 { &mut even } else { &mut odd }, &row(i));
    }
    even.merge(&odd);
    assert_eq!(forward.classes(), backward.classes());
    assert_eq!(forward.classes().len(), MAX_CLASSES + 1);
    assert_eq!(&*forward.classes()[MAX_CLASSES], OTHER_CLASS);
    assert_eq!(forward.weights, backward.weights);
    assert_eq!(forward.weights, even.weights);
    assert_eq!(forward.weights.iter().sum::<f64>(), 250.0);
    assert_eq!(forward.scores, backward.scores);
    assert_eq!(forward.scores, even.scores);
    // i = 7 i modulo 250 only for i = 0 and 125: what is pooled does not look correct.
    assert_eq!(forward.correct, 2.0);
}

#[test]
fn a_class_that_was_taken_back_is_forgotten() {
    let mut classes = Classification::new(None);
    add(&mut classes, &outcome(Some("a"), None, &[], "b"));
    let before = classes.clone();
    let taken = outcome(Some("new"), None, &[("new", 0.4)], "a");
    add(&mut classes, &taken);
    classes.retract(&taken, &"a".into());
    assert_eq!(classes, before);
}

use ndarray::arr2;
use rand::RngExt;

use super::*;
use crate::customer::normal;
use crate::model::generator;

fn toy() -> (Array2<f64>, [bool; 10]) {
    let inputs = arr2(&[
        [0.5, 1.0],
        [1.5, -0.5],
        [2.0, 2.5],
        [-1.0, 0.0],
        [0.0, 3.0],
        [3.0, 1.5],
        [-2.0, -1.0],
        [1.0, 0.5],
        [-0.5, 2.0],
        [2.5, -2.0],
    ]);
    (inputs, [false, false, true, false, true, true, false, true, false, true])
}

#[test]
fn figures_are_those_of_scikit_learn() {
    // scikit-learn 1.6.0: LogisticRegression(C=1/ridge, solver='newton-cholesky', tol=1e-14).fit(X, y):
    // intercept_, coef_ and predict_proba(X)[0, 1]. The tolerance is that of its stopping rule.
    let expected = [
        (0.5, [-1.5441352153344363, 1.3724165261218795, 0.6189745241173201, 0.44054452447226056]),
        (10.0, [-0.3189883062124733, 0.3220944781318003, 0.126388622803672, 0.492112543270979]),
    ];
    let (inputs, targets) = toy();
    for (ridge, expected) in expected {
        let fit = LogisticRegression::fit(&inputs, &targets, ridge).unwrap();
        let [first, second] = fit.coefficients() else { panic!("two coefficients: {fit:?}") };
        let figures = [fit.intercept(), *first, *second, fit.probability(&[0.5, 1.0])];
        for (figure, expected) in figures.into_iter().zip(expected) {
            assert!((figure - expected).abs() < 1e-10, "ridge {ridge}: {figure} is not {expected}");
        }
    }
}

#[test]
fn known_coefficients_come_back() {
    let (intercept, coefficients) = (-0.7, [1.5, -0.8, 0.0]);
    let mut rng = generator(7, 0);
    let rows = 20_000;
    let inputs = Array2::from_shape_simple_fn((rows, 3), || normal(&mut rng));
    let targets: Vec<bool> = inputs
        .rows()
        .into_iter()
        .map(|row| {
            let logit = intercept + row.iter().zip(coefficients).map(|(x, c)| x * c).sum::<f64>();
            rng.random::<f64>() < sigmoid(logit)
        })
        .collect();
    let fit = LogisticRegression::fit(&inputs, &targets, 0.0).unwrap();
    let found = fit.coefficients().iter().copied().chain([fit.intercept()]);
    for (found, known) in found.zip(coefficients.into_iter().chain([intercept])) {
        // Four standard errors: each is at most about 0.02 here (weights are 0.15 on average).
        assert!((found - known).abs() < 0.09, "{found} is not about {known}");
    }
}

#[test]
fn columns_that_add_up_to_one_need_a_ridge() {
    let inputs = arr2(&[[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]]);
    let targets = [true, false, false, true];
    assert_eq!(LogisticRegression::fit(&inputs, &targets, 0.0), Err(FitError::Singular));
    let fit = LogisticRegression::fit(&inputs, &targets, 1.0).unwrap();
    assert_eq!((fit.intercept(), fit.coefficients()), (0.0, [0.0, 0.0].as_slice()));
}

#[test]
fn what_has_no_finite_solution_is_an_error() {
    let (inputs, targets) = toy();
    let fit = |inputs: &Array2<f64>, targets: &[bool], ridge| {
        LogisticRegression::fit(inputs, targets, ridge).unwrap_err().to_string()
    };
    assert_eq!(fit(&inputs, &targets[..9], 1.0), "10 rows but 9 targets");
    assert_eq!(fit(&inputs, &[true; 10], 1.0), "all 10 rows are of one class");
    assert_eq!(fit(&Array2::zeros((0, 2)), &[], 1.0), "all 0 rows are of one class");
    assert_eq!(fit(&inputs, &targets, -1.0), "ridge -1 is not a number of at least 0");
    assert_eq!(fit(&inputs, &targets, f64::NAN), "ridge NaN is not a number of at least 0");
    let mut holed = inputs.clone();
    holed[[3, 1]] = f64::NAN;
    assert_eq!(fit(&holed, &targets, 1.0), "columns are collinear, or a value is not finite");
    // A line separates the toy's classes.
    assert_eq!(fit(&inputs, &targets, 0.0), "the classes are separable and there is no ridge");
}

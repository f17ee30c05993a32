//! What the model sees of a customer.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use driftline_events::{Feature, FeatureKind, FeatureValue, ModelId, ModelSchema, Task};

/// The simulated model's name.
pub const MODEL: &str = "churn";
/// Its version.
pub(crate) const VERSION: &str = "1";
/// The class that the score speaks of: the customer leaves.
pub const POSITIVE: &str = "yes";
/// The other class.
pub const NEGATIVE: &str = "no";

/// Names of the numeric features.
pub(crate) const NUMERIC: [&str; 7] =
    ["age", "tenure_months", "monthly_charges", "income", "support_calls", "data_gb", "late_payments"];
pub(crate) const MONTHLY_CHARGES: usize = 2;
pub(crate) const INCOME: usize = 3;
pub(crate) const DATA_GB: usize = 5;

/// Names of the categorical features with the categories that the model knows.
pub(crate) const CATEGORICAL: [(&str, &[&str]); 4] = [
    ("plan", &["basic", "plus", "premium"]),
    ("contract", &["monthly", "one-year", "two-year"]),
    ("payment_method", &["card", "bank-transfer", "e-wallet", "invoice"]),
    ("device", &["android", "ios", "tablet", "sim-only"]),
];
pub(crate) const PLAN: usize = 0;

/// Name of the boolean feature.
pub(crate) const BOOLEAN: &str = "autopay";

/// The inputs of one request, as they arrive at the model.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Inputs {
    /// In the order of [`NUMERIC`]; `None` is missing.
    pub(crate) numbers: [Option<f64>; NUMERIC.len()],
    /// In the order of [`CATEGORICAL`]; one that the model does not know is possible.
    pub(crate) categories: [Cow<'static, str>; CATEGORICAL.len()],
    pub(crate) autopay: bool,
}

impl Inputs {
    pub(crate) fn features(&self) -> BTreeMap<String, FeatureValue> {
        let numbers = NUMERIC
            .into_iter()
            .zip(self.numbers.map(|value| value.map_or(FeatureValue::Null, FeatureValue::Number)));
        let categories = CATEGORICAL.into_iter().zip(&self.categories);
        let categories =
            categories.map(|((name, _), category)| (name, FeatureValue::Text(category.to_string())));
        let flag = (BOOLEAN, FeatureValue::Bool(self.autopay));
        numbers.chain(categories).chain([flag]).map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// The simulated model as Driftline needs to know it: binary, positive class `yes`, its twelve features with
/// their kinds, and `country` as segment dimension.
#[must_use]
pub fn churn_schema() -> ModelSchema {
    let feature = |name: &str, kind| Feature { name: name.into(), kind };
    let numeric = NUMERIC.map(|name| feature(name, FeatureKind::Numeric));
    let categorical = CATEGORICAL.map(|(name, _)| feature(name, FeatureKind::Categorical));
    let boolean = feature(BOOLEAN, FeatureKind::Boolean);
    ModelSchema::new(
        ModelId::try_new(MODEL).expect("the name is a valid one"),
        Task::Binary,
        Some(POSITIVE.into()),
        numeric.into_iter().chain(categorical).chain([boolean]).collect(),
        vec![Arc::from("country")],
        false,
    )
}

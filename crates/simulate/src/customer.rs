//! The telecom's customers, and what makes them leave.

use std::borrow::Cow;

use rand::{Rng, RngExt};
use rand_distr::{Distribution, Exp1, Poisson, StandardNormal};

use crate::inputs::Inputs;

/// A customer as he really is.
///
/// Two hidden traits, affluence and trouble, and the age tie the features together: the affluent earn more, take
/// larger plans and pay in time; the young use more data and commit for shorter; the troubled call support.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Customer {
    pub(crate) age: f64,
    pub(crate) tenure_months: f64,
    /// In euros.
    pub(crate) monthly_charges: f64,
    /// In euros a year.
    pub(crate) income: f64,
    /// Whether he told his income.
    pub(crate) income_known: bool,
    pub(crate) support_calls: f64,
    pub(crate) data_gb: f64,
    pub(crate) late_payments: f64,
    pub(crate) plan: &'static str,
    pub(crate) contract: &'static str,
    pub(crate) payment_method: &'static str,
    pub(crate) device: &'static str,
    pub(crate) autopay: bool,
    pub(crate) country: &'static str,
    pub(crate) channel: &'static str,
}

impl Customer {
    /// Draws one. Only the healthy population is drawn; scenarios change it afterwards.
    pub(crate) fn draw(rng: &mut impl Rng) -> Self {
        let affluence: f64 = normal(rng);
        let trouble: f64 = normal(rng);
        let age = (46.0 + 15.5 * normal(rng)).round().clamp(18.0, 92.0);
        // Earnings peak in the early fifties.
        let income = 33_000.0 * (0.33 * affluence + 0.25 * normal(rng) - ((age - 52.0) / 40.0).powi(2)).exp();
        let income = (income / 100.0).round() * 100.0;
        let income_known = rng.random::<f64>() >= 0.03;

        let plan = match 0.8 * affluence + 0.6 * normal(rng) {
            want if want < -0.2 => "basic",
            want if want < 0.9 => "plus",
            _ => "premium",
        };
        let contract = match (age - 46.0) / 25.0 + normal(rng) {
            commitment if commitment < 0.1 => "monthly",
            commitment if commitment < 0.9 => "one-year",
            _ => "two-year",
        };
        let stay = match contract {
            "monthly" => 19.0,
            "one-year" => 34.0,
            _ => 52.0,
        };
        let patience: f64 = Exp1.sample(rng);
        let tenure_months = (stay * patience).floor().clamp(0.0, 180.0);

        let (fee, allowance) = match plan {
            "basic" => (19.0, 5.0),
            "plus" => (34.0, 15.0),
            _ => (55.0, 40.0),
        };
        let data_gb = cents(allowance * (0.7 * normal(rng) - 0.35 - (age - 46.0) / 60.0).exp()).min(500.0);
        let device = match (rng.random::<f64>(), plan) {
            (draw, "basic") => {
                pick(draw, &[("android", 0.48), ("ios", 0.14), ("tablet", 0.05), ("sim-only", 0.33)])
            }
            (draw, "plus") => {
                pick(draw, &[("android", 0.46), ("ios", 0.33), ("tablet", 0.07), ("sim-only", 0.14)])
            }
            (draw, _) => {
                pick(draw, &[("android", 0.30), ("ios", 0.53), ("tablet", 0.11), ("sim-only", 0.06)])
            }
        };
        let instalment = match device {
            "android" => 9.0,
            "ios" => 17.0,
            "tablet" => 12.0,
            _ => 0.0,
        };
        let overage = 1.1 * (data_gb - allowance).max(0.0).sqrt();
        let monthly_charges = cents((fee + instalment + overage) * (0.13 * normal(rng)).exp());

        let payment_method = pick(
            rng.random(),
            &[("card", 0.37), ("bank-transfer", 0.34), ("e-wallet", 0.11), ("invoice", 0.18)],
        );
        let automatic = match payment_method {
            "card" => 0.72,
            "bank-transfer" => 0.81,
            "e-wallet" => 0.45,
            _ => 0.04,
        };
        let autopay = rng.random::<f64>() < automatic;
        let support_calls = poisson(rng, 0.9 * (0.8 * trouble).exp());
        let late_payments =
            poisson(rng, if autopay { 0.15 } else { 0.8 } * (-0.5 * affluence + 0.2 * trouble).exp());
        let country =
            pick(rng.random(), &[("NL", 0.38), ("DE", 0.26), ("FR", 0.18), ("BE", 0.12), ("LU", 0.06)]);
        let channel =
            pick(rng.random(), &[("app", 0.46), ("web", 0.29), ("store", 0.15), ("call-centre", 0.10)]);
        Self {
            age,
            tenure_months,
            monthly_charges,
            income,
            income_known,
            support_calls,
            data_gb,
            late_payments,
            plan,
            contract,
            payment_method,
            device,
            autopay,
            country,
            channel,
        }
    }

    /// The true probability that he leaves. It is not what a logistic regression can express: support calls
    /// saturate and weigh more without a contract, the young leave more, charges count against income, and who
    /// pays for data that he does not use leaves.
    pub(crate) fn churn_probability(&self) -> f64 {
        let free = self.contract == "monthly";
        let mut logit = match self.contract {
            "monthly" => 0.9,
            "one-year" => -0.5,
            _ => -1.9,
        };
        logit -= 1.25 * ((self.tenure_months / 8.0).ln_1p() - 1.2);
        logit += (1.0 - (-self.support_calls / 2.0).exp()) * if free { 3.4 } else { 1.9 };
        logit += 1.1 * (-(self.age - 18.0) / 12.0).exp();
        logit += 55.0 * (12.0 * self.monthly_charges / self.income).min(0.08);
        logit += 0.6 * self.late_payments.min(3.0);
        logit -= if self.autopay { 0.8 } else { 0.0 };
        logit += if self.device == "sim-only" { 0.8 } else { 0.0 };
        logit += if self.plan == "premium" && self.data_gb < 12.0 { 1.0 } else { 0.0 };
        sigmoid(0.8 * (logit - 3.9))
    }

    /// What arrives at the model when nothing is broken.
    pub(crate) fn inputs(&self) -> Inputs {
        Inputs {
            numbers: [
                Some(self.age),
                Some(self.tenure_months),
                Some(self.monthly_charges),
                self.income_known.then_some(self.income),
                Some(self.support_calls),
                Some(self.data_gb),
                Some(self.late_payments),
            ],
            categories: [self.plan, self.contract, self.payment_method, self.device].map(Cow::Borrowed),
            autopay: self.autopay,
        }
    }
}

/// `1 / (1 + e^-x)`, without overflow.
pub(crate) fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 { 1.0 / (1.0 + (-x).exp()) } else { x.exp() / (1.0 + x.exp()) }
}

/// A standard normal draw.
pub(crate) fn normal(rng: &mut impl Rng) -> f64 {
    StandardNormal.sample(rng)
}

fn poisson(rng: &mut impl Rng, mean: f64) -> f64 {
    Poisson::new(mean).expect("exponentials of normal draws are positive and finite").sample(rng)
}

/// The category that the uniform `draw` falls into; the shares add up to 1.
fn pick(draw: f64, shares: &[(&'static str, f64)]) -> &'static str {
    let mut upper = 0.0;
    for &(category, share) in shares {
        upper += share;
        if draw < upper {
            return category;
        }
    }
    shares.last().expect("there is at least one category").0
}

fn cents(amount: f64) -> f64 {
    (amount * 100.0).round() / 100.0
}

//! Fetches and prepares the census data, and prints where its tables are, for `scripts/census`.

fn main() {
    let files = driftline_tests::census::prepare();
    println!("reference={}", files.reference.display());
    for period in files.periods {
        println!("{}_predictions={}", period.name, period.predictions.display());
        println!("{}_labels={}", period.name, period.labels.display());
    }
}

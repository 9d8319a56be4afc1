//! What the README promises, for tests that hold the product to it.

/// A metric of the README's table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Documented {
    pub name: String,
    pub kind: String,
    /// Each label with its closed set of values; none where the set is open.
    pub labels: Vec<(String, Vec<String>)>,
}

/// The table under "## Metrics".
pub fn metrics() -> Vec<Documented> {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let rows = readme.lines().filter(|line| line.starts_with("| `savepointd_")).map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let words = |text: &str| -> Vec<String> { text.split('`').skip(1).step_by(2).map(str::to_owned).collect() };
        let labels = cells[3].split(';').filter_map(|label| {
            let (name, values) = words(label).split_first().map(|(name, values)| (name.clone(), values.to_vec()))?;
            Some((name, values))
        });
        Documented { name: words(cells[1]).remove(0), kind: cells[2].to_owned(), labels: labels.collect() }
    });
    rows.collect()
}

/// The names of series that these make, a histogram's parts too.
pub fn series_names() -> Vec<String> {
    let of = |metric: Documented| -> Vec<String> {
        match metric.kind.as_str() {
            "histogram" => ["_bucket", "_sum", "_count"].map(|part| format!("{}{part}", metric.name)).to_vec(),
            _ => vec![metric.name],
        }
    };
    metrics().into_iter().flat_map(of).collect()
}

//! `report`: puts what was measured into docs/benchmarks.md, between the marks `<!-- NAME -->` and `<!-- end -->`: so the
//! page quotes nothing else.

use std::{fs, path::PathBuf};

use crate::{
    Failure,
    binary::workspace,
    results::{Results, Table},
    run::Run,
};

/// Which page.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The page; the JSON is taken from `--out`.
    #[arg(long, value_name = "FILE", default_value_os_t = workspace().join("docs/benchmarks.md"))]
    page: PathBuf,
}

const END: &str = "<!-- end -->";

/// Writes the page anew. A benchmark without JSON keeps what stands there.
///
/// # Errors
/// If page or results can't be read or written.
pub fn run(run: &Run, args: &Args) -> Result<(), Failure> {
    let mut page = read(&args.page)?;
    let mut files: Vec<PathBuf> = fs::read_dir(&run.out)
        .map_err(|error| format!("{}: {error}; run a benchmark first, or name its --out", run.out.display()))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    for file in files {
        let results: Results =
            serde_json::from_str(&read(&file)?).map_err(|error| format!("{}: {error}", file.display()))?;
        match replaced(&page, &results) {
            Some(with) => page = with,
            None => eprintln!("{} has no place for {}", args.page.display(), results.benchmark),
        }
    }
    fs::write(&args.page, page).map_err(|error| format!("{}: {error}", args.page.display()).into())
}

fn read(path: &std::path::Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()).into())
}

/// The page with these results in their place, if it has one.
fn replaced(page: &str, results: &Results) -> Option<String> {
    let (before, rest) = page.split_once(&format!("<!-- {} -->", results.benchmark))?;
    let (_, behind) = rest.split_once(END)?;
    Some(format!("{before}<!-- {} -->\n{}{END}{behind}", results.benchmark, text(results)))
}

fn text(results: &Results) -> String {
    let Results { machine, date, command, settings, .. } = results;
    let chosen: Vec<String> = settings.iter().map(|(name, value)| format!("{name} {value}")).collect();
    let tables: Vec<String> = results.tables.iter().map(table).collect();
    let notes: String = results.notes.iter().map(|note| format!("- {note}\n")).collect();
    format!(
        "{tables}\n{notes}\n{}, {} cores, {} GiB, Linux {}, load before {}; {date}; {}\n\n```\n{command}\n```\n",
        machine.cpu,
        machine.cores,
        machine.memory_gib,
        machine.kernel,
        machine.load_before,
        chosen.join(", "),
        tables = tables.join("\n"),
    )
}

fn table(table: &Table) -> String {
    let (headings, lines) = table.cells();
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let rule: Vec<String> = headings.iter().map(|_| "---:".to_owned()).collect();
    let rule = line(&rule).replacen("---:", "---", 1);
    let lines: String = lines.iter().map(|cells| line(cells)).collect();
    format!("**{}**\n\n{}{rule}{lines}", table.title, line(&headings))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{machine::Machine, results::round};

    #[test]
    fn results_take_their_place_and_nothing_else() {
        let mut measured = Table::new("Speed", [("rate", "records/s", 0)]);
        measured.add("scoring", round([("rate", 1_234.0)]), None).unwrap();
        let results = Results {
            benchmark: "throughput".to_owned(),
            command: "bench throughput".to_owned(),
            date: "2026-01-01T00:00:00Z".to_owned(),
            machine: Machine::here(),
            settings: [("rounds".to_owned(), "1".to_owned())].into(),
            tables: vec![measured],
            notes: vec!["equal".to_owned()],
        };
        let page = "# Page\n<!-- throughput -->\nold\n<!-- end -->\nrest\n<!-- other -->\nkept\n<!-- end -->\n";
        let page = replaced(page, &results).unwrap();
        assert!(page.starts_with(
            "# Page\n<!-- throughput -->\n**Speed**\n\n|  | records/s |\n| --- | ---: |\n| scoring | 1,234 |"
        ));
        assert!(page.ends_with("<!-- end -->\nrest\n<!-- other -->\nkept\n<!-- end -->\n") && !page.contains("old"));
        assert_eq!(replaced(&page, &results).as_deref(), Some(page.as_str()));
        assert_eq!(replaced("no marks", &results), None);
    }
}

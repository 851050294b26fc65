//! Reading events from files: NDJSON or CSV, plain or gzip, UTF-8 or GB18030. Used by `send` and `simulate`.

mod encoding;
mod lines;
mod mapping;
mod source;
mod table;

use std::path::PathBuf;

use clap::Args;

pub(crate) use self::encoding::Encoding;
use self::{mapping::Mapping, source::Source};
use crate::cli::CommandError;

/// How files are read.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct InputArgs {
    /// How CSV columns become events: `retail`, or a mapping file (see docs/mapping.md).
    #[arg(long, value_name = "NAME|FILE")]
    pub mapping: Option<String>,
    /// How text is encoded. `auto`: as UTF-8 if the whole file is, as GB18030 otherwise.
    #[arg(long, value_enum, default_value_t)]
    pub encoding: Encoding,
}

/// One event of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    /// `file:line`.
    pub place: String,
    /// The event's JSON, or why the row gives none.
    pub json: Result<Vec<u8>, String>,
    /// What a row that gives none holds, column by column.
    pub row: Option<serde_json::Value>,
}

type Events = Box<dyn Iterator<Item = Result<Event, CommandError>> + Send>;

/// Every event of the files, in their order. `-` is standard input.
///
/// An error here or on the way is one of a file as a whole; a row that gives no event says so itself.
pub(crate) fn read_events(
    paths: &[PathBuf],
    args: &InputArgs,
) -> Result<impl Iterator<Item = Result<Event, CommandError>> + Send + use<>, CommandError> {
    let mapping = args.mapping.as_deref().map(Mapping::named).transpose()?;
    let mut files: Vec<Events> = Vec::with_capacity(paths.len());
    for path in paths {
        let source = Source::open(path, args.encoding)?;
        files.push(match (source.is_table(), &mapping) {
            (Some(true) | None, Some(mapping)) => Box::new(table::read(source, mapping.clone())?),
            (Some(true), None) => {
                let name = &source.name;
                return Err(format!("{name}: a CSV file needs --mapping to say which column is what").into());
            }
            (Some(false), _) | (None, None) => Box::new(lines::read(source)?),
        });
    }
    Ok(files.into_iter().flatten())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use serde_json::{Value, json};

    use super::*;

    fn read(name: &str, content: &[u8], mapping: Option<&str>) -> Result<Vec<Event>, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        let mapping = mapping.map(|text| {
            if text == "retail" {
                return text.to_owned();
            }
            let path = dir.path().join("mapping.toml");
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        });
        let args = InputArgs { mapping, encoding: Encoding::Auto };
        let events = read_events(&[path], &args).map_err(|error| error.to_string())?;
        let events: Result<Vec<Event>, CommandError> = events.collect();
        let prefix = format!("{}/", dir.path().display());
        let events = events.map_err(|error| error.to_string().replace(&prefix, ""))?;
        Ok(events.into_iter().map(|event| Event { place: event.place.replace(&prefix, ""), ..event }).collect())
    }

    fn json(event: &Event) -> Value {
        let bytes = event.json.clone().unwrap();
        tiermesh_domain::fact::parse_cloud_event(&bytes).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    const RETAIL: &str = "invoice,customer_id,timestamp,lines,amount\n\
        489434,13085,2009-12-01T07:45:00Z,8,505.30\n\
        C489449,16321,2009-12-01T10:33:00Z,12,-196.15\n\
        489435,13085,2009-12-01T07:46:00Z,4,0.00\n";

    #[test]
    fn retail_rows_become_orders_and_refunds() {
        let events = read("a.csv", RETAIL.as_bytes(), Some("retail")).unwrap();
        assert_eq!(
            json(&events[0]),
            json!({
                "specversion": "1.0", "id": "o-489434", "source": "erp/retail", "type": "tiermesh.order.placed",
                "subject": "13085", "time": "2009-12-01T07:45:00Z",
                "data": {"order_id": "489434", "currency": "GBP", "amount": "505.30"}
            })
        );
        let refund = json(&events[1]);
        assert_eq!((&refund["id"], &refund["type"]), (&json!("r-C489449"), &json!("tiermesh.order.refunded")));
        assert_eq!(refund["data"], json!({"refund_id": "C489449", "currency": "GBP", "amount": "196.15"}));
        assert_eq!(json(&events[2])["type"], "tiermesh.order.placed");
        let places: Vec<&str> = events.iter().map(|event| event.place.as_str()).collect();
        assert_eq!(places, ["a.csv:2", "a.csv:3", "a.csv:4"]);
    }

    #[test]
    fn gzip_and_byte_order_marks_make_no_difference() {
        let plain = read("a.csv", RETAIL.as_bytes(), Some("retail")).unwrap();
        let marked = ["\u{feff}", RETAIL].concat();
        assert_eq!(read("a.csv", marked.as_bytes(), Some("retail")).unwrap(), plain);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(marked.as_bytes()).unwrap();
        let packed = read("a.csv.gz", &gzip.finish().unwrap(), Some("retail")).unwrap();
        let lines = |events: &[Event]| events.iter().map(|event| event.json.clone()).collect::<Vec<_>>();
        assert_eq!(lines(&packed), lines(&plain));
    }

    #[test]
    fn gb18030_is_recognised() {
        let text =
            "invoice,customer_id,timestamp,amount\n1,联通,2009-12-01T07:45:00Z,1\n2,客户-7,2009-12-01T07:45:00Z,2\n";
        let (bytes, _, _) = encoding_rs::GB18030.encode(text);
        let subjects =
            |events: Vec<Event>| events.iter().map(|event| json(event)["subject"].clone()).collect::<Vec<_>>();
        assert_eq!(subjects(read("a.csv", &bytes, Some("retail")).unwrap()), ["联通", "客户-7"]);
        assert_eq!(subjects(read("a.csv", text.as_bytes(), Some("retail")).unwrap()), ["联通", "客户-7"]);
        let (bytes, _, _) = encoding_rs::GB18030.encode("{\"subject\":\"客户\"}\n");
        let events = read("a.ndjson", &bytes, None).unwrap();
        assert_eq!(events[0].json.as_deref(), Ok("{\"subject\":\"客户\"}".as_bytes()));
    }

    #[test]
    fn a_missing_column_is_an_error_that_tells_what_there_is() {
        let error = read("a.csv", b"invoice,customer,timestamp,amount\n", Some("retail")).unwrap_err();
        assert!(error.contains("a.csv") && error.contains("customer_id"), "{error}");
        assert!(error.contains("invoice, customer, timestamp, amount"), "{error}");
        assert!(read("a.csv", b"", Some("retail")).is_err());
        assert!(read("a.csv", RETAIL.as_bytes(), None).unwrap_err().contains("--mapping"));
    }

    #[test]
    fn a_bad_row_says_so_and_the_rest_goes_on() {
        let text = format!(
            "{RETAIL}1,2\n3,4,2009-12-01T07:45:00Z,1,much\n,4,2009-12-01T07:45:00Z,1,5\n5,6,2009-12-01T07:45:00Z,1,7\n"
        );
        let events = read("a.csv", text.as_bytes(), Some("retail")).unwrap();
        let bad: Vec<(&str, &str)> = events[3..6]
            .iter()
            .map(|event| (event.place.as_str(), event.json.as_ref().unwrap_err().as_str()))
            .collect();
        assert_eq!(bad[0], ("a.csv:5", "timestamp: is missing"));
        assert_eq!(bad[1], ("a.csv:6", "amount: \"much\" is not a number such as 139.12 or -139.12"));
        assert_eq!(bad[2], ("a.csv:7", "invoice: is missing"));
        assert_eq!(json(&events[6])["id"], "o-5");
    }

    #[test]
    fn a_mapping_file_says_which_column_is_what() {
        let mapping = "source = \"shop\"\ndelimiter = \";\"\ntimestamp_format = \"%d.%m.%Y %H:%M\"\n\
            time_zone = \"Europe/Berlin\"\n\
            [columns]\ninvoice = \"Beleg\"\ncustomer_id = \"Kunde\"\ntimestamp = \"Zeit\"\namount = \"Betrag\"\ncurrency = \"Währung\"\n";
        let text = "Kunde;Beleg;Zeit;Betrag;Währung\n7;\"A;1\";01.07.2010 08:26;+5;EUR\n7;A2;heute;5;EUR\n";
        let events = read("a.csv", text.as_bytes(), Some(mapping)).unwrap();
        let event = json(&events[0]);
        assert_eq!((&event["time"], &event["source"]), (&json!("2010-07-01T06:26:00Z"), &json!("shop")));
        assert_eq!(event["data"], json!({"order_id": "A;1", "currency": "EUR", "amount": "5"}));
        assert!(events[1].json.as_ref().unwrap_err().starts_with("Zeit: \"heute\" is not an instant"));
        for (wrong, why) in [
            (mapping.replace("delimiter", "delimeter"), "delimeter"),
            (mapping.replace("\";\"", "\"ab\""), "delimiter"),
            (mapping.replace("Europe/Berlin", "Middle/Earth"), "Middle/Earth"),
            (mapping.replace("currency = \"Währung\"\n", ""), "currency"),
        ] {
            let error = read("a.csv", text.as_bytes(), Some(&wrong)).unwrap_err();
            assert!(error.contains("mapping.toml") && error.contains(why), "{error}");
        }
    }

    #[test]
    fn lines_are_taken_as_they_are() {
        let events = read("a.ndjson", b"\xEF\xBB\xBF{\"a\":1}\r\n\n{oops\n  {\"b\":2}", None).unwrap();
        let lines: Vec<_> = events.iter().map(|event| (event.place.as_str(), event.json.as_deref().unwrap())).collect();
        assert_eq!(
            lines,
            [("a.ndjson:1", &b"{\"a\":1}"[..]), ("a.ndjson:3", b"{oops"), ("a.ndjson:4", b"  {\"b\":2}")]
        );
    }
}

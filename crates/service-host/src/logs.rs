//! Logs of the process: to standard error, for people or as JSON. A line that is written while a trace is current names
//! it; a line in JSON also names the service.

use std::{fmt, io::IsTerminal};

use clap::{Args, ValueEnum};
use opentelemetry::{Context, trace::TraceContextExt};
use tracing::{Event, Subscriber};
use tracing_subscriber::{
    EnvFilter,
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::{Format, JsonFields, Writer},
    },
    registry::LookupSpan,
};

use crate::telemetry::service;

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}

/// How the process logs.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct LogArgs {
    /// How log lines look. What is logged is for TIERMESH_LOG to say (`info`, `tiermesh_ingest=debug`).
    #[arg(long, env = "TIERMESH_LOG_FORMAT", value_enum, default_value_t, global = true)]
    pub log_format: LogFormat,
}

/// What the exporter says of its attempts: that the collector is away is told once, by us.
const QUIET: &str = "opentelemetry-otlp=off";

impl LogArgs {
    /// Starts logging: what `TIERMESH_LOG` says, or `default` (`info`). Later calls change nothing.
    pub fn start(self, default: &str) {
        let default = || EnvFilter::new(format!("{default},{QUIET}"));
        let filter = EnvFilter::try_from_env("TIERMESH_LOG").unwrap_or_else(|_| default());
        let colours = std::io::stderr().is_terminal();
        let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours);
        // Fails only if logging was started before.
        let _ = match self.log_format {
            LogFormat::Human => {
                logs.event_format(Line { inner: Format::default().with_ansi(colours), json: false }).try_init()
            }
            LogFormat::Json => {
                let inner = Format::default().json().flatten_event(false);
                logs.fmt_fields(JsonFields::new()).event_format(Line { inner, json: true }).try_init()
            }
        };
    }
}

/// A line as tracing has it, and what it can't know: the service, and the trace that is current.
struct Line<F> {
    inner: F,
    json: bool,
}

impl<S, N, F> FormatEvent<S, N> for Line<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut line = String::new();
        self.inner.format_event(context, Writer::new(&mut line), event)?;
        let line = line.trim_end();
        let trace = Context::map_current(|current| {
            let span = current.span();
            let context = span.span_context();
            context.is_valid().then(|| (context.trace_id().to_string(), context.span_id().to_string()))
        });
        if !self.json {
            write!(writer, "{line}")?;
            if let Some((trace, span)) = trace {
                write!(writer, " trace_id={trace} span_id={span}")?;
            }
            return writeln!(writer);
        }
        write!(writer, "{}", line.strip_suffix('}').unwrap_or(line))?;
        let mut field = |name: &str, value: &str| write!(writer, ",\"{name}\":{}", serde_json::Value::from(value));
        if let Some(service) = service() {
            field("service", service)?;
        }
        if let Some((trace, span)) = trace {
            field("trace_id", &trace)?;
            field("span_id", &span)?;
        }
        writeln!(writer, "}}")
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{self, Write},
        sync::{Arc, Mutex},
    };

    use super::*;
    use crate::telemetry::parse;

    const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A line without a trace, and one within.
    fn say() {
        let _partition = tracing::info_span!("partition", partition = 3).entered();
        tracing::info!(offset = 7, "one");
        let trace = Context::new().with_remote_span_context(parse(TRACEPARENT).unwrap()).attach();
        tracing::info!("two");
        drop(trace);
    }

    fn lines(buffer: &Buffer) -> Vec<String> {
        String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_line_in_json_is_one_object_with_its_partition_and_trace() {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let logs = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .fmt_fields(JsonFields::new())
            .event_format(Line { inner: Format::default().json(), json: true })
            .finish();
        tracing::subscriber::with_default(logs, say);
        let lines: Vec<serde_json::Value> =
            lines(&buffer).iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!((&lines[0]["fields"]["offset"], &lines[0]["span"]["partition"]), (&7.into(), &3.into()));
        assert!(lines[0].get("trace_id").is_none());
        assert_eq!(lines[1]["trace_id"], "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(lines[1]["span_id"], "b7ad6b7169203331");
    }

    #[test]
    fn a_line_for_people_ends_with_its_trace() {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let logs = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .with_ansi(false)
            .event_format(Line { inner: Format::default().with_ansi(false), json: false })
            .finish();
        tracing::subscriber::with_default(logs, say);
        let lines = lines(&buffer);
        assert!(lines[0].ends_with("one offset=7"), "{}", lines[0]);
        assert!(lines[0].contains("partition=3"), "{}", lines[0]);
        let trace = " trace_id=0af7651916cd43dd8448eb211c80319c span_id=b7ad6b7169203331";
        assert!(lines[1].ends_with(trace), "{}", lines[1]);
    }
}

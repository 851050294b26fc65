//! A file to read from: unpacked if it is gzip, decoded to UTF-8, without a byte order mark.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek},
    path::Path,
};

use flate2::bufread::MultiGzDecoder;

use super::encoding::{Encoding, FromGb18030, is_utf8};
use crate::cli::CommandError;

/// A file that is opened.
pub(super) struct Source {
    /// Its name, for messages.
    pub(super) name: String,
    /// Its text.
    pub(super) text: Box<dyn BufRead + Send>,
}

impl Source {
    pub(super) fn open(path: &Path, encoding: Encoding) -> Result<Self, CommandError> {
        let name = if path.as_os_str() == "-" { "standard input".to_owned() } else { path.display().to_string() };
        match open_text(path, encoding) {
            Ok(text) => Ok(Self { name, text }),
            Err(error) => Err(format!("{name}: {error}").into()),
        }
    }

    /// Whether it is a table, by its name. `None`: the name doesn't say.
    pub(super) fn is_table(&self) -> Option<bool> {
        let name = self.name.to_ascii_lowercase();
        let name = name.strip_suffix(".gz").unwrap_or(&name);
        match name.rsplit_once('.')?.1 {
            "csv" | "tsv" | "txt" => Some(true),
            "ndjson" | "jsonl" | "json" => Some(false),
            _ => None,
        }
    }
}

fn open_text(path: &Path, encoding: Encoding) -> io::Result<Box<dyn BufRead + Send>> {
    let is_stdin = path.as_os_str() == "-";
    let raw: Box<dyn Read + Send> = match encoding {
        Encoding::Utf8 if is_stdin => unpacked(io::stdin())?,
        Encoding::Utf8 => unpacked(File::open(path)?)?,
        Encoding::Gb18030 if is_stdin => Box::new(FromGb18030::new(unpacked(io::stdin())?)),
        Encoding::Gb18030 => Box::new(FromGb18030::new(unpacked(File::open(path)?)?)),
        Encoding::Auto => {
            let mut file = if is_stdin { kept(io::stdin())? } else { File::open(path)? };
            if !file.metadata()?.is_file() {
                file = kept(file)?;
            }
            let utf8 = is_utf8(unpacked(file.try_clone()?)?)?;
            file.rewind()?;
            let unpacked = unpacked(file)?;
            if utf8 { unpacked } else { Box::new(FromGb18030::new(unpacked)) }
        }
    };
    let mut text = BufReader::with_capacity(256 << 10, raw);
    if peek(&mut text, 3)?.starts_with(b"\xEF\xBB\xBF") {
        text.consume(3);
    }
    Ok(Box::new(text))
}

/// What can be read only once, in a file that is gone when it is closed: the encoding is known only at the end.
fn kept(mut reader: impl Read) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    io::copy(&mut reader, &mut file)?;
    file.rewind()?;
    Ok(file)
}

fn unpacked(reader: impl Read + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
    let mut reader = BufReader::with_capacity(256 << 10, reader);
    if peek(&mut reader, 2)?.starts_with(&[0x1f, 0x8b]) {
        return Ok(Box::new(Unpacked(MultiGzDecoder::new(reader))));
    }
    Ok(Box::new(reader))
}

/// What gzip holds, with errors that say so.
struct Unpacked<R>(MultiGzDecoder<R>);

impl<R: BufRead> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let broken = |error: io::Error| {
            io::Error::new(error.kind(), format!("its gzip is broken or cut off ({error}); pack it again"))
        };
        self.0.read(buffer).map_err(broken)
    }
}

/// The first bytes, left where they are. Fewer only if a pipe gives fewer at first.
fn peek<R: Read>(reader: &mut BufReader<R>, count: usize) -> io::Result<&[u8]> {
    let ready = reader.fill_buf()?;
    Ok(ready.get(..count).unwrap_or(ready))
}

//! A report to push: a file, or bytes that are held.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use appsec_core::{BoxStream, Error, ErrorKind, Result};
use appsec_http::BodySource;
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::io::AsyncReadExt as _;

/// How much of a file is read at a time.
const CHUNK: usize = 64 * 1024;

/// A report to push: a file, which is read as it is sent and never held whole, or bytes.
#[derive(Clone)]
pub struct ReportFile(Content);

#[derive(Clone)]
enum Content {
    Held(Arc<[u8]>),
    At(PathBuf),
}

impl ReportFile {
    /// The report in a file. It is looked at when it is pushed, and must not change meanwhile.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(Content::At(path.into()))
    }

    /// The report in memory.
    pub fn held(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Content::Held(bytes.into().into()))
    }

    /// Its length in bytes.
    pub(super) async fn length(&self) -> Result<u64> {
        match &self.0 {
            Content::Held(bytes) => Ok(bytes.len() as u64),
            Content::At(path) => match tokio::fs::metadata(path).await {
                Ok(file) if file.is_file() => Ok(file.len()),
                Ok(_) => Err(unreadable(path, io::Error::other("it is no file"))),
                Err(error) => Err(unreadable(path, error)),
            },
        }
    }

    /// Its bytes, for who reads them on a thread that may wait.
    pub(super) fn reader(&self) -> Result<Box<dyn Read + Send>> {
        match &self.0 {
            Content::Held(bytes) => Ok(Box::new(io::Cursor::new(Arc::clone(bytes)))),
            Content::At(path) => match File::open(path) {
                Ok(file) => Ok(Box::new(io::BufReader::with_capacity(CHUNK, file))),
                Err(error) => Err(unreadable(path, error)),
            },
        }
    }

    fn stream(&self) -> BoxStream<'static, io::Result<Bytes>> {
        match &self.0 {
            Content::Held(bytes) => stream::iter([Ok(Bytes::from_owner(Arc::clone(bytes)))]).boxed(),
            Content::At(path) => {
                let path = path.clone();
                let chunks = async move {
                    let file = tokio::fs::File::open(path).await?;
                    Ok::<_, io::Error>(stream::try_unfold(file, |mut file| async move {
                        let mut chunk = Vec::with_capacity(CHUNK);
                        let read = (&mut file).take(CHUNK as u64).read_to_end(&mut chunk).await?;
                        Ok((read > 0).then(|| (Bytes::from(chunk), file)))
                    }))
                };
                stream::once(chunks).try_flatten().boxed()
            }
        }
    }
}

/// Shows where it is, not what it says.
impl fmt::Debug for ReportFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Content::Held(bytes) => write!(f, "ReportFile({} bytes)", bytes.len()),
            Content::At(path) => write!(f, "ReportFile({})", path.display()),
        }
    }
}

/// An error that names the file: whoever asked for it knows its path.
pub(super) fn unreadable(path: &Path, cause: io::Error) -> Error {
    Error::new(ErrorKind::InvalidRequest, format!("the report {} cannot be read", path.display()))
        .with_source(cause)
}

/// A report between what a request says of it.
pub(super) struct Framed {
    before: Bytes,
    report: ReportFile,
    after: Bytes,
    length: u64,
}

impl Framed {
    pub(super) async fn new(
        before: impl Into<Bytes>,
        report: &ReportFile,
        after: impl Into<Bytes>,
    ) -> Result<Self> {
        let (before, after) = (before.into(), after.into());
        let length = report.length().await? + before.len() as u64 + after.len() as u64;
        Ok(Self { before, report: report.clone(), after, length })
    }
}

impl fmt::Debug for Framed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Framed")
            .field("report", &self.report)
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

impl BodySource for Framed {
    fn length(&self) -> u64 {
        self.length
    }

    fn open(&self) -> BoxStream<'static, io::Result<Bytes>> {
        let edge = |bytes: &Bytes| stream::iter([Ok(bytes.clone())]);
        edge(&self.before).chain(self.report.stream()).chain(edge(&self.after)).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(framed: &Framed) -> Vec<u8> {
        framed
            .open()
            .try_fold(Vec::new(), |mut all, chunk| async move {
                all.extend_from_slice(&chunk);
                Ok(all)
            })
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn a_file_comes_in_pieces_and_whole_as_often_as_it_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        let bytes: Vec<u8> = (0..CHUNK * 3 + 7).map(|at| u8::try_from(at % 251).unwrap()).collect();
        std::fs::write(&path, &bytes).unwrap();
        let expected = [b"<".as_slice(), &bytes, b">"].concat();
        for report in [ReportFile::at(&path), ReportFile::held(bytes.clone())] {
            let framed = Framed::new("<", &report, ">").await.unwrap();
            assert_eq!(framed.length(), expected.len() as u64);
            for _ in 0..2 {
                assert_eq!(read(&framed).await, expected);
            }
            let mut whole = Vec::new();
            report.reader().unwrap().read_to_end(&mut whole).unwrap();
            assert_eq!(whole, bytes);
        }
        let pieces: Vec<_> = ReportFile::at(&path).stream().collect().await;
        assert!(pieces.len() > 3 && pieces.iter().all(|piece| piece.as_ref().unwrap().len() <= CHUNK));
    }

    #[tokio::test]
    async fn what_is_no_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().to_owned(), folder.path().join("none")] {
            let error = ReportFile::at(&path).length().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidRequest);
            assert!(error.message().contains(&path.display().to_string()), "{error}");
        }
    }
}

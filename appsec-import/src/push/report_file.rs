//! A report to push: a file, or bytes in memory.

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

/// The number of bytes read from a file at a time.
const CHUNK: usize = 64 * 1024;

/// A report to push: bytes in memory, or a file, which is read while it is sent and never as a whole.
#[derive(Clone)]
pub struct ReportFile(Content);

#[derive(Clone)]
enum Content {
    Bytes(Arc<[u8]>),
    File(PathBuf),
}

impl ReportFile {
    /// A report in a file. The file is opened by the push, and must not change during it.
    pub fn from_path(path: impl Into<PathBuf>) -> Self {
        Self(Content::File(path.into()))
    }

    /// A report in memory.
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Content::Bytes(bytes.into().into()))
    }

    /// Its length in bytes.
    pub(super) async fn length(&self) -> Result<u64> {
        match &self.0 {
            Content::Bytes(bytes) => Ok(bytes.len() as u64),
            Content::File(path) => match tokio::fs::metadata(path).await {
                Ok(file) if file.is_file() => Ok(file.len()),
                Ok(_) => Err(unreadable(path, io::Error::other("it is not a file"))),
                Err(error) => Err(unreadable(path, error)),
            },
        }
    }

    /// A reader of its bytes, for blocking threads.
    pub(super) fn reader(&self) -> Result<Box<dyn Read + Send>> {
        match &self.0 {
            Content::Bytes(bytes) => Ok(Box::new(io::Cursor::new(Arc::clone(bytes)))),
            Content::File(path) => match File::open(path) {
                Ok(file) => Ok(Box::new(io::BufReader::with_capacity(CHUNK, file))),
                Err(error) => Err(unreadable(path, error)),
            },
        }
    }

    fn stream(&self) -> BoxStream<'static, io::Result<Bytes>> {
        match &self.0 {
            Content::Bytes(bytes) => stream::iter([Ok(Bytes::from_owner(Arc::clone(bytes)))]).boxed(),
            Content::File(path) => {
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

/// Shows the path or the length, not the content.
impl fmt::Debug for ReportFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Content::Bytes(bytes) => write!(f, "ReportFile({} bytes)", bytes.len()),
            Content::File(path) => write!(f, "ReportFile({})", path.display()),
        }
    }
}

/// The error for a file that cannot be read. It names the path, which comes from the caller.
fn unreadable(path: &Path, cause: io::Error) -> Error {
    Error::new(ErrorKind::InvalidRequest, format!("the report {} cannot be read", path.display()))
        .with_source(cause)
}

/// Runs work that reads files, or takes long, on a blocking thread.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|cause| {
        Err(Error::new(ErrorKind::Unexpected, "the task that reads the report ended early")
            .with_source(cause))
    })
}

/// The body of a request: a report with a prefix and a suffix.
pub(super) struct ReportBody {
    prefix: Bytes,
    report: ReportFile,
    suffix: Bytes,
    length: u64,
}

impl ReportBody {
    pub(super) async fn new(
        prefix: impl Into<Bytes>,
        report: &ReportFile,
        suffix: impl Into<Bytes>,
    ) -> Result<Self> {
        let (prefix, suffix) = (prefix.into(), suffix.into());
        let length = report.length().await? + prefix.len() as u64 + suffix.len() as u64;
        Ok(Self { prefix, report: report.clone(), suffix, length })
    }
}

impl fmt::Debug for ReportBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReportBody")
            .field("report", &self.report)
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

impl BodySource for ReportBody {
    fn length(&self) -> u64 {
        self.length
    }

    fn open(&self) -> BoxStream<'static, io::Result<Bytes>> {
        let once = |bytes: &Bytes| stream::iter([Ok(bytes.clone())]);
        once(&self.prefix).chain(self.report.stream()).chain(once(&self.suffix)).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(body: &ReportBody) -> Vec<u8> {
        body.open()
            .try_fold(Vec::new(), |mut all, chunk| async move {
                all.extend_from_slice(&chunk);
                Ok(all)
            })
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn a_file_is_streamed_in_chunks_and_can_be_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        let bytes: Vec<u8> = (0..CHUNK * 3 + 7).map(|at| u8::try_from(at % 251).unwrap()).collect();
        std::fs::write(&path, &bytes).unwrap();
        let expected = [b"<".as_slice(), &bytes, b">"].concat();
        for report in [ReportFile::from_path(&path), ReportFile::from_bytes(bytes.clone())] {
            let body = ReportBody::new("<", &report, ">").await.unwrap();
            assert_eq!(body.length(), expected.len() as u64);
            for _ in 0..2 {
                assert_eq!(read(&body).await, expected);
            }
            let mut whole = Vec::new();
            report.reader().unwrap().read_to_end(&mut whole).unwrap();
            assert_eq!(whole, bytes);
        }
        let chunks: Vec<_> = ReportFile::from_path(&path).stream().collect().await;
        assert!(chunks.len() > 3 && chunks.iter().all(|chunk| chunk.as_ref().unwrap().len() <= CHUNK));
    }

    #[tokio::test]
    async fn an_error_names_the_path_that_is_no_file() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().to_owned(), folder.path().join("none")] {
            let error = ReportFile::from_path(&path).length().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidRequest);
            assert!(error.message().contains(&path.display().to_string()), "{error}");
        }
    }
}

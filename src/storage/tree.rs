//! Whole directories: what lies in one, and deleting one so that what is left of it is never taken for a restore point.

use std::path::Path;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use super::place::Shape;
use super::{Error, Listed, Place};
use crate::protocol::retention::Measured;

/// So many files are deleted at once.
const AT_ONCE: usize = 16;

impl Place {
    /// Counts what lies below.
    ///
    /// # Errors
    /// If that can't be read.
    pub async fn measure(&self) -> Result<Measured, Error> {
        let add = |sum: Measured, file: Listed| async move {
            let changed = sum.changed.max(file.changed);
            Ok(Measured { bytes: sum.bytes + file.bytes, changed, files: sum.files + 1 })
        };
        self.list().try_fold(Measured::default(), add).await
    }

    /// Deletes everything below, each `_metadata` before any other file: what is interrupted leaves no point that looks whole.
    ///
    /// # Errors
    /// If something may still be there.
    pub async fn delete_all(&self) -> Result<(), Error> {
        let names: Vec<String> = self.list().map_ok(|file| file.name).try_collect().await?;
        let (points, rest): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| is_metadata(name));
        for names in [points, rest] {
            let places = names.into_iter().map(|name| self.below(&name));
            let deleting = stream::iter(places).map(|place| async move { place.delete().await });
            deleting.buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        }
        if let Some(directory) = self.directory() {
            // Left behind, they cost nothing but a look at each start.
            let _ = tokio::task::spawn_blocking(move || remove_empty(&directory)).await;
        } else if self.shape() == Shape::Tree {
            let _ = self.clone().delete_empty().await;
        }
        Ok(())
    }

    /// Deletes the directory if nothing is in it. Object stores know no empty ones.
    pub async fn delete_if_empty(&self) {
        if let Some(directory) = self.directory() {
            let _ = tokio::task::spawn_blocking(move || std::fs::remove_dir(directory)).await;
        } else if self.shape() == Shape::Tree {
            // Where something is in it, it is refused.
            let _ = self.delete().await;
        }
    }

    /// Deletes the directory if there is nothing in it but empty directories.
    fn delete_empty(self) -> BoxFuture<'static, Result<(), Error>> {
        async move {
            for name in self.children().await?.0 {
                self.join(&name).delete_empty().await?;
            }
            self.delete().await
        }
        .boxed()
    }

    fn below(&self, name: &str) -> Self {
        name.split('/').filter(|segment| !segment.is_empty()).fold(self.clone(), |place, segment| place.join(segment))
    }
}

fn is_metadata(name: &str) -> bool {
    name.rsplit('/').next() == Some("_metadata")
}

/// Removes directories that hold nothing but directories.
fn remove_empty(directory: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_empty(&entry.path())?;
        }
    }
    std::fs::remove_dir(directory)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::Storage;
    use super::*;

    #[tokio::test]
    async fn a_directory_is_measured_and_deleted_with_all_that_is_below_it_and_nothing_beside() {
        let dir = tempfile::tempdir().unwrap();
        let point = dir.path().join("point");
        fs::create_dir_all(point.join("shared/empty")).unwrap();
        fs::create_dir(dir.path().join("point-2")).unwrap();
        for (name, bytes) in [("_metadata", 3), ("state", 40), ("shared/sst", 500)] {
            fs::write(point.join(name), vec![0; bytes]).unwrap();
        }
        fs::write(dir.path().join("point-2/_metadata"), "x").unwrap();
        let place = Storage::default().place(&format!("file://{}", point.display())).unwrap();
        let measured = place.measure().await.unwrap();
        assert_eq!((measured.bytes, measured.files), (543, 3));
        assert!(measured.changed.is_some());
        place.delete_all().await.unwrap();
        assert!(!point.exists());
        assert!(dir.path().join("point-2/_metadata").exists());
        assert_eq!(place.measure().await.unwrap(), Measured::default());
        place.delete_all().await.unwrap();
    }

    #[test]
    fn only_files_of_that_name_tell_of_a_point() {
        assert!(is_metadata("_metadata") && is_metadata("chk-7/_metadata"));
        assert!(!is_metadata("chk-7/_metadata.tmp") && !is_metadata("x_metadata"));
    }
}

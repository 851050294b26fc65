//! A small disk that can be filled and freed: a file system in memory, mounted for a test.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::guardian::{Guardian, Recipe};
use crate::programs;

/// What fills the disk.
const FILLER: &str = "filler";

/// A small disk. Dropped, it is gone, whoever still writes to it.
pub struct SmallDisk {
    path: PathBuf,
    _guardian: Guardian,
}

impl SmallDisk {
    /// Mounts one of so many MiB.
    ///
    /// # Errors
    /// Why it can't be mounted: that takes root, and containers may forbid it even then.
    pub fn mount(mebibytes: u32) -> Result<Self, String> {
        if !programs::is_root() {
            return Err("only root may mount a small disk".to_owned());
        }
        let home = tempfile::Builder::new().prefix("tiermesh-disk-").tempdir();
        let home = home.map_err(|error| format!("no temporary directory: {error}"))?;
        let readable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(home.path(), readable).map_err(|error| error.to_string())?;
        let path = home.path().join("disk");
        let recipe = Recipe {
            prepare: r#"mkdir "$DIR/disk" && mount -t tmpfs -o "size=${MEBIBYTES}m,mode=1777" tiermesh-test "$DIR/disk""#,
            // There is no server: only somebody who takes the disk away at the end.
            serve: "exec sleep 2147483647",
            stop: r#"kill -KILL "$1""#,
            clean: r#"umount -l "$DIR/disk""#,
            env: vec![("MEBIBYTES", mebibytes.to_string().into())],
            user: None,
        };
        let guardian = Guardian::start(home, recipe, Box::new(|| Ok(())))?;
        Ok(Self { path, _guardian: guardian })
    }

    /// Where it is mounted. Anybody may write there.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Fills it to the last byte.
    ///
    /// # Panics
    /// If the file that fills it can't be made.
    pub fn fill(&self) {
        let filler = self.path.join(FILLER);
        let mut filler = File::options().create(true).append(true).open(filler).expect("the disk takes a file");
        for size in [1 << 20, 1 << 12, 1] {
            while filler.write_all(&vec![0; size]).is_ok() {}
        }
    }

    /// Frees what was filled.
    pub fn free(&self) {
        // It may not be full.
        let _ = std::fs::remove_file(self.path.join(FILLER));
    }
}

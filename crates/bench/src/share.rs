//! A part of a CPU, as Lambda gives it by memory: a control group of Linux, of either version.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use testkit::Leash;

/// Memory sizes of a function, in MB, that are measured. At the last one Lambda gives a whole CPU.
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html>
pub(crate) const MEMORY_SIZES: [u32; 5] = [128, 256, 512, 1024, WHOLE_CPU];

const WHOLE_CPU: u32 = 1769;

/// How often the group gets its share. The kernel's default of 100 ms is coarse beside a start of 20 ms.
const PERIOD: Duration = Duration::from_millis(20);

/// Where a system mounts them.
const MOUNT: &str = "/sys/fs/cgroup";

/// A control group whose processes together get a part of one CPU.
#[derive(Debug)]
pub(crate) struct Share {
    directory: PathBuf,
    is_unified: bool,
    // Removes it, when its processes have ended.
    _leash: Leash,
}

impl Share {
    /// Makes a group, or says why this machine has none to offer.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let groups = fs::read_to_string("/proc/self/cgroup").context("no control groups")?;
        let own = |controllers: &str| {
            let lines = groups.lines().filter_map(|line| line.split_once(':').map(|(_, rest)| rest));
            let mut found = lines.filter_map(|line| line.split_once(':'));
            let own = found.find(|(names, _)| names.split(',').any(|name| name == controllers));
            own.map(|(_, path)| path.trim_start_matches('/').to_owned())
        };
        let name = format!("bench-{}", std::process::id());
        if let Some(path) = own("cpu") {
            let mounts = ["cpu", "cpu,cpuacct"].map(|mount| Path::new(MOUNT).join(mount));
            let mount = mounts.into_iter().find(|mount| mount.exists()).context("the CPU's groups are not mounted")?;
            return Self::at(mount.join(path).join(name), false);
        }
        let Some(path) = own("") else { bail!("no control groups") };
        // The second is the root, which alone may have both processes and groups with controllers.
        let own_group = Path::new(MOUNT).join(path);
        Self::unified(&own_group.join(&name))
            .or_else(|error| Self::unified(&Path::new(MOUNT).join(&name)).map_err(|_| error))
    }

    /// A group of version 2.
    fn unified(directory: &Path) -> anyhow::Result<Self> {
        let controllers = directory.with_file_name("cgroup.subtree_control");
        if !fs::read_to_string(&controllers)?.split_whitespace().any(|name| name == "cpu") {
            fs::write(&controllers, "+cpu")
                .context("cannot enable the controller of the CPU: run it as root, and not in a container")?;
        }
        Self::at(directory.to_owned(), true)
    }

    fn at(directory: PathBuf, is_unified: bool) -> anyhow::Result<Self> {
        fs::create_dir(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
        let path = directory.to_string_lossy().into_owned();
        let leash = Leash::new("while ! rmdir \"$1\" && [ -d \"$1\" ]; do sleep 0.1; done", &[&path])?;
        let share = Self { directory, is_unified, _leash: leash };
        share.resize(WHOLE_CPU)?;
        Ok(share)
    }

    /// Gives its processes what Lambda gives a function of this size.
    pub(crate) fn resize(&self, memory: u32) -> anyhow::Result<()> {
        let period = PERIOD.as_micros();
        let quota = period * u128::from(memory) / u128::from(WHOLE_CPU);
        let settings = if self.is_unified {
            vec![("cpu.max", format!("{quota} {period}"))]
        } else {
            vec![("cpu.cfs_period_us", period.to_string()), ("cpu.cfs_quota_us", quota.to_string())]
        };
        for (file, value) in settings {
            fs::write(self.directory.join(file), value).with_context(|| format!("cannot set {file}"))?;
        }
        Ok(())
    }

    /// The file that takes the id of a process.
    pub(crate) fn processes(&self) -> PathBuf {
        self.directory.join("cgroup.procs")
    }
}

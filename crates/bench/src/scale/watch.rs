//! The sessions of a role at the server, watched while something else goes on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::scene::Scene;

/// How often they are counted: sessions last much longer.
const PERIOD: Duration = Duration::from_millis(50);

/// Does the work, and returns what it returned and the most sessions that the role had meanwhile.
pub(crate) fn during<T>(
    scene: &Scene,
    role: &str,
    work: impl FnOnce() -> anyhow::Result<T>,
) -> anyhow::Result<(T, usize)> {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let mut most = 0;
            while !is_over.load(Ordering::Relaxed) {
                most = most.max(scene.sessions(role)?);
                thread::sleep(PERIOD);
            }
            anyhow::Ok(most)
        });
        let done = work();
        is_over.store(true, Ordering::Relaxed);
        let most = watching.join().expect("no panic");
        Ok((done?, most?))
    })
}

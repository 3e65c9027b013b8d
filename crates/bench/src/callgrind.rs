//! The profile that Callgrind writes with `--compress-strings=no --compress-pos=no`.
//! <https://valgrind.org/docs/manual/cl-format.html>

/// The C library's functions that give memory.
const ALLOCATORS: [&str; 6] = ["malloc", "calloc", "realloc", "aligned_alloc", "memalign", "posix_memalign"];

/// What an object, such as a program without the libraries it is linked with, has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Profile {
    /// Its own instructions, not those of what it calls in others.
    pub(crate) instructions: u64,
    /// How often it has asked the C library for memory.
    pub(crate) allocations: u64,
}

/// Reads what the object of this path has done.
pub(crate) fn read(profile: &str, object: &str) -> Profile {
    let mut found = Profile::default();
    let (mut is_object, mut is_allocator) = (false, false);
    let mut lines = profile.lines();
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix("ob=") {
            is_object = name == object;
        } else if let Some(called) = line.strip_prefix("cfn=") {
            is_allocator = ALLOCATORS.contains(&called);
        } else if let Some(calls) = line.strip_prefix("calls=") {
            // The line after it is what the called function took, which counts there.
            lines.next();
            if is_object && is_allocator {
                found.allocations += first_number(calls);
            }
        } else if is_object && line.starts_with(|first: char| first.is_ascii_digit()) {
            found.instructions += line.rsplit(' ').next().map_or(0, first_number);
        }
    }
    found
}

fn first_number(text: &str) -> u64 {
    text.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_has_its_own_instructions_and_allocations_and_not_those_of_what_it_calls() {
        let profile = "events: Ir\nob=/a/bootstrap\nfl=???\nfn=main\n0 5\ncob=/lib/libc.so.6\ncfn=malloc\ncalls=3 0\n0 70\n\
                       0 2\ncob=/lib/libc.so.6\ncfn=free\ncalls=9 0\n0 7\n\nob=/lib/libc.so.6\nfn=strdup\n0 70\ncfn=malloc\n\
                       calls=4 0\n0 40\n\nob=/a/bootstrap\nfn=end\n0 1\ncfn=main\ncalls=1 0\n0 84\ntotals: 155\n";
        assert_eq!(read(profile, "/a/bootstrap"), Profile { instructions: 8, allocations: 3 });
        assert_eq!(read(profile, "/lib/libc.so.6"), Profile { instructions: 70, allocations: 4 });
        assert_eq!(read(profile, "/lib/libm.so.6"), Profile::default());
    }
}

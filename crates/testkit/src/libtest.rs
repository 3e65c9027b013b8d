//! The arguments that test runners pass to a test binary, for one that brings its own `main`.
//! <https://nexte.st/docs/design/custom-test-harnesses/>

/// What the arguments of a binary with a single test ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// To run the test.
    Run,
    /// To print this, the list of the tests that would run.
    List(String),
    /// Not to run the test: the arguments select others.
    Skip,
}

/// The options whose value may be the next argument.
const OPTIONS_WITH_VALUE: [&str; 7] =
    ["--skip", "--format", "--test-threads", "--logfile", "--color", "--shuffle-seed", "-Z"];

impl Request {
    /// Reads the arguments, the program's name excluded, as libtest does for its only test `name`.
    pub fn of(name: &str, arguments: impl IntoIterator<Item = String>) -> Self {
        let (mut list, mut exact, mut only_ignored, mut terse) = (false, false, false, false);
        let (mut filters, mut skips) = (Vec::new(), Vec::new());
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let (option, mut value) = match argument.split_once('=') {
                Some((option, value)) if option.starts_with('-') => (option, Some(value.to_owned())),
                _ => (argument.as_str(), None),
            };
            if value.is_none() && OPTIONS_WITH_VALUE.contains(&option) {
                value = arguments.next();
            }
            match option {
                "--list" => list = true,
                "--exact" => exact = true,
                "--ignored" => only_ignored = true,
                "--quiet" | "-q" => terse = true,
                "--format" => terse = value.as_deref() == Some("terse"),
                "--skip" => skips.extend(value),
                option if option.starts_with('-') => {}
                filter => filters.push(filter.to_owned()),
            }
        }
        let matches = |pattern: &String| if exact { name == pattern } else { name.contains(pattern.as_str()) };
        let selected =
            !only_ignored && (filters.is_empty() || filters.iter().any(matches)) && !skips.iter().any(matches);
        match (list, selected) {
            (true, _) => Self::List(listed(name, selected, terse)),
            (false, true) => Self::Run,
            (false, false) => Self::Skip,
        }
    }
}

fn listed(name: &str, selected: bool, terse: bool) -> String {
    match (selected, terse) {
        (true, true) => format!("{name}: test\n"),
        (true, false) => format!("{name}: test\n\n1 test, 0 benchmarks\n"),
        (false, true) => String::new(),
        (false, false) => "0 tests, 0 benchmarks\n".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(arguments: &[&str]) -> Request {
        Request::of("soak", arguments.iter().map(ToString::to_string))
    }

    #[test]
    fn the_test_runs_when_nothing_or_its_name_is_asked_for() {
        for arguments in [
            &[][..],
            &["soak"],
            &["so"],
            &["other", "soak"],
            &["soak", "--exact", "--nocapture"],
            &["--skip", "other"],
            &["--test-threads", "1"],
            &["--test-threads=1", "--include-ignored"],
            &["so", "--skip=so", "--exact", "soak"],
        ] {
            assert_eq!(request(arguments), Request::Run, "{arguments:?}");
        }
    }

    #[test]
    fn the_test_is_skipped_when_others_are_asked_for() {
        for arguments in [
            &["other"][..],
            &["so", "--exact"],
            &["--ignored"],
            &["--skip", "soak"],
            &["--skip=oak"],
            &["soak", "--skip", "soak"],
            &["--format", "pretty", "other"],
        ] {
            assert_eq!(request(arguments), Request::Skip, "{arguments:?}");
        }
    }

    #[test]
    fn the_list_is_written_as_libtest_writes_it() {
        for (arguments, expected) in [
            (&["--list"][..], "soak: test\n\n1 test, 0 benchmarks\n"),
            (&["--list", "--format", "terse"], "soak: test\n"),
            (&["--list", "--format=terse", "so"], "soak: test\n"),
            (&["--list", "other"], "0 tests, 0 benchmarks\n"),
            (&["--list", "--format", "terse", "--ignored"], ""),
        ] {
            assert_eq!(request(arguments), Request::List(expected.to_owned()), "{arguments:?}");
        }
    }
}

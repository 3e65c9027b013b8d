//! A recording of a terminal: an SVG that reveals a session's text line by line, and begins again.
//!
//! It loads no font and runs no script: GitHub allows neither in a picture. A reader who prefers reduced motion sees all
//! lines at once, and so does a viewer without CSS animations. The whole text is the picture's description.

use std::fmt::Write;

use regex::Regex;

/// The terminal's width. The demo's own words fit; a longer line ends with an ellipsis.
const COLUMNS: usize = 106;

/// In pixels, as all sizes.
const FONT: usize = 14;
const ROW: usize = 19;
const PADDING: usize = 20;

/// A column of the widest usual font, SF Mono, takes 0.62 of its size.
const WIDTH: usize = (COLUMNS * FONT * 62).div_ceil(100) + 2 * PADDING;

/// The kinds of lines: the class that draws one, and the milliseconds from it to the next.
const PROMPT: (&str, u32) = ("prompt", 1500);
const DEMO: (&str, u32) = ("demo", 1150);
const PROGRAM: (&str, u32) = ("program", 450);
const BLANK: (&str, u32) = ("blank", 0);

/// How long the whole session stays, in milliseconds.
const END: u32 = 7000;

/// Draws the session: lines that begin with `$ ` are what a person typed.
pub(crate) fn svg(session: &str) -> String {
    let lines: Vec<&str> = session.lines().collect();
    let height = lines.len() * ROW + 2 * PADDING;
    let mut svg = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="title" aria-describedby="session">
<!-- Made from what the demo prints by `make recording`; a test compares the two. -->
<title id="title">A terminal in which the demo runs</title>
<desc id="session">{}</desc>
<style>
text{{font:{FONT}px ui-monospace,SFMono-Regular,"SF Mono",Menlo,Consolas,"Liberation Mono","DejaVu Sans Mono",monospace;fill:#c9d1d9}}
.prompt{{fill:#fff;font-weight:bold}}
.demo{{fill:#79c0ff}}
.unprinted{{display:none}}
@media (prefers-reduced-motion:no-preference){{.unprinted{{display:inline;animation:print {}ms step-end infinite}}}}
@keyframes print{{{}}}
</style>
<rect width="{WIDTH}" height="{height}" rx="8" fill="#0d1117"/>
"##,
        escaped(session),
        duration(&lines),
        keyframes(&lines),
    );
    for (row, line) in (1..).zip(&lines) {
        let (y, (class, _)) = (PADDING + row * ROW - (ROW - FONT), kind(line));
        let text = escaped(&cut(line));
        writeln!(svg, r#"<text x="{PADDING}" y="{y}" class="{class}" xml:space="preserve">{text}</text>"#)
            .expect("memory");
    }
    write!(
        svg,
        r##"<rect class="unprinted" x="{PADDING}" y="{PADDING}" width="{}" height="{height}" fill="#0d1117"/>
<rect x=".5" y=".5" width="{}" height="{}" rx="8" fill="none" stroke="#6e7681"/>
</svg>
"##,
        WIDTH - 2 * PADDING,
        WIDTH - 1,
        height - 1,
    )
    .expect("memory");
    svg
}

/// The session of which the picture was drawn.
pub(crate) fn session(svg: &str) -> Option<String> {
    let (_, rest) = svg.split_once("<desc id=\"session\">")?;
    let (text, _) = rest.split_once("</desc>")?;
    Some(text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
}

/// The text without what differs in every run.
pub(crate) fn without_ids_and_times(text: &str) -> String {
    let id = Regex::new("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").expect("a pattern");
    let time = Regex::new(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z").expect("a pattern");
    time.replace_all(&id.replace_all(text, "ID"), "TIME").into_owned()
}

/// Moves what hides the lines to below the first, the second and so on, each at its time.
fn keyframes(lines: &[&str]) -> String {
    let total = f64::from(duration(lines));
    let mut passed = 0;
    let mut keyframes = String::new();
    for (row, line) in (1..).zip(lines) {
        let at = f64::from(passed) / total * 100.0;
        write!(keyframes, "{at:.2}%{{transform:translateY({}px)}}", row * ROW).expect("memory");
        passed += kind(line).1;
    }
    keyframes
}

/// How long all of it lasts, in milliseconds.
fn duration(lines: &[&str]) -> u32 {
    lines.iter().map(|line| kind(line).1).sum::<u32>() + END
}

fn kind(line: &str) -> (&'static str, u32) {
    match line {
        "" => BLANK,
        line if line.starts_with("$ ") => PROMPT,
        line if line.starts_with("demo: ") => DEMO,
        _ => PROGRAM,
    }
}

fn cut(line: &str) -> String {
    match line.char_indices().nth(COLUMNS) {
        None => line.to_owned(),
        Some(_) => line.chars().take(COLUMNS - 1).chain(['…']).collect(),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[test]
fn a_recording_has_the_whole_session_in_its_description() {
    let long = "x".repeat(3 * COLUMNS);
    let shown = format!("$ a <b> && c &lt;d\n\ndemo: \"quoted\"\n{long}\n");
    assert_eq!(session(&svg(&shown)).as_ref(), Some(&shown));
    assert_eq!(session(""), None);
}

#[test]
fn a_line_that_is_wider_than_the_terminal_ends_with_an_ellipsis_at_its_edge() {
    let fits = "x".repeat(COLUMNS);
    assert_eq!(cut(&fits), fits);
    assert_eq!(cut(&format!("{fits}x")), format!("{}…", &fits[1..]));
}

#[test]
fn lines_appear_one_by_one_and_a_blank_one_with_the_next() {
    let lines = ["$ demo", "", "demo: it ends"];
    assert_eq!(duration(&lines), 1500 + 1150 + END);
    let keyframes = keyframes(&lines);
    let rows =
        ["0.00%{transform:translateY(19px)}", "15.54%{transform:translateY(38px)}15.54%{transform:translateY(57px)}"];
    assert_eq!(keyframes, rows.concat());
}

#[test]
fn two_runs_differ_in_ids_and_times_alone() {
    let run = |id: &str, time: &str| without_ids_and_times(&format!(" {id}  grace  eu-central-1_2008  {time}\n"));
    let first = run("df18e670-6fbf-4bcd-8fea-7bfcc526c691", "2026-11-26T13:35:01.173657Z");
    assert_eq!(first, run("ba179919-d016-4c09-9475-3c7178323d0c", "2027-01-02T03:04:05Z"));
    assert_eq!(first, " ID  grace  eu-central-1_2008  TIME\n");
}

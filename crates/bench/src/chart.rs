//! The chart that the documents show, as SVG: bars, their figures, where and when they were measured.

use std::fmt::Write;

use crate::candidate::EXPLANATIONS;
use crate::results::{Figures, Results};
use crate::table::megabytes_of_kibibytes;

/// In pixels, as are all measures here.
const WIDTH: u32 = 860;
const MARGIN: u32 = 16;
const HEAD: u32 = 56;
const LABELS: u32 = 280;
const FIGURES: u32 = 128;
const ROW: u32 = 20;
const TITLE: u32 = 30;
const GAP: u32 = 14;

/// How long Cognito waits for an answer, in milliseconds.
const COGNITO: f64 = 5000.0;

/// Neutral colours for a light and a dark page.
const STYLE: &str = "\
svg { font: 13px system-ui, sans-serif; }
.page { fill: #ffffff; } .text { fill: #1f2328; } .soft { fill: #59636e; }
.bar { fill: #b1bac4; } .ours { fill: #2f6feb; } .limit { stroke: #cf222e; stroke-dasharray: 4 3; }
@media (prefers-color-scheme: dark) {
.page { fill: #0d1117; } .text { fill: #e6edf3; } .soft { fill: #9198a1; }
.bar { fill: #484f58; } .ours { fill: #4493f8; } .limit { stroke: #ff7b72; }
}";

/// A group of bars: title, unit, and the figure of a candidate.
struct Panel {
    title: &'static str,
    unit: &'static str,
    figure: fn(&Figures) -> Option<f64>,
    /// Where a line is drawn across the bars.
    limit: Option<f64>,
    /// How many times as long as ours a bar is drawn at most: one that is far longer would hide the others.
    cut: Option<f64>,
}

const PANELS: [Panel; 5] = [
    Panel {
        title: "Cold start: from the start of the process to its first answer",
        unit: "ms",
        figure: |figures| figures.cold.map(|cold| cold.median),
        limit: None,
        cut: None,
    },
    Panel {
        title: "The same at the CPU share of a function of 128 MB; the line is where Cognito stops waiting",
        unit: "ms",
        figure: |figures| Some(figures.share(128)?.cold?.median),
        limit: Some(COGNITO),
        cut: None,
    },
    Panel {
        title: "A sign-up while the process is warm",
        unit: "ms",
        figure: |figures| figures.warm.map(|warm| warm.median),
        limit: None,
        cut: Some(5.0),
    },
    Panel {
        title: "CPU time of a sign-up while the process is warm",
        unit: "ms",
        figure: |figures| figures.cpu_warm.map(|cpu| cpu.median),
        limit: None,
        cut: Some(5.0),
    },
    Panel {
        title: "Peak memory",
        unit: "MB",
        figure: |figures| figures.peak_kibibytes.map(megabytes_of_kibibytes),
        limit: None,
        cut: None,
    },
];

/// The chart of a run.
pub(crate) fn svg(results: &Results) -> String {
    let (mut body, mut top) = (String::new(), HEAD);
    for panel in PANELS {
        let drawn = results.candidates.iter().filter(|figures| !EXPLANATIONS.contains(&figures.name.as_str()));
        let bars: Vec<(&Figures, f64)> =
            drawn.filter_map(|figures| Some((figures, (panel.figure)(figures)?))).collect();
        if !bars.is_empty() {
            top = draw(&mut body, top, &panel, &bars, results);
        }
    }
    let machine = &results.machine;
    let subtitle = format!(
        "{}, {} cores, {}, PostgreSQL {} with fsync and TLS 1.3, {}. Medians; × is the ratio to this project.",
        machine.processor, machine.cores, machine.kernel, machine.postgresql, results.date,
    );
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {top}\" role=\"img\" aria-labelledby=\"title\">\n\
         <!-- Made from docs/benchmarks/results.json by `make bench`; a test compares the two. -->\n\
         <title id=\"title\">This project's function beside what others would write</title>\n\
         <style>\n{STYLE}\n</style>\n\
         <rect class=\"page\" width=\"{WIDTH}\" height=\"{top}\"/>\n\
         <text class=\"text\" x=\"{MARGIN}\" y=\"24\" font-size=\"16\" font-weight=\"600\">\
         From a confirmed sign-up to its row: less is better</text>\n\
         <text class=\"soft\" x=\"{MARGIN}\" y=\"44\" font-size=\"12\">{}</text>\n{body}</svg>\n",
        escape(&subtitle),
    )
}

/// Draws a panel below `top`, and returns where it ends.
fn draw(body: &mut String, top: u32, panel: &Panel, bars: &[(&Figures, f64)], results: &Results) -> u32 {
    let ours = results.ours().and_then(panel.figure);
    let most = ours.zip(panel.cut).map_or(f64::INFINITY, |(ours, cut)| ours * cut);
    let shown = bars.iter().map(|(_, figure)| figure.min(most)).chain(panel.limit);
    let scale = f64::from(WIDTH - 2 * MARGIN - LABELS - FIGURES) / shown.fold(f64::MIN_POSITIVE, f64::max);
    let left = MARGIN + LABELS;
    // Writing to a text cannot fail.
    let _ = writeln!(
        body,
        "<text class=\"text\" x=\"{MARGIN}\" y=\"{}\" font-weight=\"600\">{}, {}</text>",
        top + 18,
        escape(panel.title),
        panel.unit,
    );
    let mut row = top + TITLE;
    for (figures, figure) in bars {
        let is_ours = results.ours().is_some_and(|ours| ours.name == figures.name);
        // A bar of nothing is seen as well.
        let length = (figure.min(most) * scale).max(1.0);
        let ratio = ours.filter(|_| !is_ours).map_or(String::new(), |ours| format!(" · {:.2} ×", figure / ours));
        let _ = writeln!(
            body,
            "<text class=\"{}\" x=\"{}\" y=\"{}\" text-anchor=\"end\" font-size=\"12\">{}</text>\
             <rect class=\"{}\" x=\"{left}\" y=\"{}\" width=\"{length:.1}\" height=\"{}\" rx=\"2\"/>\
             <text class=\"text\" x=\"{:.1}\" y=\"{}\" font-size=\"12\">{}{ratio}</text>",
            if is_ours { "text" } else { "soft" },
            left - 8,
            row + 13,
            escape(&figures.label),
            if is_ours { "ours" } else { "bar" },
            row + 2,
            ROW - 5,
            f64::from(left) + length + 6.0,
            row + 13,
            rounded(*figure),
        );
        if *figure > most {
            let (x, y) = (f64::from(left) + length - 24.0, row);
            let _ = writeln!(body, "<path class=\"page\" d=\"M{x:.1} {} l6 -{ROW} h5 l-6 {ROW} z\"/>", y + ROW);
        }
        row += ROW;
    }
    if let Some(limit) = panel.limit {
        let x = f64::from(left) + limit * scale;
        let _ = writeln!(
            body,
            "<line class=\"limit\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{}\" y2=\"{row}\"/>",
            top + TITLE - 4
        );
    }
    row + GAP
}

/// Three digits that mean something.
fn rounded(figure: f64) -> String {
    let digits = if figure >= 100.0 {
        0
    } else if figure >= 10.0 {
        1
    } else {
        2
    };
    format!("{figure:.digits$}")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
